"""The Watchman watcher: Watchman dies, comes back, stops watching, warns and refuses."""

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from httpprocessproxy.core.change.patterns import ANYTHING
from httpprocessproxy.core.errors import UserError
from test.deadline import PATIENCE_S
from test.watch.daemon import Daemon, running
from test.watch.watching import run, watching

pywatchman = pytest.importorskip("pywatchman", reason="the extra [watchman] is not installed")

# Imported after the check: the module imports pywatchman.
from httpprocessproxy.watch.connection import File  # noqa: E402


def stamped(size: int = 2, ctime_ns: int = 4, *, new: bool = False) -> File:
    return File(
        name="a.py",
        exists=True,
        new=new,
        type="f",
        ino=1,
        size=size,
        mtime_ns=3,
        ctime_ns=ctime_ns,
    )


def test_watchman_that_dies_and_returns_reports_anything(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "daemon").mkdir()

    async def main(daemon: Daemon) -> None:
        async with watching("watchman", project) as (reports, _):
            daemon.kill()
            await reports.until(lambda: reports.said)
            assert "changes are not seen until it is back" in reports.said[0]
            (project / "a.py").write_text("nobody sees this")
            daemon.start()
            await reports.until(lambda: reports.said[1:] == ["Watchman is back"])
            assert reports.paths == {ANYTHING}
            await reports.all()
            assert reports.calls == 3, "one for all that was missed, two for the marker"
            (project / "a.py").write_text("seen again")
            assert await reports.all() == {"a.py"}

    with running(tmp_path / "daemon") as daemon:
        monkeypatch.setenv("WATCHMAN_SOCK", str(daemon.socket))
        run(main(daemon))


def test_root_taken_off_the_list_is_watched_again(project: Path, daemon: Daemon) -> None:
    async def main() -> None:
        async with watching("watchman", project) as (reports, _):
            with pywatchman.client(timeout=PATIENCE_S) as other:
                other.query("watch-del", str(project))
            await reports.see(ANYTHING)
            await reports.all()
            (project / "a.py").write_text("")
            assert await reports.all() == {"a.py"}
            assert reports.said == []

    run(main())


def test_watchmanconfig_is_respected(project: Path, daemon: Daemon) -> None:
    (project / ".watchmanconfig").write_text('{"ignore_dirs": ["build"]}')
    (project / "build").mkdir()

    async def main() -> None:
        async with watching("watchman", project) as (reports, _):
            (project / "build" / "a.py").write_text("")
            (project / "a.py").write_text("")
            assert await reports.all() == {"a.py"}

    run(main())


Message = Mapping[str, object]


class FakeWatchman:
    """A server that sends the test's answers, one connection after the other.

    A connection is the answer to its clock or query, then the reports after the subscription.
    """

    def __init__(self, path: Path, root: Path, connections: Sequence[Sequence[Message]]) -> None:
        self.queries: list[Message] = []
        self._connections = connections
        self._answers: dict[str, Message] = {
            "version": {"version": "of a fake", "capabilities": {"bser-v2": True}},
            "watch-project": {"watch": str(root), "warning": "Recrawled\nthis watch"},
            "watch-list": {"roots": [str(root)]},
        }
        self._root = str(root)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()

    def serve(self) -> None:
        with self._listener:
            for query, *reports in self._connections:
                # The client may close the connection before all reports are sent.
                with self._accept() as connection, contextlib.suppress(ConnectionError):
                    name = self._begin(connection, query)
                    about = {"unilateral": True, "subscription": name, "root": self._root}
                    for report in reports:
                        self._send(connection, {**about, **report})

    def _accept(self) -> socket.socket:
        """The next connection that sends data: others only probe the socket."""
        while True:
            connection, _ = self._listener.accept()
            if connection.recv(1, socket.MSG_PEEK):
                return connection
            connection.close()

    def _begin(self, connection: socket.socket, query: Message) -> str:
        """Answer up to the subscription; return its name, or "" without one."""
        name = ""
        # A request is small, and the client sends the next one after the answer.
        while request := connection.recv(65536):
            command, *arguments = pywatchman.bser.loads(request, value_encoding="utf-8")
            if command == "query" and arguments[1]["fields"] == ["name"]:
                self._send(connection, {"files": []})  # links
                return name
            if command == "query":
                self.queries.append(arguments[1])
            if command == "subscribe":
                name = str(arguments[1])
            answers = {**self._answers, "clock": query, "query": query, "subscribe": {}}
            self._send(connection, answers[command])
        return ""

    def _send(self, connection: socket.socket, message: Message) -> None:
        connection.sendall(pywatchman.bser.dumps(message, version=2, capabilities=0))


@contextlib.contextmanager
def serving(fake: FakeWatchman) -> Iterator[None]:
    thread = threading.Thread(target=fake.serve)
    thread.start()
    try:
        yield
    finally:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def test_one_clock_runs_through_all_connections(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, chmod, written = stamped(new=True), stamped(ctime_ns=5), stamped(size=3, ctime_ns=6)
    connections: list[list[Message]] = [
        [
            {"clock": "c:1"},
            {"clock": "c:1b", "files": [before]},
            {"clock": "c:2", "state-enter": "hg.update"},
            {"clock": "c:3", "files": [chmod], "warning": "Recrawled this watch"},
        ],
        [{"clock": "c:4", "files": [written]}],
        [{"clock": "c:5", "is_fresh_instance": True, "files": []}],
        [{"clock": "c:6", "files": []}, {"canceled": True}],
        [{"clock": "c:7", "files": [stamped(size=9)]}],
    ]
    fake = FakeWatchman(tmp_path / "sock", project, connections)
    monkeypatch.setenv("WATCHMAN_SOCK", str(tmp_path / "sock"))

    async def main() -> None:
        async with watching("watchman", project) as (reports, watcher):
            assert watcher.description == "Watchman of a fake: as you asked"
            await reports.until(lambda: reports.calls == 4)
            assert reports.paths == {"a.py", ANYTHING}
            warnings = [text for text in reports.said if "Recrawled" in text]
            assert warnings == ["Watchman: Recrawled this watch"]

    with serving(fake):
        run(main())
    assert [query.get("since") for query in fake.queries] == ["c:3", "c:4", "c:5", "c:6"]


def test_watchman_that_refuses_raises_user_error(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeWatchman(tmp_path / "sock", project, [[{"error": "poisoned:\nno watches"}]])
    monkeypatch.setenv("WATCHMAN_SOCK", str(tmp_path / "sock"))

    async def main() -> None:
        async with watching("watchman", project):
            raise AssertionError("it must not begin")

    with serving(fake), pytest.raises(UserError, match=r"cannot watch .*: poisoned: no watches"):
        run(main())
