"""WebSocket echo: messages per second and CPU per message, one message in flight per connection.

The client prepares its frame once and only counts the bytes that come back, so that parsing never
makes it the bottleneck.
"""

import select
import socket
import time
from dataclasses import dataclass

from test.benchmark.backends import echo_backend
from test.benchmark.echo import frame_head
from test.benchmark.fleet import Bench, Contestant, fleet, turns
from test.benchmark.samples import Measure
from test.benchmark.service import HOST
from test.benchmark.transfer import read_head

SHAPES = ((1, 64), (16, 64), (1, 65536), (16, 65536))
TIMEOUT_S = 10.0
UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def connect(port: int, path: str) -> socket.socket:
    """Open a connection and do the opening handshake. Raises OSError."""
    connection = socket.create_connection((HOST, port), timeout=TIMEOUT_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(UPGRADE.format(path=path, host=HOST, port=port).encode())
    head, _ = read_head(connection)
    if b" 101 " not in head:
        raise ConnectionError("the handshake was not accepted")
    return connection


@dataclass(slots=True)
class Client:
    """One echo connection: sends a message, counts bytes, and repeats once all are back."""

    connection: socket.socket
    frame: bytes
    echo_bytes: int
    left: int = 0
    messages: int = 0

    def send(self) -> None:
        self.left = self.echo_bytes
        self.connection.sendall(self.frame)

    def receive(self, buffer: bytearray) -> None:
        received = self.connection.recv_into(buffer)
        if not received:
            raise ConnectionError("closed")
        self.left -= received
        if not self.left:
            self.messages += 1
            self.send()


def echo(port: int, connections: int, size: int, duration_s: float) -> tuple[int, float]:
    """Run echoes for `duration_s`; return the number of messages and seconds. Raises OSError."""
    frame = frame_head(size, masked=True) + bytes(size)
    echo_bytes = len(frame_head(size, masked=False)) + size
    buffer = bytearray(1 << 18)
    clients: dict[int, Client] = {}
    try:
        for _ in range(connections):
            connection = connect(port, f"/echo/{size}")
            clients[connection.fileno()] = Client(connection, frame, echo_bytes)
        return _exchange(clients, buffer, duration_s)
    finally:
        for client in clients.values():
            client.connection.close()


def _exchange(
    clients: dict[int, Client], buffer: bytearray, duration_s: float
) -> tuple[int, float]:
    with select.epoll() as poll:
        for number, client in clients.items():
            poll.register(number, select.EPOLLIN)
            client.send()
        began = time.monotonic()
        while (now := time.monotonic()) - began < duration_s:
            ready = poll.poll(TIMEOUT_S)
            if not ready:
                raise TimeoutError(f"no echo within {TIMEOUT_S} s")
            for number, _ in ready:
                clients[number].receive(buffer)
    return sum(client.messages for client in clients.values()), now - began


def run(bench: Bench) -> None:
    with fleet(bench, echo_backend) as contestants:
        for number in range(bench.plan.rounds):
            for connections, size in SHAPES:
                for contestant in turns(contestants, number):
                    _measure(bench, contestant, connections, size, number)


def _measure(
    bench: Bench, contestant: Contestant, connections: int, size: int, number: int
) -> None:
    size_title = f"{size} B" if size < 1024 else f"{size >> 10} KB"
    title = f"WebSocket, {connections} of {size_title}"
    before = contestant.tree.cpu_s() if contestant.tree else 0.0
    try:
        messages, duration_s = echo(contestant.port, connections, size, bench.plan.websocket_s)
    except OSError as error:
        return bench.fault(f"{contestant.name}, {title}", error)
    key, name, results = f"websocket{connections}x{size}", contestant.name, bench.results
    rate = Measure(f"{key}.rate", f"{title}: echoes", "/s", higher_is_better=True)
    results.add(rate, name, number, messages / duration_s)
    if contestant.tree and messages:
        cpu_us = 1e6 * (contestant.tree.cpu_s() - before) / messages
        cpu = Measure(f"{key}.cpu", f"{title}: CPU per echo", "µs")
        results.add(cpu, name, number, cpu_us)
    bench.say(f"round {number + 1}, {title}: {name}: {messages / duration_s:,.0f}/s")
    return None
