"""A load generator for HTTP/3, on aioquic: one request after another on each stream.

    python -m test.benchmark.http3 PORT SECONDS CONNECTIONS STREAMS

It prints `figures REQUESTS MICROSECONDS ERRORS`, like the script for wrk, and accepts any
certificate.
"""

import asyncio
import ssl
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol, QuicStreamHandler
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import ConnectionTerminated, QuicEvent, StreamReset

from test.benchmark.browser import browser_fields
from test.benchmark.service import HOST

CONNECT_TIMEOUT_S = 5.0


@dataclass(slots=True)
class Tally:
    """The counts of all connections."""

    requests: int = 0
    errors: int = 0
    is_over: bool = False


class Client(QuicConnectionProtocol):
    """One connection. A request begins when another one ends."""

    def __init__(self, quic: QuicConnection, stream_handler: QuicStreamHandler | None) -> None:
        super().__init__(quic, stream_handler)
        self._http = H3Connection(quic)
        self.fields: list[tuple[bytes, bytes]] = []
        self.tally = Tally()

    def begin(self, port: int, streams: int, tally: Tally) -> None:
        authority = f"{HOST}:{port}"
        head = [(":method", "GET"), (":scheme", "https"), (":authority", authority), (":path", "/")]
        fields = [*head, *browser_fields()]
        self.fields = [(name.encode(), value.encode()) for name, value in fields]
        self.tally = tally
        for _ in range(streams):
            self._ask()
        self.transmit()

    def quic_event_received(self, event: QuicEvent) -> None:
        for message in self._http.handle_event(event):
            self._take(message)
        match event:
            case StreamReset():
                self._end(well=False)
            case ConnectionTerminated() if not self.tally.is_over:
                self.tally.errors += 1

    def _take(self, message: H3Event) -> None:
        match message:
            case HeadersReceived() | DataReceived():
                if isinstance(message, HeadersReceived) and message.headers[0][1] != b"200":
                    self.tally.errors += 1
                if message.stream_ended:
                    self._end(well=True)

    def _end(self, *, well: bool) -> None:
        self.tally.requests += well
        self.tally.errors += not well
        if not self.tally.is_over:
            self._ask()

    def _ask(self) -> None:
        # Requests are sent after all received datagrams are read, several in one datagram.
        stream_id = self._quic.get_next_available_stream_id()
        self._http.send_headers(stream_id, self.fields, end_stream=True)


async def load(port: int, duration_s: float, connections: int, streams: int) -> tuple[Tally, float]:
    """Run the load; return its counts, and the seconds. Raises OSError, TimeoutError."""
    configuration = QuicConfiguration(alpn_protocols=H3_ALPN, server_name="localhost")
    configuration.verify_mode = ssl.CERT_NONE
    tally = Tally()
    async with AsyncExitStack() as stack:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            clients = [
                await stack.enter_async_context(
                    connect(HOST, port, configuration=configuration, create_protocol=Client)
                )
                for _ in range(connections)
            ]
        begin = time.perf_counter()
        for client in clients:
            assert isinstance(client, Client), "`connect` creates clients of this class"
            client.begin(port, streams, tally)
        await asyncio.sleep(duration_s)
        tally.is_over = True
        return tally, time.perf_counter() - begin


def main() -> None:
    port, duration_s, connections, streams = map(int, sys.argv[1:])
    work = load(port, duration_s, connections, streams)
    try:
        import uvloop
    except ImportError:
        tally, took_s = asyncio.run(work)
    else:
        tally, took_s = uvloop.run(work)
    print(f"figures {tally.requests} {took_s * 1e6:.0f} {tally.errors}")


if __name__ == "__main__":
    main()
