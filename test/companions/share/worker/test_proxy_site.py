"""Visits beside the proxy: clients of the data plane, tested with a raw backend."""

import subprocess
import sys

import pytest
from yarl import URL

from httpprocessproxy.companions.share.protocol import Fields, VisitHead
from httpprocessproxy.companions.share.worker.proxy_site import ProxySite
from httpprocessproxy.companions.share.worker.settings import Reporter, VisitRecord, WorkerSettings
from httpprocessproxy.companions.share.worker.visit_handler import VisitHandler
from httpprocessproxy.core.http.websocket import CLOSE_SERVICE_RESTART
from httpprocessproxy.core.routes import Route
from httpprocessproxy.frontends.streams import RequestSink
from test.companions.share.visits import FakeVisitor
from test.fakes import OK, Bench, OtherService, serving
from test.loops import eventually, on_every_loop, turn
from test.wire import Message

FAR = Route.parse("far.localhost")

FORWARDED = [
    ("Forwarded", 'for=192.0.2.7;host="demo.test";proto=https'),
    ("X-Forwarded-For", "192.0.2.7"),
    ("X-Forwarded-Host", "demo.test"),
    ("X-Forwarded-Proto", "https"),
]


class Visit:
    """A visit, and its visitor."""

    def __init__(
        self,
        bench: Bench,
        method: str = "GET",
        fields: Fields | None = None,
        *,
        tunnel: bool = False,
    ) -> None:
        head = VisitHead(
            "id",
            method,
            "/a%2Fb?",
            "192.0.2.7",
            [("Host", "demo.test"), *(fields or []), *FORWARDED],
        )
        self.visitor = FakeVisitor()
        site = ProxySite(bench.proxy_server.exchanges)
        self.request: RequestSink = site.open_visit(head, self.visitor, is_tunnel=tunnel)

    @property
    def status(self) -> int:
        assert self.visitor.head is not None
        return self.visitor.head.status

    @property
    def fields(self) -> Fields:
        assert self.visitor.head is not None
        return self.visitor.head.fields


def named(message: Message, name: bytes) -> list[bytes]:
    return [value for found, value in message.headers if found == name]


@on_every_loop
async def test_request_reaches_the_backend_with_the_fields_of_the_visit() -> None:
    async with serving() as bench:
        visit = Visit(bench, fields=[("X-Spelled", "é"), ("Cookie", "a=1"), ("Cookie", "b=2")])
        visit.request.end()
        _, request = await bench.backend.serve()
        await visit.visitor.over.wait()
    assert request.first == b"GET /a%2Fb? HTTP/1.1"
    assert named(request, b"Host") == [b"demo.test"]
    assert named(request, b"X-Spelled") == ["é".encode()]
    assert named(request, b"Cookie") == [b"a=1", b"b=2"]
    for name, value in FORWARDED:
        assert named(request, name.encode()) == [value.encode()]
    assert named(request, b"Transfer-Encoding") == named(request, b"Content-Length") == []
    assert (visit.status, visit.visitor.body) == (200, b"ok")


@on_every_loop
async def test_request_reaches_the_service_of_its_path() -> None:
    others = {"api": OtherService([Route.parse("/a%2Fb")]), "far": OtherService([FAR])}
    async with serving(others=others) as bench:
        visit = Visit(bench)
        visit.request.end()
        _, request = await bench.backends["api"].serve()
        await visit.visitor.over.wait()
    assert request.target == b"/a%2Fb?"
    assert (visit.status, visit.visitor.body) == (200, b"ok")


@on_every_loop
async def test_answer_keeps_spelling_and_order_of_fields_and_names_no_generation() -> None:
    async with serving() as bench:
        visit = Visit(bench)
        visit.request.end()
        fields = b"X-B: 1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nConnection: x-c\r\nX-C: 3\r\n"
        await bench.backend.serve(OK.replace(b"\r\n", b"\r\n" + fields, 1))
        await visit.visitor.over.wait()
    assert visit.fields == [
        ("X-B", "1"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
        ("Content-Length", "2"),
    ]


@on_every_loop
async def test_request_is_sent_when_its_end_shows_that_it_has_no_body() -> None:
    async with serving() as bench:
        visit = Visit(bench, "POST")
        for _ in range(5):
            await turn()
        assert not bench.upstreams
        visit.request.end()
        _, request = await bench.backend.serve()
        await visit.visitor.over.wait()
    assert named(request, b"Transfer-Encoding") == []


@on_every_loop
async def test_body_of_unknown_length_is_sent_in_chunks() -> None:
    async with serving() as bench:
        visit = Visit(bench, "PUT")
        visit.request.body(b"hello")
        visit.request.end()
        _, request = await bench.backend.serve()
        await visit.visitor.over.wait()
    assert (named(request, b"Transfer-Encoding"), request.body) == ([b"chunked"], b"hello")
    assert visit.visitor.consumed_bytes == 5


@pytest.mark.parametrize("body", [b"hell", b"hello, and more"])
@on_every_loop
async def test_body_that_contradicts_its_content_length_is_cut(body: bytes) -> None:
    async with serving() as bench:
        visit = Visit(bench, "POST", [("content-LENGTH", "5")])
        backend = await bench.backend.accept()
        await backend.head()
        visit.request.body(body)
        visit.request.end()
        await visit.visitor.over.wait()
        assert visit.visitor.reason is not None
        assert b"and more" not in await backend.rest()


@on_every_loop
async def test_head_and_interim_responses_have_no_body() -> None:
    async with serving() as bench:
        visit = Visit(bench, "HEAD")
        visit.request.end()
        hints = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        await bench.backend.serve(hints + OK.replace(b"\r\n\r\nok", b"\r\n\r\n"))
        await visit.visitor.over.wait()
    assert (visit.status, visit.visitor.body) == (200, b"")
    assert ("Content-Length", "2") in visit.fields


@on_every_loop
async def test_incomplete_answer_is_cut() -> None:
    async with serving() as bench:
        visit = Visit(bench)
        visit.request.end()
        backend, _ = await bench.backend.serve(OK.replace(b"Length: 2", b"Length: 100000"))
        await eventually(lambda: visit.visitor.head is not None)
        backend.close()
        await visit.visitor.over.wait()
        assert visit.visitor.reason is not None
        assert "not whole" in visit.visitor.reason


@on_every_loop
async def test_visitor_that_leaves_cancels_the_request() -> None:
    async with serving() as bench:
        visit = Visit(bench)
        visit.request.end()
        backend, _ = await bench.backend.take()
        visit.request.reset()
        await backend.assert_reset()


@on_every_loop
async def test_slow_visitor_pauses_the_backend() -> None:
    async with serving() as bench:
        visit = Visit(bench)
        visit.request.end()
        backend, _ = await bench.backend.take()
        await backend.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        await backend.send(b"x" * 100_000)
        await eventually(lambda: visit.visitor.head is not None)
        visit.request.pause()
        await backend.send_until_stuck(b"x" * 65536)
        stuck_bytes = len(visit.visitor.body)
        await turn()
        assert len(visit.visitor.body) == stuck_bytes
        visit.request.resume()
        await eventually(lambda: len(visit.visitor.body) > stuck_bytes)
        visit.request.reset()


@on_every_loop
async def test_slow_backend_stops_the_consumption_of_a_body() -> None:
    async with serving(receive_bytes=4096) as bench:
        visit = Visit(bench, "POST")
        sent_bytes = 0
        visit.request.body(b"x" * 65536)
        backend = await bench.backend.accept()
        await backend.head()
        while visit.visitor.consumed_bytes >= sent_bytes:
            sent_bytes += 65536
            visit.request.body(b"x" * 65536)
            await turn()
        while visit.visitor.consumed_bytes < sent_bytes:
            assert await backend.more()
            backend.unread = b""
        visit.request.reset()


SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Accept: as the visitor checks\r\n\r\n"
)
KEY = [("Sec-WebSocket-Key", "of the visitor")]


@on_every_loop
async def test_websocket_has_the_handshake_of_the_visitor() -> None:
    async with serving() as bench:
        visit = Visit(bench, fields=KEY, tunnel=True)
        visit.request.body(b"\x82\x00")
        backend, request = await bench.backend.serve(SWITCH + b"\x81\x00")
        assert named(request, b"Sec-WebSocket-Key") == [b"of the visitor"]
        assert named(request, b"Connection") == [b"Upgrade"]
        assert named(request, b"Upgrade") == [b"websocket"]
        assert await backend.exactly(2) == b"\x82\x00"
        await eventually(lambda: visit.visitor.body == b"\x81\x00")
        assert visit.status == 101
        assert visit.fields == [("Sec-WebSocket-Accept", "as the visitor checks")]
        visit.request.end()
        await backend.assert_closed()
        backend.close()
        await visit.visitor.over.wait()


@on_every_loop
async def test_websocket_is_closed_with_1012_by_a_restart() -> None:
    async with serving() as bench:
        visit = Visit(bench, fields=KEY, tunnel=True)
        await bench.backend.serve(SWITCH)
        await eventually(lambda: visit.visitor.head is not None)
        bench.stop()
        assert visit.visitor.body == CLOSE_SERVICE_RESTART
        visit.request.body(b"\x88\x82\0\0\0\0\x03\xf4")
        await visit.visitor.over.wait()
        assert visit.visitor.reason is None


@on_every_loop
async def test_refused_websocket_gets_the_response() -> None:
    async with serving() as bench:
        visit = Visit(bench, fields=KEY, tunnel=True)
        await bench.backend.serve()
        await visit.visitor.over.wait()
    assert (visit.status, visit.visitor.body) == (200, b"ok")


@on_every_loop
async def test_visit_is_held_during_a_restart() -> None:
    async with serving() as bench:
        bench.stop()
        visit = Visit(bench)
        visit.request.end()
        await bench.held(1)
        bench.start()
        await bench.backend.serve()
        await visit.visitor.over.wait()
    assert visit.status == 200


@pytest.mark.parametrize("missing_bytes", [0, 500_000])
@on_every_loop
async def test_console_of_werkzeug_is_refused_and_its_answer_dropped(missing_bytes: int) -> None:
    async with serving() as bench:
        warnings: list[str] = []
        visited: list[VisitRecord] = []
        settings = WorkerSettings(URL("https://r.test"), "demo.test", "s3cret")
        reporter = Reporter(warnings.append, warnings.append, visited.append)
        handler = VisitHandler(settings, ProxySite(bench.proxy_server.exchanges), reporter)
        visitor = FakeVisitor()
        handler.handle(VisitHead("id", "GET", "/console", "", []), visitor).end()
        size = b"Content-Length: %d" % (2 + missing_bytes)
        fields = b"Server: Werkzeug/3\r\n" + size
        backend, _ = await bench.backend.serve(OK.replace(b"Content-Length: 2", fields))
        await visitor.over.wait()
        await backend.assert_reset()
        assert visitor.head is not None
        assert (visitor.head.status, b"ok" in visitor.body) == (403, False)
        assert [one.status for one in visited] == [403]
        assert "Werkzeug" in warnings[0]


def test_share_needs_no_other_extra() -> None:
    """The plain installation has none of the modules of `tls` and `http3`."""
    code = (
        "import sys\n"
        "for name in ('h2', 'aioquic', 'cryptography', 'uvicorn'): sys.modules[name] = None\n"
        "import httpprocessproxy.companions.share.worker.companion"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
