"""Saves of files: some restart the server, some refresh browsers, others have no effect."""

import itertools
import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from test.deadline import MS, PATIENCE_S
from test.harness import Proxy, backend


@contextmanager
def livereload(proxy: Proxy) -> Iterator[ClientConnection]:
    """A LiveReload client whose hello the proxy has read."""
    url = f"ws://127.0.0.1:{proxy.port}/_hpp/livereload"
    protocols = ["http://livereload.com/protocols/official-7"]
    with connect(url, origin=Origin(proxy.url), proxy=None) as page:
        page.send(json.dumps({"command": "hello", "protocols": protocols}))
        assert json.loads(page.recv(PATIENCE_S))["command"] == "hello"
        # The pong comes after the hello was read.
        page.ping().wait(PATIENCE_S)
        yield page


def reloaded_path(page: ClientConnection) -> str:
    message = json.loads(page.recv(PATIENCE_S))
    assert message["command"] == "reload"
    return str(message["path"])


def test_refreshed_files_do_not_restart_the_server(project: Path) -> None:
    """The page gets their paths, and then one reload for the restart by another file."""
    (project / "static").mkdir()
    options = ("--refresh", "static/**", "*.html", "--pattern", "**")
    with Proxy(project, backend("echo.py"), *options) as proxy, livereload(proxy) as page:
        proxy.running()
        assert reloaded_path(page) == "/"  # the first start
        proxy.save("static/a.css", "a {}", by="rename")
        assert reloaded_path(page) == "static/a.css"
        proxy.save("a.html", "<p>")
        assert reloaded_path(page) == "/"
        assert proxy.status()["generation"] == 1
        proxy.save("a.py", "")
        assert reloaded_path(page) == "/"
        assert proxy.status()["generation"] == 2


def test_save_without_a_change_is_ignored_with_ignore_unchanged(project: Path) -> None:
    with Proxy(project, backend("echo.py"), "--ignore-unchanged") as proxy:
        proxy.running()
        with proxy.restart():
            proxy.save("a.py", "1")
        for by in ("write", "rename", "write"):
            proxy.save("a.py", "1", by=by)
        with proxy.restart():
            proxy.save("a.py", "2")
        restart = proxy.status()["last_restart"]
        assert restart is not None
        assert restart["paths"] == ["a.py"]
        assert proxy.status()["generation"] == 3


def test_requests_are_answered_while_files_are_saved_without_a_change_all_the_time(
    project: Path,
) -> None:
    # Reading these takes longer than the pause between two writes; the kernel's queue holds them.
    paths = [project / f"module{number}.py" for number in range(20)]
    for path in paths:
        path.write_text("1" * 1_000_000)
    ends = threading.Event()

    def write_again() -> None:
        for path in itertools.cycle(paths):
            if ends.wait(0.5 * MS):
                return
            with path.open("r+b", buffering=0) as file:
                file.write(b"1")

    with Proxy(project, backend("echo.py"), "--ignore-unchanged") as proxy:
        proxy.running()
        writer = threading.Thread(target=write_again, name="writer")
        writer.start()
        try:
            for _ in range(5):
                assert proxy.get("/").status == 200
            with proxy.restart():
                proxy.save("a.py", "2")
        finally:
            ends.set()
            writer.join(PATIENCE_S)
        assert proxy.status()["generation"] == 2


def test_file_ignored_by_git_does_not_restart_the_server(project: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(project)], check=True)
    (project / "dist").mkdir()
    (project / ".gitignore").write_text("dist/\n*.log\n")
    with Proxy(project, backend("echo.py")) as proxy:
        proxy.running()
        proxy.save("dist/a.js", "")
        proxy.save("a.log", "")
        with proxy.restart():
            proxy.save("a.py", "")
        assert proxy.status()["generation"] == 2
        with proxy.restart():
            proxy.save(".gitignore", "*.log\n")
        with proxy.restart():
            proxy.save("dist/a.js", "again")
        assert proxy.status()["generation"] == 4


@pytest.mark.parametrize("when", ["early", "open"])
def test_server_that_writes_at_each_start_is_not_restarted_in_a_loop(
    project: Path, when: str
) -> None:
    command = backend("writes_at_start.py", "debug[1].txt", when)
    with Proxy(project, command) as proxy:
        proxy.wait_output(r"(writes|changes) debug\[1\]\.txt.*--exclude 'debug\\\[1\\\]\.txt'")
        proxy.wait_state("running")
        proxy.get("/")
        generation = proxy.status()["generation"]
        assert generation <= 12
        with proxy.restart():
            proxy.save("a.py", "")
        assert proxy.status()["generation"] == generation + 1


def test_glob_that_matches_no_file_is_reported_at_the_start(project: Path) -> None:
    (project / "src").mkdir()
    with Proxy(project, backend("echo.py"), "--pattern", "srcc/**") as proxy:
        proxy.wait_output(r"--pattern 'srcc/\*\*' matches no file here: there is 'src'")
