"""The listener of the TLS port; the first byte of a connection selects its protocol.

0x16 begins a TLS handshake record (RFC 8446 section 5.1), a letter begins the method of a plain
HTTP request; with any other byte the connection is closed. Inside TLS, ALPN selects HTTP/1.1 or
HTTP/2 (RFC 7301), HTTP/1.1 by default; the caller passes a protocol factory for each.
"""

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final, cast

from httpprocessproxy.core.http.hosts import HostRule
from httpprocessproxy.frontends.tls.certificates import Identity
from httpprocessproxy.frontends.tls.redirect import Redirect
from httpprocessproxy.system.faults import contained

# For a silent connection, and for a handshake: generous for a slow phone, short for a slowloris.
FIRST_BYTE_TIMEOUT_S: Final = 10.0
HANDSHAKE_TIMEOUT_S: Final = 10.0

# Connections accepted in one turn of the event loop, so that other callbacks run in between.
_MAX_ACCEPTS: Final = 64

# When descriptors or memory run out, an immediate retry would only keep the processor busy.
_EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_EXHAUSTED_PAUSE_S: Final = 1.0

_HANDSHAKE: Final = b"\x16"

_log = logging.getLogger(__name__)

NewProtocol = Callable[[], asyncio.Protocol]


def alt_svc_fields(alt_svc: bytes | None) -> bytes:
    """The header line of Alt-Svc (RFC 7838) for each response; b"" without a value."""
    return b"Alt-Svc: %b\r\n" % alt_svc if alt_svc is not None else b""


class TlsListener:
    """Accepts connections, and passes them to HTTP/1.1, HTTP/2 or the redirect to HTTPS.

    `serve` is an async context manager; leaving it closes all connections that have no protocol
    yet, and the redirects.
    """

    def __init__(
        self,
        identity: Identity,
        hosts: HostRule,
        new_http1: NewProtocol,
        new_http2: NewProtocol,
        fields: bytes,
    ) -> None:
        """`fields` are header lines for the redirects from plain HTTP to HTTPS."""
        self._identity = identity
        self._hosts = hosts
        self._new_http1 = new_http1
        self._new_http2 = new_http2
        self._fields = fields
        self._loop = asyncio.get_running_loop()
        self._group = asyncio.TaskGroup()
        self._sniffers: set[_ProtocolSniffer] = set()
        self._redirects: set[Redirect] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._pauses: dict[socket.socket, asyncio.TimerHandle] = {}

    @contextlib.asynccontextmanager
    async def serve(self, sockets: Sequence[socket.socket]) -> AsyncIterator[None]:
        """Accept connections on `sockets`, which are closed at the end."""
        async with self._group:
            for sock in sockets:
                self._loop.add_reader(sock, self._accept, sock)
            try:
                yield
            finally:
                self._close(sockets)

    def _close(self, sockets: Sequence[socket.socket]) -> None:
        for pause in self._pauses.values():
            pause.cancel()
        for sock in sockets:
            self._loop.remove_reader(sock)
            sock.close()
        for sniffer in list(self._sniffers):
            sniffer.close()
        for task in self._tasks:
            task.cancel()
        for redirect in list(self._redirects):
            redirect.transport.abort()

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_MAX_ACCEPTS):
            try:
                connection, _ = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                self._pause(listener, error)
                return
            connection.setblocking(False)
            _ProtocolSniffer(connection, self._loop, self._sniffers, self._dispatch).look()

    def _pause(self, listener: socket.socket, error: OSError) -> None:
        _log.warning("cannot take a connection: %s", error.strerror)
        self._loop.remove_reader(listener)
        self._pauses[listener] = self._loop.call_later(
            _EXHAUSTED_PAUSE_S, self._loop.add_reader, listener, self._accept, listener
        )

    def _dispatch(self, connection: socket.socket, first: bytes) -> None:
        """Start a protocol for the `first` byte, which is still in the socket's buffer."""
        if first != _HANDSHAKE and not first.isalpha():
            connection.close()
            return
        task = self._group.create_task(self._start(connection, first), name="handshake")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _start(self, connection: socket.socket, first: bytes) -> None:
        with contained("a handshake"):
            await self._start_protocol(connection, first)
            return
        connection.close()

    async def _start_protocol(self, connection: socket.socket, first: bytes) -> None:
        accept = self._loop.connect_accepted_socket
        try:
            if first == _HANDSHAKE:
                await accept(
                    self._new_dispatcher,
                    connection,
                    ssl=self._identity.context(),
                    ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S,
                )
            else:
                await accept(self._new_redirect, connection)
        except OSError as error:  # includes ssl.SSLError and TimeoutError
            _log.debug("no TLS: %s", error)

    def _new_dispatcher(self) -> "_AlpnDispatcher":
        return _AlpnDispatcher(self._new_http1, self._new_http2)

    def _new_redirect(self) -> Redirect:
        return Redirect(self._hosts, self._fields, self._redirects)


class _ProtocolSniffer:
    """Waits for the first byte of a connection, and leaves it in the socket's buffer (MSG_PEEK)."""

    def __init__(
        self,
        connection: socket.socket,
        loop: asyncio.AbstractEventLoop,
        registry: set["_ProtocolSniffer"],
        dispatch: Callable[[socket.socket, bytes], None],
    ) -> None:
        """`registry` holds the sniffer while it waits; `dispatch` takes connection and byte."""
        self._connection = connection
        self._loop = loop
        self._registry = registry
        self._dispatch = dispatch
        self._timer: asyncio.TimerHandle | None = None

    def look(self) -> None:
        try:
            first = self._connection.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            if self._timer is None:
                self._wait()
            return
        except OSError:
            first = b""  # reset
        self._forget()
        if first:
            self._dispatch(self._connection, first)
        else:
            self._connection.close()

    def close(self) -> None:
        self._forget()
        self._connection.close()

    def _wait(self) -> None:
        self._registry.add(self)
        self._timer = self._loop.call_later(FIRST_BYTE_TIMEOUT_S, self.close)
        self._loop.add_reader(self._connection, self.look)

    def _forget(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._loop.remove_reader(self._connection)
            self._registry.discard(self)


class _AlpnDispatcher(asyncio.Protocol):
    """The protocol during the TLS handshake; then it is replaced by the one that ALPN selected."""

    def __init__(self, new_http1: NewProtocol, new_http2: NewProtocol) -> None:
        self._new_http1 = new_http1
        self._new_http2 = new_http2

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        tls = cast(asyncio.Transport, transport)
        is_http2 = tls.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
        protocol = self._new_http2() if is_http2 else self._new_http1()
        tls.set_protocol(protocol)
        protocol.connection_made(tls)
