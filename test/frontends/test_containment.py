"""An unexpected exception in one request resets only its stream, over HTTP/2 and HTTP/3."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import pytest
from aioquic.h3.connection import ErrorCode
from h2.errors import ErrorCodes

from httpprocessproxy.frontends.http2.stream import MAX_WAITING_BYTES
from httpprocessproxy.frontends.http3.stream import MAX_UNACKNOWLEDGED_BYTES
from httpprocessproxy.frontends.streams import Fields, Handler, Head, Stream
from test.frontends import fronts, http3_fronts
from test.frontends.ends import RecordingHandler, RecordingSink
from test.frontends.http2_client import get
from test.loops import eventually, on_every_loop

pytestmark = pytest.mark.expects_faults

Front = fronts.Front | http3_fronts.Front
Serving = Callable[[Handler], AbstractAsyncContextManager[Front]]

every_version = pytest.mark.parametrize(
    ("serving", "internal_error"),
    [
        (fronts.serving_http2, ErrorCodes.INTERNAL_ERROR),
        (http3_fronts.serving_http3, ErrorCode.H3_INTERNAL_ERROR),
    ],
    ids=["HTTP/2", "HTTP/3"],
)


@dataclass
class FaultySink(RecordingSink):
    """A sink with a bug in the method named `bug`."""

    bug: str = ""

    def _maybe(self, method: str) -> None:
        if method == self.bug:
            raise ValueError(f"a bug in {method}")

    def body(self, data: bytes) -> None:
        self._maybe("body")
        super().body(data)

    def end(self, trailers: Fields = ()) -> None:
        self._maybe("end")
        super().end(trailers)

    def resume(self) -> None:
        self._maybe("resume")
        super().resume()

    def reset(self) -> None:
        super().reset()
        self._maybe("reset")


class FaultyHandler(RecordingHandler):
    """A handler whose bug is in the method that the path of the request names."""

    def __call__(self, head: Head, stream: Stream) -> RecordingSink:
        bug = head.path[1:].decode()
        if bug == "handler":
            raise ValueError("a bug in the handler")
        self.sinks.append(FaultySink(head, stream, bug=bug))
        return self.sinks[-1]


@every_version
@pytest.mark.parametrize("bug", ["handler", "body", "end"])
@on_every_loop
async def test_bug_in_processing_the_request_resets_its_stream(
    bug: str, serving: Serving, internal_error: int
) -> None:
    handler = FaultyHandler()
    async with serving(handler) as front:
        client = await front.client()
        good = await client.ask(get("/good", method=b"POST"), None)
        await handler.sink()
        bad = await client.ask(get(f"/{bug}", method=b"POST"), b"x")
        assert await client.was_reset(bad) == internal_error
        assert all(sink.was_reset for sink in handler.sinks[1:]), "it releases its resources"
        await client.upload(good, b"abc", end=True)
        await handler.sinks[0].ended()
        handler.sinks[0].answer()
        assert (await client.answer(good)).status == 200


@every_version
@on_every_loop
async def test_bug_in_sending_the_response_resets_its_stream(
    serving: Serving, internal_error: int
) -> None:
    handler = FaultyHandler()
    async with serving(handler) as front:
        client = await front.client()
        bad = await client.ask(get("/resume"))
        good = await client.ask(get("/good"))
        await handler.sink(1)
        handler.sinks[0].stream.head(200, [])
        handler.sinks[0].stream.body(bytes(MAX_WAITING_BYTES + MAX_UNACKNOWLEDGED_BYTES))
        assert await client.was_reset(bad) == internal_error
        assert handler.sinks[0].was_reset
        handler.sinks[1].answer()
        assert (await client.answer(good)).status == 200


@every_version
@on_every_loop
async def test_bug_in_a_reset_does_not_prevent_the_reset_of_other_sinks(
    serving: Serving, internal_error: int
) -> None:
    handler = FaultyHandler()
    async with serving(handler) as front:
        client = await front.client()
        await client.cancel(await client.ask(get("/reset")))
        for _ in range(2):
            await client.ask(get("/reset"))
        await client.ask(get("/good"))
        await handler.sink(3)
        if isinstance(front, fronts.Front):
            front.close_clients()
        else:
            await front.close_clients()
        await eventually(lambda: all(sink.was_reset for sink in handler.sinks))
