"""LiveReload: access control, and each reload is sent to every page once."""

import asyncio
import contextlib
import json

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from httpprocessproxy.admin.assets import livereload_js
from httpprocessproxy.admin.endpoints import Admin
from httpprocessproxy.core.page.livereload import OFFICIAL_7
from httpprocessproxy.events import EventBus
from test.admin.sockets import (
    check_connection,
    greet,
    opened,
    own,
    public,
    receive,
    refusal,
    reload_browsers,
    run,
    settled,
)
from test.ports import free_port

BAD_ORIGINS = [
    "",
    "null",
    "http://evil",
    "http://192.0.2.1",
    "http://127.0.0.1:9999",
    "http://localhost:8001.evil",
    "http://localhost:8001@evil",
    "http://[",
    "%%%",
    "file://",
    "other-extension://x",
]


async def until(pages: int, admin: Admin, client: ClientConnection) -> None:
    """Wait until `pages` pages listen; the server notices while it serves another client."""
    while admin.clients != pages:
        await settled(client)


async def heard(client: ClientConnection) -> list[object]:
    """Close the connection, and return the commands received by then."""
    await settled(client)
    await client.close()
    return [json.loads(message)["command"] async for message in client]


def test_page_gets_every_reload() -> None:
    async def main() -> None:
        bus = EventBus()
        async with opened(bus=bus) as admin, own(admin) as client:
            assert admin.clients == 0
            await greet(client)
            assert admin.clients == 1
            reload_browsers(bus)
            reload_browsers(bus)
            assert await heard(client) == ["reload", "reload"]

    run(main())


def test_server_sends_hello_first() -> None:
    async def main() -> None:
        async with opened() as admin, own(admin) as client:
            hello = await receive(client)
            assert hello["command"] == "hello"
            assert hello["protocols"] == [OFFICIAL_7]

    run(main())


def test_reload_before_the_hello_of_a_page_is_sent_after_it() -> None:
    async def main() -> None:
        bus = EventBus()
        async with opened(bus=bus) as admin, own(admin) as client:
            assert (await receive(client))["command"] == "hello"
            reload_browsers(bus)
            await settled(client)
            await client.send(json.dumps({"command": "hello", "protocols": [OFFICIAL_7]}))
            assert await heard(client) == ["reload"]

    run(main())


def test_reload_makes_livereload_js_reload_the_page() -> None:
    async def main() -> None:
        bus = EventBus()
        async with opened(bus=bus) as admin, own(admin) as client:
            await greet(client)
            reload_browsers(bus)
            assert (await receive(client))["path"] == "/"

    run(main())


def test_extension_that_probes_the_port_does_not_count_as_a_page() -> None:
    async def main() -> None:
        port = free_port()
        origin = "chrome-extension://jnihajbhpnppcggbcgedagnkighmdlei"
        bus = EventBus()
        async with opened(port, bus=bus) as admin, public(port, origin) as client:
            await check_connection(client)
            assert admin.clients == 0
            reload_browsers(bus)
            assert await heard(client) == []

    run(main())


def test_unknown_messages_are_ignored() -> None:
    async def main() -> None:
        bus = EventBus()
        async with opened(bus=bus) as admin, own(admin) as client:
            await greet(client)
            for message in ('{"command":"info","url":"/"}', "garbage", b"\xff", "[" * 60_000):
                await client.send(message)
            await settled(client)
            reload_browsers(bus)
            assert await heard(client) == ["reload"]

    run(main())


def test_message_too_long_closes_the_connection() -> None:
    async def main() -> None:
        async with opened() as admin, own(admin) as client, own(admin) as other:
            await greet(client)
            await client.send("x" * 100_000)
            with pytest.raises(ConnectionClosed):
                await client.recv()
            await until(0, admin, other)

    run(main())


@pytest.mark.parametrize("abort", [True, False])
def test_closed_page_is_removed(abort: bool) -> None:
    async def main() -> None:
        bus = EventBus()
        async with opened(bus=bus) as admin, own(admin) as client, own(admin) as other:
            await greet(client)
            await greet(other)
            if abort:
                client.transport.abort()
            else:
                await client.close()
            await until(1, admin, other)
            reload_browsers(bus)
            assert await heard(other) == ["reload"]

    run(main())


def test_fifty_tabs_reload_beside_one_that_never_reads() -> None:
    async def main() -> None:
        bus = EventBus()
        async with opened(bus=bus) as admin, contextlib.AsyncExitStack() as tabs:
            stuck = await tabs.enter_async_context(own(admin))
            await greet(stuck)
            stuck.transport.pause_reading()
            clients = [await tabs.enter_async_context(own(admin)) for _ in range(50)]
            for client in clients:
                await greet(client)
            assert admin.clients == 51
            reload_browsers(bus)
            for client in clients:
                assert (await receive(client))["command"] == "reload"
            stuck.transport.abort()

    run(main())


@pytest.mark.parametrize("origin", [None, "http://localhost:8001", "https://LOCALHOST:8001"])
def test_own_port_accepts_own_pages(origin: str | None) -> None:
    async def main() -> None:
        async with opened() as admin, own(admin, origin) as client:
            await greet(client)

    run(main())


@pytest.mark.parametrize(
    "origin",
    [*BAD_ORIGINS, "http://127.0.0.1:8001", "http://localhost", "chrome-extension://x"],
)
def test_own_port_refuses_other_pages(origin: str) -> None:
    async def main() -> None:
        async with opened(allowed=["*"]) as admin:
            assert await refusal(own(admin, origin)) == 403

    run(main())


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "http://localhost:8001",
        "http://127.0.0.1:8001",
        "http://[::1]:8001",
        "http://app.localhost:8001",
        "http://example.test:8001",
        "chrome-extension://jnihajbhpnppcggbcgedagnkighmdlei",
        "moz-extension://6a2a6ba8-1d3f-4d8a-a9a2-0e7a6f6a2f6c",
        "safari-web-extension://6A2A6BA8-1D3F-4D8A-A9A2-0E7A6F6A2F6C",
    ],
)
def test_livereload_port_accepts_pages_of_the_proxy_and_extensions(origin: str | None) -> None:
    async def main() -> None:
        port = free_port()
        bus = EventBus()
        async with (
            opened(port, allowed=["example.test"], bus=bus),
            public(port, origin) as page,
        ):
            await greet(page)
            reload_browsers(bus)
            assert await heard(page) == ["reload"]

    run(main())


@pytest.mark.parametrize(
    "origin",
    [*BAD_ORIGINS, "http://localhost", "http://localhost:8000", "http://evil.example:8001"],
)
def test_livereload_port_refuses_other_pages(origin: str) -> None:
    async def main() -> None:
        port = free_port()
        async with opened(port):
            assert await refusal(public(port, origin)) == 403

    run(main())


def test_page_of_the_livereload_port_is_accepted() -> None:
    async def main() -> None:
        port = free_port()
        async with opened(port), public(port, f"http://127.0.0.1:{port}") as page:
            await greet(page)

    run(main())


@pytest.mark.parametrize(
    ("host", "status"), [("evil.example", 403), ("a@localhost", 400), ("", 400)]
)
def test_livereload_port_checks_the_host(host: str, status: int) -> None:
    async def main() -> None:
        port = free_port()
        async with opened(port):
            for path in ("/livereload", "/livereload.js", "/"):
                answer = await ask(port, path, host)
                assert answer.startswith(f"HTTP/1.1 {status} ".encode())

    run(main())


@pytest.mark.parametrize("name", ["Host: localhost", "Origin: http://localhost:8001"])
def test_repeated_field_is_refused(name: str) -> None:
    async def main() -> None:
        port = free_port()
        async with opened(port):
            answer = await ask(port, "/livereload", "localhost", name, name)
            assert answer.startswith(b"HTTP/1.1 400 ")

    run(main())


async def ask(port: int, path: str, host: str, *fields: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", *fields, "", ""]
    writer.write("\r\n".join(lines).encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


def test_livereload_port_serves_only_the_script() -> None:
    async def main() -> None:
        port = free_port()
        async with opened(port):
            head, _, body = (await ask(port, "/livereload.js?ext=Chrome", "localhost")).partition(
                b"\r\n\r\n"
            )
            assert head.startswith(b"HTTP/1.1 200 ")
            assert b"\r\nContent-Type: text/javascript; charset=utf-8" in head
            assert body == livereload_js().body
            assert b"access-control" not in head.lower()
            assert (await ask(port, "/", "localhost")).startswith(b"HTTP/1.1 404 ")
            assert (await ask(port, "/livereload", "localhost")).startswith(b"HTTP/1.1 426 ")

    run(main())


def test_garbage_at_the_livereload_port_is_refused() -> None:
    async def main() -> None:
        port = free_port()
        bus = EventBus()
        async with opened(port, bus=bus):
            for garbage in (b"\0\0\0\r\n\r\n", b"POST / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\n\n"):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(garbage)
                writer.write_eof()
                await reader.read()
                writer.close()
                await writer.wait_closed()
            async with public(port) as page:
                await greet(page)
                reload_browsers(bus)
                assert await heard(page) == ["reload"]

    run(main())


def test_browser_with_many_cookies_is_accepted() -> None:
    async def main() -> None:
        headers = {"Cookie": "a=" + "x" * 30_000}
        async with opened() as admin, own(admin, headers=headers) as page:
            await greet(page)

    run(main())


def test_livereload_port_listens_on_both_loopback_addresses() -> None:
    async def main() -> None:
        port = free_port()
        async with opened(port), public(port) as page, public(port, host="[::1]") as other:
            await greet(page)
            await greet(other)

    run(main())
