"""`Hpp-Generation` names the generation of a response, for trusted clients only."""

import asyncio
import contextlib
import socket

import pytest

from httpprocessproxy.core.identity import GenerationId
from test.fakes import OK, Peer, get, serving
from test.loops import on_every_loop


@on_every_loop
async def test_response_names_its_generation_for_trusted_clients_only() -> None:
    async with serving() as bench, bench.proxy_server.serve_visits() as visits:
        client = await bench.client(get("/"))
        await bench.backend.serve()
        assert (await client.response()).get(b"Hpp-Generation") == b"1"
        visitor = socket.socket(socket.AF_UNIX)
        visitor.setblocking(False)
        await asyncio.get_running_loop().sock_connect(visitor, str(visits))
        with contextlib.closing(Peer(visitor)) as asking:
            await asking.send(get("/"))
            await bench.backend.serve()
            assert (await asking.response()).get(b"Hpp-Generation") is None


@pytest.mark.parametrize(
    ("field", "generation"),
    [
        ("X-Forwarded-For: 192.0.2.7", None),
        ("X-Forwarded-For: 192.0.2.7, 127.0.0.1", None),
        ("Forwarded: for=_hidden", None),
        ("X-Forwarded-For: 127.0.0.1", b"1"),
    ],
)
@on_every_loop
async def test_response_names_its_generation_if_all_forwarded_nodes_are_trusted(
    field: str, generation: bytes | None
) -> None:
    async with serving() as bench:
        client = await bench.client(get("/", field))
        backend, _ = await bench.backend.serve()
        assert (await client.response()).get(b"Hpp-Generation") == generation
        # The second request has cached fields.
        answer = await bench.exchange(client, backend, get("/", field))
        assert answer.get(b"Hpp-Generation") == generation


@on_every_loop
async def test_response_of_a_superseded_generation_says_so() -> None:
    async with serving() as bench:
        client = await bench.client(get("/"))
        backend, _ = await bench.backend.serve()
        assert (await client.response()).get(b"Hpp-Generation") == b"1"
        bench.web.supersede(GenerationId("web", 1))
        answer = await bench.exchange(client, backend, get("/"))
        assert answer.get(b"Hpp-Generation") == b"1; superseded"
        other = await bench.client(get("/"))
        await bench.backend.serve()
        assert (await other.response()).get(b"Hpp-Generation") == b"1; superseded"
        untrusted = await bench.client(get("/", "X-Forwarded-For: 192.0.2.7"))
        await bench.backend.serve()
        assert (await untrusted.response()).get(b"Hpp-Generation") is None
        bench.restart()
        await other.send(get("/"))
        await bench.backend.serve()
        assert (await other.response()).get(b"Hpp-Generation") == b"2"


@on_every_loop
async def test_connection_that_was_being_made_names_the_superseded_generation() -> None:
    async with serving() as bench:
        client = await bench.client(get("/"))
        backend = await bench.backend.accept()
        bench.web.supersede(GenerationId("web", 1))
        await backend.request()
        await backend.send(OK)
        assert (await client.response()).get(b"Hpp-Generation") == b"1; superseded"
        answer = await bench.exchange(client, backend, get("/"))
        assert answer.get(b"Hpp-Generation") == b"1; superseded"
