"""Long polling with a fake relay: the worker's calls, and its handling of replies."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

import pytest
from aiohttp import web
from yarl import URL

from httpprocessproxy.companions.share.worker.local_site import LocalSite
from httpprocessproxy.companions.share.worker.proxy_site import ProxySite
from httpprocessproxy.companions.share.worker.settings import (
    Reporter,
    ShareRefusedError,
    VisitRecord,
    WorkerSettings,
)
from httpprocessproxy.companions.share.worker.worker import work
from httpprocessproxy.config import Address
from test.deadline import PATIENCE_S
from test.fakes import Bench, serving
from test.wire import Message

VISIT = {"fpw-rid": "id1", "fpw-method": "GET", "fpw-url": "/", "fpw-ip": "192.0.2.1"}


@dataclass
class Call:
    headers: Mapping[str, str]
    body: bytes
    request: web.BaseRequest

    def break_off(self) -> None:
        assert self.request.transport is not None
        self.request.transport.abort()


Reply = Callable[[Call], web.Response]
Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class OldRelay:
    """Sends the given replies, then holds calls; it does not support WebSockets."""

    def __init__(self, *replies: Reply) -> None:
        self.calls: asyncio.Queue[Call] = asyncio.Queue()
        self.handshakes = 0
        self._replies = list(replies)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "GET":
            self.handshakes += 1
            return web.Response(status=405)
        call = Call(dict(request.headers.items()), await request.read(), request)
        self.calls.put_nowait(call)
        if self._replies:
            return self._replies.pop(0)(call)
        await asyncio.sleep(PATIENCE_S)
        return web.Response()


def visit(**more: str) -> Reply:
    headers = {**VISIT, **{name.replace("_", "-"): value for name, value in more.items()}}
    return lambda call: web.Response(headers=headers)


def status(number: int) -> Reply:
    return lambda call: web.Response(status=number)


class Local:
    """The server that visits are forwarded to."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.raw_path} {(await request.read()).decode()}")
        response = web.Response(text="hello", headers={"X-Path": request.raw_path})
        response.headers.add("Set-Cookie", "a=1")
        response.headers.add("Set-Cookie", "b=2")
        return response


@asynccontextmanager
async def listening(handle: Handle) -> AsyncIterator[int]:
    runner = web.ServerRunner(web.Server(handle, handler_cancellation=True), shutdown_timeout=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        assert isinstance(port, int)
        yield port
    finally:
        await runner.cleanup()


async def play(relay: OldRelay, local: Local, count: int, **options: object) -> list[Call]:
    """Run a worker with one poll until the relay has received `count` calls; return those."""
    reporter = Reporter(lambda text: None, lambda text: None, _ignore)
    async with (
        asyncio.timeout(PATIENCE_S),
        listening(relay.handle) as relay_port,
        listening(local.handle) as port,
        asyncio.TaskGroup() as tasks,
    ):
        settings = WorkerSettings(
            URL(f"http://127.0.0.1:{relay_port}"), "demo.test", "s3cret", polls=1
        )
        settings = replace(settings, **options)  # type: ignore[arg-type]
        task = tasks.create_task(
            work(settings, partial(LocalSite, Address("127.0.0.1", port)), reporter),
            name="worker",
        )
        calls = [await relay.calls.get() for _ in range(count)]
        task.cancel()
    return calls


def _ignore(record: VisitRecord) -> None:
    """Ignore a report."""


@asynccontextmanager
async def beside_a_proxy(relay: OldRelay, deadline_s: float) -> AsyncIterator[Bench]:
    """Run a worker whose visits the data plane answers."""
    reporter = Reporter(lambda text: None, lambda text: None, _ignore)
    async with (
        asyncio.timeout(PATIENCE_S),
        listening(relay.handle) as relay_port,
        serving() as bench,
        asyncio.TaskGroup() as tasks,
    ):
        url = URL(f"http://127.0.0.1:{relay_port}")
        settings = WorkerSettings(url, "demo.test", "s3cret", polls=1, deadline_s=deadline_s)
        site = ProxySite(bench.proxy_server.exchanges)
        task = tasks.create_task(work(settings, lambda _: site, reporter), name="worker")
        yield bench
        task.cancel()


def test_late_answer_ends_the_request_to_the_server() -> None:
    async def main() -> None:
        relay = OldRelay(visit())
        async with beside_a_proxy(relay, deadline_s=0.2) as bench:
            backend, _ = await bench.backend.take()
            await backend.assert_reset()
            _, answer = [await relay.calls.get() for _ in range(2)]
            assert answer.headers["fpw-status"] == "504"

    asyncio.run(main())


def test_visit_beside_the_proxy_is_answered_by_the_data_plane() -> None:
    async def main() -> tuple[Message, Call]:
        relay = OldRelay(visit(fpw_url="/a%2Fb?"))
        async with beside_a_proxy(relay, deadline_s=PATIENCE_S) as bench:
            _, request = await bench.backend.serve()
            _, answer = [await relay.calls.get() for _ in range(2)]
        return request, answer

    request, answer = asyncio.run(main())
    assert request.first == b"GET /a%2Fb? HTTP/1.1"
    assert request.get(b"X-Forwarded-For") == b"192.0.2.1"
    assert (answer.headers["fpw-status"], answer.body) == ("200", b"ok")


def test_next_call_carries_the_answer_with_both_names_of_the_id() -> None:
    relay, local = OldRelay(visit(fpw_url="/a%2Fb?")), Local()
    first, second = asyncio.run(play(relay, local, 2))
    assert (first.headers["fpw-host"], first.headers["fpw-token"]) == ("demo.test", "s3cret")
    assert "fpw-rid" not in first.headers
    assert (second.headers["fpw-rid"], second.headers["fpw-id"]) == ("id1", "id1")
    assert (second.headers["fpw-status"], second.body) == ("200", b"hello")
    fields = json.loads(second.headers["fpw-header"])
    assert fields["Set-Cookie"] == ["a=1", "b=2"]
    assert fields["X-Path"] == "/a%2Fb?"
    assert relay.handshakes == 1


@pytest.mark.parametrize("name", ["fpw-rid", "fpw-id"])
def test_visit_is_read_by_either_name_of_the_id(name: str) -> None:
    headers = {**VISIT, name: "one"}
    headers.pop("fpw-rid" if name == "fpw-id" else "fpw-id", None)
    relay = OldRelay(lambda call: web.Response(headers=headers))
    assert asyncio.run(play(relay, Local(), 2))[1].headers["fpw-rid"] == "one"


def test_reply_without_a_visit_is_followed_by_another_call() -> None:
    relay = OldRelay(status(200), status(200), visit())
    calls = asyncio.run(play(relay, Local(), 4))
    assert [call.headers.get("fpw-rid") for call in calls] == [None, None, None, "id1"]


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/", "@evil/", "", "evil", "/a b", "/\tx", "https:/x"]
)
def test_url_that_is_not_a_path_is_not_requested(url: str) -> None:
    relay, local = OldRelay(visit(fpw_url=url), visit()), Local()
    calls = asyncio.run(play(relay, local, 3))
    assert local.asked == ["GET / "]
    assert calls[1].headers.get("fpw-rid") is None


def test_answer_is_repeated_when_its_call_breaks_and_the_visit_is_not() -> None:
    def break_off(call: Call) -> web.Response:
        call.break_off()
        return web.Response()

    relay, local = OldRelay(visit(), break_off), Local()
    calls = asyncio.run(play(relay, local, 3))
    assert [call.headers.get("fpw-rid") for call in calls] == [None, "id1", "id1"]
    assert local.asked == ["GET / "]


def test_too_large_answer_becomes_502() -> None:
    relay = OldRelay(visit())
    _, answer = asyncio.run(play(relay, Local(), 2, max_body_bytes=4))
    assert answer.headers["fpw-status"] == "502"
    assert b"larger than long polling allows" in answer.body


def test_too_large_head_becomes_502() -> None:
    class Verbose(Local):
        async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
            return web.Response(headers={"X-A": "é" * 15_000})

    _, answer = asyncio.run(play(OldRelay(visit()), Verbose(), 2))
    assert answer.headers["fpw-status"] == "502"


@pytest.mark.parametrize("number", [400, 413, 431])
def test_answer_refused_by_the_relay_is_not_repeated(number: int) -> None:
    calls = asyncio.run(play(OldRelay(visit(), status(number)), Local(), 3))
    assert [call.headers.get("fpw-rid") for call in calls] == [None, "id1", None]


def test_late_answer_becomes_504() -> None:
    class Late(Local):
        async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
            await asyncio.sleep(PATIENCE_S)
            return web.Response()

    _, answer = asyncio.run(play(OldRelay(visit()), Late(), 2, deadline_s=0.2))
    assert answer.headers["fpw-status"] == "504"


def test_403_ends_the_worker() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(play(OldRelay(status(403)), Local(), 2))
    assert caught.group_contains(ShareRefusedError, match="the token is wrong")
