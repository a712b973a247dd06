"""`--socket` through the whole program: servers that inherit their listening socket."""

import http.client
import itertools
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from test.deadline import MS, PATIENCE_S, eventually
from test.harness import BACKENDS, Proxy, http_connection
from test.ports import free_port
from test.preloaded import Preloaded, warmed
from test.pressure import SAVES, save_often, workers
from test.wire import Wire

PYTHON = sys.executable
INHERITING = (PYTHON, str(BACKENDS / "inheriting.py"))
WSGI = """
from pathlib import Path

VERSION = Path("version").read_bytes()

def app(environ, start_response):
    start_response("200 OK", [("Content-Length", str(len(VERSION)))])
    return [VERSION]
"""

SERVERS = {
    "uvicorn --fd": [PYTHON, "-m", "uvicorn", "--fd", "{fd}", "asgi_app:app"],
    "gunicorn fd://": [PYTHON, "-m", "gunicorn", "--bind", "fd://{fd}", "wsgi_app:app"],
    "gunicorn, systemd's protocol": [PYTHON, "-m", "gunicorn", "wsgi_app:app"],
    "node": ["node", "inheriting.js", "{fd}"],
    "go, systemd's protocol": ["./server"],
    "a loop around accept": [*INHERITING, "{fd}"],
}


@pytest.fixture(scope="session")
def go_server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    binary = tmp_path_factory.mktemp("go") / "server"
    command = ["go", "build", "-o", str(binary), str(BACKENDS / "inheriting.go")]
    subprocess.run(command, check=True, timeout=PATIENCE_S * 10)
    return binary


@pytest.fixture
def source(project: Path) -> Path:
    for name in ("asgi_app.py", "inheriting.js"):
        shutil.copy(BACKENDS / name, project)
    (project / "wsgi_app.py").write_text(WSGI)
    (project / "version").write_text("version 0")
    return project


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def assert_saves_are_served(proxy: Proxy, ready: Callable[[Proxy], Proxy] = Proxy.running) -> None:
    """Save twice, each time after `ready` has returned, and assert that each save is served."""
    assert proxy.running().get("/").body == b"version 0"
    for number in (1, 2):
        with ready(proxy).restart():
            proxy.save("version", f"version {number}", by="rename" if number % 2 else "write")
        assert proxy.get("/").body == f"version {number}".encode()
    assert "in use" not in proxy.output.lower()


@pytest.mark.parametrize("name", SERVERS)
def test_saves_are_served(source: Path, name: str, request: pytest.FixtureRequest) -> None:
    if name.startswith("go"):
        shutil.copy(request.getfixturevalue("go_server"), source)
    with Proxy(source, SERVERS[name], "--socket") as proxy:
        assert_saves_are_served(proxy)


def test_ping_tcp_waits_until_the_server_accepts_a_connection(source: Path) -> None:
    with Proxy(source, SERVERS["uvicorn --fd"], "--socket", "--ping", "tcp") as proxy:
        assert_saves_are_served(proxy)
        restart = proxy.status()["last_restart"]
        assert restart is not None
        assert restart["ready_ms"] > 30, "the import of uvicorn takes longer"


def test_asgi_application_inherits_the_socket(source: Path) -> None:
    proxy = Proxy(source, [], "--socket", "--asgi", "asgi_app:app")
    proxy.arguments.remove("--exec")
    with proxy:
        assert_saves_are_served(proxy)


@pytest.mark.parametrize("name", ["uvicorn --fd", "gunicorn, systemd's protocol"])
def test_warm_start_inherits_the_socket(source: Path, tmp_path: Path, name: str) -> None:
    with Preloaded(source, tmp_path / "cache", SERVERS[name]).proxy("--socket") as proxy:
        # Warm each time, because the first warm start of gunicorn may import more to preload.
        assert_saves_are_served(proxy, warmed)
        proxy.wait_output(r"(\(warm, [^\0]*){2}")
        assert len(re.findall(r"\(warm, ", proxy.output)) == 2


def check_restarts(project: Path, command: list[str], restarts: int) -> None:
    """Send GETs all the time; assert that no response is older than the last settled save."""
    current = 0
    answers: Counter[int] = Counter()

    def get(number: int, done: threading.Event) -> None:
        with closing(http_connection(proxy)) as connection:
            while not done.is_set():
                oldest = current
                connection.request("GET", "/")
                response = connection.getresponse()
                try:
                    body = response.read()
                except (http.client.IncompleteRead, ConnectionResetError):
                    connection.close()  # it was in flight: the head may precede the body
                    continue
                assert response.status == 200, body
                assert int(body) >= oldest, "stale"
                answers[int(body)] += 1

    (project / "version").write_text("0")
    with Proxy(project, command, "--socket") as proxy:
        proxy.running()
        with workers(3, get):
            for number in range(1, restarts + 1):
                with proxy.restart():
                    proxy.save("version", str(number), by="rename" if number % 2 else "write")
                current = number
                assert int(proxy.get("/").body) == number
    assert len(answers) > restarts / 2, answers


def test_restarts_under_load_serve_the_new_code(source: Path) -> None:
    check_restarts(source, [*INHERITING], 20)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["uvicorn --fd", "gunicorn fd://", "node", "a loop around accept"])
def test_500_restarts_under_load_serve_the_new_code(source: Path, name: str) -> None:
    check_restarts(source, SERVERS[name], 500)


def test_no_post_is_lost_or_run_twice(project: Path, data: Path) -> None:
    """One is being served, all others wait in the listen queue: the proxy reclaims those."""
    (project / "version").write_text("0")
    ids = itertools.count()
    answered: set[int] = set()

    def post(number: int, done: threading.Event) -> None:
        while not done.is_set():
            with closing(http_connection(proxy)) as connection:
                order = next(ids)
                connection.request("POST", f"/?id={order}&ms={order % 4 * 10}", body=b"x" * 100)
                response = connection.getresponse()
                body = response.read()
                assert response.status == 200, body
                answered.add(order)

    with Proxy(project, [*INHERITING, str(data)], "--socket") as proxy:
        proxy.running()
        with workers(8, post):
            save_often(proxy)
        done = Counter(map(int, (data / "orders.log").read_text().split()))
        assert set(done) == answered
        assert len(answered) > SAVES
        assert set(done.values()) == {1}


def backlog(port: int) -> int:
    """The number of connections that the server at a port has not accepted (proc_net_tcp.rst)."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = [row for row in rows if row[3] == "0A" and row[1].endswith(f":{port:04X}")]
    return sum(int(row[4].partition(":")[2], 16) for row in listening)


def test_posts_in_the_queue_go_to_the_new_code(project: Path, data: Path) -> None:
    (project / "version").write_text("old")
    with Proxy(project, [*INHERITING, str(data)], "--socket") as proxy:
        proxy.running()
        connections = [http_connection(proxy) for _ in range(4)]
        for number, connection in enumerate(connections):
            # The first is being served, and ends within the drain; the others are in the queue.
            connection.request("POST", f"/?id={number}&until=go", body=b"x" * 100)
            eventually(lambda: "0" in orders(data))
        with proxy.restart():
            proxy.save("version", "new")
            proxy.wait_state("killing")
            # The proxy takes the requests back a moment after the state is shown.
            eventually(lambda: backlog(proxy.backend_port) == 0)
            (data / "go").touch()
        answers = [connection.getresponse().read() for connection in connections]
        assert answers == [b"old", b"new", b"new", b"new"]
        restart = proxy.status()["last_restart"]
        assert restart is not None
        assert restart["drain_ms"] < 900, "only the first delays the kill"
        assert sorted(orders(data)) == ["0", "1", "2", "3"]
        for connection in connections:
            connection.close()


def orders(data: Path) -> list[str]:
    log = data / "orders.log"
    return log.read_text().split() if log.exists() else []


@pytest.mark.parametrize(("end", "statuses"), [("/crash", {503}), ("/shutdown", {502, 503})])
def test_crash_gets_503_for_requests_in_the_queue(
    source: Path, data: Path, end: str, statuses: set[int]
) -> None:
    with Proxy(source, [*INHERITING, str(data)], "--socket") as proxy:
        proxy.running()
        connections = [http_connection(proxy) for _ in range(4)]
        connections[0].request("GET", f"{end}?id=0&until=go")
        eventually(lambda: orders(data) == ["0"])
        for connection in connections[1:]:
            connection.request("POST", "/?id=1")
        # Accepted after the others, which are therefore in the queue when this is answered.
        assert proxy.status()["state"] == "running"
        (data / "go").touch()
        for connection in connections:
            response = connection.getresponse()
            # A server that shuts the socket down resets them; it may have read any of them.
            assert response.status in statuses
            assert response.status == 502 or b"exited with status 7" in response.read()
            connection.close()
        assert proxy.wait_state("error")["returncode"] == 7
        with proxy.restart():
            proxy.save("version", "mended")
        assert proxy.get("/").body == b"mended"
        assert orders(data) == ["0"], "the next server must not get refused requests"


def test_connection_past_the_proxy_waits_for_the_server(source: Path) -> None:
    (source / "asgi_app.py").write_text("import no_such_module")
    with Proxy(source, SERVERS["uvicorn --fd"], "--socket") as proxy:
        proxy.wait_state("error")
        with Wire.connect(proxy.backend_port) as wire:
            wire.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            with proxy.restart():
                proxy.save("asgi_app.py", (BACKENDS / "asgi_app.py").read_text())
            assert wire.response().body == b"version 0"


def test_server_that_binds_the_port_itself_is_an_error(source: Path) -> None:
    command = [PYTHON, "-m", "http.server", "--bind", "127.0.0.1", "{port}"]
    with Proxy(source, command, "--socket") as proxy:
        proxy.wait_state("error")
        assert b"Address already in use" in proxy.get("/", Accept="text/html").body


def test_server_that_never_accepts_gets_503_after_the_start_timeout(source: Path) -> None:
    command = [PYTHON, str(BACKENDS / "never_listens.py")]
    with Proxy(source, command, "--socket", "--start-timeout", "0.3") as proxy:
        response = proxy.get("/", Accept="text/html")
        assert response.status == 503
        assert b"does not answer yet" in response.body


def test_taken_backend_port_ends_the_program(source: Path) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        arguments = [str(free_port()), str(port), "--socket", "--exec", "true"]
        ended = subprocess.run(
            [PYTHON, "-m", "httpprocessproxy", *arguments],
            cwd=source,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S + 2000 * MS,
            check=False,
        )
    assert ended.returncode == 2
    assert f"cannot listen on BACKEND localhost:{port}: Address already in use" in ended.stderr
