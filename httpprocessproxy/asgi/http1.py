"""HTTP/1.1 and its WebSockets: uvicorn's protocols, extended.

The extensions are limits on the size and time of a head (uvicorn on httptools has none), Alt-Svc on
every response including errors, Date on the application's responses, and the framing of their
bodies (`framing.py`).
"""

import asyncio
from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import Final, cast

from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.http11 import Response
from websockets.server import ServerProtocol
from websockets.typing import StatusLike

from httpprocessproxy.asgi.framing import START, Framing
from httpprocessproxy.asgi.interface import Application, Receive, Scope, Send, State
from httpprocessproxy.asgi.response import with_date
from httpprocessproxy.core.errors import RequestError
from httpprocessproxy.core.http.http1 import MAX_FIELDS, MAX_HEAD_BYTES, MAX_LINE_BYTES
from httpprocessproxy.frontends.streams import Fields

# Generous for a person at a keyboard, short for a slowloris.
HEAD_TIMEOUT_S: Final = 30.0
# The value of most servers; a browser opens a new connection afterwards.
IDLE_S: Final = 60

_DENIAL_START: Final = "websocket.http.response.start"
_STARTS: Final = (START, _DENIAL_START, "websocket.accept")


class Http1:
    """The state shared by all HTTP/1.1 connections; `connection` is the protocol factory."""

    def __init__(self, application: Application, state: State, alt_svc: bytes | None) -> None:
        self.alt_svc = alt_svc
        self.state = state
        self.server = ServerState()
        self.server.default_headers = _fields(alt_svc)
        self.config = Config(
            app=_over_http1(application, alt_svc),
            ws=_websocket(alt_svc),
            interface="asgi3",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=IDLE_S,
        )
        self.config.load()

    def connection(self) -> asyncio.Protocol:
        return _Http1Connection(self)

    async def drain(self, within_s: float) -> None:
        """Wait `within_s` seconds for active requests, then abort connections and cancel tasks."""
        for connection in list(self.server.connections):
            # uvicorn's WebSocket fails in `shutdown` while its rejection is still being sent: it
            # would reject the handshake a second time.
            if not connection.transport.is_closing():
                connection.shutdown()
        if self.server.tasks:
            await asyncio.wait(self.server.tasks, timeout=within_s)
        for connection in list(self.server.connections):
            connection.transport.abort()
        for task in list(self.server.tasks):
            task.cancel()
        if self.server.tasks:
            await asyncio.wait(self.server.tasks)


class _Http1Connection(HttpToolsProtocol):
    def __init__(self, shared: Http1) -> None:
        super().__init__(shared.config, shared.server, shared.state)
        self._alt_svc = shared.alt_svc
        self._refusal: RequestError | None = None
        self._is_in_head = False
        self._head_bytes = 0
        self._fields_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None  # while a head is awaited

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._have_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        # The piece that a head begins in may also hold the end of a body, which counts too: the
        # limit is higher by at most one piece.
        self._head_bytes += len(data) * self._is_in_head
        super().data_received(data)
        if self._is_in_head and self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(RequestError(431, f"a head of more than {MAX_HEAD_BYTES} bytes"))

    # Callbacks of httptools

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head = True
        self._head_bytes = self._fields_bytes = 0
        self._await_head()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > MAX_LINE_BYTES:
            self._refusal = RequestError(414, f"a target of more than {MAX_LINE_BYTES} bytes")
            raise self._refusal

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._fields_bytes += len(name) + len(value)
        if len(self.headers) > MAX_FIELDS or self._fields_bytes > MAX_HEAD_BYTES:
            limits = f"{MAX_FIELDS} header fields, or {MAX_HEAD_BYTES} bytes of them"
            self._refusal = RequestError(431, f"more than {limits}")
            raise self._refusal

    def on_headers_complete(self) -> None:
        self._have_head()
        super().on_headers_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        framed = _framed(cast(Application, app), cycle)
        super()._start_asgi_task(cycle, cast(ASGI3Application, framed))

    # Limits

    def _await_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self._time_out)

    def _have_head(self) -> None:
        self._is_in_head = False
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _time_out(self) -> None:
        if self._is_in_head:
            self._refuse(RequestError(408, "the head of this request took too long"))
        else:
            self.transport.close()

    def _refuse(self, error: RequestError) -> None:
        self._have_head()
        self._refusal = error
        self.send_400_response(str(error))

    def send_400_response(self, msg: str) -> None:
        """Send an error response, of `_refusal` if there is one, and close the connection."""
        if self.transport.is_closing():
            return
        error = self._refusal or RequestError(400, msg)
        text = f"{error.status}: {error}\n".encode()
        fields = [
            *_fields(self._alt_svc),
            (b"date", formatdate(usegmt=True).encode()),
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", b"%d" % len(text)),
            (b"connection", b"close"),
        ]
        lines = [b"%b: %b\r\n" % field for field in fields]
        status = f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\n".encode()
        self.transport.write(b"".join([status, *lines, b"\r\n", text]))
        self.transport.close()


class _Handshake(ServerProtocol):
    """The handshake of a WebSocket; its rejection carries Alt-Svc, like any other response."""

    alt_svc: bytes | None = None

    def reject(self, status: StatusLike, text: str) -> Response:
        response = super().reject(status, text)
        for name, value in _fields(self.alt_svc):
            response.headers[name.decode()] = value.decode()
        return response


def _websocket(alt_svc: bytes | None) -> type[asyncio.Protocol]:
    class WebSocket(WebSocketsSansIOProtocol):
        def __init__(self, config: Config, server_state: ServerState, app_state: State) -> None:
            super().__init__(config, server_state, app_state)
            self.conn = _Handshake(
                extensions=self.conn.available_extensions,
                max_size=config.ws_max_size,
                logger=self.logger,
            )
            self.conn.alt_svc = alt_svc

    return WebSocket


def _framed(application: Application, cycle: RequestResponseCycle) -> Application:
    """Wrap an application so that its response is framed, for the request of `cycle`."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        framing = Framing(scope)

        async def send_framed(event: Mapping[str, object]) -> None:
            for framed in framing.frame(event):
                if framing.is_until_close:
                    # uvicorn would chunk a body without a length: give it the length of each piece.
                    cycle.chunked_encoding = False
                    cycle.expected_content_length = len(cast(bytes, framed.get("body", b"")))
                await send(framed)

        try:
            await application(scope, receive, send_framed)
        finally:
            if framing.is_until_close and not framing.is_complete:
                # Without close_notify the client detects the truncation (RFC 9112 section 9.8).
                cycle.transport.abort()

    return call


def _over_http1(application: Application, alt_svc: bytes | None) -> Application:
    """Wrap an application for uvicorn: remove its Alt-Svc fields, and add Date."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_edited(event: Mapping[str, object]) -> None:
            await send({**event, "headers": _edited(event)} if event["type"] in _STARTS else event)

        try:
            await application(scope, receive, send_edited)
        except asyncio.CancelledError:
            pass  # the server ends and has cut the connection; uvicorn would log a failure

    def _edited(event: Mapping[str, object]) -> Fields:
        headers = cast(Fields, event.get("headers", ()))
        fields = [(name, value) for name, value in headers if name.lower() != b"alt-svc"]
        if event["type"] == START:
            return with_date(fields)
        # uvicorn itself adds Date to these responses, and its default fields, with Alt-Svc, to all
        # of them except denial responses.
        return [*fields, *_fields(alt_svc)] if event["type"] == _DENIAL_START else fields

    return call


def _fields(alt_svc: bytes | None) -> list[tuple[bytes, bytes]]:
    return [(b"alt-svc", alt_svc)] if alt_svc is not None else []
