"""Plain HTTP on the TLS port: one request, redirected to the same URL over HTTPS.

Status 308 keeps method and body (RFC 9110 section 15.4.9). Caches must not store it, because the
next run on this port may be without TLS.
"""

import asyncio
from typing import Final, cast

from httpprocessproxy.config import Address
from httpprocessproxy.core.errors import RequestError
from httpprocessproxy.core.http.forwarded import Peer
from httpprocessproxy.core.http.headers import outgoing_request
from httpprocessproxy.core.http.hosts import HostRule, parse_authority
from httpprocessproxy.core.http.http1 import HEAD_END, check_incomplete, parse_request
from httpprocessproxy.core.http.request import Request
from httpprocessproxy.core.page.pages import Problem, render
from httpprocessproxy.proxy import problems
from httpprocessproxy.proxy.transports import finish

# Plain HTTP on this port comes from a browser or a script, with a short request.
HEAD_TIMEOUT_S: Final = 10.0
# A close with unread bytes is a reset, which could destroy the response (RFC 9112 section 9.6).
LINGER_S: Final = 2.0

# A placeholder: the request is not forwarded, so this element of Via is never sent.
_VIA: Final = b"1.1 -"


class Redirect(asyncio.Protocol):
    """A connection of plain HTTP; `registry` holds it while it is open."""

    def __init__(self, hosts: HostRule, fields: bytes, registry: set["Redirect"]) -> None:
        """`fields` are header lines to add to the response."""
        self.transport: asyncio.Transport
        self._hosts = hosts
        self._fields = fields
        self._registry = registry
        self._head = b""
        self._is_answered = False
        self._timer: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._registry.add(self)
        self._close_after(HEAD_TIMEOUT_S)

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        self._registry.discard(self)

    def data_received(self, data: bytes) -> None:
        if self._is_answered:
            return
        self._head += data
        end = self._head.find(HEAD_END)
        try:
            if end < 0:
                check_incomplete(self._head)
                return
            self._redirect(self._read(self._head[: end + len(HEAD_END)]))
        except RequestError as error:
            self._answer(problems.refused(error))

    def _read(self, head: bytes) -> Request:
        """Parse a request, and check its Host. Raises RequestError."""
        name = self.transport.get_extra_info("sockname")
        reached = str(Address(*name[:2])).encode()
        request = outgoing_request(parse_request(head), Peer(None, False, reached=reached), _VIA)
        self._hosts.check(request.host)
        return request

    def _redirect(self, request: Request) -> None:
        location = _location(request)
        problem = Problem(308, "HTTPS only", f"This is served at {location.decode()} instead.")
        self._answer(problem, b"Location: %b\r\n" % location, request)

    def _answer(self, problem: Problem, line: bytes = b"", request: Request | None = None) -> None:
        self._is_answered = True
        page = render(problem, request.accept if request is not None else b"", False)
        is_head = request is not None and request.method == b"HEAD"
        end = b"%b%bConnection: close\r\n\r\n" % (line, self._fields)
        self.transport.write(problems.head(problem, page) + end + (b"" if is_head else page.body))
        finish(self.transport)
        self._timer.cancel()
        self._close_after(LINGER_S)

    def _close_after(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(seconds, self.transport.close)


def _location(request: Request) -> bytes:
    """The same URL over HTTPS. A Host without a port means port 80, which the URL has to name."""
    _, port = parse_authority(request.host)
    authority = request.host if port is not None else request.host.rstrip(b":") + b":80"
    # RFC 9112 section 3.2.4: `*` addresses the server as a whole, and its URL has no path.
    return b"https://%b%b" % (authority, b"" if request.target == b"*" else request.target)
