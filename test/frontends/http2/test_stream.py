"""A response on its way out: which frames it becomes, and when it waits."""

from collections.abc import Callable

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, ResponseReceived, StreamEnded, TrailersReceived

from httpprocessproxy.frontends.http2.stream import MAX_WAITING_BYTES, Http2Stream
from test.frontends.ends import RecordingVisit
from test.frontends.http2_client import GET


class Recorder:
    """In place of a connection: who wanted to send, and what was consumed."""

    def __init__(self, alt_svc: bytes | None = None) -> None:
        self.alt_svc = alt_svc
        self.client = H2Connection(H2Configuration())
        self.state = H2Connection(H2Configuration(client_side=False))
        self.client.initiate_connection()
        self.state.initiate_connection()
        self.client.send_headers(1, GET, end_stream=True)
        self.state.receive_data(self.client.data_to_send())
        self.client.receive_data(self.state.data_to_send())
        self.wanted = 0

    def send(self, stream: Http2Stream) -> None:
        self.wanted += 1

    def sent(self, stream: Http2Stream) -> list[Event]:
        """Give the stream all the turns it wants, and return what the client sees."""
        while stream.send_some(self.state):
            pass
        return self.client.receive_data(self.state.data_to_send())


def opened(alt_svc: bytes | None = None) -> tuple[Recorder, Http2Stream]:
    recorder = Recorder(alt_svc)
    return recorder, Http2Stream(recorder, 1)  # type: ignore[arg-type]


Respond = Callable[[Http2Stream], None]


def head(stream: Http2Stream) -> None:
    stream.head(200, [])


def content(stream: Http2Stream) -> None:
    stream.body(b"ab")
    stream.body(b"")
    stream.body(b"cd")


def end(stream: Http2Stream) -> None:
    stream.end()


def trailers(stream: Http2Stream) -> None:
    stream.end([(b"x", b"y")])


@pytest.mark.parametrize(
    ("calls", "kinds"),
    [
        ([head], [ResponseReceived]),
        ([head, end], [ResponseReceived, StreamEnded]),
        ([head, content], [ResponseReceived, DataReceived]),
        ([head, content, end], [ResponseReceived, DataReceived, StreamEnded]),
        ([head, trailers], [ResponseReceived, TrailersReceived, StreamEnded]),
        (
            [head, content, trailers],
            [ResponseReceived, DataReceived, TrailersReceived, StreamEnded],
        ),
    ],
)
def test_as_few_frames_as_can_be(calls: list[Respond], kinds: list[type[Event]]) -> None:
    recorder, stream = opened()
    for call in calls:
        call(stream)
    assert recorder.wanted >= len(calls)
    events = recorder.sent(stream)
    assert [type(event) for event in events] == kinds
    assert b"".join(e.data for e in events if isinstance(e, DataReceived)) in (b"", b"abcd")
    assert stream.has_response_ended == (StreamEnded in kinds)
    assert not stream.has_work


@pytest.mark.parametrize("calls", [[head, content, end], [head, content, trailers], [head, end]])
def test_the_same_a_call_at_a_time(calls: list[Respond]) -> None:
    recorder, stream = opened()
    events: list[Event] = []
    for call in calls:
        call(stream)
        events += recorder.sent(stream)
    assert isinstance(events[0], ResponseReceived)
    assert isinstance(events[-1], StreamEnded)
    assert stream.has_response_ended


def test_a_window_is_used_up_and_no_more() -> None:
    recorder, stream = opened()
    stream.head(200, [])
    for _ in range(10):
        stream.body(b"x" * 10_000)
    stream.end()
    got = [event for event in recorder.sent(stream) if isinstance(event, DataReceived)]
    assert sum(len(event.data) for event in got) == 65_535
    assert len(got) == 4  # of 16 KiB: small pieces travel together
    assert stream.has_work
    assert stream.send_some(recorder.state) == 0
    recorder.client.acknowledge_received_data(65_535, 1)
    recorder.state.receive_data(recorder.client.data_to_send())
    rest = recorder.sent(stream)
    assert sum(len(event.data) for event in rest if isinstance(event, DataReceived)) == 34_465
    assert isinstance(rest[-1], StreamEnded)


def test_back_pressure() -> None:
    recorder, stream = opened()
    visit = stream.visit = RecordingVisit(None, stream)  # type: ignore[arg-type]
    stream.head(200, [])
    stream.body(b"x" * MAX_WAITING_BYTES)
    assert visit.pauses == 0
    stream.body(b"x")
    assert visit.pauses == 1
    stream.body(b"x" * 100_000)
    assert visit.pauses == 1
    recorder.sent(stream)
    assert visit.is_paused, "the window is used up"
    recorder.client.acknowledge_received_data(65_535, 1)
    recorder.state.receive_data(recorder.client.data_to_send())
    recorder.sent(stream)
    recorder.client.acknowledge_received_data(65_535, 1)
    recorder.state.receive_data(recorder.client.data_to_send())
    recorder.sent(stream)
    assert not visit.is_paused


def test_who_has_ended_is_not_told_to_go_on() -> None:
    recorder, stream = opened()
    visit = stream.visit = RecordingVisit(None, stream)  # type: ignore[arg-type]
    stream.head(200, [])
    stream.body(b"x" * 65_536)
    stream.body(b"x")
    stream.end()
    recorder.sent(stream)
    assert visit.is_paused


def test_alt_svc_is_ours_alone() -> None:
    recorder, stream = opened(b"h3=:1")
    stream.interim(103, [])
    stream.head(200, [(b"alt-svc", b"h2=:2"), (b"connection", b"x")])
    events = recorder.sent(stream)
    interim, final = (list(event.headers) for event in events)  # type: ignore[attr-defined]
    assert interim == [(b":status", b"103")]
    assert final == [(b":status", b"200"), (b"alt-svc", b"h3=:1")]
