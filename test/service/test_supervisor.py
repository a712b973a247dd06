"""The supervisor: effects of changes and crashes on the backend, on requests and on browsers."""

import asyncio
import re
import signal

import pytest

from httpprocessproxy.config import RestartConfig
from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.service.waiter import Target
from test.children import configured
from test.deadline import PATIENCE_S
from test.fakes import Listener
from test.loops import eventually, on_every_loop
from test.supervision import Life, is_in_burst, supervised

# Starts and restarts


@on_every_loop
async def test_first_start_admits_held_requests_once_ready() -> None:
    async with supervised() as life:
        waiter = life.ask()
        assert life.status().state == "loading"
        await life.reached("running", 1)
        backend = life.config.address
        assert waiter.target == Target(GenerationId("web", 1), backend.host, backend.port)
        assert life.ask().target == waiter.target
        assert life.states == ["loading", "running"]
        assert re.fullmatch(r"ready after \d+ ms", life.reasons[1])
        assert life.reloads == 1
        status = life.status()
        assert status.pid == life.children[0].pid
        assert status.last_restart is None


@on_every_loop
async def test_change_restarts_the_backend() -> None:
    async with supervised() as life:
        await life.reached("running", 1)
        life.change("a.py", "b.py")
        await life.reached("running", 2)
        assert life.states[2:] == ["killing", "loading", "running"]
        assert life.reasons[2] == "changed: a.py and 1 more"
        assert life.children[0].stops
        assert life.plane.ended == [GenerationId("web", 1)]
        assert life.reloads == 2


@on_every_loop
async def test_status_has_the_paths_and_times_of_a_restart() -> None:
    async with supervised() as life:
        await life.reached("running", 1)
        life.change("b.py", "a.py")
        await life.reached("running", 2)
        restart = life.status().last_restart
        assert restart is not None
        assert restart.paths == ["a.py", "b.py"]
        times = (restart.drain_ms, restart.stop_ms, restart.start_ms, restart.ready_ms)
        stages = [ms for ms in times if ms is not None]
        assert len(stages) == 4
        assert min(stages) >= 0
        assert restart.total_ms == pytest.approx(sum(stages), abs=0.3)


@on_every_loop
async def test_restart_in_progress_has_no_ready_time() -> None:
    async with supervised() as life:
        await life.reached("running", 1)
        life.launcher.listens = False
        life.change()
        await life.spawned(2)
        restart = life.last_restart()
        assert restart.stop_ms is not None
        assert (restart.ready_ms, restart.total_ms) == (None, None)


@on_every_loop
async def test_request_waits_from_the_change_until_the_backend_answers() -> None:
    async with supervised() as life:
        await life.reached("running", 1)
        life.launcher.listens = False
        life.change()
        await eventually(lambda: life.service.gate.target is None)
        waiter = life.ask()
        await life.spawned(2)
        assert (waiter.target, waiter.problem) == (None, None)
        late = Listener(port=life.config.address.port)
        await life.reached("running", 2)
        assert waiter.target is not None
        late.close()


@on_every_loop
async def test_requested_restart_has_its_source_as_the_reason() -> None:
    async with supervised() as life:
        await life.reached("running", 1)
        life.service.restart("the keyboard")
        await life.reached("running", 2)
        assert life.reasons[2] == "restart asked for by the keyboard"
        assert life.last_restart().paths == []


@on_every_loop
async def test_requested_restart_starts_a_crashed_backend() -> None:
    async with supervised() as life:
        await life.reached("running", 1)
        life.children[0].exit(3)
        await life.reached("error", 1)
        life.service.restart("the page")
        await life.reached("running", 2)


# Bursts


@on_every_loop
async def test_burst_is_one_restart() -> None:
    async with supervised(configured(settle_s=0.05)) as life:
        await life.reached("running", 1)
        for number in range(10):
            life.change(f"{number}.py")
            await asyncio.sleep(0)
        await life.reached("running", 2)
        assert life.last_restart().paths == [f"{number}.py" for number in range(10)]
        assert len(life.children) == 2


@on_every_loop
async def test_change_during_the_kill_is_part_of_the_same_restart() -> None:
    async with supervised(configured(RestartConfig(drain_s=PATIENCE_S))) as life:
        await life.reached("running", 1)
        life.service.gate.pending_began()
        life.change("first.py")
        await life.reached("killing", 1)
        await eventually(lambda: not is_in_burst(life))
        life.change("second.py")
        life.service.gate.pending_ended()
        await life.reached("running", 2)
        assert life.last_restart().paths == ["first.py", "second.py"]
        assert len(life.children) == 2


@on_every_loop
async def test_requested_restart_during_the_kill_keeps_all_paths() -> None:
    async with supervised(configured(RestartConfig(drain_s=PATIENCE_S))) as life:
        await life.reached("running", 1)
        life.service.gate.pending_began()
        life.change("first.py")
        await life.reached("killing", 1)
        life.service.restart("the keyboard")
        life.change("second.py")
        life.service.gate.pending_ended()
        await life.reached("running", 2)
        assert life.last_restart().paths == ["first.py", "second.py"]


@on_every_loop
async def test_change_while_loading_is_another_restart() -> None:
    async with supervised(listens=False) as life:
        await life.spawned(1)
        life.change()
        await life.spawned(2)
        life.launcher.listens = True
        await eventually(lambda: not is_in_burst(life))
        life.change()
        await life.reached("running", 3)
        assert len(life.children) == 3
        assert life.reloads == 1  # browsers reload only once it is ready


# Crashes


@on_every_loop
async def test_crash_refuses_requests_until_a_change_restarts() -> None:
    async with supervised() as life:
        await life.reached("running", 1)
        life.output.printed = b"Traceback: no such table\n"
        life.children[0].exit(3)
        await life.reached("error", 1)
        problem = life.ask().problem
        assert problem is not None
        assert (problem.status, problem.output) == (503, life.output.printed)
        assert (problem.state, problem.generation) == ("error", 1)
        assert problem.retry_after_s
        assert "`serve --it`: exited with status 3" in problem.detail
        assert life.reasons[-1].startswith("exited with status 3, after")
        assert (life.status().returncode, life.status().pid) == (3, None)
        assert life.status().reason == "exited with status 3"
        assert (life.plane.ended, life.reloads) == ([GenerationId("web", 1)], 2)
        life.change()
        await life.reached("running", 2)
        assert life.ask().target is not None
        assert life.status().reason == ""
        restart = life.last_restart()
        assert (restart.drain_ms, restart.stop_ms) == (0, 0)


@on_every_loop
async def test_command_that_cannot_be_spawned_refuses_until_a_change() -> None:
    life = Life(configured())
    life.launcher.error = "cannot start 'serve': No such file or directory"
    async with asyncio.TaskGroup() as group:
        running = group.create_task(life.run(), name="supervisor")
        waiter = life.ask()
        await life.reached("error", 1)
        assert waiter.problem is not None
        assert "No such file" in waiter.problem.detail
        assert life.status().returncode is None
        life.launcher.error = ""
        life.change()
        await life.reached("running", 2)
        running.cancel()


@on_every_loop
async def test_crash_right_after_a_change_is_not_an_error() -> None:
    async with supervised() as life:
        await life.reached("running", 1)
        life.change()
        life.children[0].exit(1)
        await life.reached("running", 2)
        assert life.states[-3:] == ["killing", "loading", "running"]


@on_every_loop
async def test_change_right_after_a_crash_starts_once() -> None:
    async with supervised() as life:
        await life.reached("running", 1)
        life.children[0].exit(1)
        life.change()
        await life.reached("running", 2)
        assert len(life.children) == 2


# The end of the program


@on_every_loop
async def test_kill_kills_the_process_if_there_is_one() -> None:
    async with supervised() as life:
        life.service.kill()  # before the process
        await life.reached("running", 1)
        life.service.kill()
        assert life.children[0].was_killed
        await life.reached("error", 1)
        life.service.kill()  # after the process


@pytest.mark.parametrize(
    ("kill_signal", "said"),
    [
        (
            signal.SIGTERM,
            ["waiting for the server to end after SIGTERM, 5 s at most: Ctrl+C kills"],
        ),
        (signal.SIGKILL, []),
    ],
)
@on_every_loop
async def test_wait_for_a_graceful_end_is_reported(
    kill_signal: signal.Signals, said: list[str]
) -> None:
    async with supervised(configured(RestartConfig(kill_signal=kill_signal))) as life:
        life.service.report_wait()  # before the process
        await life.reached("running", 1)
        life.service.report_wait()
        life.children[0].exit(1)
        await life.reached("error", 1)
        life.service.report_wait()  # after the process
        assert [text.removesuffix(" it now") for text in life.said] == said


@pytest.mark.parametrize("state", ["loading", "running", "error", "killing"])
@on_every_loop
async def test_cancellation_in_any_state_ends_all_processes(state: str) -> None:
    async with supervised(
        configured(RestartConfig(drain_s=PATIENCE_S * 2)), listens=state != "loading"
    ) as life:
        await life.reached("loading" if state == "loading" else "running", 1)
        child = await life.spawned(1)
        if state == "error":
            child.exit(1)
        if state == "killing":
            life.service.gate.pending_began()
            life.change()
        await life.reached(state, 1)
