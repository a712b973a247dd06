"""The supervisor: what a change, a crash and a slow start mean for the backend and for requests."""

import asyncio
import re
import signal
from dataclasses import replace

import pytest

from httpprocessproxy.service.gate import Target
from test.children import configured
from test.deadline import PATIENCE_S
from test.fakes import Listener
from test.loops import eventually, on_every_loop
from test.supervision import Life, is_in_burst, supervised

# The usual course


@on_every_loop
async def test_the_first_start() -> None:
    async with supervised() as life:
        waiter = life.ask()
        assert life.status().state == "loading"
        await life.reached("running", 1)
        backend = life.config.backend
        assert waiter.target == Target(1, backend.host, backend.port)
        assert life.ask().target == waiter.target
        assert life.states == ["loading", "running"]
        assert re.fullmatch(r"ready after \d+ ms", life.reasons[1])
        assert life.front.reloads == 1
        status = life.status()
        assert status.pid == life.children[0].pid
        assert status.last_restart is None


@on_every_loop
async def test_a_change_is_a_restart() -> None:
    async with supervised() as life:
        await life.reached("running", 1)
        life.change("a.py", "b.py")
        await life.reached("running", 2)
        assert life.states[2:] == ["killing", "loading", "running"]
        assert life.reasons[2] == "changed: a.py and 1 more"
        assert life.children[0].stops
        assert life.front.ended == [1]
        assert life.front.reloads == 2


@on_every_loop
async def test_a_restart_is_reported_with_its_paths_and_times() -> None:
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
async def test_a_restart_that_goes_on_has_no_times_yet() -> None:
    async with supervised() as life:
        await life.reached("running", 1)
        life.launcher.listens = False
        life.change()
        await life.spawned(2)
        restart = life.last_restart()
        assert restart.stop_ms is not None
        assert (restart.ready_ms, restart.total_ms) == (None, None)


@on_every_loop
async def test_requests_wait_from_the_change_to_the_answer() -> None:
    async with supervised() as life:
        await life.reached("running", 1)
        life.launcher.listens = False
        life.change()
        await eventually(lambda: life.supervisor.gate.target is None)
        waiter = life.ask()
        await life.spawned(2)
        assert (waiter.target, waiter.problem) == (None, None)
        late = Listener(port=life.config.backend.port)
        await life.reached("running", 2)
        assert waiter.target is not None
        late.close()


@on_every_loop
async def test_a_restart_may_be_asked_for() -> None:
    async with supervised() as life:
        await life.reached("running", 1)
        life.supervisor.restart("the keyboard")
        await life.reached("running", 2)
        assert life.reasons[2] == "restart asked for by the keyboard"
        assert life.last_restart().paths == []


@on_every_loop
async def test_a_restart_asked_for_heals_a_crash() -> None:
    async with supervised() as life:
        await life.reached("running", 1)
        life.children[0].exit(3)
        await life.reached("error", 1)
        life.supervisor.restart("the page")
        await life.reached("running", 2)


# Bursts


@on_every_loop
async def test_a_burst_is_one_restart() -> None:
    async with supervised(replace(configured(), settle_s=0.05)) as life:
        await life.reached("running", 1)
        for number in range(10):
            life.change(f"{number}.py")
            await asyncio.sleep(0)
        await life.reached("running", 2)
        assert life.last_restart().paths == [f"{number}.py" for number in range(10)]
        assert len(life.children) == 2


@on_every_loop
async def test_a_change_while_it_is_killed_is_seen_by_the_next_start() -> None:
    async with supervised(replace(configured(), drain_s=PATIENCE_S)) as life:
        await life.reached("running", 1)
        life.supervisor.gate.pending_began()
        life.change("first.py")
        await life.reached("killing", 1)
        await eventually(lambda: not is_in_burst(life))
        life.change("second.py")
        life.supervisor.gate.pending_ended()
        await life.reached("running", 2)
        assert life.last_restart().paths == ["first.py", "second.py"]
        assert len(life.children) == 2


@on_every_loop
async def test_a_restart_asked_for_while_it_is_killed_loses_no_path() -> None:
    async with supervised(replace(configured(), drain_s=PATIENCE_S)) as life:
        await life.reached("running", 1)
        life.supervisor.gate.pending_began()
        life.change("first.py")
        await life.reached("killing", 1)
        life.supervisor.restart("the keyboard")
        life.change("second.py")
        life.supervisor.gate.pending_ended()
        await life.reached("running", 2)
        assert life.last_restart().paths == ["first.py", "second.py"]


@on_every_loop
async def test_a_change_while_it_loads_is_one_more_restart() -> None:
    async with supervised(listens=False) as life:
        await life.spawned(1)
        life.change()
        await life.spawned(2)
        life.launcher.listens = True
        await eventually(lambda: not is_in_burst(life))
        life.change()
        await life.reached("running", 3)
        assert len(life.children) == 3
        assert life.front.reloads == 1  # browsers reload when it settles


# Ends that nobody asked for


@on_every_loop
async def test_a_crash_refuses_and_a_change_heals() -> None:
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
        assert (life.front.ended, life.front.reloads) == ([1], 2)
        life.change()
        await life.reached("running", 2)
        assert life.ask().target is not None
        assert life.status().reason == ""
        restart = life.last_restart()
        assert (restart.drain_ms, restart.stop_ms) == (0, 0)


@on_every_loop
async def test_what_cannot_be_spawned_is_refused_and_heals() -> None:
    life = Life(configured())
    life.launcher.error = "cannot start 'serve': No such file or directory"
    async with asyncio.TaskGroup() as group:
        running = group.create_task(life.supervisor.run(life.front), name="supervisor")
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
async def test_a_crash_that_meets_a_change_is_no_error() -> None:
    async with supervised() as life:
        await life.reached("running", 1)
        life.change()
        life.children[0].exit(1)
        await life.reached("running", 2)
        assert life.states[-3:] == ["killing", "loading", "running"]


@on_every_loop
async def test_a_change_that_meets_a_crash_starts_once() -> None:
    async with supervised() as life:
        await life.reached("running", 1)
        life.children[0].exit(1)
        life.change()
        await life.reached("running", 2)
        assert len(life.children) == 2


# The end of the program


@on_every_loop
async def test_who_will_not_wait_kills() -> None:
    async with supervised() as life:
        life.supervisor.kill()  # nothing is there yet
        await life.reached("running", 1)
        life.supervisor.kill()
        assert life.children[0].was_killed
        await life.reached("error", 1)
        life.supervisor.kill()  # and nothing any more


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
async def test_who_waits_is_told_for_what(kill_signal: signal.Signals, said: list[str]) -> None:
    async with supervised(replace(configured(), kill_signal=kill_signal)) as life:
        life.supervisor.report_wait()  # nothing is there yet
        await life.reached("running", 1)
        life.supervisor.report_wait()
        life.children[0].exit(1)
        await life.reached("error", 1)
        life.supervisor.report_wait()  # and nothing any more
        assert [text.removesuffix(" it now") for text in life.said] == said


@pytest.mark.parametrize("state", ["loading", "running", "error", "killing"])
@on_every_loop
async def test_cancelled_in_any_state_it_leaves_nothing(state: str) -> None:
    async with supervised(configured(drain_s=PATIENCE_S * 2), listens=state != "loading") as life:
        await life.reached("loading" if state == "loading" else "running", 1)
        child = await life.spawned(1)
        if state == "error":
            child.exit(1)
        if state == "killing":
            life.supervisor.gate.pending_began()
            life.change()
        await life.reached(state, 1)


@on_every_loop
async def test_what_is_taken_back_does_not_go_there_again() -> None:
    async with supervised() as life:
        await life.reached("running", 1)
        # It has ended by itself, and that is not known yet.
        life.supervisor.reclaim_unaccepted({("127.0.0.1", 40_000)})
        assert life.front.taken_back == {("127.0.0.1", 40_000)}
        assert life.ask().target is None
