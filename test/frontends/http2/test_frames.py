"""Frame-wise reads: every byte is read once, and a read never exceeds its number of frames."""

import asyncio

from hyperframe.frame import DataFrame, Frame, PingFrame, WindowUpdateFrame
from hypothesis import given
from hypothesis import strategies as st

from httpprocessproxy.frontends.http2.frames import FrameReader, Http2Frames
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
    """Count complete frames."""
    number, view = 0, memoryview(data)
    while view:
        _, length = Frame.parse_frame_header(view[:9])
        view = view[9 + length :]
        number += 1
    return number


@given(st.lists(frames, max_size=30), st.integers(1, 40), st.integers(1, 5))
def test_every_byte_is_read_once_for_any_chunks(
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
def test_read_has_no_more_frames_than_its_limit(several: list[bytes], limit: int) -> None:
    waiting = Http2Frames()
    waiting.put(PREFACE)
    assert waiting.take(limit) == PREFACE
    waiting.put(b"".join(several))
    reads = []
    while waiting:
        reads.append(waiting.take(limit))
    assert b"".join(reads) == b"".join(several)
    assert [count(read) for read in reads[:-1]] == [limit] * (len(reads) - 1)


class RecordingTransport(asyncio.Transport):
    """A transport that counts calls of `pause_reading` and `resume_reading`."""

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


class BatchCounter:
    """Counts the frames that a FrameReader reads in each event loop iteration.

    A frame takes `cost_s` seconds of the fake clock.
    """

    def __init__(self, cost_s: float = 0.0) -> None:
        self.frames = [0]
        self.transport = RecordingTransport()
        self.reader = FrameReader(self.transport, self._read, lambda: self._now)
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

    async def read(self, number: int) -> list[int]:
        """Put `number` frames at once, and return how many were read in each batch."""
        self.reader.put(PREFACE)
        self.reader.put(UPDATE * number)
        await eventually(lambda: sum(self.frames) == number)
        return [frames for frames in self.frames if frames]


@on_every_loop
async def test_event_loop_runs_other_callbacks_between_batches() -> None:
    batches = BatchCounter()
    assert await batches.read(3 * FRAMES_AT_ONCE) == [FRAMES_AT_ONCE] * 3
    assert batches.transport.pauses == batches.transport.resumptions == 1


@on_every_loop
async def test_batch_of_expensive_frames_ends_early() -> None:
    batches = BatchCounter(TURN_S / FRAMES_A_READ / 2)
    assert await batches.read(6 * FRAMES_A_READ) == [2 * FRAMES_A_READ] * 3
    assert batches.transport.pauses == batches.transport.resumptions == 1


@on_every_loop
async def test_queued_frames_are_not_read_after_the_connection_has_closed() -> None:
    transport, reads = RecordingTransport(), 0

    def read(_: bytes) -> None:
        nonlocal reads
        reads += 1
        transport.is_closed = True

    FrameReader(transport, read).put(PREFACE + PingFrame(opaque_data=b"1" * 8).serialize() * 1000)
    await asyncio.sleep(0)
    assert reads == 1
