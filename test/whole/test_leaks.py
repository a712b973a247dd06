"""Leaks: descriptors, processes, threads and memory, over restarts and large bodies."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from test import processes
from test.deadline import PATIENCE_S, eventually
from test.harness import Proxy, backend

if TYPE_CHECKING:
    from test.whole.conftest import Dialogue
    from test.wire import Wire

RESTARTS = 200
MIB = 1 << 20
BODY_MIB = 2048
PIECE = bytes(range(256)) * (MIB // 256)


@dataclass(frozen=True)
class Usage:
    """The usage of the program's own processes; `processes` includes the backend's."""

    descriptors: int
    processes: int
    threads: int
    rss_bytes: int


def own_pids(proxy: Proxy) -> list[int]:
    return [pid for pid, command in proxy.left_over().items() if "-m httpprocessproxy" in command]


def usage(proxy: Proxy) -> Usage:
    own = own_pids(proxy)
    assert own
    return Usage(
        descriptors=sum(len(processes.descriptors(pid)) for pid in own),
        processes=len(proxy.left_over()),
        threads=sum(processes.threads(pid) for pid in own),
        rss_bytes=sum(processes.rss_bytes(pid) for pid in own),
    )


def test_200_restarts_leak_nothing(project: Path) -> None:
    with Proxy(project, backend("small.py")) as proxy:
        proxy.running()
        # Each generation serves a client and ends with another one waiting: both must be released.
        restart(proxy, 20)
        before = usage(proxy)
        restart(proxy, RESTARTS)
        eventually(lambda: usage(proxy).descriptors <= before.descriptors)
        after = usage(proxy)
        assert after.processes == before.processes
        assert after.threads <= before.threads
        assert after.rss_bytes - before.rss_bytes < 8 * MIB


def restart(proxy: Proxy, times: int) -> None:
    for number in range(times):
        with proxy.restart():
            proxy.save("a.py", f"{times} {number}")
        assert proxy.get("/").status == 200


def stream(send: Wire, receive: Wire, count: int = BODY_MIB) -> None:
    """Send PIECE `count` times, and assert that each arrives."""
    sender = threading.Thread(target=lambda: send.send(*[PIECE] * count))
    sender.start()
    buffer = memoryview(bytearray(MIB))
    for _ in range(count):
        filled = len(receive.unread)
        buffer[:filled], receive.unread = receive.unread, b""
        while filled < MIB:
            size = receive.socket.recv_into(buffer[filled:])
            assert size
            filled += size
        assert buffer == PIECE
    sender.join(PATIENCE_S)


def growth(proxy: Proxy, do: Callable[[], None]) -> int:
    """The peak growth of the program's memory while `do` runs."""
    pids = own_pids(proxy)
    before = sum(map(processes.rss_bytes, pids))
    peak, done = before, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.02):
            peak = max(peak, sum(map(processes.rss_bytes, pids)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        do()
    finally:
        done.set()
        watcher.join()
    return peak - before


def test_upload_of_2_gb_takes_no_memory(dialogue: Dialogue) -> None:
    length = b"Content-Length: %d" % (BODY_MIB * MIB)
    client = dialogue.send(b"POST / HTTP/1.1", length)
    wire = dialogue.backend.next()
    wire.head()
    assert growth(dialogue.proxy, lambda: stream(client, wire)) < 32 * MIB


def test_download_of_2_gb_takes_no_memory(dialogue: Dialogue) -> None:
    client = dialogue.send(b"GET / HTTP/1.1")
    wire = dialogue.backend.next()
    wire.head()
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (BODY_MIB * MIB))
    client.head()
    assert growth(dialogue.proxy, lambda: stream(wire, client)) < 32 * MIB


def test_backend_that_does_not_read_stops_the_client(dialogue: Dialogue) -> None:
    client = dialogue.send(b"POST / HTTP/1.1", b"Content-Length: %d" % (BODY_MIB * MIB))
    dialogue.backend.next()
    assert growth(dialogue.proxy, lambda: holds_back(client)) < 32 * MIB


def test_client_that_does_not_read_stops_the_backend(dialogue: Dialogue) -> None:
    dialogue.send(b"GET / HTTP/1.1")
    wire = dialogue.backend.next()
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (BODY_MIB * MIB))
    assert growth(dialogue.proxy, lambda: holds_back(wire)) < 32 * MIB


def holds_back(wire: Wire) -> None:
    assert wire.fill(512 * MIB) < 512 * MIB, "no limit, although the other end does not read"
