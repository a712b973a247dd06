"""Requests of streams that the proxy answers or ends itself: bugs, time limits, crashes."""

import pytest

from httpprocessproxy.core.http.http1 import Fields, RequestHead
from httpprocessproxy.core.http.request import Request
from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.frontends.streams import StreamReset
from httpprocessproxy.proxy.context import ProxyContext
from httpprocessproxy.proxy.exchange import Exchange
from httpprocessproxy.proxy.interfaces import Downstream, Upstream
from test.fakes import OK
from test.frontends.stream_clients import ALL, Streams, asked, streaming
from test.loops import eventually, on_every_loop


class FaultyExchange(Exchange):
    """An exchange with a bug in the step that the path of its request names."""

    def start(self) -> None:
        if self.request.target == b"/start":
            raise ValueError("a bug in start")
        super().start()

    def enter(self) -> None:
        raise ValueError("a bug in enter")

    def connected(self, upstream: Upstream) -> None:
        if self.request.target == b"/connected":
            upstream.abort()
            raise ValueError("a bug in connected")
        super().connected(upstream)


class Faulty:
    """An interceptor of all requests but that for `/`."""

    def takes(self, head: RequestHead) -> bool:
        return head.target != b"/"

    def passing(self, fields: Fields) -> Fields:
        return fields

    def exchange(self, client: Downstream, context: ProxyContext, request: Request) -> Exchange:
        if request.target == b"/exchange":
            raise ValueError("a bug in the interceptor")
        return FaultyExchange(client, context, request)


async def assert_others_go_on(streams: Streams) -> None:
    _, stream = streams.get()
    await streams.backend.serve()
    await eventually(lambda: stream.has_ended)
    assert stream.status == 200


@pytest.mark.expects_faults
@pytest.mark.parametrize("step", ["exchange", "start", "connected"])
@pytest.mark.parametrize("way", ["at once", "with a body", "later"])
@on_every_loop
async def test_bug_in_an_exchange_resets_its_stream_and_leaves_nothing(step: str, way: str) -> None:
    async with streaming(interceptor=Faulty()) as streams:
        client, stream = streams.begin(asked(b"POST", path=f"/{step}".encode()))
        if way == "with a body":
            client.body(b"abc")
        if way == "at once":
            client.end()
        await eventually(lambda: stream.why is StreamReset.INTERNAL)
        assert not streams.bench.proxy_server.context.clients
        if step == "connected":
            (await streams.backend.accept()).close()
        await assert_others_go_on(streams)


@pytest.mark.expects_faults
@on_every_loop
async def test_bug_at_the_gate_resets_its_stream_and_leaves_nothing() -> None:
    async with streaming(interceptor=Faulty(), is_open=False) as streams:
        _, stream = streams.get(asked(path=b"/enter"))
        await eventually(lambda: stream.why is StreamReset.INTERNAL)
        assert not streams.bench.proxy_server.context.clients
        streams.bench.start()
        await assert_others_go_on(streams)


@on_every_loop
async def test_request_without_a_response_gets_504_after_the_time_limit() -> None:
    async with streaming() as streams:
        client, stream = streams.get()
        peer, _ = await streams.backend.take()
        now = streams.bench.proxy_server.loop.time()
        assert client.sweep(now, 4, 3600) == "web"
        assert not stream.is_over
        assert client.sweep(now + 3601, 4, 3600) == ""
        assert stream.status == 504
        assert stream.has_ended
        assert await peer.rest() == b""


@on_every_loop
async def test_response_that_has_begun_has_no_time_limit() -> None:
    async with streaming() as streams:
        client, stream = streams.get()
        peer, _ = await streams.backend.take()
        await peer.send(OK[:-1].replace(b"Content-Length: 2", b"Content-Length: 999999"))
        await eventually(lambda: stream.status == 200)
        now = streams.bench.proxy_server.loop.time()
        assert client.sweep(now + 7200, 4, 3600) == ""
        assert not stream.is_over


@pytest.mark.parametrize("is_trusted", [True, False])
@on_every_loop
async def test_output_of_a_crash_is_for_trusted_clients(is_trusted: bool) -> None:
    crash = Problem(503, "Crashed", "It has ended.", output=b"a secret", public_detail="Ended.")
    async with streaming(trusted=ALL if is_trusted else ()) as streams:
        streams.bench.gate.refuse(lambda: crash)
        _, stream = streams.get()
        await eventually(lambda: stream.has_ended)
        assert stream.status == 503
        assert (b"a secret" in stream.content) is is_trusted
        assert (b"It has ended." in stream.content) is is_trusted
