"""Saves, crashes and failed starts: the program's states, and the responses meanwhile."""

import contextlib
import json
import os
import shlex
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

from test.building import building, held
from test.deadline import MS, eventually
from test.harness import BACKENDS, Proxy, backend
from test.processes import rss_bytes
from test.wire import Message

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize("by", ["write", "rename"])
def test_save_restarts_the_server_once(project: Path, by: str) -> None:
    (project / "version").write_text("1")
    with Proxy(project, backend("echo.py")) as proxy:
        assert proxy.running().get("/version").body == b"1"
        for version in ("2", "3", "4"):
            with proxy.restart():
                proxy.save("version", version, by=by)
            assert proxy.get("/version").body == version.encode()
        status = proxy.status()
        assert status["generation"] == 4
        restart = status["last_restart"]
        assert restart is not None
        assert [Path(path).name for path in restart["paths"]] == ["version"]
        assert restart["total_ms"] >= restart["stop_ms"] > 0


def test_debug_prints_each_transition(project: Path) -> None:
    with Proxy(project, backend("echo.py"), "--debug") as proxy:
        proxy.running()
        with proxy.restart():
            proxy.save("a.py", "")
        for line in (r"LOADING -> RUNNING", r"RUNNING -> KILLING .*a\.py", r"KILLING -> LOADING"):
            proxy.wait_output(line)


def test_request_during_a_start_is_held(project: Path) -> None:
    with building(project) as proxy, proxy.connect() as wire:
        assert held(proxy, wire, GET).status == 200
        assert proxy.status()["generation"] == 1


def test_held_request_replaces_the_readiness_check(project: Path) -> None:
    with building(project) as proxy, proxy.connect() as wire:
        assert held(proxy, wire, GET).status == 200
        proxy.wait_output('"GET / HTTP/1.1" 200')
        assert "HEAD" not in proxy.output


def test_change_during_a_start_restarts_once_more(project: Path) -> None:
    with building(project, "--pattern", "a.py", then=backend("slow_start.py", "0")) as proxy:
        eventually(lambda: proxy.status()["pid"])
        with proxy.restart("loading"):
            proxy.save("a.py", "1")
        proxy.save("go", "")
        assert proxy.running().status()["generation"] == 2
        assert proxy.get("/a.py").body == b"1"


def test_burst_of_saves_is_one_restart(project: Path) -> None:
    with Proxy(project, backend("echo.py"), "--settle", "200") as proxy:
        proxy.running()
        with proxy.restart():
            for number in range(200):
                proxy.save(f"{number}.py", "")
        assert proxy.status()["generation"] == 2


def test_excluded_files_do_not_restart_the_server(project: Path) -> None:
    for directory in (".git", "__pycache__", "node_modules", ".venv", "src"):
        (project / directory).mkdir()
    with Proxy(project, backend("echo.py")) as proxy:
        proxy.running()
        ignored = [".git/index", "__pycache__/a.pyc", "node_modules/a.js", ".venv/a.py"]
        for name in [*ignored, "a.pyc", ".a.py.swp", "a.py~", ".#a.py", "4913", "src/#a#"]:
            proxy.save(name, "")
        with proxy.restart():
            proxy.save("src/a.py", "")
        assert proxy.status()["generation"] == 2


# The state ERROR, and recovery


def test_crash_gets_503_until_a_save(project: Path) -> None:
    (project / "version").write_text("1")
    command = ["sh", "-c", f"cat version; exec {shlex.join(backend('echo.py'))}"]
    with Proxy(project, command) as proxy:
        proxy.running()
        os.remove(project / "version")
        proxy.wait_state("running", after=1)
        (project / "broken").touch()
        proxy.wait_state("running", after=2)
        assert proxy.get("/crash").status in (502, 503)
        status = proxy.wait_state("error")
        assert status["returncode"] == 3
        assert proxy.get("/").status == 503
        with proxy.restart():
            proxy.save("version", "2")
        assert proxy.get("/version").body == b"2"


def test_crash_page_is_html_json_or_text(project: Path) -> None:
    with Proxy(project, backend("crash.py")) as proxy:
        assert proxy.wait_state("error")["returncode"] == 3
        page = proxy.get("/", Accept="text/html,application/xhtml+xml,*/*;q=0.8")
        data = proxy.get("/", Accept="application/json")
        text = proxy.get("/", Accept="*/*")
        for response, kind in (
            (page, b"text/html"),
            (data, b"application/json"),
            (text, b"text/plain"),
        ):
            assert response.status == 503
            assert (response.get(b"Content-Type") or b"").startswith(kind)
            assert response.get(b"Cache-Control") == b"no-store"
            assert b"no such table" in response.body
        assert "3" in json.dumps(json.loads(data.body))
        assert b"status 3" in text.body or b"code 3" in text.body
        assert b"/_hpp/client.js" in page.body


def test_crash_page_names_the_signal(project: Path) -> None:
    with Proxy(project, ["sh", "-c", "kill -SEGV $$"]) as proxy:
        assert proxy.wait_state("error")["returncode"] == -11
        assert b"SIGSEGV" in proxy.get("/").body


def test_crash_page_has_the_last_64_kib_of_output(project: Path) -> None:
    script = "for i in $(seq 1 20000); do echo line $i; done; echo the end; exit 1"
    with Proxy(project, ["sh", "-c", script]) as proxy:
        proxy.wait_state("error")
        body = proxy.get("/").body
        assert b"the end" in body
        assert 60_000 < len(body) < 80_000


@pytest.mark.parametrize("what", ["missing", "not executable", "bad shebang", "directory"])
def test_command_that_cannot_start_is_an_error_until_a_save(project: Path, what: str) -> None:
    command = project / "server"
    if what == "not executable":
        command.write_text("#!/bin/sh\n")
    elif what == "bad shebang":
        command.write_text("#!/no/such/interpreter\n")
        command.chmod(0o755)
    elif what == "directory":
        command.mkdir()
    with Proxy(project, [str(command), "{port}"]) as proxy:
        status = proxy.wait_state("error")
        assert status["returncode"] is None
        response = proxy.get("/")
        assert response.status == 503
        assert str(command).encode() in response.body
        if what == "directory":
            command.rmdir()
        before = proxy.status()["generation"]
        new = project / "new"
        new.write_text(f"#!/bin/sh\nexec {shlex.quote(sys.executable)} {BACKENDS}/echo.py $1\n")
        new.chmod(0o755)
        new.replace(command)
        proxy.wait_state("running", after=before)


def test_server_that_dies_after_listening_is_an_error(project: Path) -> None:
    with Proxy(project, backend("listens_then_dies.py"), "--ping", "tcp") as proxy:
        status = proxy.wait_state("error")
        assert status["returncode"] == 4


# Ports


def test_foreign_process_on_the_port_is_named_and_gets_no_request(project: Path) -> None:
    proxy = Proxy(project, backend("echo.py"))
    with socket.create_server(("127.0.0.1", proxy.backend_port)) as stranger, proxy:
        proxy.wait_state("error")
        response = proxy.get("/")
        assert response.status == 503
        assert str(os.getpid()).encode() in response.body
        stranger.settimeout(0)
        with pytest.raises(BlockingIOError):
            answered(stranger)
        stranger.close()
        with proxy.restart():
            proxy.save("a.py", "")
        assert proxy.get("/").status == 200


def answered(listener: socket.socket) -> bytes:
    """The first byte that a client sends; connections without data are ignored."""
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(1000 * MS)
            with contextlib.suppress(ConnectionResetError):
                if data := connection.recv(1):
                    return data


def test_foreign_listener_that_comes_later_is_accepted(project: Path) -> None:
    """As with a container's published port: the listener is outside the process tree."""
    proxy = Proxy(project, ["sleep", "1000"])
    with proxy:
        assert proxy.status()["state"] == "loading"
        with socket.create_server(("127.0.0.1", proxy.backend_port)) as foreign:
            done = threading.Event()
            thread = threading.Thread(target=serve_ok, args=(foreign, done))
            thread.start()
            try:
                proxy.wait_state("running")
                assert proxy.get("/").body == b"ok"
                proxy.wait_output(f"{proxy.backend_port} is served by a process outside")
            finally:
                done.set()
                foreign.shutdown(socket.SHUT_RDWR)
                thread.join()


def serve_ok(listener: socket.socket, done: threading.Event) -> None:
    while not done.is_set():
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.recv(65536)
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
            )


def test_daemonizing_backend_is_reported_and_killed(project: Path) -> None:
    """The exit status of a daemon cannot be read: the page says that it must stay in foreground."""
    with Proxy(project, backend("daemonizing.py")) as proxy:
        assert proxy.wait_state("error")["returncode"] == 0
        first = daemons(proxy)
        response = proxy.get("/")
        assert response.status == 503
        assert b"foreground" in response.body
        with proxy.restart("error"):
            proxy.save("a.py", "1")
        eventually(lambda: len(daemons(proxy)) == 1)
        assert daemons(proxy) != first


def daemons(proxy: Proxy) -> set[int]:
    left = proxy.left_over().items()
    return {pid for pid, command in left if "daemonizing.py" in command and " -m " not in command}


# Timeouts


def test_server_that_never_listens_is_an_error_after_the_start_timeout(project: Path) -> None:
    options = ["--start-timeout", "0.5", "--queue-timeout", "20"]
    with Proxy(project, backend("never_listens.py"), *options) as proxy:
        started = time.monotonic()
        response = proxy.get("/")
        assert response.status == 503
        assert b"waiting for a database" in response.body
        assert time.monotonic() - started < 5000 * MS


def test_queue_timeout_does_not_change_the_state(project: Path) -> None:
    with Proxy(project, backend("never_listens.py"), "--queue-timeout", "0.3") as proxy:
        response = proxy.get("/")
        assert response.status == 503
        assert response.get(b"Retry-After") is not None
        assert proxy.status()["state"] == "loading"


def test_backend_that_ignores_sigterm_is_killed(project: Path) -> None:
    command = ["sh", "-c", f"{shlex.join(backend('ignores_sigterm.py'))}; true"]
    options = ["--kill-signal", "TERM", "--kill-timeout", "0.3"]
    with Proxy(project, command, *options) as proxy:
        proxy.running()
        with proxy.restart():
            proxy.save("a.py", "1")
        restart = proxy.status()["last_restart"]
        assert restart is not None
        assert restart["stop_ms"] >= 300


def test_kill_signal_lets_a_backend_clean_up(project: Path, tmp_path: Path) -> None:
    note = tmp_path / "note"
    script = (
        f"trap 'echo clean > {note}; kill $!; exit' TERM; {shlex.join(backend('echo.py'))} & wait"
    )
    with Proxy(project, ["sh", "-c", script], "--kill-signal", "SIGTERM") as proxy:
        proxy.running()
        with proxy.restart():
            proxy.save("a.py", "1")
        assert note.read_text() == "clean\n"


# Output


def test_output_is_copied_at_once_and_unchanged(project: Path) -> None:
    script = r"printf '\033[31mred\033[0m\n'; printf 'no newline'; printf '\377\n'; exec sleep 1000"
    with Proxy(project, ["sh", "-c", script]) as proxy:
        proxy.wait_output("\x1b\\[31mred\x1b\\[0m\n")
        proxy.wait_output("no newline\ufffd")


def test_200_mb_of_output_do_not_stall_requests(project: Path) -> None:
    with Proxy(project, backend("chatty.py")) as proxy:
        proxy.running()
        pid = proxy.process.pid
        before = rss_bytes(pid)
        answers: list[Message] = [proxy.get("/") for _ in range(20)]
        assert {answer.status for answer in answers} == {200}
        proxy.wait_output("chatter ends", 60_000 * MS)
        assert rss_bytes(pid) - before < 32 << 20


def test_free_port_of_bind_0_is_printed(project: Path) -> None:
    proxy = Proxy(project, backend("echo.py"))
    proxy.arguments[3], proxy.port = "127.0.0.1:0", 0
    with proxy:
        found = proxy.wait_output(r"http://127\.0\.0\.1:([1-9][0-9]+)")
        proxy.port = int(found[1])
        assert proxy.running().get("/").status == 200
