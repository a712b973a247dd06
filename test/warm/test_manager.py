"""A fork server that is wanted, ends, or is worthless: when starts may use it, and what is said."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Self

import pytest

from httpprocessproxy.warm import ForkError, ImportRecord, PythonCommand
from httpprocessproxy.warm import manager as keeping
from httpprocessproxy.warm.manager import (
    MAX_DISTURBED,
    MAX_FAILURES,
    ForkServerManager,
    PreloadOptions,
)
from test.loops import eventually, on_every_loop


class FakeServer:
    """A fork server that is ready, and ends, when the test says so."""

    made: list["FakeServer"]
    error = ""  # why the next ones cannot be started
    ready_after_s = 0.7
    left_alone: Mapping[str, str] = {"grpc": "it breaks"}

    def __init__(
        self, command: PythonCommand, record: ImportRecord, env: Mapping[str, str]
    ) -> None:
        self.environment = env
        self.is_there = False
        self.becomes_ready = asyncio.Event()
        self.end: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        FakeServer.made.append(self)

    async def __aenter__(self) -> Self:
        if FakeServer.error:
            raise ForkError(FakeServer.error)
        self.is_there = True
        return self

    async def __aexit__(self, *_: object) -> None:
        self.is_there = False

    async def ready(self) -> None:
        await self.becomes_ready.wait()
        if self.end.done():
            raise ForkError(self.end.result())

    async def ended(self) -> str:
        return await asyncio.shield(self.end)

    def memory_bytes(self) -> int:
        return 102_000_000


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeServer.made = []
    FakeServer.error = ""
    monkeypatch.setattr(keeping, "ForkServer", FakeServer)
    monkeypatch.setattr(keeping, "QUIET_S", 0.01)


@pytest.fixture
def wish(tmp_path: Path) -> PreloadOptions:
    site, project = tmp_path / "site-packages", tmp_path / "project"
    (site / "django").mkdir(parents=True)
    project.mkdir()
    command = PythonCommand(str(tmp_path / "bin" / "python"), (), file="app.py")
    return PreloadOptions(
        command, ImportRecord(("django", "grpc"), (), (), (str(site),)), {"A": "1"}, project
    )


class Kept:
    """A keeper that runs in a task of its own, and what it said."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.manager = ForkServerManager(lambda text, level: self.said.append(f"{level}: {text}"))

    async def __aenter__(self) -> Self:
        self._group = asyncio.TaskGroup()
        await self._group.__aenter__()
        self._running = self._group.create_task(self.manager.run(), name="keeper")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._running.cancel()
        await self._group.__aexit__(None, None, None)
        assert not any(server.is_there for server in FakeServer.made)

    async def killed(self, server: FakeServer) -> None:
        server.end.set_result("the fork server was killed")
        await eventually(lambda: self.manager.server is None)

    async def started(self, number: int) -> FakeServer:
        await eventually(lambda: len(FakeServer.made) == number and FakeServer.made[-1].is_there)
        assert not any(server.is_there for server in FakeServer.made[:-1]), "never two"
        return FakeServer.made[-1]

    async def offered(self, number: int) -> FakeServer:
        server = await self.started(number)
        server.becomes_ready.set()
        await eventually(lambda: self.manager.memory_bytes is not None)
        found: object = self.manager.server
        assert found is server
        return server


@on_every_loop
async def test_it_may_be_used_once_it_is_ready(wish: PreloadOptions) -> None:
    async with Kept() as kept:
        assert FakeServer.made == []
        kept.manager.want(wish)
        await kept.started(1)
        assert kept.manager.server is None
        await kept.offered(1)
        assert kept.manager.memory_bytes == 102_000_000
        await eventually(lambda: bool(kept.said))
    assert kept.said == ["info: preloaded 1 modules in 700 ms, 102.0 MB: starts are warm now"]


@on_every_loop
async def test_another_wish_takes_its_place(wish: PreloadOptions) -> None:
    async with Kept() as kept:
        kept.manager.want(wish)
        await kept.offered(1)
        kept.manager.want(replace(wish, environment={"A": "2"}))
        assert kept.manager.server is None
        assert (await kept.offered(2)).environment == {"A": "2"}


@on_every_loop
async def test_what_is_installed_ends_it_at_once(wish: PreloadOptions) -> None:
    async with Kept() as kept:
        kept.manager.want(wish)
        await kept.offered(1)
        kept.said.clear()
        (Path(wish.record.folders[0]) / "django" / "urls.py").touch()
        await eventually(lambda: kept.manager.server is None)
        assert kept.said == [
            "warning: django has changed: preloading anew, starts are cold until then"
        ]
        await kept.offered(2)


@on_every_loop
async def test_what_writes_into_its_own_folder_is_not_imported_for_ever(
    wish: PreloadOptions,
) -> None:
    file = Path(wish.record.folders[0]) / "django" / "table.py"
    async with Kept() as kept:
        kept.manager.want(wish)
        for number in range(1, MAX_DISTURBED + 1):
            await kept.started(number)
            file.write_text(str(number))
            await eventually(lambda number=number: len(kept.said) == number)  # type: ignore[misc]
    assert kept.said[-1] == (
        "warning: django changes whenever it is imported: --preload is off, and starts are cold"
    )


@on_every_loop
async def test_one_that_ends_has_a_successor_but_not_for_ever(wish: PreloadOptions) -> None:
    async with Kept() as kept:
        kept.manager.want(wish)
        for number in range(1, MAX_FAILURES + 1):
            server = await kept.offered(number)
            await kept.killed(server)
        await eventually(lambda: bool(kept.manager.off))
        kept.manager.want(wish)
        await asyncio.sleep(0)
    assert len(FakeServer.made) == MAX_FAILURES
    warnings = [line for line in kept.said if line.startswith("warning")]
    again = "warning: the fork server was killed: starts are cold until another one is ready"
    off = "warning: the fork server was killed: --preload is off, and starts are cold"
    assert warnings == [again] * (MAX_FAILURES - 1) + [off]


@on_every_loop
async def test_a_warm_start_shows_that_it_was_chance(wish: PreloadOptions) -> None:
    async with Kept() as kept:
        kept.manager.want(wish)
        for number in range(1, MAX_FAILURES + 2):
            server = await kept.offered(number)
            kept.manager.worked()
            await kept.killed(server)
        await kept.offered(MAX_FAILURES + 2)
        assert not kept.manager.off


@on_every_loop
async def test_one_that_cannot_be_started_is_told(wish: PreloadOptions) -> None:
    FakeServer.error = "cannot start 'python'"
    async with Kept() as kept:
        kept.manager.want(wish)
        await eventually(lambda: bool(kept.manager.off))
    assert kept.said[-1] == "warning: cannot start 'python': --preload is off, and starts are cold"


@on_every_loop
async def test_one_that_ends_before_it_is_ready(wish: PreloadOptions) -> None:
    async with Kept() as kept:
        kept.manager.want(wish)
        server = await kept.started(1)
        server.end.set_result("out of memory")
        server.becomes_ready.set()
        await kept.offered(2)
    assert kept.said[0] == "warning: out of memory: starts are cold until another one is ready"


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "READY_TIMEOUT_S", 0.01)


@pytest.mark.usefixtures("_impatient")
@on_every_loop
async def test_one_that_hangs_is_given_up(wish: PreloadOptions) -> None:
    async with Kept() as kept:
        kept.manager.want(wish)
        await eventually(lambda: bool(kept.manager.off))
    off = "warning: the fork server is not ready after 10 ms: --preload is off, and starts are cold"
    assert kept.said == [off]


@on_every_loop
async def test_once_given_up_there_is_none(wish: PreloadOptions) -> None:
    async with Kept() as kept:
        kept.manager.want(wish)
        server = await kept.offered(1)
        kept.manager.give_up("a warm server crashed")
        assert kept.manager.server is None
        await eventually(lambda: not server.is_there)
        kept.manager.want(wish)
    assert len(FakeServer.made) == 1
    assert kept.said[-1] == "warning: a warm server crashed: --preload is off, and starts are cold"


@on_every_loop
async def test_a_folder_that_is_not_there_is_no_reason_to_fail(wish: PreloadOptions) -> None:
    nowhere = replace(wish, record=replace(wish.record, folders=("/no/such/folder",)))
    async with Kept() as kept:
        kept.manager.want(nowhere)
        await kept.offered(1)


def test_the_interpreter_and_its_environment_are_watched(wish: PreloadOptions) -> None:
    prefix = Path(wish.command.interpreter).parent.parent
    assert {str(prefix / "bin" / "python"), str(prefix / "pyvenv.cfg")} <= wish.places.named


def test_an_interpreter_of_path_is_watched(
    wish: PreloadOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    bin_, real = wish.folder / "bin", wish.folder / "python3"
    bin_.mkdir()
    real.touch(mode=0o755)
    (bin_ / "python").symlink_to(real)
    monkeypatch.setenv("PATH", str(bin_))
    by_name = replace(wish, command=PythonCommand("python", (), file="app.py"))
    assert {str(bin_ / "python"), str(real)} <= by_name.places.named
