"""`Hpp-Generation` names the generation of a response, for trusted clients only."""

import asyncio
import contextlib
import socket

import pytest

from test.fakes import Peer, get, serving
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
