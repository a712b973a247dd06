"""A save never costs a request: load during dozens of saves, and each kind of request."""

import asyncio
import http.client
import itertools
import os
import shlex
import threading
import time
from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as websocket

from test.deadline import MS, PATIENCE_S
from test.harness import Proxy, backend, http_connection
from test.pressure import SAVES, save_often, workers
from test.wire import TruncatedError


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder for the backend's files, outside the project, which is watched."""
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def test_no_get_is_lost_or_stale(project: Path) -> None:
    """2,000 or more GETs; each is answered by code no older than the last settled save."""
    (project / "version").write_text("0")
    current = 0
    answers: Counter[int] = Counter()

    def get(number: int, done: threading.Event) -> None:
        with closing(http_connection(proxy)) as connection:
            for turn in itertools.count():
                if done.is_set() and answers.total() >= 2000:
                    return
                oldest = current
                connection.request("GET", f"/version?ms={turn % 3 * 2}")
                response = connection.getresponse()
                version = response.read()
                assert response.status == 200, version
                assert int(version) >= oldest, "stale"
                answers[number] += 1
                if number % 2:  # half of the clients keep their connections
                    connection.close()

    with Proxy(project, backend("echo.py")) as proxy:
        proxy.running()
        with workers(8, get):
            for number in range(1, SAVES + 1):
                with proxy.restart():
                    proxy.save("version", str(number), by="rename" if number % 2 else "write")
                current = number
        assert answers.total() >= 2000


def test_no_post_is_lost_or_run_twice(project: Path, data: Path) -> None:
    """Each ends within the drain, so it is held or finished, and never lost."""
    ids = itertools.count()
    answered: set[int] = set()

    def post(number: int, done: threading.Event) -> None:
        with closing(http_connection(proxy)) as connection:
            while not done.is_set():
                order = next(ids)
                connection.request("POST", f"/once?id={order}&ms={order % 4 * 10}", body=b"x" * 100)
                response = connection.getresponse()
                body = response.read()
                assert response.status == 200, body
                answered.add(order)

    with Proxy(project, backend("echo.py", str(data))) as proxy:
        proxy.running()
        with workers(4, post):
            save_often(proxy)
        done = Counter(map(int, (data / "once.log").read_text().split()))
        assert set(done) == answered
        assert len(answered) > SAVES
        assert set(done.values()) == {1}


def test_post_in_flight_gets_502_when_drain_expires(project: Path, data: Path) -> None:
    # uvloop's clock has whole milliseconds: a timer may fire one early.
    with Proxy(project, backend("echo.py", str(data)), "--drain", "0.201") as proxy:
        proxy.running()
        connection = http_connection(proxy)
        connection.request("POST", "/once?id=1&ms=60000")
        with proxy.restart():
            wait_for_file(data / "once.log")
            proxy.save("version", "2")
        response = connection.getresponse()
        assert response.status == 502
        assert b"may have taken effect" in response.read()
        connection.close()
        assert (data / "once.log").read_text() == "1\n"
        restart = proxy.status()["last_restart"]
        assert restart is not None
        assert 200 <= restart["drain_ms"] < 5000


def wait_for_file(path: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not path.exists():
        assert time.monotonic() < deadline
        threading.Event().wait(0.005)


def test_drain_0_kills_at_once(project: Path, data: Path) -> None:
    with Proxy(project, backend("echo.py", str(data)), "--drain", "0") as proxy:
        proxy.running()
        connection = http_connection(proxy)
        connection.request("POST", "/once?id=1&ms=60000")
        wait_for_file(data / "once.log")
        with proxy.restart():
            proxy.save("version", "2")
        assert connection.getresponse().status == 502
        connection.close()
        restart = proxy.status()["last_restart"]
        assert restart is not None
        assert restart["drain_ms"] + restart["stop_ms"] < 500


def test_get_in_flight_is_sent_to_the_new_server(project: Path, data: Path) -> None:
    (project / "version").write_text("old")
    with Proxy(project, backend("echo.py", str(data))) as proxy:
        proxy.running()
        connection = http_connection(proxy)
        connection.request("GET", "/slow?until=go")
        # Accepted after the GET, which is therefore in flight when this is answered.
        assert proxy.status()["state"] == "running"
        with proxy.restart():
            proxy.save("version", "new")
        (data / "go").touch()
        assert connection.getresponse().read() == b"new"
        connection.close()


@pytest.mark.parametrize("query", ["", "&chunked=1"])
def test_download_cut_by_a_save_is_truncated_at_the_client(project: Path, query: str) -> None:
    with Proxy(project, backend("echo.py")) as proxy:
        proxy.running()
        connection = http_connection(proxy)
        connection.request("GET", f"/download?bytes=100000000&ms=20{query}")
        response = connection.getresponse()
        assert response.read(100_000)
        with proxy.restart():
            proxy.save("a.py", "")
        with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
            read_strictly(response)
        connection.close()


def read_strictly(response: http.client.HTTPResponse) -> None:
    """Read the body; http.client does not report a cut body with a length when read in parts."""
    while response.read(65536):
        pass
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)


def test_event_stream_ends_at_a_save(project: Path) -> None:
    """EventSource then reconnects by itself, and is held until the new server answers."""
    with Proxy(project, backend("echo.py")) as proxy:
        proxy.running()
        host = f"Host: 127.0.0.1:{proxy.port}\r\n\r\n"
        with proxy.connect() as wire:
            wire.send(f"GET /sse HTTP/1.1\r\n{host}".encode())
            wire.until(b"data: 3\n")
            started = time.monotonic()
            proxy.save("a.py", "")
            with pytest.raises(TruncatedError):
                wire.until(b"\r\n0\r\n\r\n")
            assert time.monotonic() - started < 2000 * MS
        with proxy.connect() as wire:
            wire.send(f"GET /sse HTTP/1.1\r\n{host}".encode())
            wire.until(b"data: 0\n")


def test_websockets_get_1012_at_a_restart(project: Path) -> None:
    with Proxy(project, backend("websocket_echo.py")) as proxy:
        proxy.running()
        url = f"ws://127.0.0.1:{proxy.port}/"
        for number in range(5):
            with ExitStack() as stack:
                sockets = [stack.enter_context(websocket(url, proxy=None)) for _ in range(4)]
                for opened in sockets:
                    opened.send("hello")
                    assert opened.recv(PATIENCE_S) == "hello"
                proxy.save("a.py", str(number))
                for opened in sockets:
                    assert_restarting(opened)
            # Reconnected at once, while the server is down: held, and then opened.
            with websocket(url, proxy=None, open_timeout=PATIENCE_S) as opened:
                opened.send("again")
                assert opened.recv(PATIENCE_S) == "again"


def assert_restarting(opened: ClientConnection) -> None:
    with pytest.raises(ConnectionClosed) as closed:
        opened.recv(PATIENCE_S)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012


def test_held_requests_do_not_overflow_a_small_backlog(project: Path, tmp_path: Path) -> None:
    """60 connections at once to a listen queue of 10 would wait for seconds in the kernel.

    The test decides when the backend listens, so that requests are certainly held before.
    """
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    command = ["sh", "-c", f"read line < {fifo}; exec {shlex.join(backend('backlog.py'))}"]
    answered: list[float] = []

    async def get_60(proxy: Proxy) -> None:
        wires = [await asyncio.open_connection("127.0.0.1", proxy.port) for _ in range(60)]
        for _, writer in wires:
            writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        # Accepted after the others, which are therefore held when this one is answered.
        assert (await asyncio.to_thread(proxy.get, "/_hpp/status")).status == 200
        await asyncio.to_thread(fifo.write_text, "go\n")
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
            for number, (reader, writer) in enumerate(wires):
                group.create_task(answer(reader, writer), name=f"get {number}")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        answered.append(time.monotonic())
        writer.close()
        await writer.wait_closed()

    with Proxy(project, command) as proxy:
        asyncio.run(get_60(proxy))
    gaps = [later - earlier for earlier, later in itertools.pairwise(answered)]
    # A request takes 5 ms; the kernel repeats an overflowed connect after a second.
    assert max(gaps) < 500 * MS


@pytest.mark.parametrize("leave", ["reset", "close"])
def test_client_that_leaves_while_held_never_reaches_the_backend(
    project: Path, tmp_path: Path, leave: str
) -> None:
    """The test decides when the backend listens, so that requests are certainly held before."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    command = ["sh", "-c", f"read line < {fifo}; exec {shlex.join(backend('echo.py', '..'))}"]
    with Proxy(project, command) as proxy:
        for number in range(10):
            wire = proxy.connect()
            wire.send(b"POST /once?id=%d HTTP/1.1\r\nHost: localhost\r\n" % number)
            wire.send(b"Content-Length: 3\r\n\r\nabc")
            if leave == "reset":
                wire.reset()
            else:
                wire.socket.close()
        # Accepted after the others, whose ends the proxy has therefore seen when this is answered.
        assert proxy.get("/_hpp/status").status == 200
        fifo.write_text("go\n")
        assert proxy.get("/once?id=1000").status == 200
        assert (tmp_path / "once.log").read_text() == "1000\n"
