"""What relays tell each other: a kind, some words, and bytes.

    to all           ring HOST             a visit of this host may be taken
    to the visitor's took RID RELAY        a worker at RELAY has it
                     want RID RELAY TRY    ... and its body, too large to be there already
                     untook RID            ... and has been cancelled before anything happened
                     returned RID          ... and has gone before it got anything
                     touch RID RELAY       ... and has all of it: the deadline begins
                     claimed RID RELAY     RELAY has the right to answer it
                     head RID + JSON       the answer begins
                     refuse RID OUTCOME + reason
    to the worker's  over RID              nobody waits for it any more
    either way       piece PIPE + bytes, end PIPE, cut PIPE + reason
                     credit PIPE BYTES     so much has been received
                     stop PIPE + reason    nobody receives it any more

No I/O.
"""

import json
from dataclasses import dataclass

from httpprocessproxy.companions.share.protocol import AnswerHead, Fields, VisitHead


@dataclass(frozen=True, slots=True)
class Message:
    kind: str
    words: tuple[str, ...] = ()
    data: bytes = b""


def encode(message: Message) -> bytes:
    """Scripts write the same: words have no blanks, and no line ends."""
    return " ".join((message.kind, *message.words)).encode() + b"\n" + message.data


def decode(text: bytes) -> Message:
    line, _, data = text.partition(b"\n")
    kind, *words = line.decode().split(" ")
    return Message(kind, tuple(words), data)


def encode_visit(head: VisitHead) -> bytes:
    return json.dumps([head.rid, head.method, head.url, head.ip, head.fields]).encode()


def decode_visit(text: bytes) -> VisitHead:
    rid, method, url, ip, fields = json.loads(text)
    return VisitHead(rid, method, url, ip, _fields(fields))


def encode_answer(head: AnswerHead) -> bytes:
    return json.dumps([head.status, head.fields, head.body_bytes]).encode()


def decode_answer(text: bytes) -> AnswerHead:
    status, fields, body_bytes = json.loads(text)
    return AnswerHead(status, _fields(fields), body_bytes)


def _fields(pairs: list[list[str]]) -> Fields:
    return [(name, value) for name, value in pairs]
