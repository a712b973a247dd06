"""The frames of the streaming transport, in the binary messages of a WebSocket (RFC 6455).

A message contains one or more frames, each after its length, so that one write sends them all:

    length: 4 bytes | kind: 1 byte | channel: 4 bytes | payload        numbers are big endian

    kind       from     channel  payload
    1 READY    worker   0        4 bytes: the number of further visits it accepts
    2 VISIT    relay    new      JSON object: rid, method, url, ip, fields, tunnel
    3 ANSWER   worker   open     JSON object: status, fields
    4 DATA     both     open     1 to 65536 bytes of a body
    5 END      both     open     empty: the sender's body ends, the other one continues
    6 RESET    both     open     UTF-8: the reason; both bodies and the channel end
    7 CREDIT   both     open     4 bytes: the number of further bytes of DATA it accepts

A channel begins with its VISIT and is over when both ends have sent END, or one has sent RESET.
Each end may send WINDOW_BYTES of DATA at first, and further bytes only after CREDIT for them. The
relay numbers channels from 1 upwards, and uses no number twice. Fields are a JSON array of
[name, value] arrays, in order and with repetitions. After an answer of status 101 to a visit with
`tunnel`, both bodies are the bytes of the upgraded protocol.

The rule: a decoded frame is safe to forward, like everything that `protocol.py` reads. No I/O.
"""

import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from httpprocessproxy.companions.share.protocol import (
    AnswerHead,
    Fields,
    ProtocolError,
    VisitHead,
    checked_fields,
    checked_visit,
    passing_fields,
)

# The bytes in flight on a channel, in each direction: enough for a link of 100 Mbit/s and 80 ms.
WINDOW_BYTES: Final = 1024 * 1024
MAX_DATA_BYTES: Final = 64 * 1024
# A head has at most 64 KiB; JSON may encode a byte as six.
MAX_JSON_BYTES: Final = 512 * 1024
MAX_REASON_BYTES: Final = 1024
MAX_FRAME_BYTES: Final = MAX_JSON_BYTES + 5
# Frames are added to a message until it has this size; the last frame may exceed it.
FULL_MESSAGE_BYTES: Final = 64 * 1024
MAX_MESSAGE_BYTES: Final = FULL_MESSAGE_BYTES + MAX_FRAME_BYTES + 4

_HEAD: Final = struct.Struct("!BI")
_COUNT: Final = struct.Struct("!I")


class FrameError(ProtocolError):
    """The other end sent a malformed frame, or a frame that is not allowed at this point."""


@dataclass(frozen=True, slots=True)
class ReadyFrame:
    count: int


@dataclass(frozen=True, slots=True)
class VisitFrame:
    channel: int
    head: VisitHead
    is_tunnel: bool


@dataclass(frozen=True, slots=True)
class AnswerFrame:
    channel: int
    head: AnswerHead


@dataclass(frozen=True, slots=True)
class DataFrame:
    channel: int
    piece: bytes


@dataclass(frozen=True, slots=True)
class EndFrame:
    channel: int


@dataclass(frozen=True, slots=True)
class ResetFrame:
    channel: int
    reason: str


@dataclass(frozen=True, slots=True)
class CreditFrame:
    channel: int
    size_bytes: int


Frame = ReadyFrame | VisitFrame | AnswerFrame | DataFrame | EndFrame | ResetFrame | CreditFrame

_READY, _VISIT, _ANSWER, _DATA, _END, _RESET, _CREDIT = range(1, 8)


def encode(frame: Frame) -> bytes:
    """Encode a frame, without its length."""
    match frame:
        case ReadyFrame(count):
            return _HEAD.pack(_READY, 0) + _COUNT.pack(count)
        case VisitFrame(channel, head, is_tunnel):
            return _HEAD.pack(_VISIT, channel) + _dump(_visit_members(head, is_tunnel))
        case AnswerFrame(channel, head):
            members = {"status": head.status, "fields": head.fields}
            return _HEAD.pack(_ANSWER, channel) + _dump(members)
        case DataFrame(channel, piece):
            return _HEAD.pack(_DATA, channel) + piece
        case EndFrame(channel):
            return _HEAD.pack(_END, channel)
        case ResetFrame(channel, reason):
            text = reason.encode("utf-8", "replace")[:MAX_REASON_BYTES]
            return _HEAD.pack(_RESET, channel) + text
        case CreditFrame(channel, size_bytes):
            return _HEAD.pack(_CREDIT, channel) + _COUNT.pack(size_bytes)


def decode(message: bytes) -> Frame:
    """Decode a frame, without its length. Raises FrameError."""
    if len(message) < _HEAD.size:
        raise FrameError("a frame without its head")
    kind, channel = _HEAD.unpack_from(message)
    payload = message[_HEAD.size :]
    if (channel == 0) is not (kind == _READY):
        raise FrameError(f"a frame of kind {kind} on channel {channel}")
    match kind:
        case 1:
            return ReadyFrame(_count(payload))
        case 2:
            return _visit(channel, _load(payload))
        case 3:
            return _answer(channel, _load(payload))
        case 4:
            return DataFrame(channel, _piece(payload))
        case 5 if not payload:
            return EndFrame(channel)
        case 6 if len(payload) <= MAX_REASON_BYTES:
            return ResetFrame(channel, _reason(payload))
        case 7:
            return CreditFrame(channel, _count(payload))
    raise FrameError(f"a frame of kind {kind} with {len(payload)} bytes")


def pack(frames: Iterable[bytes]) -> bytes:
    """Join encoded frames, each after its length, into one message."""
    return b"".join(part for frame in frames for part in (_COUNT.pack(len(frame)), frame))


def unpack(message: bytes) -> Iterator[bytes]:
    """Split a message into encoded frames. Raises FrameError, perhaps after some valid frames."""
    at = 0
    while at < len(message):
        begin = at + _COUNT.size
        at = begin + _count(message[at:begin])
        if at > len(message):
            raise FrameError("a frame that is longer than its message")
        yield message[begin:at]


def _visit_members(head: VisitHead, is_tunnel: bool) -> dict[str, object]:
    return {
        "rid": head.rid,
        "method": head.method,
        "url": head.url,
        "ip": head.ip,
        "fields": head.fields,
        "tunnel": is_tunnel,
    }


def _visit(channel: int, members: dict[str, object]) -> VisitFrame:
    rid, method, url, ip = (_text(members, name) for name in ("rid", "method", "url", "ip"))
    try:
        head = checked_visit(rid, method, url, ip, _fields(members))
    except ProtocolError as error:
        raise FrameError(str(error)) from None
    is_tunnel = members.get("tunnel", False)
    if not isinstance(is_tunnel, bool):
        raise FrameError("tunnel is neither true nor false")
    return VisitFrame(channel, head, is_tunnel)


def _answer(channel: int, members: dict[str, object]) -> AnswerFrame:
    status = members.get("status")
    if type(status) is not int or not (status == 101 or 200 <= status <= 599):
        raise FrameError(f"an answer with an invalid status: {str(status)[:40]}")
    return AnswerFrame(channel, AnswerHead(status, passing_fields(_fields(members))))


def _fields(members: dict[str, object]) -> Fields:
    pairs = members.get("fields")
    if not isinstance(pairs, list):
        raise FrameError("a head without fields")
    try:
        return checked_fields([_pair(pair) for pair in pairs])
    except ProtocolError as error:
        raise FrameError(str(error)) from None


def _pair(pair: object) -> tuple[str, str]:
    if isinstance(pair, list) and len(pair) == 2:
        name, value = pair
        if isinstance(name, str) and isinstance(value, str):
            return name, value
    raise FrameError("a field that is not [name, value]")


def _text(members: dict[str, object], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str):
        raise FrameError(f"{name} is not a text")
    return value


def _reason(payload: bytes) -> str:
    """The text of a RESET without control characters: pages and log lines contain it."""
    text = payload.decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _piece(payload: bytes) -> bytes:
    if not 0 < len(payload) <= MAX_DATA_BYTES:
        raise FrameError(f"DATA of {len(payload)} bytes")
    return payload


def _count(payload: bytes) -> int:
    if len(payload) != _COUNT.size:
        raise FrameError("a count that is not of 4 bytes")
    count: int = _COUNT.unpack(payload)[0]
    return count


def _dump(members: dict[str, object]) -> bytes:
    return json.dumps(members, separators=(",", ":")).encode()


def _load(payload: bytes) -> dict[str, object]:
    if len(payload) > MAX_JSON_BYTES:
        raise FrameError(f"a head of {len(payload)} bytes")
    try:
        members: object = json.loads(payload)
    except (ValueError, RecursionError):
        raise FrameError("a head that is not JSON") from None
    if not isinstance(members, dict):
        raise FrameError("a head that is not a JSON object")
    return members
