"""A null transport for replayed requests: whatever is written is discarded.

The response is recorded in the log of requests. The data plane treats it as a client's transport.
"""

import asyncio


class NullTransport(asyncio.Transport):
    """Accepts all data at once, and ends by `close` or `abort`."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__()  # no extra information: like a Unix socket, it has no address
        self._protocol = protocol
        self._is_closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        pass

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            # Not within the callback that closes it, which still has to return.
            loop = asyncio.get_running_loop()
            loop.call_soon(self._protocol.connection_lost, None)
