"""Frames that are read some at a time: every byte passes once, and no read has too many."""

import asyncio

from hyperframe.frame import DataFrame, Frame, PingFrame, WindowUpdateFrame
from hypothesis import given
from hypothesis import strategies as st

from httpprocessproxy.frontends.http2.frames import Http2Frames, Reading
from httpprocessproxy.frontends.http2.settings import FRAMES_A_READ, FRAMES_AT_ONCE, TURN_S
from test.loops import eventually, on_every_loop

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
UPDATE = WindowUpdateFrame(0, window_increment=1).serialize()

frames = st.sampled_from(
    [
        PingFrame(opaque_data=b"12345678").serialize(),
        WindowUpdateFrame(0, window_increment=1).serialize(),
        DataFrame(1).serialize(),
        DataFrame(1, data=b"\0\0\4\x08" * 50).serialize(),
    ]
)


def count(data: bytes) -> int:
    """How many whole frames there are."""
    number, view = 0, memoryview(data)
    while view:
        _, length = Frame.parse_frame_header(view[:9])
        view = view[9 + length :]
        number += 1
    return number


@given(st.lists(frames, max_size=30), st.integers(1, 40), st.integers(1, 5))
def test_each_read_ends_with_a_frame_however_the_bytes_come(
    several: list[bytes], size: int, limit: int
) -> None:
    waiting, data = Http2Frames(), PREFACE + b"".join(several)
    taken = [waiting.take(limit)]
    for at in range(0, len(data), size):
        waiting.put(data[at : at + size])
        taken.append(waiting.take(limit))
    while waiting:
        taken.append(waiting.take(limit))
    assert b"".join(taken) == data


@given(st.lists(frames, min_size=1, max_size=30), st.integers(1, 5))
def test_a_read_has_no_more_frames_than_its_limit(several: list[bytes], limit: int) -> None:
    waiting = Http2Frames()
    waiting.put(PREFACE)
    assert waiting.take(limit) == PREFACE
    waiting.put(b"".join(several))
    reads = []
    while waiting:
        reads.append(waiting.take(limit))
    assert b"".join(reads) == b"".join(several)
    assert [count(read) for read in reads[:-1]] == [limit] * (len(reads) - 1)


class Recorded(asyncio.Transport):
    """A transport that counts pauses."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses = self.resumptions = 0
        self.is_closed = False

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        self.pauses += 1

    def resume_reading(self) -> None:
        self.resumptions += 1


class Turns:
    """How many frames of a connection are read before another has its turn. A frame takes `cost_s`
    by the clock of the test."""

    def __init__(self, cost_s: float = 0.0) -> None:
        self.frames = [0]
        self.transport = Recorded()
        self.reading = Reading(self.transport, self._read, lambda: self._now)
        self._cost_s = cost_s
        self._now = 0.0
        self._is_called = False

    def _read(self, data: bytes) -> None:
        number = 0 if data == PREFACE else count(data)
        assert number <= FRAMES_A_READ
        self.frames[-1] += number
        self._now += number * self._cost_s
        if not self._is_called:
            self._is_called = True
            asyncio.get_running_loop().call_soon(self._another)

    def _another(self) -> None:
        self._is_called = False
        self.frames.append(0)

    async def of(self, number: int) -> list[int]:
        """Let so many frames come at once, and return how many were read in each turn."""
        self.reading.put(PREFACE)
        self.reading.put(UPDATE * number)
        await eventually(lambda: sum(self.frames) == number)
        return [frames for frames in self.frames if frames]


@on_every_loop
async def test_others_have_their_turn_between_two_reads() -> None:
    turns = Turns()
    assert await turns.of(3 * FRAMES_AT_ONCE) == [FRAMES_AT_ONCE] * 3
    assert turns.transport.pauses == turns.transport.resumptions == 1


@on_every_loop
async def test_turn_ends_early_if_its_frames_are_a_lot_of_work() -> None:
    turns = Turns(TURN_S / FRAMES_A_READ / 2)
    assert await turns.of(6 * FRAMES_A_READ) == [2 * FRAMES_A_READ] * 3
    assert turns.transport.pauses == turns.transport.resumptions == 1


@on_every_loop
async def test_nothing_is_read_of_a_connection_that_has_ended() -> None:
    transport, reads = Recorded(), 0

    def read(_: bytes) -> None:
        nonlocal reads
        reads += 1
        transport.is_closed = True

    Reading(transport, read).put(PREFACE + PingFrame(opaque_data=b"1" * 8).serialize() * 1000)
    await asyncio.sleep(0)
    assert reads == 1
