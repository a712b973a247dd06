"""Fakes of a request's two ends: a `RequestSink` and a `Stream` that record all calls."""

from dataclasses import dataclass, field

from httpprocessproxy.frontends.streams import Fields, Head, Stream, StreamReset
from test.loops import eventually

Call = tuple[object, ...]


@dataclass
class RecordingSink:
    """A `RequestSink` that records. It consumes data at once, unless it `is_slow`."""

    head: Head
    stream: Stream
    is_slow: bool = False
    content: bytearray = field(default_factory=bytearray)
    trailers: Fields | None = None  # None until the request has ended
    resets: int = 0
    is_paused: bool = False
    pauses: int = 0

    @property
    def has_ended(self) -> bool:
        return self.trailers is not None

    @property
    def was_reset(self) -> bool:
        assert self.resets <= 1, "once"
        return self.resets == 1

    def body(self, data: bytes) -> None:
        assert not self.was_reset
        self.content += data
        if not self.is_slow:
            self.stream.consumed(len(data))

    def end(self, trailers: Fields = ()) -> None:
        assert not self.was_reset
        assert not self.has_ended
        self.trailers = trailers

    def reset(self) -> None:
        self.resets += 1

    def pause(self) -> None:
        assert not self.is_paused
        self.is_paused = True
        self.pauses += 1

    def resume(self) -> None:
        assert self.is_paused
        self.is_paused = False

    def answer(self, body: bytes = b"ok", *fields: tuple[bytes, bytes], status: int = 200) -> None:
        self.stream.head(status, [(b"content-length", b"%d" % len(body)), *fields])
        self.stream.body(body)
        self.stream.end()

    async def ended(self) -> Fields:
        """Wait for the end of the request, and return its trailers."""
        await eventually(lambda: self.has_ended)
        assert self.trailers is not None
        return self.trailers

    async def lost(self) -> None:
        """Wait for the reset of the request."""
        await eventually(lambda: self.was_reset)


class RecordingHandler:
    """A `Handler` that records its requests; `sinks` has them in order."""

    def __init__(self, *, is_slow: bool = False) -> None:
        self.sinks: list[RecordingSink] = []
        self._is_slow = is_slow

    def __call__(self, head: Head, stream: Stream) -> RecordingSink:
        self.sinks.append(RecordingSink(head, stream, self._is_slow))
        return self.sinks[-1]

    async def sink(self, number: int = 0) -> RecordingSink:
        """Wait for request `number`, counted from 0."""
        await eventually(lambda: len(self.sinks) > number)
        return self.sinks[number]


def answering(head: Head, stream: Stream) -> RecordingSink:
    """A `Handler` that echoes each request's body, or its method and path without one."""
    return _Echo(head, stream)


class _Echo(RecordingSink):
    def end(self, trailers: Fields = ()) -> None:
        super().end(trailers)
        self.answer(bytes(self.content) or b"%b %b" % (self.head.method, self.head.path))


@dataclass
class RecordingStream:
    """A `Stream` that records the response."""

    status: int = 0
    fields: Fields = ()
    interims: list[tuple[int, Fields]] = field(default_factory=list)
    content: bytearray = field(default_factory=bytearray)
    trailers: Fields = ()
    has_ended: bool = False
    why: StreamReset | None = None
    consumed_bytes: int = 0
    is_reading: bool = True

    @property
    def is_over(self) -> bool:
        return self.has_ended or self.why is not None

    def interim(self, status: int, fields: Fields) -> None:
        assert not self.status
        self.interims.append((status, fields))

    def head(self, status: int, fields: Fields) -> None:
        assert not self.status
        self.status, self.fields = status, fields

    def body(self, data: bytes) -> None:
        assert self.status
        assert not self.is_over
        self.content += data

    def end(self, trailers: Fields = ()) -> None:
        assert self.status
        assert not self.is_over
        self.has_ended, self.trailers = True, trailers

    def reset(self, why: StreamReset) -> None:
        assert self.why is None
        self.why = why

    def consumed(self, size_bytes: int) -> None:
        if self.is_reading and self.why is None:
            self.consumed_bytes += size_bytes

    def stop_reading(self) -> None:
        self.is_reading = False
