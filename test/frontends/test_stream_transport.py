"""The contract of asyncio.Transport, kept by a stream of HTTP/2 or HTTP/3."""

import asyncio
from collections.abc import Callable

import pytest

from httpprocessproxy.frontends.stream_transport import StreamTransport
from httpprocessproxy.frontends.streams import StreamReset
from test.frontends.ends import RecordingStream
from test.loops import on_every_loop, turn


class Recorder(asyncio.Protocol):
    """A protocol that records its calls, and may pause or close its transport in each."""

    def __init__(self, transport: StreamTransport, *, keeps_open: bool = False) -> None:
        self.calls: list[object] = []
        self.acts: Callable[[], None] = lambda: None
        self._keeps_open = keeps_open
        transport.set_protocol(self)

    def data_received(self, data: bytes) -> None:
        self.calls.append(data)
        self.acts()

    def eof_received(self) -> bool:
        self.calls.append("eof")
        return self._keeps_open

    def pause_writing(self) -> None:
        self.calls.append("pause")

    def resume_writing(self) -> None:
        self.calls.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.calls.append(type(exc))


def transport_on() -> tuple[StreamTransport, RecordingStream]:
    stream = RecordingStream(status=200)
    return StreamTransport(stream), stream


@on_every_loop
async def test_transport_keeps_data_until_reading_is_resumed() -> None:
    transport, stream = transport_on()
    transport.data_received(b"a")
    recorder = Recorder(transport)
    transport.data_received(b"b")
    assert recorder.calls == []
    transport.resume_reading()
    assert recorder.calls == []  # not within the call, as with any transport
    await turn()
    assert recorder.calls == [b"ab"]
    assert stream.consumed_bytes == 2
    recorder.acts = transport.pause_reading
    for piece in (b"c", b"d", b"e"):
        transport.data_received(piece)
    transport.eof_received()
    assert recorder.calls == [b"ab", b"c"]
    assert stream.consumed_bytes == 3
    transport.resume_reading()
    await turn()
    assert recorder.calls == [b"ab", b"c", b"de"]


@pytest.mark.parametrize("keeps_open", [True, False])
@on_every_loop
async def test_end_of_the_client_closes_unless_the_protocol_keeps_it_open(keeps_open: bool) -> None:
    transport, stream = transport_on()
    recorder = Recorder(transport, keeps_open=keeps_open)
    transport.resume_reading()
    transport.data_received(b"a")
    transport.eof_received()
    await turn()
    assert recorder.calls == [b"a", "eof"] if keeps_open else [b"a", "eof", type(None)]
    assert (transport.is_closing(), stream.has_ended) == (not keeps_open, not keeps_open)
    transport.write(b"x")
    assert bytes(stream.content) == (b"x" if keeps_open else b"")


@pytest.mark.parametrize("way", ["close", "abort", "connection_lost"])
@on_every_loop
async def test_connection_lost_is_called_once_after_the_call_that_ends_it(way: str) -> None:
    transport, stream = transport_on()
    recorder = Recorder(transport)
    transport.resume_reading()
    getattr(transport, way)()
    assert recorder.calls == []
    transport.close()
    transport.abort()
    transport.connection_lost()
    transport.data_received(b"late")
    transport.eof_received()
    transport.write(b"late")
    transport.write_eof()
    await turn()
    assert recorder.calls == [ConnectionResetError if way == "connection_lost" else type(None)]
    assert bytes(stream.content) == b""
    assert stream.has_ended == (way == "close")
    assert stream.why is (StreamReset.INTERNAL if way == "abort" else None)


@on_every_loop
async def test_transport_closed_by_its_protocol_returns_its_data_once() -> None:
    transport, stream = transport_on()
    recorder = Recorder(transport)
    recorder.acts = transport.close
    transport.data_received(b"a")
    transport.resume_reading()
    await turn()
    assert recorder.calls == [b"a", type(None)]
    assert (stream.is_reading, stream.consumed_bytes) == (False, 0)


@on_every_loop
async def test_connection_lost_goes_to_the_present_protocol() -> None:
    transport, _ = transport_on()
    first = Recorder(transport)
    transport.close()
    second = Recorder(transport)
    await turn()
    assert (first.calls, second.calls) == ([], [type(None)])


@on_every_loop
async def test_back_pressure_of_the_stream_reaches_the_protocol() -> None:
    transport, _ = transport_on()
    transport.block_writing(True)  # without a protocol, nothing has been written
    recorder = Recorder(transport)
    transport.block_writing(True)
    transport.block_writing(False)
    assert recorder.calls == ["pause", "resume"]


@on_every_loop
async def test_stream_can_half_close() -> None:
    transport, stream = transport_on()
    recorder = Recorder(transport)
    assert transport.can_write_eof()
    transport.write(memoryview(b"ab"))
    transport.write_eof()
    transport.write_eof()
    transport.write(b"c")
    assert (bytes(stream.content), stream.has_ended, stream.is_reading) == (b"ab", True, True)
    transport.resume_reading()
    transport.data_received(b"d")
    await turn()
    assert recorder.calls == [b"d"]
    assert transport.get_protocol() is recorder
