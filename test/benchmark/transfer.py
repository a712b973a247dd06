"""One large download and one large upload: bytes per second through a proxy, by a raw socket."""

import re
import socket
import time

from test.benchmark.backends import echo_backend, nginx_backend, nginx_missing, write_files
from test.benchmark.fleet import Bench, Contestant, fleet, turns
from test.benchmark.samples import Measure
from test.benchmark.service import HOST

DOWN = Measure("download", "download of 100 MB", "MB/s", higher_is_better=True)
UP = Measure("upload", "upload of 100 MB", "MB/s", higher_is_better=True)
CHUNK_BYTES = 1 << 20
TIMEOUT_S = 30.0
MB = 1_000_000


def download(port: int) -> float:
    """GET /bulk and return bytes per second. Raises OSError if the body is too short."""
    buffer = bytearray(CHUNK_BYTES)
    with socket.create_connection((HOST, port), timeout=TIMEOUT_S) as connection:
        began = time.monotonic()
        connection.sendall(f"GET /bulk HTTP/1.1\r\nHost: {HOST}:{port}\r\n\r\n".encode())
        head, body = read_head(connection)
        total = content_length(head)
        left = total - len(body)
        while left > 0:
            received = connection.recv_into(buffer)
            if not received:
                raise ConnectionError(f"{left} bytes short")
            left -= received
    return total / (time.monotonic() - began)


def upload(port: int, size: int) -> float:
    """POST `size` bytes; return bytes per second until the response. Raises OSError."""
    chunk = memoryview(bytes(CHUNK_BYTES))
    head = f"POST /sink HTTP/1.1\r\nHost: {HOST}:{port}\r\nContent-Length: {size}\r\n\r\n"
    with socket.create_connection((HOST, port), timeout=TIMEOUT_S) as connection:
        began = time.monotonic()
        connection.sendall(head.encode())
        left = size
        while left > 0:
            connection.sendall(chunk[:left])
            left -= min(left, CHUNK_BYTES)
        read_head(connection)
    return size / (time.monotonic() - began)


def read_head(connection: socket.socket) -> tuple[bytes, bytes]:
    """The head of a response with status 200 or 101, and the bytes after it. Raises OSError."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionError("closed before the response")
        received += piece
    head, _, rest = received.partition(b"\r\n\r\n")
    if not re.match(rb"HTTP/1.1 (200|101) ", head):
        raise ConnectionError(head.split(b"\r\n")[0].decode(errors="replace"))
    return head, rest


def content_length(head: bytes) -> int:
    length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    return int(length[1]) if length else 0


def run(bench: Bench) -> None:
    write_files(bench.files, bench.plan.bulk_bytes)
    if why := nginx_missing():
        bench.skip("download", why)
    else:
        with fleet(bench, nginx_backend) as contestants:
            _rounds(bench, contestants, DOWN)
    with fleet(bench, echo_backend) as contestants:
        _rounds(bench, contestants, UP)


def _rounds(bench: Bench, contestants: list[Contestant], measure: Measure) -> None:
    for number in range(bench.plan.rounds):
        for contestant in turns(contestants, number):
            try:
                down = measure is DOWN
                port, size = contestant.port, bench.plan.bulk_bytes
                speed = (download(port) if down else upload(port, size)) / MB
            except OSError as error:
                bench.fault(f"{contestant.name}, {measure.title}", error)
                continue
            bench.results.add(measure, contestant.name, number, speed)
            bench.say(f"round {number + 1}, {measure.title}: {contestant.name}: {speed:,.0f} MB/s")
