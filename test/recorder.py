"""The test as the backend: it reads the exact bytes of the proxy, and sends the responses."""

import selectors
import socket
import sys
import uuid
from pathlib import Path
from types import TracebackType
from typing import Self

from test.deadline import PATIENCE_S
from test.wire import Message, Wire

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_SCRIPT = Path(__file__).parent / "backends" / "recording.py"


class Recorder:
    """The test's end of backends/recording.py, which passes accepted connections to the test."""

    def __init__(self) -> None:
        name = f"hpp-{uuid.uuid4()}"
        self.command = [sys.executable, str(_SCRIPT), "{port}", name]
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind("\0" + name)
        self._listener.listen()
        self._channels: list[socket.socket] = []
        self._wires: list[Wire] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for opened in [self._listener, *self._channels, *(wire.socket for wire in self._wires)]:
            opened.close()

    def next(self) -> Wire:
        """Wait for bytes on any connection, new or old, and return the connection."""
        while True:
            for wire in self._wires:
                if wire.unread:
                    return wire
            self._wait()

    def exchange(self, answer: bytes = OK) -> Message:
        """Read the next request and answer it."""
        wire = self.next()
        request = wire.request()
        wire.send(answer)
        return request

    def forget(self) -> None:
        """Close all connections, for the next test."""
        for wire in self._wires:
            wire.socket.close()
        self._wires.clear()

    def _wait(self) -> None:
        with selectors.DefaultSelector() as selector:
            wires = {wire.socket: wire for wire in self._wires}
            for waiting in [self._listener, *self._channels, *wires]:
                selector.register(waiting, selectors.EVENT_READ)
            events = selector.select(PATIENCE_S)
            assert events, "nothing arrived at the backend"
            for key, _ in events:
                ready = key.fileobj
                assert isinstance(ready, socket.socket)
                if ready is self._listener:
                    self._channels.append(ready.accept()[0])
                elif ready in wires:
                    self._read(wires[ready])
                else:
                    self._take(ready)

    def _read(self, wire: Wire) -> None:
        if not wire.more():
            self._wires.remove(wire)
            wire.socket.close()

    def _take(self, channel: socket.socket) -> None:
        data, descriptors, _, _ = socket.recv_fds(channel, 16, 1)
        self._wires += [Wire(socket.socket(fileno=descriptor)) for descriptor in descriptors]
        if not data:
            self._channels.remove(channel)
            channel.close()
