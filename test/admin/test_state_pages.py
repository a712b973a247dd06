"""The state over HTTP: its status, a wait for one, a restart, and the history."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from httpprocessproxy.core.build import Build
from httpprocessproxy.events import Notice, StateChanged, members, to_json
from test.admin.pages import SCRIPT, FakeProgram, open_site, token
from test.admin.sockets import OWN, run
from test.loops import eventually
from test.messages import status

RUNNING = {**members(status("running", 3)), "services": {"web": "running"}}


async def get(client: aiohttp.ClientSession, target: str) -> tuple[int, dict[str, object]]:
    async with client.get(target) as response:
        return response.status, await response.json()


async def waiting(program: FakeProgram) -> None:
    """Wait until a request waits for a state."""
    await eventually(lambda: program.bus.is_wanted(StateChanged))


@pytest.mark.parametrize("query", ["", "?wait=running", "?wait=error,running&timeout=0"])
def test_present_state_is_returned_at_once(tmp_path: Path, query: str) -> None:
    async def main() -> None:
        async with open_site(tmp_path) as (_, client):
            answer = await get(client, f"/_hpp/status{query}")
            assert answer == (200, RUNNING)

    run(main())


@pytest.mark.parametrize(
    ("query", "news", "generation"),
    [
        ("wait=error", [("killing", 0), ("loading", 4), ("error", 0)], 4),
        ("wait=running&after=3", [("killing", 0), ("running", 3), ("running", 4)], 4),
        ("wait=running,error&after=3", [("error", 0), ("loading", 4), ("error", 4)], 4),
    ],
)
def test_response_waits_for_the_wanted_state(
    tmp_path: Path, query: str, news: list[tuple[str, int]], generation: int
) -> None:
    async def main() -> None:
        async with open_site(tmp_path) as (program, client), asyncio.TaskGroup() as group:
            asked = group.create_task(get(client, f"/_hpp/status?{query}"), name="wait")
            await waiting(program)
            for state in news:
                assert not asked.done()
                program.enter(*state)
                await asyncio.sleep(0)
            code, answer = await asked
            assert (code, answer["state"], answer["generation"]) == (
                200,
                news[-1][0],
                generation,
            )
            assert not program.bus.is_wanted(StateChanged)

    run(main())


def test_timeout_of_a_wait_gets_504_with_the_state(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_site(tmp_path) as (program, client):
            answer = await get(client, "/_hpp/status?wait=error&timeout=0.01")
            assert answer == (504, RUNNING)
            assert not program.bus.is_wanted(StateChanged)

    run(main())


@pytest.mark.parametrize(
    "query",
    [
        "wait=",
        "wait=x",
        "wait=running,x",
        "wait=running&timeout=x",
        "after=x",
        "after=-1",
        "wait=running&timeout=3601",
        "wait=running&timeout=nan",
    ],
)
@pytest.mark.parametrize("target", ["GET /_hpp/status", "POST /_hpp/restart"])
def test_invalid_parameter_gets_400_with_one_line(tmp_path: Path, target: str, query: str) -> None:
    async def main() -> None:
        method, path = target.split()
        if method == "POST" and query.startswith("after"):
            return
        async with (
            open_site(tmp_path) as (program, client),
            client.request(method, f"{path}?{query}", headers={"Accept": "*/*"}) as response,
        ):
            assert response.status == 400
            title, _, detail = (await response.text()).partition("\n\n")
            assert title == "400 Bad Request"
            assert len(detail.splitlines()) == 1
            assert program.restarted_by == []

    run(main())


def test_restart_returns_202_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_site(tmp_path) as (program, client):
            async with client.post("/_hpp/restart") as response:
                assert response.status == 202
                assert (await response.json())["generation"] == 3
            headers = {"Origin": OWN, **SCRIPT, **await token(client)}
            async with client.post("/_hpp/restart", headers=headers) as response:
                assert response.status == 202
            assert program.restarted_by == ["a program", "the page"]

    run(main())


def test_restart_with_wait_returns_the_next_generation(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_site(tmp_path) as (program, client), asyncio.TaskGroup() as group:

            async def post() -> int:
                async with client.post("/_hpp/restart?wait=running,error") as response:
                    return response.status

            asked = group.create_task(post(), name="restart")
            await waiting(program)
            for state in (("killing", 3), ("loading", 4)):
                program.enter(*state)
            assert not asked.done()
            program.enter("error")
            assert await asked == 200

    run(main())


def test_restart_whose_build_fails_gets_504_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_site(tmp_path) as (program, client), asyncio.TaskGroup() as group:

            async def post() -> tuple[int, object]:
                async with client.post("/_hpp/restart?wait=running,error") as response:
                    return response.status, (await response.json())["build"]

            asked = group.create_task(post(), name="restart")
            await waiting(program)
            for build in (Build("running", "make"), Build("succeeded", "make", ms=20.0)):
                program.end_build(build)
                await asyncio.sleep(0)
            assert not asked.done()
            failed = Build("failed", "make", "ended with exit status 2", 30.0)
            program.end_build(failed)
            assert await asked == (504, members(failed))

    run(main())


def test_failed_build_does_not_end_a_wait_for_a_state_of_any_generation(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_site(tmp_path) as (program, client), asyncio.TaskGroup() as group:
            asked = group.create_task(get(client, "/_hpp/status?wait=error"), name="wait")
            await waiting(program)
            program.end_build(Build("failed", "make", "ended with exit status 2", 30.0))
            await asyncio.sleep(0)
            assert not asked.done()
            program.enter("error")
            assert (await asked)[0] == 200

    run(main())


def test_history_has_states_and_notices(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_site(tmp_path) as (program, client):
            program.enter("killing")
            program.enter("loading", 4)
            _, answer = await get(client, "/_hpp/history")
            assert answer["run"] == program.bus.run
            assert answer["states"] == [
                to_json(event) for event in program.bus.recent(StateChanged)
            ]
            assert answer["notices"] == []
            program.bus.publish(Notice(text="the port is in use"))
            _, answer = await get(client, "/_hpp/history")
            assert answer["notices"] == [to_json(event) for event in program.bus.recent(Notice)]

    run(main())
