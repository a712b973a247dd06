"""The connection of a request that is sent again: nobody is at its other end.

Its answer is written down and thrown away. To the data plane it is a client like any other.
"""

import asyncio


class NullTransport(asyncio.Transport):
    """Takes everything at once, and ends when it is told to."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__()  # extra information: none, as a Unix socket has no address
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
            # Not from within the callback that ends it, which still has to return.
            loop = asyncio.get_running_loop()
            loop.call_soon(self._protocol.connection_lost, None)
