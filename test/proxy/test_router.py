"""Requests outside all routes, stripped prefixes, and servers that the proxy does not start."""

import pytest

from httpprocessproxy.config import Address, ServiceConfig
from httpprocessproxy.core.http.response_fields import ResponseFields
from httpprocessproxy.core.routes import Route
from httpprocessproxy.events import EventBus, Notice
from httpprocessproxy.proxy import DestinationOptions
from httpprocessproxy.service.external import ExternalService
from test.fakes import Listener, OtherService, get, post, serving
from test.loops import on_every_loop
from test.ports import free_port

STRIPPED = {
    "api": OtherService(
        [Route.parse("/api"), Route.parse("/v1/**")], DestinationOptions(strips=True)
    )
}


# Prefixes


@pytest.mark.parametrize(
    ("target", "sent", "prefix"),
    [
        ("/api", b"/", b"/api"),
        ("/api/x?y=/api/", b"/x?y=/api/", b"/api"),
        ("/v1/x", b"/x", b"/v1"),
        ("/%61pi/x", b"/x", b"/api"),
    ],
)
@on_every_loop
async def test_stripped_target_goes_to_the_backend_and_the_whole_one_to_the_log(
    target: str, sent: bytes, prefix: bytes
) -> None:
    async with serving(others=STRIPPED) as bench:
        client = await bench.client(get(target))
        _, request = await bench.backends["api"].serve()
        await client.response()
        assert request.target == sent
        assert request.get(b"X-Forwarded-Prefix") == prefix
        (record,) = bench.proxy_server.context.log
        assert record.row().target == target
        assert str(record.details()["request"]).startswith(f"GET {sent.decode()} HTTP/1.1\r\n")


@on_every_loop
async def test_request_of_a_service_without_prefixes_is_sent_unchanged() -> None:
    async with serving(others=STRIPPED) as bench:
        client = await bench.client(get("/apis/x"))
        _, request = await bench.backend.serve()
        await client.response()
        assert request.target == b"/apis/x"
        assert request.get(b"X-Forwarded-Prefix") is None


@on_every_loop
async def test_redirect_gets_the_prefix_of_its_request_back() -> None:
    redirect = b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n"
    async with serving(others=STRIPPED) as bench:
        client = await bench.client()
        for path, location in (
            ("/api/x", b"/api/login"),
            ("/v1/x", b"/v1/login"),
            ("/api/x", b"/api/login"),
            ("/x", b"/login"),
        ):
            # A POST, which gets a connection of its own.
            await client.send(post(b"", path))
            backend = bench.backend if path == "/x" else bench.backends["api"]
            await backend.serve(redirect)
            assert (await client.response()).get(b"Location") == location


@on_every_loop
async def test_redirect_passes_unchanged_without_the_rewriting_of_redirects() -> None:
    rules = DestinationOptions(ResponseFields(leads_back=False), strips=True)
    others = {"api": OtherService([Route.parse("/api")], rules)}
    async with serving(others=others) as bench:
        client = await bench.client(get("/api/x"))
        answer = b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n"
        await bench.backends["api"].serve(answer)
        assert (await client.response()).get(b"Location") == b"/login"


# No route


@on_every_loop
async def test_request_outside_all_routes_gets_404_with_the_routes() -> None:
    others = {"api": OtherService([Route.parse("/api"), Route.parse("api.localhost")])}
    async with serving(route="/web/**", others=others) as bench:
        client = await bench.client(get("/other"), get("/web/x"))
        answer = await client.response()
        assert answer.status == 404
        for line in (b"/web/**  web", b"/api/**  api", b"api.localhost/**  api"):
            assert line in answer.body
        await bench.backend.serve()
        assert (await client.response()).body == b"ok"
        record = bench.proxy_server.context.log.find(1)
        assert record is not None
        row = record.row()
        assert (row.service, row.target, row.status, row.outcome) == ("", "/other", 404, "refused")


@on_every_loop
async def test_untrusted_client_gets_404_without_the_routes() -> None:
    async with serving(route="/web/**", trusted=()) as bench:
        client = await bench.client(get("/other"))
        answer = await client.response()
        assert answer.status == 404
        assert b"web" not in answer.body


@on_every_loop
async def test_path_of_the_proxy_itself_has_no_route_to_a_service() -> None:
    async with serving(route="api.localhost", trusted=()) as bench:
        for host in ("localhost", "api.localhost"):
            client = await bench.client(get("/_hpp/status").replace(b"localhost", host.encode()))
            assert (await client.response()).status == 403


# Servers that the proxy does not start


def external(bus: EventBus, port: int) -> tuple[ExternalService, OtherService]:
    service = ExternalService(ServiceConfig(Address("localhost", port), name="vite"), bus)
    rules = DestinationOptions(unreachable=service.unreachable)
    return service, OtherService([Route.parse("/vite")], rules, service.gate)


@pytest.mark.parametrize("asked", [get("/vite/"), post(b"x", "/vite/")], ids=["GET", "POST"])
@on_every_loop
async def test_request_gets_502_with_the_address_while_an_external_server_is_down(
    asked: bytes,
) -> None:
    bus, port = EventBus(), free_port()
    _, vite = external(bus, port)
    async with serving(others={"vite": vite}) as bench:
        for _ in range(2):
            client = await bench.client(asked)
            answer = await client.response()
            assert answer.status == 502
            assert b"The service vite does not answer at localhost:%d: start" % port in answer.body
        assert [notice.service for notice in bus.recent(Notice)] == ["vite"]
        # Requests pass as soon as a server listens at the second address of localhost.
        server = Listener(port=port, host="::1")
        bench.backends["vite"] = server
        client = await bench.client(asked)
        await server.serve()
        assert (await client.response()).body == b"ok"
        server.close()
        client = await bench.client(asked)
        assert (await client.response()).status == 502
        assert len(bus.recent(Notice)) == 2


@on_every_loop
async def test_kept_connection_that_an_external_server_closes_is_replaced() -> None:
    server = Listener()
    _, vite = external(EventBus(), server.port)
    async with serving(others={"vite": vite}) as bench:
        bench.backends["vite"] = server
        client = await bench.client(get("/vite/"))
        wire, _ = await server.serve()
        await client.response()
        await client.send(get("/vite/again"))
        await wire.request()
        wire.close()
        await server.serve()
        assert (await client.response()).body == b"ok"


@on_every_loop
async def test_websocket_of_an_external_server_passes() -> None:
    server = Listener()
    _, vite = external(EventBus(), server.port)
    async with serving(others={"vite": vite}) as bench:
        bench.backends["vite"] = server
        upgrade = "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"
        client = await bench.client(get("/vite/", *upgrade))
        wire, _ = await server.take()
        switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket"
        await wire.send(switch + b"\r\n\r\n\x81\x05hello")
        assert (await client.response()).status == 101
        assert await client.exactly(7) == b"\x81\x05hello"
