"""Which fields pass, and what a message becomes on the other side (RFC 9110 section 7.6).

A request or response head goes in, and comes out as the bytes to send on, with what the data
plane must know of it: how its body is framed, whether the connection goes on. Fields keep their
order and spelling (RFC 9110 section 5.3); those that describe one connection are ours to write.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from httpprocessproxy.core.errors import RequestError, ResponseError
from httpprocessproxy.core.http.bodies import NO_BODY, Body, Chunked, Length, UntilClose
from httpprocessproxy.core.http.forwarded import (
    FORWARDED,
    Peer,
    forwarded_fields,
    trusted_forwarded,
    untrusted_peers,
)
from httpprocessproxy.core.http.http1 import Fields, RequestHead, ResponseHead

# RFC 9110 section 7.6.1. Keep-Alive and Proxy-Connection were never standard, and are everywhere;
# HTTP2-Settings belongs to an Upgrade to h2c, which we do not pass (RFC 9113 section 3.1).
HOP_BY_HOP: Final = frozenset(
    b"connection keep-alive proxy-connection te transfer-encoding upgrade http2-settings".split()
)

# `Hpp-Sync: 1` asks for an answer of what was written before; the answer names its generation.
SYNC: Final = b"hpp-sync"
GENERATION: Final = b"hpp-generation"
GENERATION_LINE: Final = b"Hpp-Generation: %d\r\n"

_FRAMING: Final = HOP_BY_HOP | {b"content-length"}
OURS_IN_RESPONSES: Final = _FRAMING | {GENERATION}
_OURS_IN_REQUESTS: Final = _FRAMING | FORWARDED | {b"host", b"via", SYNC}

# What Connection may list without naming a field to remove: options that are no fields, fields
# that are ours anyway. A client could nominate what protects the backend, so these never count.
_USUAL_OPTIONS: Final = _OURS_IN_REQUESTS | {b"", b"close"}

SAFE_METHODS: Final = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE"))  # RFC 9110 section 9.2.1


@dataclass(slots=True)
class Request:
    """A request as it goes to the backend.

    `rest` is its head behind the target, the empty line included: the same object for all that
    differ in nothing else. `content_length` is None for a chunked body.
    `is_safe` says that it may be sent again, `is_document` that it asks for a page to be shown,
    `is_intercepted` that something stands between it and the backend, `wants_fence` that it asks to
    be answered by what was written before it, `is_trusted` that no stranger has sent it.
    """

    method: bytes
    target: bytes
    host: bytes
    accept: bytes
    is_http10: bool
    rest: bytes
    content_length: int | None
    keep_alive: bool
    upgrade: bytes
    is_safe: bool
    is_trusted: bool
    is_document: bool = False
    wants_fence: bool = False
    is_intercepted: bool = False
    is_for_dashboard: bool = False

    @property
    def head(self) -> bytes:
        return b"".join((self.method, b" ", self.target, self.rest))

    def body(self) -> Body:
        if self.content_length == 0:
            return NO_BODY
        return Chunked() if self.content_length is None else Length(self.content_length)


@dataclass(slots=True)
class Response:
    """A response as it goes to the client. `head` lacks its last CRLF: Connection may follow."""

    status: int
    head: bytes
    body: Body
    client_keep_alive: bool
    backend_keep_alive: bool
    upgrade: bytes


def outgoing_request(head: RequestHead, peer: Peer, via: bytes) -> Request:
    """Turn a client's request into the one to send to the backend.

    `via` is our own element of Via, e.g. `1.1 name`. Raises RequestError: 400 for what RFC 9112
    forbids, 405 for CONNECT, 508 for a request that has been here before.
    """
    if head.method == b"CONNECT":
        raise RequestError(405, "CONNECT: this is not an open proxy")
    seen = _Seen(trusted_forwarded(head.fields, peer), _OURS_IN_REQUESTS)
    target, host = _origin_form(head, seen.host or (peer.reached if head.is_http10 else b""))
    if via in seen.via:
        raise RequestError(508, "this request comes from this very proxy: BACKEND leads back to it")
    content_length = seen.request_length(head)
    upgrade = seen.upgrade if b"upgrade" in seen.options and not head.is_http10 else b""
    # RFC 9112 section 3.2: HTTP/1.1 wants a Host, an empty one if HTTP/1.0 came without.
    lines = [b" HTTP/1.1\r\nHost: %b\r\n" % host]
    lines += seen.passing
    lines += (b"%b: %b\r\n" % field for field in forwarded_fields(seen.forwarded, peer, host))
    lines.append(b"Via: %b\r\n" % b", ".join([*seen.via, via]))
    lines += _request_framing(seen, content_length)
    lines += (_connection_options(upgrade, trailers=seen.wants_trailers), b"\r\n")
    rest = b"".join(lines)
    is_trusted = not untrusted_peers(rest, peer)
    return Request(
        method=head.method,
        target=target,
        host=host,
        accept=seen.accept,
        is_http10=head.is_http10,
        rest=rest,
        content_length=content_length,
        keep_alive=seen.keeps_alive(is_http10=head.is_http10),
        upgrade=upgrade,
        is_safe=head.method in SAFE_METHODS,
        is_trusted=is_trusted,
        wants_fence=seen.wants_fence and is_trusted,
    )


def _origin_form(head: RequestHead, host: bytes) -> tuple[bytes, bytes]:
    """The target to send, and the host it names.

    RFC 9112 section 3.2.2: the authority of an absolute-form target replaces Host; section 3.2.4:
    without a path, OPTIONS asks about the server as a whole.
    """
    target = head.target
    if target.startswith(b"/") or (target == b"*" and head.method == b"OPTIONS"):
        return target, host
    scheme, separator, rest = target.partition(b"://")
    if not separator or scheme.lower() not in (b"http", b"https"):
        raise RequestError(400, "a target that is neither a path nor an http URL")
    end = min((at for at in map(rest.find, (b"/", b"?")) if at >= 0), default=len(rest))
    authority, path = rest[:end], rest[end:]
    if not authority:  # RFC 9110 section 4.2.1
        raise RequestError(400, "an http URL without a host")
    if not path and head.method == b"OPTIONS":
        return b"*", authority
    return (path if path.startswith(b"/") else b"/" + path), authority


def _request_framing(seen: "_Seen", content_length: int | None) -> Iterable[bytes]:
    if content_length is None:
        return (b"Transfer-Encoding: chunked\r\n",)
    # RFC 9112 section 6.3: without either field there is no body, and none is invented here.
    return (b"Content-Length: %d\r\n" % content_length,) if seen.lengths else ()


def _connection_options(upgrade: bytes, *, trailers: bool) -> bytes:
    if upgrade:
        return b"Connection: Upgrade\r\nUpgrade: %b\r\n" % upgrade
    return b"Connection: TE\r\nTE: trailers\r\n" if trailers else b""


def outgoing_response(head: ResponseHead, request: Request) -> Response:
    """Turn a backend's final response, or its 101, into the one for the client.

    Raises ResponseError.
    """
    seen = _Seen(head.fields, OURS_IN_RESPONSES)
    if head.status == 101:
        return _switching(head, seen, request)
    body = _response_body(head, seen, request)
    lines = [_status_line(head)]
    lines += seen.passing
    if isinstance(body, Length):
        if seen.lengths and head.status != 204:
            lines.append(b"Content-Length: %b\r\n" % seen.lengths[0])
        ends_by_itself = True
    else:
        ends_by_itself = not request.is_http10
        if ends_by_itself:
            lines.append(b"Transfer-Encoding: chunked\r\n")
    return Response(
        status=head.status,
        head=b"".join(lines),
        body=body,
        client_keep_alive=request.keep_alive and ends_by_itself,
        # A backend that sends a body to HEAD would have it taken for the next response. One that
        # sends chunks in HTTP/1.0 has its framing wrong (RFC 9112 section 6.1).
        backend_keep_alive=seen.keeps_alive(is_http10=head.is_http10)
        and not (head.is_http10 and seen.codings)
        and not isinstance(body, UntilClose)
        and request.method != b"HEAD",
        upgrade=b"",
    )


def interim_response(head: ResponseHead) -> bytes:
    """A 1xx other than 101, whole (RFC 9110 section 15.2: passed on, any number of them)."""
    seen = _Seen(head.fields, OURS_IN_RESPONSES)
    return b"".join([_status_line(head), *seen.passing, b"\r\n"])


def _status_line(head: ResponseHead) -> bytes:
    return b"HTTP/1.1 %d %b\r\n" % (head.status, head.reason)


def _response_body(head: ResponseHead, seen: "_Seen", request: Request) -> Body:
    """RFC 9112 section 6.3."""
    if seen.codings not in ([], [b"chunked"]):
        raise ResponseError("a transfer coding other than chunked, which was not asked for")
    if request.method == b"HEAD" or head.status in (204, 304):
        return NO_BODY
    if seen.codings:
        return Chunked(decode=request.is_http10)
    if seen.lengths:
        return Length(int(seen.lengths[0]))
    return UntilClose(chunked=not request.is_http10)


def _switching(head: ResponseHead, seen: "_Seen", request: Request) -> Response:
    """RFC 9110 section 7.8: only to a protocol that was asked for."""
    asked = {protocol.strip().lower() for protocol in request.upgrade.split(b",")}
    if not seen.upgrade or seen.upgrade.lower() not in asked:
        raise ResponseError("a switch to a protocol that was not asked for")
    lines = [_status_line(head), *seen.passing]
    lines.append(_connection_options(seen.upgrade, trailers=False))
    return Response(
        status=101,
        head=b"".join(lines),
        body=NO_BODY,
        client_keep_alive=False,
        backend_keep_alive=False,
        upgrade=seen.upgrade.lower(),
    )


def connection_options(fields: Fields) -> frozenset[bytes]:
    """What all Connection fields list together, in lower case (RFC 9110 section 7.6.1)."""
    lists = (_connection_list(value) for name, value in fields if name.lower() == b"connection")
    return frozenset().union(*lists)


@lru_cache(maxsize=64)
def _connection_list(value: bytes) -> frozenset[bytes]:
    """The options of a Connection field. Nearly all are one of a few: `keep-alive`, `close`."""
    return frozenset(option.strip().lower() for option in value.split(b","))


class _Seen:
    """The fields of a head, sorted into those that steer us and those that pass."""

    __slots__ = (
        *("accept", "codings", "forwarded", "hosts", "lengths", "options"),
        *("passing", "upgrade", "via", "wants_fence", "wants_trailers"),
    )

    def __init__(self, fields: Fields, ours: frozenset[bytes]) -> None:
        """Sort `fields`; those named in `ours` are ours to write, and do not pass."""
        self.accept = b""
        self.codings: list[bytes] = []
        self.forwarded: Fields = []
        self.hosts: list[bytes] = []
        self.lengths: list[bytes] = []
        self.options: frozenset[bytes] = frozenset()
        self.upgrade = b""
        self.via: list[bytes] = []
        self.wants_fence = self.wants_trailers = False
        passing: Fields = []
        for field in fields:
            name, value = field
            lower = name.lower()
            handler = _STEERING.get(lower)
            if handler is not None:
                handler(self, name, value)
            # To CGI and its heirs, X_Forwarded_For is X-Forwarded-For: nobody may say it for us.
            if lower.replace(b"_", b"-") not in ours:
                passing.append(field)
        nominated = self.options - _USUAL_OPTIONS
        if nominated:
            passing = [field for field in passing if field[0].lower() not in nominated]
        self.passing = [b"%b: %b\r\n" % field for field in passing]

    @property
    def host(self) -> bytes:
        return self.hosts[0] if self.hosts else b""

    def keeps_alive(self, *, is_http10: bool) -> bool:
        """RFC 9112 section 9.3."""
        return b"close" not in self.options and (not is_http10 or b"keep-alive" in self.options)

    def request_length(self, head: RequestHead) -> int | None:
        """The length of a request's body, None if chunked. llhttp has refused what is ambiguous."""
        if len(self.hosts) > 1 or (not self.hosts and not head.is_http10):
            # RFC 9112 section 3.2: exactly one Host in HTTP/1.1.
            raise RequestError(400, "a request needs exactly one Host field")
        if self.codings:
            if head.is_http10:  # RFC 9112 section 6.1: faulty framing
                raise RequestError(400, "Transfer-Encoding in HTTP/1.0")
            if self.codings != [b"chunked"]:
                raise RequestError(501, "a transfer coding other than chunked")
            return None
        return int(self.lengths[0]) if self.lengths else 0

    def _see_connection(self, name: bytes, value: bytes) -> None:
        self.options |= _connection_list(value)

    def _see_coding(self, name: bytes, value: bytes) -> None:
        self.codings += [coding.strip().lower() for coding in value.split(b",")]

    def _see_forwarded(self, name: bytes, value: bytes) -> None:
        self.forwarded.append((name, value))

    def _see_sync(self, name: bytes, value: bytes) -> None:
        self.wants_fence = value.strip() == b"1"

    def _see_te(self, name: bytes, value: bytes) -> None:
        codings = (coding.partition(b";")[0].strip().lower() for coding in value.split(b","))
        self.wants_trailers = self.wants_trailers or b"trailers" in codings

    def _see_upgrade(self, name: bytes, value: bytes) -> None:
        # h2c is never passed on: its server would speak HTTP/2 through a tunnel past every rule.
        protocols = [protocol.strip() for protocol in value.split(b",")]
        asked = [self.upgrade, *(p for p in protocols if p.lower() != b"h2c")]
        self.upgrade = b", ".join(filter(None, asked))

    def _see_accept(self, name: bytes, value: bytes) -> None:
        self.accept = value

    def _see_host(self, name: bytes, value: bytes) -> None:
        self.hosts.append(value)

    def _see_length(self, name: bytes, value: bytes) -> None:
        self.lengths.append(value)

    def _see_via(self, name: bytes, value: bytes) -> None:
        self.via += filter(None, (element.strip() for element in value.split(b",")))


_STEERING: Final = {
    b"accept": _Seen._see_accept,
    b"connection": _Seen._see_connection,
    b"content-length": _Seen._see_length,
    b"host": _Seen._see_host,
    SYNC: _Seen._see_sync,
    b"te": _Seen._see_te,
    b"transfer-encoding": _Seen._see_coding,
    b"upgrade": _Seen._see_upgrade,
    b"via": _Seen._see_via,
    **dict.fromkeys(FORWARDED, _Seen._see_forwarded),
}
