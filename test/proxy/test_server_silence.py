"""The silence of a backend, measured by the sweeps of the data plane."""

import asyncio
from pathlib import Path

import pytest

from httpprocessproxy.core.silence import Silence, SilenceMeter
from httpprocessproxy.proxy import server as server_module
from test.fakes import OK, get, post, serving
from test.loops import eventually, on_every_loop


@pytest.fixture
def sweeps(monkeypatch: pytest.MonkeyPatch) -> list[Silence | None]:
    """Record the silence at each sweep, with a short interval between sweeps."""
    seen: list[Silence | None] = []
    look = SilenceMeter.look

    def noting(self: SilenceMeter, now: float, answers: int, requests: int) -> Silence | None:
        seen.append(look(self, now, answers, requests))
        return seen[-1]

    monkeypatch.setattr(SilenceMeter, "look", noting)
    monkeypatch.setattr(server_module, "SWEEP_S", 0.005)
    return seen


async def swept(sweeps: list[Silence | None], count: int = 4) -> list[Silence | None]:
    """Wait for more sweeps, and return their silences."""
    sweeps.clear()
    await eventually(lambda: len(sweeps) >= count)
    return sweeps


@on_every_loop
async def test_requests_without_a_response_are_counted_until_one_is_answered(
    sweeps: list[Silence | None],
) -> None:
    async with serving() as bench:
        assert await swept(sweeps) == [None] * len(sweeps)
        for path in ("/a", "/b"):
            await bench.client(get(path))
        peers = [(await bench.backend.take())[0] for _ in range(2)]
        first, *_, last = await swept(sweeps)
        assert first is not None
        assert last is not None
        assert (first.requests, last.requests) == (2, 2)
        assert last.lasted_s > first.lasted_s
        await peers[0].send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        await eventually(lambda: (now := bench.web.silence) is not None and now.lasted_s == 0)
        await peers[0].send(OK)
        await eventually(lambda: (now := bench.web.silence) is not None and now.requests == 1)
        await peers[1].send(OK)
        await eventually(lambda: bench.web.silence is None)


@on_every_loop
async def test_connection_that_the_backend_does_not_accept_counts_as_silence(
    sweeps: list[Silence | None],
) -> None:
    async with serving(backlog=0) as bench:
        clients = [await bench.client(get("/")) for _ in range(3)]
        await eventually(lambda: (now := bench.web.silence) is not None and now.requests == 3)
        for client in clients:
            client.close()


@on_every_loop
async def test_held_and_incomplete_requests_do_not_count_as_silence(
    sweeps: list[Silence | None],
) -> None:
    async with serving(is_open=False) as bench:
        await bench.client(get("/"))
        await bench.held(1)
        assert await swept(sweeps) == [None] * len(sweeps)
        bench.start()
        await bench.backend.serve()
        await bench.client(post(b"ab", length=4))
        await bench.backend.accept()
        await eventually(lambda: bench.web.silence is None)
        assert await swept(sweeps) == [None] * len(sweeps)


@on_every_loop
async def test_restart_ends_the_silence_of_a_backend(sweeps: list[Silence | None]) -> None:
    async with serving() as bench:
        await bench.client(get("/"))
        await bench.backend.take()
        await eventually(lambda: bench.web.silence is not None)
        bench.stop()
        assert bench.web.silence is None
        bench.start()
        await bench.backend.serve()


@on_every_loop
async def test_response_of_the_dashboard_is_no_response_of_the_backend(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        writer.close()
        await writer.wait_closed()

    async with (
        await asyncio.start_unix_server(answer, tmp_path / "site"),
        serving(pages=tmp_path) as bench,
    ):
        client = await bench.client(get("/_hpp/status"))
        assert (await client.response()).body == b"ok"
        assert bench.gate.answers == 0
        await client.send(get("/"))
        await bench.backend.serve()
        await client.response()
        assert bench.gate.answers == 1
