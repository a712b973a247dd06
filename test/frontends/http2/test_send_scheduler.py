"""The order of streams in the send scheduler."""

import asyncio

from h2.connection import H2Connection

from httpprocessproxy.frontends.http2.send_scheduler import BATCH_BYTES, SendScheduler
from httpprocessproxy.frontends.http2.stream import Http2Stream


class Wire(asyncio.Transport):
    """A transport that records writes, and is full after `full_after` of them."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.has_closed = False
        self.scheduler: SendScheduler
        self.full_after = 1000

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))
        self.scheduler.is_full = len(self.written) >= self.full_after

    def is_closing(self) -> bool:
        return self.has_closed


class FakeState:
    """A fake of H2Connection that holds serialised frames."""

    def __init__(self) -> None:
        self.made = b""

    def data_to_send(self) -> bytes:
        made, self.made = self.made, b""
        return made


class FakeStream:
    """A fake of Http2Stream with `frames` frames of 16 KiB to send."""

    def __init__(self, name: bytes, frames: int) -> None:
        self.name = name
        self.left = frames
        self.is_queued = self.is_over = False

    @property
    def has_work(self) -> bool:
        return self.left > 0

    def send_some(self, state: FakeState) -> int:
        if not self.left:
            return 0
        self.left -= 1
        state.made += self.name
        return 16_384


class Scene:
    """A scheduler whose streams have the given numbers of frames to send."""

    def __init__(self, *frames: int) -> None:
        self.wire, state = Wire(), FakeState()
        self.sent: list[bytes] = []
        self.streams = [FakeStream(b"abcdef"[i : i + 1], count) for i, count in enumerate(frames)]
        self.scheduler = SendScheduler(state, self.wire, self._sent)  # type: ignore[arg-type]
        self.wire.scheduler = self.scheduler
        for stream in self.streams:
            self.scheduler.add(stream)  # type: ignore[arg-type]

    def _sent(self, stream: Http2Stream) -> None:
        self.sent.append(stream.name)  # type: ignore[attr-defined]


def test_each_turn_sends_one_frame() -> None:
    scene = Scene(3, 1, 2)
    scene.scheduler.send()
    assert b"".join(scene.wire.written) == b"abcaca"
    assert b"".join(scene.sent) == b"abcaca"


def test_frames_are_written_in_batches() -> None:
    scene = Scene(8)
    scene.scheduler.send()
    assert [len(data) * 16_384 for data in scene.wire.written] == [BATCH_BYTES] * 2


def test_nothing_is_sent_while_the_transport_is_full() -> None:
    scene = Scene(8, 8)
    scene.wire.full_after = 1
    scene.scheduler.send()
    assert len(scene.wire.written) == 1
    scene.scheduler.send()
    assert len(scene.wire.written) == 1
    scene.scheduler.is_full = False
    scene.wire.full_after = 1000
    scene.scheduler.send()
    assert b"".join(scene.wire.written) == b"ab" * 8


def test_stream_is_queued_only_once() -> None:
    scene = Scene(2)
    scene.scheduler.add(scene.streams[0])  # type: ignore[arg-type]
    scene.streams[0].left = 1
    scene.scheduler.send()
    assert b"".join(scene.sent) == b"a"


def test_stream_that_is_over_sends_nothing() -> None:
    scene = Scene(2, 1)
    scene.streams[0].is_over = True
    scene.scheduler.send()
    assert b"".join(scene.sent) == b"b"
    scene.scheduler.add(scene.streams[0])  # type: ignore[arg-type]
    assert not scene.streams[0].is_queued


def test_nothing_is_written_to_a_closing_transport() -> None:
    scene = Scene(2)
    scene.wire.has_closed = True
    scene.scheduler.send()
    assert scene.wire.written == []


def test_frames_of_the_connection_are_written_once() -> None:
    wire = Wire()
    state = H2Connection()
    state.initiate_connection()
    wire.scheduler = scheduler = SendScheduler(state, wire, lambda _: None)
    scheduler.send()
    scheduler.send()
    assert len(wire.written) == 1
