"""What relay and worker say to each other: the `fpw-*` fields of HTTP long polling.

A worker's POST brings the answer to one visit, if any, and waits for the next visit; the relay's
reply to it is that visit. Fields of visitors and of answers travel as a JSON object in one field.

The rule: what was read here is safe to write. Names are tokens, values have no control characters,
what belongs to one connection is gone, a URL is a path (RFC 9110 sections 5 and 7.6.1), and an
address is an address. No I/O.
"""

import ipaddress
import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from httpprocessproxy.core.errors import PeerError
from httpprocessproxy.core.http.headers import HOP_BY_HOP as CONNECTION_FIELDS

# Names as sent, values as text: UTF-8 on the wire. Order is kept, and so are repetitions.
Fields = list[tuple[str, str]]

# Where a field is found by its name in lower case, or in any case: dict and CIMultiDict both fit.
Headers = Mapping[str, str]

HOST: Final = "fpw-host"
TOKEN: Final = "fpw-token"
RID: Final = "fpw-rid"
# The same by the name in the protocol's documentation: said beside RID, and understood alone.
ID: Final = "fpw-id"
METHOD: Final = "fpw-method"
URL: Final = "fpw-url"
IP: Final = "fpw-ip"
STATUS: Final = "fpw-status"
FIELDS: Final = "fpw-header"
# In a WebSocket handshake to WORKER_PATH, with HOST and TOKEN: one link in place of many calls.
TRANSPORT: Final = "fpw-transport"
STREAM: Final = "stream/1"
STREAM_SUBPROTOCOL: Final = "fpw-stream-1"

OURS: Final = "fpw-"

# Where workers call. On "/" a POST with HOST and TOKEN is a worker's, too.
WORKER_PATH: Final = "/server-client"

# A body is kept whole, on both sides, until it has been passed on.
MAX_BODY_BYTES: Final = 32 * 1024 * 1024
# FIELDS is one field of a head: networks in front of relays pass 16 KiB in all, Tornado 64.
MAX_FIELDS_BYTES: Final = 16 * 1024
MAX_URL_BYTES: Final = 8 * 1024
# What an answer may have: longer than what servers send, shorter than what costs anything.
MAX_ANSWER_FIELDS_BYTES: Final = 64 * 1024
MAX_FIELD_COUNT: Final = 200

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# RFC 9110 section 5.5: no control characters but tabs. No surrogates either, which are no text.
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]*")
_URL = re.compile(r"/[!-~\x80-\ud7ff\ue000-\U0010ffff]*")
_STATUS = re.compile(r"[1-5][0-9][0-9]", re.ASCII)
_RID = re.compile(r"[!-~]{1,256}")
# RFC 7239 section 6: a node may have a port behind it, and then IPv6 has brackets around it.
_NODE = re.compile(r"\[(?P<ipv6>[^]]*)\](?::[0-9]+)?|(?P<ipv4>[0-9.]+):[0-9]+", re.ASCII)
# Above the longest method that is registered, UPDATEREDIRECTREF.
_MAX_METHOD_CHARACTERS: Final = 40

_HOP_BY_HOP = frozenset(name.decode() for name in CONNECTION_FIELDS) | {"trailer"}
# What Connection may name without removing it: these are of the message, not of the connection.
_NEVER_NOMINATED = frozenset(("host", "content-length", "content-type", "cookie", "set-cookie"))

_NO_BODY_STATUSES: Final = (204, 304)


class ProtocolError(PeerError):
    """The other end broke the protocol; the text says how, and may be shown to it."""


@dataclass(frozen=True, slots=True)
class VisitHead:
    """A visitor's request, but for its body.

    `rid` is opaque. `url` is the target in origin form, exactly as received. `ip` is the visitor's
    address, or "" where that is not known. Content-Length among the fields is right wherever it is;
    without one there is no body, or one of unknown length.
    """

    rid: str
    method: str
    url: str
    ip: str
    fields: Fields


@dataclass(frozen=True, slots=True)
class AnswerHead:
    """A server's answer, but for its body.

    `body_bytes` is the body's length where that is known. Content-Length is what the server said,
    which the body need not have: whoever brings it may have decoded it.
    """

    status: int
    fields: Fields
    body_bytes: int | None = None


def visit_headers(head: VisitHead) -> dict[str, str]:
    """A visit as the relay writes it into its reply to a worker."""
    return {
        RID: head.rid,
        ID: head.rid,
        METHOD: head.method,
        URL: head.url,
        IP: head.ip,
        FIELDS: encode_fields(head.fields, ()),
    }


def read_visit(headers: Headers) -> VisitHead | None:
    """A visit as the worker finds it in a reply; None: there is none, poll again.

    Raises ProtocolError: a URL that is no path could lead the worker elsewhere.
    """
    rid = read_rid(headers)
    if rid is None:
        return None
    fields = decode_fields(headers.get(FIELDS, "{}"))
    line = headers.get(METHOD, ""), headers.get(URL, "")
    return checked_visit(rid, *line, headers.get(IP, ""), fields)


def checked_visit(rid: str, method: str, url: str, ip: str, fields: Fields) -> VisitHead:
    """A visit of members that were read, by whichever transport; its fields have been checked.

    Raises ProtocolError, but not for `ip`: relays behind other proxies pass on what those say.
    """
    if not _RID.fullmatch(rid):
        raise ProtocolError("a visit without an id")
    if not is_method(method):
        raise ProtocolError(f"{METHOD} is not a method: {method[:40]!r}")
    if not is_path(url):
        raise ProtocolError(f"{URL} is not a path: {url[:80]!r}")
    return VisitHead(rid, method, url, read_ip(ip), passing_fields(fields))


def answer_headers(rid: str, head: AnswerHead) -> dict[str, str]:
    """An answer as the worker writes it into its next call."""
    fields = encode_fields(head.fields, ("set-cookie",))
    return {RID: rid, ID: rid, STATUS: str(head.status), FIELDS: fields}


def read_answer(headers: Headers) -> AnswerHead:
    """An answer as the relay finds it in a worker's call, safe to send to a visitor.

    Raises ProtocolError: no status of a final response, or fields that cannot be written.
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
    """The id of a visit, by either name; None if there is none, or nothing like one."""
    rid = headers.get(RID) or headers.get(ID) or ""
    return rid if _RID.fullmatch(rid) else None


def read_ip(text: str) -> str:
    """An IP address in its normal form, without port and zone; "" if the text is none."""
    node = _NODE.fullmatch(text)
    bare = (node["ipv6"] or node["ipv4"] or "") if node is not None else text
    try:
        return str(ipaddress.ip_address(bare.partition("%")[0]))
    except ValueError:
        return ""


def encode_fields(fields: Iterable[tuple[str, str]], repeatable: Collection[str]) -> str:
    """Fields as a JSON object in ASCII, and so fit for a field.

    A name that repeats becomes one value, joined as RFC 9110 section 5.3 says, RFC 6265 section 5.4
    for Cookie; a list only if it is among the `repeatable`, which old workers may not understand.
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
    """Read what `encode_fields` and its like wrote: a text, a number or a list of texts each.

    A name that repeats, in whatever case, repeats in the fields. Raises ProtocolError.
    """
    try:
        members: object = json.loads(text, object_pairs_hook=_Members)
    except (ValueError, RecursionError):
        raise ProtocolError(f"{FIELDS} is not JSON") from None
    # PHP has one kind of array: its empty object is [].
    if members == []:
        return []
    if not isinstance(members, _Members):
        raise ProtocolError(f"{FIELDS} is not a JSON object")
    return checked_fields(members)


def checked_fields(members: Iterable[tuple[str, object]]) -> Fields:
    """Names with a text, a number or a list of texts each, as fields. Raises ProtocolError."""
    fields = [(name, value) for name, member in members for value in _values(name, member)]
    if len(fields) > MAX_FIELD_COUNT:
        raise ProtocolError(f"{FIELDS} has more than {MAX_FIELD_COUNT} fields")
    return fields


def is_method(text: str) -> bool:
    """Whether it is a method (RFC 9110 section 9.1) of a visit: CONNECT has no path."""
    is_token = len(text) <= _MAX_METHOD_CHARACTERS and _TOKEN.fullmatch(text) is not None
    return is_token and text != "CONNECT"


class _Members(tuple[tuple[str, object], ...]):
    """The members of a JSON object, those of the same name too."""

    __slots__ = ()


def _values(name: str, member: object) -> list[str]:
    """The values that a member stands for, each checked."""
    if not _TOKEN.fullmatch(name):
        raise ProtocolError(f"{FIELDS} has a name that is none: {name[:40]!r}")
    values = member if isinstance(member, list) else [member]
    return [_value(name, value) for value in values]


def _value(name: str, value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not _VALUE.fullmatch(value):
        raise ProtocolError(f"{FIELDS} has a value that cannot be sent, of {name[:40]}")
    return value.strip(" \t")


def to_texts(raw: Iterable[tuple[bytes, bytes]]) -> Fields:
    """Fields of a head as texts."""
    return [(to_text(name), to_text(value)) for name, value in raw]


def to_text(raw: bytes) -> str:
    """A name or a value as text: UTF-8, or else Latin-1, in which anything is something."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def passing_fields(fields: Fields) -> Fields:
    """The fields of a message without those of its connection, and without ours."""
    nominated = {
        option.strip().lower()
        for name, value in fields
        if name.lower() == "connection"
        for option in value.split(",")
    } - _NEVER_NOMINATED
    dropped = _HOP_BY_HOP | nominated
    return [field for field in fields if not _is_dropped(field[0].lower(), dropped)]


def _is_dropped(lower: str, dropped: Collection[str]) -> bool:
    # CGI and its heirs take fpw_ip for fpw-ip: nobody may say it for us.
    return lower in dropped or lower.replace("_", "-").startswith(("proxy-", OURS))


def without(fields: Fields, *names: str) -> Fields:
    """The fields but for those of these names, which are in lower case."""
    return [field for field in fields if field[0].lower() not in names]


def first(fields: Fields, name: str) -> str | None:
    """The first value of a name, which is in lower case."""
    return next((value for found, value in fields if found.lower() == name), None)


def is_path(url: str) -> bool:
    """Whether a target is in origin form, and so leads nowhere but to the server it is sent to."""
    return len(url) <= MAX_URL_BYTES and _URL.fullmatch(url) is not None


def has_body(method: str, status: int) -> bool:
    """Whether an answer has a body (RFC 9112 section 6.3)."""
    return method != "HEAD" and status >= 200 and status not in _NO_BODY_STATUSES


def is_worker_call(method: str, path: str, headers: Headers) -> bool:
    """Whether a request is a worker's call, and not a visit. `path` is without its query."""
    if path == WORKER_PATH:
        return True
    return path == "/" and method == "POST" and bool(headers.get(HOST) and headers.get(TOKEN))
