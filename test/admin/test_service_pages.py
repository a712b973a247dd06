"""The pages of services: a list, and for each its status, its output and a restart."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from httpprocessproxy.events import OutputPrinted, StateChanged, members
from test.admin.pages import SCRIPT, open_site, token
from test.admin.sockets import OWN, run
from test.loops import eventually
from test.messages import status

WEB_RUNS = {
    "name": "web",
    "routes": ["/**"],
    "url": "http://localhost:8001/",
    "port": 8000,
    **members(status("running", 3)),
}


def test_list_has_each_service_with_its_url(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            open_site(tmp_path) as (program, client),
            client.get("/_hpp/services") as response,
        ):
            assert response.status == 200
            assert await response.json() == {"run": program.bus.run, "services": [WEB_RUNS]}

    run(main())


@pytest.mark.parametrize("target", ["/_hpp/services", "/_hpp/services/web/status"])
def test_wait_lasts_until_the_state_is_reached(tmp_path: Path, target: str) -> None:
    async def ask(client: aiohttp.ClientSession, query: str) -> int:
        async with client.get(target + query) as response:
            return response.status

    async def main() -> None:
        async with open_site(tmp_path) as (program, client), asyncio.TaskGroup() as group:
            assert await ask(client, "?wait=error&timeout=0.01") == 504
            asked = group.create_task(ask(client, "?wait=error"), name="wait")
            await eventually(lambda: program.bus.is_wanted(StateChanged))
            program.enter("error")
            assert await asked == 200
            assert program.fences == 2

    run(main())


def test_status_of_an_unknown_service_gets_404_with_a_near_name(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_site(tmp_path) as (_, client):
            for name, detail in (("wep", "did you mean web?"), ("zzz", "there are web")):
                async with client.get(f"/_hpp/services/{name}/status") as response:
                    assert response.status == 404
                    assert detail in (await response.json())["detail"]

    run(main())


def test_restart_waits_for_a_later_generation(tmp_path: Path) -> None:
    async def ask(client: aiohttp.ClientSession, query: str) -> tuple[int, object]:
        async with client.post(f"/_hpp/services/web/restart{query}") as response:
            return response.status, (await response.json())["generation"]

    async def main() -> None:
        async with open_site(tmp_path) as (program, client), asyncio.TaskGroup() as group:
            assert await ask(client, "") == (202, 3)
            assert program.restarted_by == ["a program"]
            asked = group.create_task(ask(client, "?wait=running,error"), name="restart")
            await eventually(lambda: program.bus.is_wanted(StateChanged))
            program.enter("running", 4)
            assert await asked == (200, 4)

    run(main())


@pytest.mark.parametrize(
    ("act", "state", "generation"), [("stop", "stopped", 3), ("start", "running", 4)]
)
def test_service_is_stopped_and_started(
    tmp_path: Path, act: str, state: str, generation: int
) -> None:
    async def main() -> None:
        async with open_site(tmp_path) as (_, client):
            target = f"/_hpp/services/web/{act}"
            async with client.post(target) as response:
                assert response.status == 202
            async with client.post(f"{target}?wait={state}") as response:
                answer = await response.json()
                assert (response.status, answer["state"]) == (200, state)
                assert answer["generation"] >= generation

    run(main())


@pytest.mark.parametrize("target", ["/_hpp/services/web/restart", "/_hpp/down"])
def test_act_of_a_browser_needs_the_token(tmp_path: Path, target: str) -> None:
    async def main() -> None:
        async with open_site(tmp_path) as (program, client):
            for headers, code in (
                ({"Origin": OWN, **SCRIPT}, 403),
                ({"Origin": "http://evil.example"}, 403),
                ({"Origin": OWN, **SCRIPT, **await token(client)}, 202),
            ):
                async with client.post(target, headers=headers) as response:
                    assert response.status == code
            await eventually(lambda: len(program.restarted_by) + program.ends == 1)

    run(main())


@pytest.mark.parametrize(
    ("query", "text"), [("", "one\ntwo\n"), ("?lines=1", "two\n"), ("?lines=9", None)]
)
def test_output_is_text(tmp_path: Path, query: str, text: str | None) -> None:
    async def main() -> None:
        async with (
            open_site(tmp_path) as (_, client),
            client.get(f"/_hpp/services/web/output{query}") as response,
        ):
            assert response.content_type == "text/plain"
            assert await response.text() == (text or "one\ntwo\n")

    run(main())


def printed(text: str, service: str = "web") -> OutputPrinted:
    return OutputPrinted(service=service, stream="stdout", text=text)


def test_followed_output_goes_on_until_the_reader_leaves(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_site(tmp_path) as (program, client):
            target = "/_hpp/services/web/output?follow=1&lines=1"
            async with client.get(target) as response:
                assert response.headers["X-Content-Type-Options"] == "nosniff"
                assert await response.content.readline() == b"two\n"
                program.bus.publish(printed("other\n", "api"))
                program.bus.publish(printed("thr"))
                program.bus.publish(printed("ee\n"))
                assert await response.content.readline() == b"three\n"
            await eventually(lambda: not program.bus.is_wanted(OutputPrinted))

    run(main())


def test_output_for_a_reader_that_does_not_read_ends(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_site(tmp_path) as (program, client):
            async with client.get("/_hpp/services/web/output?follow=1") as response:
                assert await response.content.readline() == b"one\n"
                for _ in range(20_000):
                    program.bus.publish(printed("x" * 10))
                body = await response.read()
            assert body == b"two\n" + b"x" * 100_000

    run(main())


def test_down_ends_the_program_after_its_response(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_site(tmp_path) as (program, client):
            async with client.post("/_hpp/down") as response:
                assert response.status == 202
            await eventually(lambda: program.ends == 1)

    run(main())


def test_request_for_another_run_of_the_proxy_gets_421(tmp_path: Path) -> None:
    """The port of a proxy that has ended may be another folder's."""

    async def main() -> None:
        async with open_site(tmp_path) as (program, client):
            for run_id, code in (("0" * 16, 421), (program.bus.run, 202)):
                headers = {"Hpp-Run": run_id}
                async with client.post("/_hpp/services/web/restart", headers=headers) as response:
                    assert response.status == code
            assert len(program.restarted_by) == 1

    run(main())
