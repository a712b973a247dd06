"""The answers to visits: the server's, or an error page with the reason."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing

import pytest
from aiohttp import web
from yarl import URL

from httpprocessproxy.companions.share.protocol import Fields, VisitHead, first
from httpprocessproxy.companions.share.worker.local_site import LocalSite
from httpprocessproxy.companions.share.worker.settings import Reporter, VisitRecord, WorkerSettings
from httpprocessproxy.companions.share.worker.visit_handler import VisitHandler
from httpprocessproxy.config import Address
from test.companions.share.visits import FakeVisitor
from test.deadline import PATIENCE_S
from test.ports import free_port

DEBUGGER = "<title>KeyError // Werkzeug Debugger</title>"


class World:
    """A visit handler, its reports, and a server that sends `response`."""

    def __init__(self) -> None:
        self.reports: list[str] = []
        self.visited: list[VisitRecord] = []
        self.requests: list[web.BaseRequest] = []
        self.response: Callable[[], web.Response] = web.Response
        self.handler: VisitHandler

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append(request)
        return self.response()

    async def play(self, head: VisitHead) -> tuple[int, bytes, Fields]:
        visitor = FakeVisitor()
        self.handler.handle(head, visitor).end()
        await visitor.over.wait()
        assert visitor.head is not None
        return visitor.head.status, visitor.body, visitor.head.fields


@asynccontextmanager
async def world(target: Address | None = None) -> AsyncIterator[World]:
    made = World()
    runner = web.ServerRunner(web.Server(made.handle))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address = target or Address("127.0.0.1", runner.addresses[0][1])
        settings = WorkerSettings(URL("https://r.test"), "demo.test", "s3cret")
        reporter = Reporter(made.reports.append, made.reports.append, made.visited.append)
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
            with closing(LocalSite(address, tasks)) as site:
                made.handler = VisitHandler(settings, site, reporter)
                yield made
    finally:
        await runner.cleanup()


def visit(url: str = "/", *fields: tuple[str, str], ip: str = "192.0.2.7") -> VisitHead:
    return VisitHead("id", "GET", url, ip, [("Host", "demo.test"), *fields])


@pytest.mark.parametrize(
    ("fields", "proto"),
    [
        ([], "https"),
        ([("X-Forwarded-Proto", "http")], "http"),
        ([("X-Forwarded-Proto", "http, https")], "https"),
        ([("X-Forwarded-Proto", "gopher")], "https"),
        ([("X-Forwarded-For", "6.6.6.6"), ("Forwarded", "for=6.6.6.6")], "https"),
    ],
)
def test_server_gets_forwarding_fields_of_the_visit(fields: Fields, proto: str) -> None:
    async def main() -> web.BaseRequest:
        async with world() as made:
            await made.play(visit("/", *fields))
            return made.requests[0]

    headers = asyncio.run(main()).headers
    assert headers.getall("Forwarded") == [f'for=192.0.2.7;host="demo.test";proto={proto}']
    assert headers.getall("X-Forwarded-For") == ["192.0.2.7"]
    assert headers.getall("X-Forwarded-Proto") == [proto]
    assert headers.getall("Host") == ["demo.test"]


def test_ipv6_address_is_quoted_in_forwarded() -> None:
    async def main() -> str:
        async with world() as made:
            await made.play(visit(ip="2001:db8::1"))
            return made.requests[0].headers["Forwarded"]

    assert asyncio.run(main()).startswith('for="[2001:db8::1]";')


def test_redirect_is_not_followed() -> None:
    async def main() -> tuple[int, str | None, int]:
        async with world() as made:
            made.response = lambda: web.Response(status=302, headers={"Location": "http://x/"})
            status, _, fields = await made.play(visit())
            return status, first(fields, "location"), len(made.requests)

    assert asyncio.run(main()) == (302, "http://x/", 1)


def test_body_is_not_decoded() -> None:
    async def main() -> tuple[bytes, str | None]:
        async with world() as made:
            coded = {"Content-Encoding": "gzip"}
            made.response = lambda: web.Response(body=b"no gzip at all", headers=coded)
            _, body, fields = await made.play(visit())
            return body, first(fields, "content-encoding")

    assert asyncio.run(main()) == (b"no gzip at all", "gzip")


def test_debug_page_is_reported_once() -> None:
    async def main() -> list[str]:
        async with world() as made:
            made.response = lambda: web.Response(
                status=500, text=DEBUGGER, content_type="text/html"
            )
            for _ in range(3):
                assert (await made.play(visit()))[1] == DEBUGGER.encode()
            return made.reports

    reports = asyncio.run(main())
    assert len(reports) == 1
    assert "Werkzeug's debug pages" in reports[0]


def test_debugger_and_its_console_get_403() -> None:
    async def main() -> tuple[int, bytes, int]:
        async with world() as made:
            made.response = lambda: web.Response(
                text="SECRET = 'x'", headers={"Server": "Werkzeug/3.0 Python/3.11"}
            )
            status, body, _ = await made.play(visit("/console"))
            debugger, _, _ = await made.play(visit("/?__debugger__=yes&cmd=1"))
            assert len(made.requests) == 1
            return status, body, debugger

    status, body, debugger = asyncio.run(main())
    assert (status, debugger) == (403, 403)
    assert b"SECRET" not in body


def test_unreachable_server_gives_502_with_the_reason() -> None:
    async def main() -> tuple[int, bytes]:
        async with world(target=Address("127.0.0.1", free_port())) as made:
            status, body, _ = await made.play(visit())
            return status, body

    status, body = asyncio.run(main())
    assert status == 502
    assert b"Connection refused" in body


def test_each_visit_is_reported_when_it_ends() -> None:
    async def main() -> list[VisitRecord]:
        async with world() as made:
            await made.play(visit("/a?b"))
            await made.play(visit("/_hpp/status"))
            return made.visited

    reports = [(one.ip, one.method, one.url, one.status) for one in asyncio.run(main())]
    assert reports == [
        ("192.0.2.7", "GET", "/a?b", 200),
        ("192.0.2.7", "GET", "/_hpp/status", 403),
    ]
