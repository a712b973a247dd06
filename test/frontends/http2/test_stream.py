"""The send buffer of a response: its frames, its flow control and its back-pressure."""

from collections.abc import Callable

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, ResponseReceived, StreamEnded, TrailersReceived

from httpprocessproxy.frontends.http2.stream import MAX_WAITING_BYTES, Http2Stream
from test.frontends.ends import RecordingSink
from test.frontends.http2_client import GET


class FakeOwner:
    """A fake of the connection that counts `send` calls, and a client that reads the frames."""

    def __init__(self, alt_svc: bytes | None = None) -> None:
        self.alt_svc = alt_svc
        self.client = H2Connection(H2Configuration())
        self.state = H2Connection(H2Configuration(client_side=False))
        self.client.initiate_connection()
        self.state.initiate_connection()
        self.client.send_headers(1, GET, end_stream=True)
        self.state.receive_data(self.client.data_to_send())
        self.client.receive_data(self.state.data_to_send())
        self.sends = 0

    def send(self, stream: Http2Stream) -> None:
        self.sends += 1

    def sent(self, stream: Http2Stream) -> list[Event]:
        """Send all that the windows allow, and return the client's events."""
        while stream.send_some(self.state):
            pass
        return self.client.receive_data(self.state.data_to_send())


def opened(alt_svc: bytes | None = None) -> tuple[FakeOwner, Http2Stream]:
    owner = FakeOwner(alt_svc)
    return owner, Http2Stream(owner, 1)  # type: ignore[arg-type]


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
def test_response_is_sent_in_as_few_frames_as_possible(
    calls: list[Respond], kinds: list[type[Event]]
) -> None:
    owner, stream = opened()
    for call in calls:
        call(stream)
    assert owner.sends >= len(calls)
    events = owner.sent(stream)
    assert [type(event) for event in events] == kinds
    assert b"".join(e.data for e in events if isinstance(e, DataReceived)) in (b"", b"abcd")
    assert stream.has_response_ended == (StreamEnded in kinds)
    assert not stream.has_work


@pytest.mark.parametrize("calls", [[head, content, end], [head, content, trailers], [head, end]])
def test_response_ends_when_each_call_is_sent_separately(calls: list[Respond]) -> None:
    owner, stream = opened()
    events: list[Event] = []
    for call in calls:
        call(stream)
        events += owner.sent(stream)
    assert isinstance(events[0], ResponseReceived)
    assert isinstance(events[-1], StreamEnded)
    assert stream.has_response_ended


def test_body_uses_up_the_window_and_continues_when_it_is_opened() -> None:
    owner, stream = opened()
    stream.head(200, [])
    for _ in range(10):
        stream.body(b"x" * 10_000)
    stream.end()
    got = [event for event in owner.sent(stream) if isinstance(event, DataReceived)]
    assert sum(len(event.data) for event in got) == 65_535
    assert len(got) == 4  # of 16 KiB: small pieces are joined
    assert stream.has_work
    assert stream.send_some(owner.state) == 0
    owner.client.acknowledge_received_data(65_535, 1)
    owner.state.receive_data(owner.client.data_to_send())
    rest = owner.sent(stream)
    assert sum(len(event.data) for event in rest if isinstance(event, DataReceived)) == 34_465
    assert isinstance(rest[-1], StreamEnded)


def test_sink_is_paused_above_the_high_watermark_and_resumed_below_the_low_one() -> None:
    owner, stream = opened()
    sink = stream.sink = RecordingSink(None, stream)  # type: ignore[arg-type]
    stream.head(200, [])
    stream.body(b"x" * MAX_WAITING_BYTES)
    assert sink.pauses == 0
    stream.body(b"x")
    assert sink.pauses == 1
    stream.body(b"x" * 100_000)
    assert sink.pauses == 1
    owner.sent(stream)
    assert sink.is_paused, "the window is used up"
    owner.client.acknowledge_received_data(65_535, 1)
    owner.state.receive_data(owner.client.data_to_send())
    owner.sent(stream)
    owner.client.acknowledge_received_data(65_535, 1)
    owner.state.receive_data(owner.client.data_to_send())
    owner.sent(stream)
    assert not sink.is_paused


def test_sink_is_not_resumed_after_the_end_of_its_response() -> None:
    owner, stream = opened()
    sink = stream.sink = RecordingSink(None, stream)  # type: ignore[arg-type]
    stream.head(200, [])
    stream.body(b"x" * 65_536)
    stream.body(b"x")
    stream.end()
    owner.sent(stream)
    assert sink.is_paused


def test_alt_svc_of_the_backend_is_replaced_in_the_final_response() -> None:
    owner, stream = opened(b"h3=:1")
    stream.interim(103, [])
    stream.head(200, [(b"alt-svc", b"h2=:2"), (b"connection", b"x")])
    events = owner.sent(stream)
    interim, final = (list(event.headers) for event in events)  # type: ignore[attr-defined]
    assert interim == [(b":status", b"103")]
    assert final == [(b":status", b"200"), (b"alt-svc", b"h3=:1")]
