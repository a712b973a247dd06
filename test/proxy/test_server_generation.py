"""`Hpp-Generation` names the generation that answered: to trusted clients alone."""

import asyncio
import contextlib
import socket

import pytest

from test.fakes import Peer, get, serving
from test.loops import on_every_loop


@on_every_loop
async def test_generation_is_told_to_trusted_clients_and_not_to_visitors() -> None:
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
async def test_generation_is_told_by_the_clients_that_a_trusted_proxy_speaks_for(
    field: str, generation: bytes | None
) -> None:
    async with serving() as bench:
        client = await bench.client(get("/", field))
        backend, _ = await bench.backend.serve()
        assert (await client.response()).get(b"Hpp-Generation") == generation
        # Its fields are known by now.
        answer = await bench.exchange(client, backend, get("/", field))
        assert answer.get(b"Hpp-Generation") == generation
