"""Header fields: hop-by-hop fields are replaced, all others pass (RFC 9110 section 7.6).

A parsed head becomes the `Request` or `Response` to send on (`request.py`). Fields keep their order
and spelling (RFC 9110 section 5.3); fields that describe one connection are written by the proxy.
No I/O.
"""

from collections.abc import Iterable
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
from httpprocessproxy.core.http.request import Request, Response

# RFC 9110 section 7.6.1. Keep-Alive and Proxy-Connection were never standard, and are everywhere;
# HTTP2-Settings belongs to an Upgrade to h2c, which is not passed on (RFC 9113 section 3.1).
HOP_BY_HOP: Final = frozenset(
    b"connection keep-alive proxy-connection te transfer-encoding upgrade http2-settings".split()
)

# `Hpp-Sync: 1` requests a response that reflects all files written before the request; the
# response names the generation that it came from.
SYNC: Final = b"hpp-sync"
GENERATION: Final = b"hpp-generation"

_FRAMING: Final = HOP_BY_HOP | {b"content-length"}
OWN_IN_RESPONSES: Final = _FRAMING | {GENERATION}
_OWN_IN_REQUESTS: Final = _FRAMING | FORWARDED | {b"host", b"via", SYNC}

# Connection options that remove no field: options that are not field names, and fields that the
# proxy writes itself. Otherwise a client could remove the fields that protect the backend.
_USUAL_OPTIONS: Final = _OWN_IN_REQUESTS | {b"", b"close"}

SAFE_METHODS: Final = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE"))  # RFC 9110 section 9.2.1


def generation_line(number: int, is_superseded: bool) -> bytes:
    """The header line that names the generation of a response.

    `is_superseded`: newer files exist, whose build runs or has failed.
    """
    return b"Hpp-Generation: %d%b\r\n" % (number, b"; superseded" if is_superseded else b"")


def outgoing_request(head: RequestHead, peer: Peer, via: bytes) -> Request:
    """Turn a client's request into the one to send to the backend.

    `via` is the proxy's own element of Via, e.g. `1.1 name`. Raises RequestError: 400 for a request
    that RFC 9112 forbids, 405 for CONNECT, 501 for a transfer coding other than chunked, 508 for a
    request that has passed this proxy before.
    """
    if head.method == b"CONNECT":
        raise RequestError(405, "CONNECT: this is not an open proxy")
    received = _ReceivedFields(trusted_forwarded(head.fields, peer), _OWN_IN_REQUESTS)
    target, host = _origin_form(head, received.host or (peer.reached if head.is_http10 else b""))
    if _pseudonym(via) in map(_pseudonym, received.via):
        raise RequestError(508, "this request comes from this very proxy: BACKEND leads back to it")
    content_length = received.request_length(head)
    upgrade = received.upgrade if b"upgrade" in received.options and not head.is_http10 else b""
    # RFC 9112 section 3.2: HTTP/1.1 requires Host; it is empty if an HTTP/1.0 request had none.
    lines = [b" HTTP/1.1\r\nHost: %b\r\n" % host]
    lines += received.passing
    lines += (b"%b: %b\r\n" % field for field in forwarded_fields(received.forwarded, peer, host))
    lines.append(b"Via: %b\r\n" % b", ".join([*received.via, via]))
    lines += _request_framing(received, content_length)
    lines += (_connection_options(upgrade, trailers=received.wants_trailers), b"\r\n")
    rest = b"".join(lines)
    is_trusted = not untrusted_peers(rest, peer)
    return Request(
        method=head.method,
        target=target,
        host=host,
        accept=received.accept,
        is_http10=head.is_http10,
        rest=rest,
        content_length=content_length,
        keep_alive=received.keeps_alive(is_http10=head.is_http10),
        upgrade=upgrade,
        is_safe=head.method in SAFE_METHODS,
        is_trusted=is_trusted,
        wants_fence=received.wants_fence and is_trusted,
        is_stream=peer.is_stream,
    )


def _pseudonym(via: bytes) -> bytes:
    """Return an element of Via without its protocol, which may differ from hop to hop."""
    return via.partition(b" ")[2]


def _origin_form(head: RequestHead, host: bytes) -> tuple[bytes, bytes]:
    """Return the target to send, and the host of the request.

    RFC 9112 section 3.2.2: the authority of an absolute-form target replaces Host; section 3.2.4:
    OPTIONS without a path applies to the server as a whole.
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


def _request_framing(received: "_ReceivedFields", content_length: int | None) -> Iterable[bytes]:
    if content_length is None:
        return (b"Transfer-Encoding: chunked\r\n",)
    # RFC 9112 section 6.3: a request without either field has no body, and gets neither field.
    return (b"Content-Length: %d\r\n" % content_length,) if received.lengths else ()


def _connection_options(upgrade: bytes, *, trailers: bool) -> bytes:
    if upgrade:
        return b"Connection: Upgrade\r\nUpgrade: %b\r\n" % upgrade
    return b"Connection: TE\r\nTE: trailers\r\n" if trailers else b""


def outgoing_response(head: ResponseHead, request: Request) -> Response:
    """Turn a backend's final response, or its 101, into the one for the client.

    Raises ResponseError for a transfer coding or a switch of protocol that was not requested.
    """
    received = _ReceivedFields(head.fields, OWN_IN_RESPONSES)
    if head.status == 101:
        return _switching(head, received, request)
    body = _response_body(head, received, request)
    lines = [_status_line(head)]
    lines += received.passing
    if isinstance(body, Length):
        if received.lengths and head.status != 204:
            lines.append(b"Content-Length: %b\r\n" % received.lengths[0])
        ends_by_itself = True
    else:
        ends_by_itself = not request.is_http10
        if not request.takes_content:
            lines.append(b"Transfer-Encoding: chunked\r\n")
    return Response(
        status=head.status,
        head=b"".join(lines),
        body=body,
        client_keep_alive=request.keep_alive and ends_by_itself,
        # A body that a backend wrongly sends in response to HEAD would be read as the next
        # response. Chunks in HTTP/1.0 are faulty framing (RFC 9112 section 6.1).
        backend_keep_alive=received.keeps_alive(is_http10=head.is_http10)
        and not (head.is_http10 and received.codings)
        and not isinstance(body, UntilClose)
        and request.method != b"HEAD",
        upgrade=b"",
    )


def interim_response(head: ResponseHead) -> bytes:
    """Return the complete head of a 1xx other than 101: all pass (RFC 9110 section 15.2)."""
    received = _ReceivedFields(head.fields, OWN_IN_RESPONSES)
    return b"".join([_status_line(head), *received.passing, b"\r\n"])


def _status_line(head: ResponseHead) -> bytes:
    return b"HTTP/1.1 %d %b\r\n" % (head.status, head.reason)


def _response_body(head: ResponseHead, received: "_ReceivedFields", request: Request) -> Body:
    """Return the body that a response's head announces (RFC 9112 section 6.3)."""
    if received.codings not in ([], [b"chunked"]):
        raise ResponseError("a transfer coding other than chunked, which was not asked for")
    if request.method == b"HEAD" or head.status in (204, 304):
        return NO_BODY
    if received.codings:
        return Chunked(decode=request.takes_content)
    if received.lengths:
        return Length(int(received.lengths[0]))
    return UntilClose(chunked=not request.takes_content)


def _switching(head: ResponseHead, received: "_ReceivedFields", request: Request) -> Response:
    """Return a 101; its protocol must be one that the client offered (RFC 9110 section 7.8)."""
    asked = {protocol.strip().lower() for protocol in request.upgrade.split(b",")}
    if not received.upgrade or received.upgrade.lower() not in asked:
        raise ResponseError("a switch to a protocol that was not asked for")
    lines = [_status_line(head), *received.passing]
    lines.append(_connection_options(received.upgrade, trailers=False))
    return Response(
        status=101,
        head=b"".join(lines),
        body=NO_BODY,
        client_keep_alive=False,
        backend_keep_alive=False,
        upgrade=received.upgrade.lower(),
    )


def connection_options(fields: Fields) -> frozenset[bytes]:
    """Return the options of all Connection fields, in lower case (RFC 9110 section 7.6.1)."""
    lists = (_connection_list(value) for name, value in fields if name.lower() == b"connection")
    return frozenset().union(*lists)


@lru_cache(maxsize=64)
def _connection_list(value: bytes) -> frozenset[bytes]:
    """Return the options of a Connection field. Few values occur: `keep-alive`, `close`, ..."""
    return frozenset(option.strip().lower() for option in value.split(b","))


class _ReceivedFields:
    """The fields of a received head, sorted: some control the proxy, the others pass."""

    __slots__ = (
        *("accept", "codings", "forwarded", "hosts", "lengths", "options"),
        *("passing", "upgrade", "via", "wants_fence", "wants_trailers"),
    )

    def __init__(self, fields: Fields, own: frozenset[bytes]) -> None:
        """Sort `fields`. Those named in `own` are written by the proxy, and do not pass."""
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
            handler = _HANDLERS.get(lower)
            if handler is not None:
                handler(self, name, value)
            # CGI and its successors read X_Forwarded_For as X-Forwarded-For: a client must not
            # set a field of the proxy under this spelling.
            if lower.replace(b"_", b"-") not in own:
                passing.append(field)
        nominated = self.options - _USUAL_OPTIONS
        if nominated:
            passing = [field for field in passing if field[0].lower() not in nominated]
        self.passing = [b"%b: %b\r\n" % field for field in passing]

    @property
    def host(self) -> bytes:
        return self.hosts[0] if self.hosts else b""

    def keeps_alive(self, *, is_http10: bool) -> bool:
        """Whether the connection persists after the message (RFC 9112 section 9.3)."""
        return b"close" not in self.options and (not is_http10 or b"keep-alive" in self.options)

    def request_length(self, head: RequestHead) -> int | None:
        """Return the body length in bytes, None if chunked. llhttp has refused ambiguity."""
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

    def _on_connection(self, name: bytes, value: bytes) -> None:
        self.options |= _connection_list(value)

    def _on_coding(self, name: bytes, value: bytes) -> None:
        self.codings += [coding.strip().lower() for coding in value.split(b",")]

    def _on_forwarded(self, name: bytes, value: bytes) -> None:
        self.forwarded.append((name, value))

    def _on_sync(self, name: bytes, value: bytes) -> None:
        self.wants_fence = value.strip() == b"1"

    def _on_te(self, name: bytes, value: bytes) -> None:
        codings = (coding.partition(b";")[0].strip().lower() for coding in value.split(b","))
        self.wants_trailers = self.wants_trailers or b"trailers" in codings

    def _on_upgrade(self, name: bytes, value: bytes) -> None:
        # h2c is never passed on: HTTP/2 through a tunnel would bypass every rule of the proxy.
        protocols = [protocol.strip() for protocol in value.split(b",")]
        asked = [self.upgrade, *(p for p in protocols if p.lower() != b"h2c")]
        self.upgrade = b", ".join(filter(None, asked))

    def _on_accept(self, name: bytes, value: bytes) -> None:
        self.accept = value

    def _on_host(self, name: bytes, value: bytes) -> None:
        self.hosts.append(value)

    def _on_length(self, name: bytes, value: bytes) -> None:
        self.lengths.append(value)

    def _on_via(self, name: bytes, value: bytes) -> None:
        self.via += filter(None, (element.strip() for element in value.split(b",")))


_HANDLERS: Final = {
    b"accept": _ReceivedFields._on_accept,
    b"connection": _ReceivedFields._on_connection,
    b"content-length": _ReceivedFields._on_length,
    b"host": _ReceivedFields._on_host,
    SYNC: _ReceivedFields._on_sync,
    b"te": _ReceivedFields._on_te,
    b"transfer-encoding": _ReceivedFields._on_coding,
    b"upgrade": _ReceivedFields._on_upgrade,
    b"via": _ReceivedFields._on_via,
    **dict.fromkeys(FORWARDED, _ReceivedFields._on_forwarded),
}
