"""A data plane with chains, with fakes of the client, the backend, the next hop and a UDP socket.

The UDP socket receives the error reports.
"""

import contextlib
import json
import socket
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

from httpprocessproxy.companions.chains.companion import ChainOptions, Chains
from httpprocessproxy.core.http.hosts import HostRule
from httpprocessproxy.events import EventBus, HopReported
from test import wire
from test.fakes import LOOPBACK, NO_OTHERS, Bench, Listener, OtherService, Peer, post, serving
from test.loops import eventually


def answer(*fields: bytes, body: bytes = b"out", status: bytes = b"200 OK") -> bytes:
    """The bytes of a backend's response."""
    length = b"Content-Length: %d" % len(body)
    head = [b"HTTP/1.1 " + status, length, b"Content-Type: text/plain", *fields, b"", b""]
    return b"\r\n".join(head) + body


class Asked:
    """An answered request: its two peers, and the message that each of them received."""

    def __init__(
        self, client: Peer, backend: Peer, seen: wire.Message, response: wire.Message
    ) -> None:
        self.client = client
        self.backend = backend
        self.seen = seen
        self.response = response


class Line:
    """A bench whose responses are delivered to `hop`; `errors` is a UDP socket for reports."""

    def __init__(self, bench: Bench, hop: Listener, errors: socket.socket, bus: EventBus) -> None:
        self.bench = bench
        self.hop = hop
        self.errors = errors
        self.bus = bus
        self.id = str(uuid.uuid4())

    @property
    def to(self) -> str:
        return f"http://127.0.0.1:{self.hop.port}"

    @property
    def errors_to(self) -> str:
        return f"udp://127.0.0.1:{self.errors.getsockname()[1]}"

    def fixed(self, **fields: str) -> list[str]:
        """The three fixed fields as lines; a keyword such as `Errors_To=...` replaces a value."""
        known = {"Id": self.id, "Errors_To": self.errors_to, "Referer": "ORIGIN", **fields}
        return [f"X-Forward-{name.replace('_', '-')}: {value}" for name, value in known.items()]

    def lines(self, **fields: str) -> list[str]:
        """All six fields as lines, for one hop."""
        return self.fixed(**{"To": self.to, "Query_Params": "", "Method": "POST", **fields})

    async def ask(self, *lines: str, target: str = "/orders?a=1", body: bytes = b"in") -> Peer:
        return await self.bench.client(post(body, target, *(lines or self.lines())))

    async def answered(self, answer: bytes, *lines: str, target: str = "/orders?a=1") -> Asked:
        """Send a request, answer it at the backend with these bytes, and read the response."""
        client = await self.ask(*lines, target=target)
        backend, seen = await self.bench.backend.serve(answer)
        return Asked(client, backend, seen, await client.response())

    async def next(self) -> tuple[Peer, wire.Message]:
        """The next request at the hop."""
        return await self.hop.take()

    async def error(self) -> dict[str, str]:
        """The next error report."""
        reports: list[dict[str, str]] = []

        def received() -> bool:
            with contextlib.suppress(BlockingIOError):
                reports.append(json.loads(self.errors.recv(65536)))
            return bool(reports)

        await eventually(received)
        return reports[0]

    def happened(self) -> list[str]:
        """The outcomes that have been published, in order."""
        return [event.outcome for event in self.bus.recent(HopReported)]

    async def happens(self, *outcomes: str) -> HopReported:
        """Wait until exactly these outcomes have been published; return the last event."""
        await eventually(lambda: self.happened() == list(outcomes))
        return self.bus.recent(HopReported)[-1]


DEFAULT = ChainOptions()


@contextlib.asynccontextmanager
async def line(
    options: ChainOptions = DEFAULT,
    *,
    is_trusted: bool = True,
    is_open: bool = True,
    others: Mapping[str, OtherService] = NO_OTHERS,
) -> AsyncIterator[Line]:
    """Open a bench; its hop and its UDP socket are allowed besides `options.allowed`."""
    bus = EventBus()
    hop = Listener()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as errors, contextlib.closing(hop):
        errors.bind(("127.0.0.1", 0))
        errors.setblocking(False)
        near = (f"http://127.0.0.1:{hop.port}", f"udp://127.0.0.1:{errors.getsockname()[1]}")
        allowed = (*options.allowed, *near)
        chains = Chains(replace(options, allowed=allowed), HostRule((), "localhost"))
        trusted = LOOPBACK if is_trusted else ()
        async with (
            chains.running(bus),
            serving(interceptor=chains, is_open=is_open, trusted=trusted, others=others) as bench,
        ):
            yield Line(bench, hop, errors, bus)
