"""The protocol between relay and worker: the `fpw-*` header fields of HTTP long polling.

A worker's POST carries the answer to one visit, if any, and waits for the next visit; the relay's
reply is that visit. The header fields of a visit or an answer travel as a JSON object in one field.

The rule: everything that was read here is safe to write. Names are tokens, values have no control
characters, hop-by-hop fields are removed, a URL is a path (RFC 9110 sections 5 and 7.6.1), and an
address is an IP address. No I/O.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from httpprocessproxy.core.errors import PeerError
from httpprocessproxy.core.http.headers import HOP_BY_HOP as CONNECTION_FIELDS
from httpprocessproxy.core.http.ip import parsed_ip

# Names as sent, values as text (UTF-8 on the wire), in order, with repetitions.
Fields = list[tuple[str, str]]

# A lookup by lower-case name: a dict with such keys, or a case-insensitive CIMultiDict.
Headers = Mapping[str, str]

HOST: Final = "fpw-host"
TOKEN: Final = "fpw-token"
RID: Final = "fpw-rid"
# The documentation's name for RID: sent beside RID, and accepted without it.
ID: Final = "fpw-id"
METHOD: Final = "fpw-method"
URL: Final = "fpw-url"
IP: Final = "fpw-ip"
STATUS: Final = "fpw-status"
FIELDS: Final = "fpw-header"
# Sent in a WebSocket handshake to WORKER_PATH, with HOST and TOKEN, to request the streaming link.
TRANSPORT: Final = "fpw-transport"
STREAM: Final = "stream/1"
STREAM_SUBPROTOCOL: Final = "fpw-stream-1"

# The path of worker calls. A POST to "/" with HOST and TOKEN is a worker call, too.
WORKER_PATH: Final = "/server-client"

# In long polling, both ends hold a body in memory until all of it is forwarded.
MAX_BODY_BYTES: Final = 32 * 1024 * 1024
# FIELDS is one field of a head: proxies in front of relays accept heads of 16 KiB, Tornado of 64.
MAX_FIELDS_BYTES: Final = 16 * 1024
MAX_URL_BYTES: Final = 8 * 1024
# The limit for an answer: above what servers send, and still cheap to parse.
MAX_ANSWER_FIELDS_BYTES: Final = 64 * 1024
MAX_FIELD_COUNT: Final = 200

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TOKENS = re.compile(r"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+\n)*[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# RFC 9110 section 5.5: no control characters but tabs. Surrogates cannot be encoded as UTF-8.
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]*")
_URL = re.compile(r"/[!-~\x80-\ud7ff\ue000-\U0010ffff]*")
_STATUS = re.compile(r"[1-5][0-9][0-9]", re.ASCII)
_LENGTH = re.compile(r"[0-9]{1,18}", re.ASCII)
_RID = re.compile(r"[!-~]{1,256}")
# RFC 7239 section 6: a node may end with a port; an IPv6 address is then in brackets.
_NODE = re.compile(r"\[(?P<ipv6>[^]]*)\](?::[0-9]+)?|(?P<ipv4>[0-9.]+):[0-9]+", re.ASCII)
# More than the 17 of UPDATEREDIRECTREF, the longest registered method.
_MAX_METHOD_CHARACTERS: Final = 40

# CGI and its successors read fpw_ip as fpw-ip, so a visitor could forge the protocol's fields.
_OWN = re.compile(r"(?:proxy|fpw)[-_]")

_HOP_BY_HOP = frozenset(name.decode() for name in CONNECTION_FIELDS) | {"trailer"}
# Connection cannot remove these fields: they belong to the message, not to the connection.
_NEVER_NOMINATED = frozenset(("host", "content-length", "content-type", "cookie", "set-cookie"))

_NO_BODY_STATUSES: Final = (204, 304)


class ProtocolError(PeerError):
    """The peer violated the protocol; the text describes the violation and may be sent to it."""


@dataclass(frozen=True, slots=True)
class VisitHead:
    """A visitor's request without its body.

    `rid` is opaque. `url` is the target in origin form, exactly as received. `ip` is the visitor's
    address, or "" if unknown. A Content-Length among the fields is correct; without one the request
    has no body, or a body of unknown length.
    """

    rid: str
    method: str
    url: str
    ip: str
    fields: Fields


@dataclass(frozen=True, slots=True)
class AnswerHead:
    """A server's answer without its body.

    `body_bytes` is the length of the body, if known. It may differ from the server's
    Content-Length: a worker may have decoded the body.
    """

    status: int
    fields: Fields
    body_bytes: int | None = None


def visit_headers(head: VisitHead) -> dict[str, str]:
    """The header fields of the relay's reply that carry a visit to a worker."""
    return {
        RID: head.rid,
        ID: head.rid,
        METHOD: head.method,
        URL: head.url,
        IP: head.ip,
        FIELDS: encode_fields(head.fields, ()),
    }


def read_visit(headers: Headers) -> VisitHead | None:
    """Read the visit in a reply of the relay; None if it has no visit.

    Raises ProtocolError, for example if the URL is not a path: the worker would connect elsewhere.
    """
    rid = read_rid(headers)
    if rid is None:
        return None
    fields = decode_fields(headers.get(FIELDS, "{}"))
    line = headers.get(METHOD, ""), headers.get(URL, "")
    return checked_visit(rid, *line, headers.get(IP, ""), fields)


def checked_visit(rid: str, method: str, url: str, ip: str, fields: Fields) -> VisitHead:
    """Check the members of a visit of either transport, and build it from them.

    `fields` have been checked before. Raises ProtocolError, but not for `ip`: a relay behind
    another proxy may forward that proxy's text. An invalid `ip` becomes "".
    """
    if not _RID.fullmatch(rid):
        raise ProtocolError("a visit without an id")
    if not is_method(method):
        raise ProtocolError(f"{METHOD} is not a method: {method[:40]!r}")
    if not is_path(url):
        raise ProtocolError(f"{URL} is not a path: {url[:80]!r}")
    return VisitHead(rid, method, url, read_ip(ip), passing_fields(fields))


def answer_headers(rid: str, head: AnswerHead) -> dict[str, str]:
    """The header fields of a worker's call that carry an answer to the relay."""
    fields = encode_fields(head.fields, ("set-cookie",))
    return {RID: rid, ID: rid, STATUS: str(head.status), FIELDS: fields}


def read_answer(headers: Headers) -> AnswerHead:
    """Read the answer in a worker's call; it is safe to send to a visitor.

    Raises ProtocolError if the status is not that of a final response, or a field is invalid.
    """
    text = headers.get(STATUS, "")
    if not _STATUS.fullmatch(text):
        raise ProtocolError(f"{STATUS} is not a status from 100 to 599: {text[:40]!r}")
    if int(text) < 200:
        raise ProtocolError(f"{STATUS} {text} is not a final response")
    encoded = headers.get(FIELDS, "{}")
    if len(encoded) > MAX_ANSWER_FIELDS_BYTES:
        raise ProtocolError(f"{FIELDS} has more than {MAX_ANSWER_FIELDS_BYTES} bytes")
    return AnswerHead(int(text), passing_fields(decode_fields(encoded)))


def read_rid(headers: Headers) -> str | None:
    """The id of a visit, by either name; None if it is missing or malformed."""
    rid = headers.get(RID) or headers.get(ID) or ""
    return rid if _RID.fullmatch(rid) else None


def read_ip(text: str) -> str:
    """An IP address in its normal form, without port and zone; "" if the text is not an address."""
    node = _NODE.fullmatch(text)
    bare = (node["ipv6"] or node["ipv4"] or "") if node is not None else text
    return str(parsed_ip(bare.partition("%")[0]) or "")


def encode_fields(fields: Iterable[tuple[str, str]], repeatable: Collection[str]) -> str:
    """Encode fields as a JSON object in ASCII, which is a valid field value.

    The values of a repeated name are joined by RFC 9110 section 5.3, for Cookie by RFC 6265
    section 5.4. Only names in `repeatable` become lists, which old workers may not understand.
    """
    values: dict[str, list[str]] = {}
    spelling: dict[str, str] = {}
    for name, value in fields:
        lower = name.lower()
        spelling.setdefault(lower, name)
        values.setdefault(lower, []).append(value)
    members: dict[str, str | list[str]] = {}
    for lower, all_values in values.items():
        if len(all_values) > 1 and lower in repeatable:
            members[spelling[lower]] = all_values
        else:
            separator = "; " if lower == "cookie" else ", "
            members[spelling[lower]] = separator.join(all_values)
    return json.dumps(members, separators=(",", ":"))


def decode_fields(text: str) -> Fields:
    """Decode a JSON object whose members are a text, a number or a list of texts each.

    A name that is repeated, in any case, is repeated in the fields. Raises ProtocolError.
    """
    try:
        members: object = json.loads(text, object_pairs_hook=_Members)
    except (ValueError, RecursionError):
        raise ProtocolError(f"{FIELDS} is not JSON") from None
    # PHP has one type for arrays and maps, and encodes an empty one as [].
    if members == []:
        return []
    if not isinstance(members, _Members):
        raise ProtocolError(f"{FIELDS} is not a JSON object")
    return checked_fields(
        [(name, value) for name, member in members for value in _texts(name, member)]
    )


def checked_fields(fields: Fields) -> Fields:
    """Check fields, and return them without white space around values. Raises ProtocolError."""
    if len(fields) > MAX_FIELD_COUNT:
        raise ProtocolError(f"{FIELDS} has more than {MAX_FIELD_COUNT} fields")
    # Nearly all fields are valid, and one match of all names is faster than one for each.
    if not _TOKENS.fullmatch("\n".join([name for name, _ in fields])):
        for name, _ in fields:
            _check_name(name)
    return [(name, _value(name, value)) for name, value in fields]


def is_method(text: str) -> bool:
    """Whether a visit may have this method (RFC 9110 section 9.1); CONNECT has no path."""
    is_token = len(text) <= _MAX_METHOD_CHARACTERS and _TOKEN.fullmatch(text) is not None
    return is_token and text != "CONNECT"


class _Members(tuple[tuple[str, object], ...]):
    """The members of a JSON object, including those with the same name."""

    __slots__ = ()


def _texts(name: str, member: object) -> list[str]:
    """The values of a member."""
    _check_name(name)
    values = member if isinstance(member, list) else [member]
    return [_text(name, value) for value in values]


def _text(name: str, value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise _invalid_value(name)
    return value


def _check_name(name: str) -> None:
    if not _TOKEN.fullmatch(name):
        raise ProtocolError(f"{FIELDS} has an invalid name: {name[:40]!r}")


def _value(name: str, value: str) -> str:
    # Printable ASCII needs no match.
    if not (value.isascii() and value.isprintable()) and not _VALUE.fullmatch(value):
        raise _invalid_value(name)
    return value.strip(" \t")


def _invalid_value(name: str) -> ProtocolError:
    return ProtocolError(f"{FIELDS} has an invalid value of {name[:40]}")


def to_texts(raw: Iterable[tuple[bytes, bytes]]) -> Fields:
    """Decode the fields of a head."""
    return [(to_text(name), to_text(value)) for name, value in raw]


def to_text(raw: bytes) -> str:
    """Decode a name or a value as UTF-8, or else as Latin-1, which accepts any bytes."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def passing_fields(fields: Fields) -> Fields:
    """The fields to forward: without hop-by-hop fields and the protocol's own fields."""
    lower = [name.lower() for name, _ in fields]
    dropped = _HOP_BY_HOP
    if "connection" in lower:
        options = [value for name, value in fields if name.lower() == "connection"]
        nominated = {option.strip().lower() for option in ",".join(options).split(",")}
        dropped = dropped | nominated - _NEVER_NOMINATED
    return [
        field
        for field, name in zip(fields, lower, strict=True)
        if name not in dropped and not _OWN.match(name)
    ]


def without(fields: Fields, *names: str) -> Fields:
    """The fields except those with these names, which are in lower case."""
    return [field for field in fields if field[0].lower() not in names]


def first(fields: Fields, name: str) -> str | None:
    """The first value of the field `name` (in lower case), or None."""
    return next((value for found, value in fields if found.lower() == name), None)


def length_of(fields: Fields) -> int | None:
    """The Content-Length in bytes; None if it is missing or invalid."""
    text = first(fields, "content-length")
    return int(text) if text is not None and _LENGTH.fullmatch(text) else None


def is_path(url: str) -> bool:
    """Whether a target is in origin form, which cannot name another server."""
    return len(url) <= MAX_URL_BYTES and _URL.fullmatch(url) is not None


def has_body(method: str, status: int) -> bool:
    """Whether an answer has a body (RFC 9112 section 6.3)."""
    return method != "HEAD" and status >= 200 and status not in _NO_BODY_STATUSES


def is_worker_call(method: str, path: str, headers: Headers) -> bool:
    """Whether a request is a worker's call and not a visit. `path` has no query."""
    if path == WORKER_PATH:
        return True
    return path == "/" and method == "POST" and bool(headers.get(HOST) and headers.get(TOKEN))
