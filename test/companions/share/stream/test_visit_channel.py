"""The worker's end of a visit: credit and turns in one direction, the site's pace in the other."""

from collections import deque

import pytest

from httpprocessproxy.companions.share.protocol import AnswerHead
from httpprocessproxy.companions.share.stream.frames import (
    WINDOW_BYTES,
    AnswerFrame,
    CreditFrame,
    DataFrame,
    EndFrame,
    Frame,
    FrameError,
    ResetFrame,
)
from httpprocessproxy.companions.share.stream.visit_channel import VisitChannel
from httpprocessproxy.frontends.streams import Fields, RequestSink
from httpprocessproxy.system import faults

OK = AnswerHead(200, [])
PIECE = b"x" * 65536


class FakeLink:
    """A `VisitCarrier` with room for `room` frames of DATA."""

    def __init__(self) -> None:
        self.sent: list[Frame] = []
        self.room = 1000
        self.channels = {1, 2}
        self._turns: deque[VisitChannel] = deque()

    def put(self, frame: Frame) -> None:
        self.sent.append(frame)

    def request_turn(self, channel: VisitChannel) -> None:
        self._turns.append(channel)
        self.drain(0)

    def drain(self, room: int) -> None:
        """Make room for more frames of DATA."""
        self.room += room
        while self._turns and self.room:
            self.room -= 1
            channel = self._turns.popleft()
            if channel.send_some():
                self._turns.append(channel)

    def forget(self, channel: int) -> None:
        self.channels.discard(channel)

    def take_sent(self) -> list[Frame]:
        sent, self.sent = self.sent, []
        return sent


class FakeRequest:
    """A `RequestSink` that records its calls; it raises an error if `is_faulty`."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.received = b""
        self.is_faulty = False

    def body(self, data: bytes) -> None:
        if self.is_faulty:
            raise ValueError("a bug of the site")
        self.received += data

    def end(self, trailers: Fields = ()) -> None:
        self.calls.append("end")

    def reset(self) -> None:
        self.calls.append("reset")

    def pause(self) -> None:
        self.calls.append("pause")

    def resume(self) -> None:
        self.calls.append("resume")


class Opened:
    """A channel with its ends; `ended` counts the calls of its callback."""

    def __init__(self, link: FakeLink | None = None, number: int = 1) -> None:
        self.link = link or FakeLink()
        self.request = FakeRequest()
        self.ended = 0
        self.channel = VisitChannel(number, self.link, self._end)
        self.channel.open(lambda: self.request)

    def _end(self) -> None:
        self.ended += 1


def test_visit_is_over_when_both_bodies_have_ended() -> None:
    opened = Opened()
    channel = opened.channel
    channel.take(DataFrame(1, b"question"))
    channel.take(EndFrame(1))
    assert (opened.request.received, opened.request.calls) == (b"question", ["end"])
    channel.begin_answer(OK)
    channel.write(b"answer")
    assert (opened.ended, opened.link.channels) == (0, {1, 2})
    channel.end_answer()
    assert opened.link.sent == [AnswerFrame(1, OK), DataFrame(1, b"answer"), EndFrame(1)]
    assert (opened.ended, opened.link.channels) == (1, {2})


def test_answer_that_ends_before_the_request_leaves_the_channel_open() -> None:
    opened = Opened()
    opened.channel.begin_answer(OK)
    opened.channel.end_answer()
    assert opened.ended == 0
    opened.channel.take(DataFrame(1, b"late"))
    opened.channel.take(EndFrame(1))
    assert (opened.request.received, opened.ended) == (b"late", 1)
    assert opened.link.sent == [AnswerFrame(1, OK), EndFrame(1)]


def test_answer_waits_for_credit_and_the_site_is_paused() -> None:
    opened = Opened()
    channel, link = opened.channel, opened.link
    channel.begin_answer(OK)
    for _ in range(WINDOW_BYTES // len(PIECE)):
        channel.write(PIECE)
    assert opened.request.calls == []
    link.take_sent()
    channel.write(b"more")
    channel.end_answer()
    assert (link.sent, opened.request.calls) == ([], ["pause"])
    channel.take(CreditFrame(1, 3))
    assert link.take_sent() == [DataFrame(1, b"mor")]
    channel.take(CreditFrame(1, 30))
    assert link.take_sent() == [DataFrame(1, b"e"), EndFrame(1)]


def test_paused_site_is_resumed_when_its_pieces_are_sent() -> None:
    opened = Opened()
    opened.link.room = 1
    opened.channel.begin_answer(OK)
    opened.channel.write(PIECE * 3)
    assert opened.request.calls == ["pause"]
    opened.link.drain(1)
    assert opened.request.calls == ["pause"]
    opened.link.drain(1)
    assert opened.request.calls == ["pause", "resume"]
    pieces = [frame.piece for frame in opened.link.sent if isinstance(frame, DataFrame)]
    assert pieces == [PIECE] * 3


def test_channels_send_in_turns() -> None:
    link = FakeLink()
    link.room = 0
    both = [Opened(link, number) for number in (1, 2)]
    for one in both:
        one.channel.write(PIECE * 2)
    link.drain(3)
    assert [frame.channel for frame in link.sent if isinstance(frame, DataFrame)] == [1, 2, 1]


def test_many_small_pieces_are_sent_without_recursion() -> None:
    opened = Opened()
    opened.link.room = 0
    for _ in range(5000):
        opened.channel.write(b"x")
    opened.link.drain(6000)
    assert len(opened.link.sent) == 5000


def test_credit_is_sent_for_consumed_bytes_only() -> None:
    opened = Opened()
    for _ in range(8):
        opened.channel.take(DataFrame(1, PIECE))
    assert opened.link.sent == []
    opened.channel.consumed(WINDOW_BYTES // 4)
    assert opened.link.sent == [CreditFrame(1, WINDOW_BYTES // 4)]


def test_data_without_credit_or_after_its_end_raises_frame_error() -> None:
    opened = Opened()
    for _ in range(WINDOW_BYTES // len(PIECE)):
        opened.channel.take(DataFrame(1, PIECE))
    with pytest.raises(FrameError, match="without credit"):
        opened.channel.take(DataFrame(1, b"x"))
    ended = Opened()
    ended.channel.take(EndFrame(1))
    for frame in (DataFrame(1, b"x"), EndFrame(1), AnswerFrame(1, OK)):
        with pytest.raises(FrameError):
            ended.channel.take(frame)


def test_reset_abandons_the_request_and_drops_the_answer() -> None:
    opened = Opened()
    opened.link.room = 0
    opened.channel.begin_answer(OK)
    opened.channel.write(PIECE)
    opened.link.take_sent()
    opened.channel.take(ResetFrame(1, "the visitor has left"))
    assert opened.request.calls == ["pause", "reset"]
    opened.channel.write(b"more")
    opened.channel.end_answer()
    opened.channel.cut("late")
    opened.channel.lose("again")
    opened.link.drain(10)
    assert (opened.link.sent, opened.ended, opened.request.calls[2:]) == ([], 1, [])


def test_cut_answer_is_a_reset_with_its_reason() -> None:
    opened = Opened()
    opened.channel.cut("the server's answer is not whole")
    assert opened.link.sent == [ResetFrame(1, "the server's answer is not whole")]
    assert opened.ended == 1


@pytest.mark.expects_faults
def test_bug_of_the_site_ends_its_visit_alone() -> None:
    before = faults.count()
    opened = Opened()
    opened.request.is_faulty = True
    opened.channel.take(DataFrame(1, b"x"))
    assert opened.link.sent == [ResetFrame(1, "the worker failed")]
    assert (opened.request.calls, opened.ended) == (["reset"], 1)

    def fail() -> RequestSink:
        raise ValueError("a bug of the handler")

    link, ended = FakeLink(), [0]
    VisitChannel(2, link, lambda: ended.append(1)).open(fail)
    assert (link.sent, ended) == ([ResetFrame(2, "the worker failed")], [0, 1])
    assert faults.count() == before + 2
