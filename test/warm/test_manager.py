"""The fork server manager: offers, replaces and gives up servers, and its notices."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Self

import pytest

from httpprocessproxy.warm import ForkError, ImportRecord, PythonCommand
from httpprocessproxy.warm import manager as manager_module
from httpprocessproxy.warm.manager import (
    MAX_DISTURBED,
    MAX_FAILURES,
    ForkServerManager,
    PreloadOptions,
)
from test.loops import eventually, on_every_loop
from test.warm.starts import new_tree


class FakeServer:
    """A fork server that becomes ready and ends under control of the test."""

    made: list["FakeServer"]
    error = ""  # the reason why the next servers cannot be started
    ready_after_s = 0.7
    skipped: Mapping[str, str] = {"grpc": "it breaks"}

    def __init__(
        self, command: PythonCommand, record: ImportRecord, env: Mapping[str, str], _: object
    ) -> None:
        self.environment = env
        self.is_running = False
        self.becomes_ready = asyncio.Event()
        self.end: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        FakeServer.made.append(self)

    async def __aenter__(self) -> Self:
        if FakeServer.error:
            raise ForkError(FakeServer.error)
        self.is_running = True
        return self

    async def __aexit__(self, *_: object) -> None:
        self.is_running = False

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
    monkeypatch.setattr(manager_module, "ForkServer", FakeServer)
    monkeypatch.setattr(manager_module, "QUIET_S", 0.01)


@pytest.fixture
def options(tmp_path: Path) -> PreloadOptions:
    site, project = tmp_path / "site-packages", tmp_path / "project"
    (site / "django").mkdir(parents=True)
    project.mkdir()
    command = PythonCommand(str(tmp_path / "bin" / "python"), (), file="app.py")
    return PreloadOptions(
        command, ImportRecord(("django", "grpc"), (), (), (str(site),)), {"A": "1"}, project
    )


class RunningManager:
    """A fork server manager that runs in a separate task, and its notices."""

    def __init__(self) -> None:
        self.notices: list[str] = []
        self.manager = ForkServerManager(
            new_tree(), lambda text, level: self.notices.append(f"{level}: {text}")
        )

    async def __aenter__(self) -> Self:
        self._group = asyncio.TaskGroup()
        await self._group.__aenter__()
        self._task = self._group.create_task(self.manager.run(), name="manager")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await self._group.__aexit__(None, None, None)
        assert not any(server.is_running for server in FakeServer.made)

    async def killed(self, server: FakeServer) -> None:
        server.end.set_result("the fork server was killed")
        await eventually(lambda: self.manager.server is None)

    async def started(self, number: int) -> FakeServer:
        await eventually(lambda: len(FakeServer.made) == number and FakeServer.made[-1].is_running)
        assert not any(server.is_running for server in FakeServer.made[:-1]), "never two"
        return FakeServer.made[-1]

    async def offered(self, number: int) -> FakeServer:
        server = await self.started(number)
        server.becomes_ready.set()
        await eventually(lambda: self.manager.memory_bytes is not None)
        found: object = self.manager.server
        assert found is server
        return server


@on_every_loop
async def test_server_is_offered_once_ready(options: PreloadOptions) -> None:
    async with RunningManager() as running:
        assert FakeServer.made == []
        running.manager.want(options)
        await running.started(1)
        assert running.manager.server is None
        await running.offered(1)
        assert running.manager.memory_bytes == 102_000_000
        await eventually(lambda: bool(running.notices))
    assert running.notices == ["info: preloaded 1 modules in 700 ms, 102.0 MB: starts are warm now"]


@on_every_loop
async def test_new_options_replace_server(options: PreloadOptions) -> None:
    async with RunningManager() as running:
        running.manager.want(options)
        await running.offered(1)
        running.manager.want(replace(options, environment={"A": "2"}))
        assert running.manager.server is None
        assert (await running.offered(2)).environment == {"A": "2"}


@on_every_loop
async def test_installed_library_replaces_server(options: PreloadOptions) -> None:
    async with RunningManager() as running:
        running.manager.want(options)
        await running.offered(1)
        running.notices.clear()
        (Path(options.record.folders[0]) / "django" / "urls.py").touch()
        await eventually(lambda: running.manager.server is None)
        assert running.notices == [
            "warning: django has changed: preloading again, starts are cold until then"
        ]
        await running.offered(2)


@on_every_loop
async def test_package_that_writes_into_own_folder_turns_preloading_off(
    options: PreloadOptions,
) -> None:
    file = Path(options.record.folders[0]) / "django" / "table.py"
    async with RunningManager() as running:
        running.manager.want(options)
        for number in range(1, MAX_DISTURBED + 1):
            await running.started(number)
            file.write_text(str(number))
            await eventually(lambda number=number: len(running.notices) == number)  # type: ignore[misc]
    assert running.notices[-1] == (
        "warning: django changes whenever it is imported: --preload is off, and starts are cold"
    )


@on_every_loop
async def test_ended_server_is_replaced_until_max_failures(options: PreloadOptions) -> None:
    async with RunningManager() as running:
        running.manager.want(options)
        for number in range(1, MAX_FAILURES + 1):
            server = await running.offered(number)
            await running.killed(server)
        await eventually(lambda: bool(running.manager.off))
        running.manager.want(options)
        await asyncio.sleep(0)
    assert len(FakeServer.made) == MAX_FAILURES
    warnings = [line for line in running.notices if line.startswith("warning")]
    again = "warning: the fork server was killed: starts are cold until another one is ready"
    off = "warning: the fork server was killed: --preload is off, and starts are cold"
    assert warnings == [again] * (MAX_FAILURES - 1) + [off]


@on_every_loop
async def test_warm_start_resets_failures(options: PreloadOptions) -> None:
    async with RunningManager() as running:
        running.manager.want(options)
        for number in range(1, MAX_FAILURES + 2):
            server = await running.offered(number)
            running.manager.worked()
            await running.killed(server)
        await running.offered(MAX_FAILURES + 2)
        assert not running.manager.off


@on_every_loop
async def test_failing_start_is_logged(options: PreloadOptions) -> None:
    FakeServer.error = "cannot start 'python'"
    async with RunningManager() as running:
        running.manager.want(options)
        await eventually(lambda: bool(running.manager.off))
    assert (
        running.notices[-1]
        == "warning: cannot start 'python': --preload is off, and starts are cold"
    )


@on_every_loop
async def test_server_that_ends_before_ready_is_replaced(options: PreloadOptions) -> None:
    async with RunningManager() as running:
        running.manager.want(options)
        server = await running.started(1)
        server.end.set_result("out of memory")
        server.becomes_ready.set()
        await running.offered(2)
    assert (
        running.notices[0] == "warning: out of memory: starts are cold until another one is ready"
    )


@pytest.fixture
def _short_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manager_module, "READY_TIMEOUT_S", 0.01)


@pytest.mark.usefixtures("_short_timeout")
@on_every_loop
async def test_server_not_ready_in_time_turns_preloading_off(options: PreloadOptions) -> None:
    async with RunningManager() as running:
        running.manager.want(options)
        await eventually(lambda: bool(running.manager.off))
    off = "warning: the fork server is not ready after 10 ms: --preload is off, and starts are cold"
    assert running.notices == [off]


@on_every_loop
async def test_server_is_not_replaced_after_give_up(options: PreloadOptions) -> None:
    async with RunningManager() as running:
        running.manager.want(options)
        server = await running.offered(1)
        running.manager.give_up("a warm server crashed")
        assert running.manager.server is None
        await eventually(lambda: not server.is_running)
        running.manager.want(options)
    assert len(FakeServer.made) == 1
    assert (
        running.notices[-1]
        == "warning: a warm server crashed: --preload is off, and starts are cold"
    )


@on_every_loop
async def test_missing_library_folder_is_ignored(options: PreloadOptions) -> None:
    nowhere = replace(options, record=replace(options.record, folders=("/no/such/folder",)))
    async with RunningManager() as running:
        running.manager.want(nowhere)
        await running.offered(1)


def test_interpreter_and_pyvenv_cfg_are_watched(options: PreloadOptions) -> None:
    prefix = Path(options.command.interpreter).parent.parent
    assert {str(prefix / "bin" / "python"), str(prefix / "pyvenv.cfg")} <= options.places.named


def test_interpreter_found_in_path_is_watched(
    options: PreloadOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    bin_, real = options.folder / "bin", options.folder / "python3"
    bin_.mkdir()
    real.touch(mode=0o755)
    (bin_ / "python").symlink_to(real)
    monkeypatch.setenv("PATH", str(bin_))
    by_name = replace(options, command=PythonCommand("python", (), file="app.py"))
    assert {str(bin_ / "python"), str(real)} <= by_name.places.named
