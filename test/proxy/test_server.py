"""The proxy server: listeners, the admin, time limits, and the end of the program."""

import asyncio
import ipaddress
import socket
from pathlib import Path

import pytest

from httpprocessproxy.config import Address
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.proxy import listen
from httpprocessproxy.proxy import server as server_module
from test.fakes import OK, Bench, Peer, get, post, serving
from test.loops import eventually, on_every_loop
from test.proxy.exchanges import fill

# Listening


def test_localhost_listens_in_both_families_at_one_port() -> None:
    sockets = listen(Address("localhost", 0))
    names = [sock.getsockname()[:2] for sock in sockets]
    assert {host for host, _ in names} <= {"127.0.0.1", "::1"}
    assert len({port for _, port in names}) == 1
    for sock in sockets:
        with socket.create_connection(sock.getsockname()[:2], 1):
            pass
        sock.close()


def test_empty_host_listens_in_both_families() -> None:
    sockets = listen(Address("", 0))
    assert {sock.getsockname()[0] for sock in sockets} <= {"0.0.0.0", "::"}
    for sock in sockets:
        sock.close()


def test_port_in_use_raises_user_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UserError, match=f"{port} is in use"):
            listen(Address("127.0.0.1", port))


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid", "::2", "1:2:3"])
def test_foreign_address_raises_user_error(host: str) -> None:
    with pytest.raises(UserError, match="cannot listen"):
        listen(Address(host, 0))


def test_listening_sockets_are_not_inherited() -> None:
    (sock,) = listen(Address("127.0.0.1", 0))
    assert not sock.get_inheritable()
    sock.close()


# Trusted peers


@pytest.mark.parametrize(
    ("trusted", "kept"), [((ipaddress.ip_network("127.0.0.0/8"),), True), ((), False)]
)
@on_every_loop
async def test_forwarding_fields_are_kept_for_trusted_peers_only(
    trusted: tuple[ipaddress.IPv4Network], kept: bool
) -> None:
    async with serving(trusted=trusted) as bench:
        client = await bench.client(get("/", "X-Forwarded-For: 192.0.2.7"))
        _, request = await bench.backend.serve()
        await client.response()
        addresses = request.get(b"X-Forwarded-For")
        assert addresses == (b"192.0.2.7, 127.0.0.1" if kept else b"127.0.0.1")


# The admin


def site(folder: Path) -> socket.socket:
    """Return a listening socket in place of the admin's; the test accepts on it."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(folder / "site"))
    listening.listen()
    listening.setblocking(False)
    return listening


async def accepted(listening: socket.socket) -> Peer:
    return Peer((await asyncio.get_running_loop().sock_accept(listening))[0])


@pytest.mark.parametrize("is_open", [True, False])
@on_every_loop
async def test_admin_is_served_while_the_gate_is_open_or_closed(
    tmp_path: Path, is_open: bool
) -> None:
    with site(tmp_path) as listening:
        async with serving(pages=tmp_path, is_open=is_open) as bench:
            client = await bench.client(get("/_hpp/status") + get("/_hpp/status"))
            for _ in range(2):
                page = await accepted(listening)
                assert (await page.request()).target == b"/_hpp/status"
                await page.send(OK)
                assert (await client.response()).body == b"ok"
                assert await page.rest() == b""  # the connection is not kept
                page.close()
            assert bench.gate.answers == 0  # it is not a sign of life of the service


@pytest.mark.parametrize(
    ("trusted", "fields", "client"),
    [
        ("192.0.2.0/24", [], b"127.0.0.1"),
        ("127.0.0.0/8", ["X-Forwarded-For: 192.0.2.7"], b"192.0.2.7"),
        ("127.0.0.0/8", ["X-Forwarded-For: 192.0.2.7, 127.0.0.1"], b"192.0.2.7"),
        ("127.0.0.0/8", ["Forwarded: for=_hidden"], b"_hidden"),
        ("127.0.0.0/8", ["Forwarded: for=127.0.0.1, for=unknown"], b"unknown"),
    ],
)
@on_every_loop
async def test_untrusted_client_of_the_admin_gets_403(
    tmp_path: Path, trusted: str, fields: list[str], client: bytes
) -> None:
    with site(tmp_path):
        async with serving(pages=tmp_path, trusted=[ipaddress.IPv4Network(trusted)]) as bench:
            asking = await bench.client(get("/_hpp/status", *fields))
            refusal = await asking.response()
            assert refusal.status == 403
            assert b"you come from %b." % client in refusal.body
            assert b"--forwarded-allow-ips" in refusal.body


@pytest.mark.parametrize(
    "field", ["X-Forwarded-For: 127.0.0.1", "Forwarded: for=127.0.0.2", "X-Forwarded-Host: x"]
)
@on_every_loop
async def test_trusted_client_behind_a_trusted_proxy_may_use_the_admin(
    tmp_path: Path, field: str
) -> None:
    with site(tmp_path) as listening:
        async with serving(pages=tmp_path) as bench:
            client = await bench.client(get("/_hpp/status", field))
            page = await accepted(listening)
            await page.request()
            await page.send(OK)
            assert (await client.response()).status == 200
            page.close()


@on_every_loop
async def test_response_of_the_admin_survives_a_restart(tmp_path: Path) -> None:
    with site(tmp_path) as listening:
        async with serving(pages=tmp_path) as bench:
            client = await bench.client(get("/_hpp/status"))
            page = await accepted(listening)
            await page.request()
            bench.stop()
            await page.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha")
            await client.until(b"ha")
            bench.end_generation()
            await page.send(b"lf")
            assert await client.exactly(2) == b"lf"
            page.close()


@on_every_loop
async def test_tunnel_to_the_admin_survives_a_restart(tmp_path: Path) -> None:
    with site(tmp_path) as listening:
        async with serving(pages=tmp_path) as bench:
            upgrade = get("/_hpp/livereload", "Connection: Upgrade", "Upgrade: websocket")
            client = await bench.client(upgrade)
            page = await accepted(listening)
            await page.request()
            await page.send(
                b"HTTP/1.1 101 Switching Protocols\r\n"
                b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
            )
            await client.response()
            bench.restart()
            await page.send(b"reload")
            assert await client.exactly(6) == b"reload"
            page.close()
            await client.assert_closed()
            client.close()


@pytest.mark.parametrize("method", ["GET", "POST"])
@on_every_loop
async def test_request_to_an_unreachable_admin_gets_502(tmp_path: Path, method: str) -> None:
    async with serving(pages=tmp_path) as bench:
        client = await bench.client(get("/_hpp/", method=method))
        assert (await client.response()).status == 502
    with site(tmp_path) as listening:
        async with serving(pages=tmp_path) as bench:
            client = await bench.client(get("/_hpp/", method=method))
            page = await accepted(listening)
            await page.request()
            page.close()
            assert (await client.response()).status == 502


@on_every_loop
async def test_unsafe_request_to_the_admin_does_not_delay_a_kill(tmp_path: Path) -> None:
    with site(tmp_path) as listening:
        async with serving(pages=tmp_path) as bench:
            client = await bench.client(get("/_hpp/", method="POST"))
            page = await accepted(listening)
            await page.request()
            await bench.gate.drained(100)
            await page.send(OK)
            await client.response()
            page.close()


# Time limits


@on_every_loop
async def test_idle_backend_connection_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "SWEEP_S", 0.01)
    monkeypatch.setattr(server_module, "IDLE_UPSTREAM_S", 0.05)
    async with serving() as bench:
        client = await bench.client(get())
        wire, _ = await bench.backend.serve()
        await client.response()
        assert await wire.rest() == b""
        await client.send(get())
        await bench.backend.serve()
        assert (await client.response()).status == 200


@pytest.mark.parametrize("request_", [get(), post(b"body"), post(b"one", length=6)])
@on_every_loop
async def test_request_without_a_response_gets_504(
    monkeypatch: pytest.MonkeyPatch, request_: bytes
) -> None:
    monkeypatch.setattr(server_module, "SWEEP_S", 0.01)
    monkeypatch.setattr(server_module, "ANSWER_TIMEOUT_S", 0.05)
    async with serving() as bench:
        client = await bench.client(request_)
        wire = await bench.backend.accept()
        assert (await client.response()).status == 504
        await wire.rest()


@on_every_loop
async def test_begun_response_has_no_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "SWEEP_S", 0.01)
    async with serving() as bench:
        client = await bench.client(get())
        wire, _ = await bench.backend.take()
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha")
        await client.until(b"ha")
        monkeypatch.setattr(server_module, "ANSWER_TIMEOUT_S", 0.05)
        other = await bench.client(get("/other"))
        await bench.backend.accept()
        assert (await other.response()).status == 504  # so the time limit has passed
        await wire.send(b"lf")
        assert await client.exactly(2) == b"lf"


# The end of the program


async def with_one_of_each(bench: Bench, in_the_way: list[Peer]) -> list[Peer]:
    """Return clients in each phase of a request."""
    idle = await bench.client()
    begun = await bench.client(b"GET / HT")
    answered = await bench.client(get())
    await bench.backend.serve()
    await answered.response()
    asking = await bench.client(post(b"one", length=6))
    await (await bench.backend.accept()).until(b"one")
    half = await bench.client(get())
    wire, _ = await bench.backend.take()
    await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha")
    await half.until(b"ha")
    in_the_way += await fill(bench.backend)
    connecting = await bench.client(get())
    await eventually(lambda: len(bench.proxy_server.context.clients) == 6)
    return [idle, begun, answered, asking, half, connecting]


@on_every_loop
async def test_end_of_the_program_closes_every_connection() -> None:
    clients: list[Peer] = []
    in_the_way: list[Peer] = []

    async def leave_in_the_middle() -> None:
        async with serving(backlog=0) as bench:
            bench.closes_ends = False
            clients.extend(await with_one_of_each(bench, in_the_way))
            clients[0].send_some(get() * 5)  # new requests arrive during the end
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await leave_in_the_middle()
    for client in clients:
        await client.rest()
    for peer in clients + in_the_way:
        peer.close()


@on_every_loop
async def test_no_connection_is_made_after_the_end_of_the_program() -> None:
    clients: list[Peer] = []

    async def leave_as_the_gate_opens() -> None:
        async with serving(is_open=False) as bench:
            bench.closes_ends = False
            clients.append(await bench.client(get()))
            await bench.held(1)
            bench.proxy_server.loop.call_soon(bench.start)
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await leave_as_the_gate_opens()
    await clients[0].rest()
    clients[0].close()
