"""A request as it goes to the backend, and a response as it goes to the client.

`headers.py` makes both of parsed heads; the data plane reads from them how the body is framed and
whether the connection persists. No I/O.
"""

from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Final

from httpprocessproxy.core.http.bodies import NO_BODY, Body, Chunked, Length, UntilClose
from httpprocessproxy.core.routes import without_prefix


@dataclass(slots=True)
class Request:
    """A request as it goes to the backend.

    rest             the head after the target, including the empty line; requests that differ in
                     the target only share one object
    content_length   None for a chunked body
    is_safe          its method is safe, so it may be sent a second time
    is_trusted       neither the peer nor a node for which it forwards is untrusted
    is_document      it fetches a page to be displayed
    wants_fence      `Hpp-Sync: 1`: the response must reflect all files written before the request
    is_intercepted   an interceptor handles it before the backend does
    is_stream        it came on a stream, whose protocol frames bodies: see `Peer`
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
    is_stream: bool = False

    @property
    def head(self) -> bytes:
        return b"".join((self.method, b" ", self.target, self.rest))

    def body(self) -> Body:
        if self.content_length == 0:
            return NO_BODY
        if self.content_length is not None:
            return Length(self.content_length)
        return UntilClose(chunked=True) if self.is_stream else Chunked()

    @property
    def takes_content(self) -> bool:
        """Whether the client gets the content of a response alone, without chunks."""
        return self.is_stream or self.is_http10


_MEMBERS: Final = attrgetter(*(member.name for member in fields(Request)))


@dataclass(slots=True)
class StrippedRequest(Request):
    """A request whose target goes to the backend without the path of its route, `prefix`.

    `target` is the client's. X-Forwarded-Prefix tells the backend the missing part; a list of them
    (RFC 9110 section 5.3) begins with those of trusted proxies before this one.
    """

    prefix: bytes = b""

    @classmethod
    def of(cls, request: Request, prefix: bytes) -> "StrippedRequest":
        stripped = cls(*_MEMBERS(request))
        stripped.prefix = prefix
        return stripped

    @property
    def head(self) -> bytes:
        target = without_prefix(self.target, self.prefix)
        fields = b"%bX-Forwarded-Prefix: %b\r\n\r\n" % (self.rest[: -len(b"\r\n")], self.prefix)
        return b"".join((self.method, b" ", target, fields))


@dataclass(slots=True)
class Response:
    """A response as it goes to the client. `head` lacks the last CRLF: Connection may be added."""

    status: int
    head: bytes
    body: Body
    client_keep_alive: bool
    backend_keep_alive: bool
    upgrade: bytes
