"""Requests read in one iteration of the event loop: one look at the watcher, taken after all."""

import pytest

from httpprocessproxy.proxy.client_connection import ClientConnection
from httpprocessproxy.proxy.exchange import Exchange
from httpprocessproxy.service.waiter import Target
from test.fakes import OK, Bench, Peer, get, serving
from test.loops import on_every_loop

CLIENTS = 5


async def connected(bench: Bench) -> tuple[list[Peer], list[Peer]]:
    """Clients with a connection each, and the backend's ends of these connections."""
    clients, wires = [], []
    for _ in range(CLIENTS):
        clients.append(await bench.client(get("/first")))
        wire, _ = await bench.backend.serve()
        wires.append(wire)
        await clients[-1].response()
    return clients, wires


async def answer(wires: list[Peer]) -> None:
    for wire in wires:
        await wire.request()
        await wire.send(OK)


def send_at_once(clients: list[Peer]) -> None:
    """Send a request on each connection before the event loop reads any of them."""
    for number, client in enumerate(clients):
        client.socket.send(get(f"/{number}"))


@on_every_loop
async def test_requests_of_one_iteration_share_one_check_after_the_last_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving() as bench:
        clients, wires = await connected(bench)
        read: list[int] = []

        def is_current() -> bool:
            clients = bench.proxy_server.context.clients
            read.append(
                sum(isinstance(c, ClientConnection) and c._exchange is not None for c in clients)
            )
            return True

        monkeypatch.setattr(bench.gate, "_is_current", is_current)
        send_at_once(clients)
        await answer(wires)
        for client in clients:
            assert (await client.response()).status == 200
        assert read == [CLIENTS]


@on_every_loop
async def test_requests_after_a_save_are_held_until_it_has_taken_effect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving() as bench:
        clients, wires = await connected(bench)
        monkeypatch.setattr(bench.gate, "_is_current", lambda: False)
        send_at_once(clients)
        await bench.held(CLIENTS)
        monkeypatch.setattr(bench.gate, "_is_current", lambda: True)
        bench.gate.resume()
        await answer(wires)
        for client in clients:
            assert (await client.response()).status == 200


@on_every_loop
@pytest.mark.expects_faults
async def test_bug_in_one_request_leaves_the_others_of_its_iteration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving() as bench:
        clients, wires = await connected(bench)
        admitted = Exchange.admitted

        def failing(exchange: Exchange, target: Target) -> None:
            if exchange.request.target == b"/0":
                raise RuntimeError("a bug")
            admitted(exchange, target)

        monkeypatch.setattr(Exchange, "admitted", failing)
        send_at_once(clients)
        await answer(wires[1:])
        for client in clients[1:]:
            assert (await client.response()).status == 200
        await clients[0].rest()
