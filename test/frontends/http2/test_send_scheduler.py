"""Whose turn it is to send."""

import asyncio

from h2.connection import H2Connection

from httpprocessproxy.frontends.http2.send_scheduler import BATCH_BYTES, SendScheduler
from httpprocessproxy.frontends.http2.stream import Http2Stream


class Wire(asyncio.Transport):
    """A transport that writes down what is written, and may be full."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.has_closed = False
        self.turns: SendScheduler
        self.full_after = 1000

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))
        self.turns.is_full = len(self.written) >= self.full_after

    def is_closing(self) -> bool:
        return self.has_closed


class State:
    """In place of h2: the frames that have been made."""

    def __init__(self) -> None:
        self.made = b""

    def data_to_send(self) -> bytes:
        made, self.made = self.made, b""
        return made


class Sending:
    """In place of a stream: it has so many frames to send, of 16 KiB each."""

    def __init__(self, name: bytes, frames: int) -> None:
        self.name = name
        self.left = frames
        self.is_queued = self.is_over = False

    @property
    def has_work(self) -> bool:
        return self.left > 0

    def send_some(self, state: State) -> int:
        if not self.left:
            return 0
        self.left -= 1
        state.made += self.name
        return 16_384


class Scene:
    def __init__(self, *frames: int) -> None:
        self.wire, state = Wire(), State()
        self.sent: list[bytes] = []
        self.streams = [Sending(b"abcdef"[i : i + 1], count) for i, count in enumerate(frames)]
        self.turns = SendScheduler(state, self.wire, self._sent)  # type: ignore[arg-type]
        self.wire.turns = self.turns
        for stream in self.streams:
            self.turns.add(stream)  # type: ignore[arg-type]

    def _sent(self, stream: Http2Stream) -> None:
        self.sent.append(stream.name)  # type: ignore[attr-defined]


def test_a_frame_each() -> None:
    scene = Scene(3, 1, 2)
    scene.turns.send()
    assert b"".join(scene.wire.written) == b"abcaca"
    assert b"".join(scene.sent) == b"abcaca"


def test_few_writes() -> None:
    scene = Scene(8)
    scene.turns.send()
    assert [len(data) * 16_384 for data in scene.wire.written] == [BATCH_BYTES] * 2


def test_nothing_goes_out_while_the_client_is_slow() -> None:
    scene = Scene(8, 8)
    scene.wire.full_after = 1
    scene.turns.send()
    assert len(scene.wire.written) == 1
    scene.turns.send()
    assert len(scene.wire.written) == 1
    scene.turns.is_full = False
    scene.wire.full_after = 1000
    scene.turns.send()
    assert b"".join(scene.wire.written) == b"ab" * 8


def test_a_stream_waits_once() -> None:
    scene = Scene(2)
    scene.turns.add(scene.streams[0])  # type: ignore[arg-type]
    scene.streams[0].left = 1
    scene.turns.send()
    assert b"".join(scene.sent) == b"a"


def test_a_stream_that_is_over_has_no_turn() -> None:
    scene = Scene(2, 1)
    scene.streams[0].is_over = True
    scene.turns.send()
    assert b"".join(scene.sent) == b"b"
    scene.turns.add(scene.streams[0])  # type: ignore[arg-type]
    assert not scene.streams[0].is_queued


def test_nothing_is_written_behind_the_end() -> None:
    scene = Scene(2)
    scene.wire.has_closed = True
    scene.turns.send()
    assert scene.wire.written == []


def test_frames_of_the_connection_are_written_too() -> None:
    wire = Wire()
    state = H2Connection()
    state.initiate_connection()
    wire.turns = turns = SendScheduler(state, wire, lambda _: None)
    turns.send()
    turns.send()
    assert len(wire.written) == 1
