"""A `Handler` that forwards requests of HTTP/2 and HTTP/3 to the core as HTTP/1.1.

They go to the core's private socket, which trusts `Forwarded`: the field holds the client's
address, and the client's own forwarding fields if `--forwarded-allow-ips` has its address. A few
idle connections are kept for reuse, for a shorter time than the core keeps them.
"""

import asyncio
import contextlib
import secrets
import socket
from collections.abc import Callable
from typing import Final

from httpprocessproxy.core.http.forwarded import Peer
from httpprocessproxy.core.http.reader import RequestReader
from httpprocessproxy.core.http.request import Request
from httpprocessproxy.frontends.core_connection import CoreConnection
from httpprocessproxy.frontends.crossing import Crossing
from httpprocessproxy.frontends.streams import Fields, Head, Stream
from httpprocessproxy.frontends.translation import request_head
from httpprocessproxy.system.faults import contained

# Idle connections; each has a connection to the backend behind it: as many as browsers open without
# a proxy (6), for about five pages at a time, and not for longer than the core keeps those.
MAX_KEPT: Final = 32
KEPT_S: Final = 4.0

# The core accepts once per event loop iteration: more connections at a time could overflow its
# listen queue, which is limited to 128 on macOS and on Linux before 5.4.
MAX_CONNECTING: Final = 64
QUEUE_FULL_S: Final = 0.005

# A cache of readers per client address; nearly every request comes from the same address.
MAX_READERS: Final = 64


class Bridge:
    """An async context manager that closes every connection to the core on exit."""

    def __init__(self, path: str, peer: Callable[[str], Peer]) -> None:
        """`path` is the path of the core's socket; `peer` maps a client's address to a `Peer`.

        The `proto` of a peer is b"https".
        """
        self.loop = asyncio.get_running_loop()
        self.connections: set[CoreConnection] = set()
        self._path = path
        self._peer = peer
        self._readers: dict[tuple[str, str], RequestReader] = {}
        self._kept: list[CoreConnection] = []
        self._next_sweep: asyncio.TimerHandle | None = None
        self._group = asyncio.TaskGroup()
        self._connecting = asyncio.Semaphore(MAX_CONNECTING)
        self._pending: set[asyncio.Task[None]] = set()
        self._name = b"http-process-proxy-" + secrets.token_hex(4).encode()

    def __call__(self, head: Head, stream: Stream) -> Crossing:
        return Crossing(self, head, stream)

    async def __aenter__(self) -> "Bridge":
        await self._group.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._next_sweep is not None:
            self._next_sweep.cancel()
        for task in self._pending:
            task.cancel()
        for connection in list(self.connections):
            connection.end()
        await self._group.__aexit__(*exc_info)  # type: ignore[arg-type]

    # Called by a crossing

    def read(self, head: Head, framing: Fields) -> Request:
        """Turn a head into the request to send. Raises RequestError."""
        key = head.client[0], head.version
        if key not in self._readers:
            if len(self._readers) >= MAX_READERS:
                self._readers.clear()
            # RFC 9110 section 7.6.3: the protocol in which it was received.
            via = b"%b %b" % (head.version.encode(), self._name)
            self._readers[key] = RequestReader(self._peer(head.client[0]), via)
        return self._readers[key].read(request_head(head, framing))

    def take(self) -> CoreConnection | None:
        """Take the connection that was used last, as it is the least likely to have closed."""
        while self._kept:
            connection = self._kept.pop()
            if not connection.transport.is_closing():
                return connection
        return None

    def connect(self, crossing: Crossing) -> None:
        """Open a connection, and call `crossing.connected` or `crossing.failed`."""
        task = self._group.create_task(self._connect(crossing), name="to the core")
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def _connect(self, crossing: Crossing) -> None:
        connection = CoreConnection(self)
        async with self._connecting:
            try:
                await self.loop.create_unix_connection(lambda: connection, sock=await self._reach())
            except OSError:
                crossing.failed()
                return
        if connection.transport.is_closing():
            crossing.failed()  # it has closed already, and reports that only once
        else:
            self.connections.add(connection)
            with contained("a request"):
                crossing.connected(connection)
                return
            crossing.broken()

    async def _reach(self) -> socket.socket:
        """Connect a socket, with a retry that event loops lack for AF_UNIX. Raises OSError."""
        with contextlib.ExitStack() as stack:
            sock = stack.enter_context(socket.socket(socket.AF_UNIX))
            sock.setblocking(False)
            while True:
                try:
                    sock.connect(self._path)
                except BlockingIOError:  # the listen queue is full; no event reports free space
                    await asyncio.sleep(QUEUE_FULL_S)
                else:
                    stack.pop_all()
                    return sock

    # Connections between two requests

    def keep(self, connection: CoreConnection) -> None:
        """Keep a connection for the next request."""
        connection.idle_since = self.loop.time()
        self._kept.append(connection)
        if len(self._kept) > MAX_KEPT:
            self._kept.pop(0).transport.close()
        if self._next_sweep is None:
            self._next_sweep = self.loop.call_later(KEPT_S, self._sweep)

    def forget(self, connection: CoreConnection) -> None:
        """Remove a connection that has closed."""
        self.connections.discard(connection)
        with contextlib.suppress(ValueError):
            self._kept.remove(connection)

    def _sweep(self) -> None:
        """Close the connections that were idle for KEPT_S; the oldest are in front."""
        self._next_sweep = None
        now = self.loop.time()
        while self._kept and now - self._kept[0].idle_since >= KEPT_S:
            self._kept.pop(0).transport.close()
        if self._kept:
            wait_s = KEPT_S - (now - self._kept[0].idle_since)
            self._next_sweep = self.loop.call_later(wait_s, self._sweep)
