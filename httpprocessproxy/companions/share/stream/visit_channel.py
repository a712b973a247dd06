"""One visit on a link, at the worker's end: it passes on both bodies without a task or a queue.

The credit is that of `channel.py`. A piece of the answer waits here for credit, and for room on the
link; the site is paused meanwhile.
"""

from collections import deque
from collections.abc import Callable
from typing import Protocol

from httpprocessproxy.companions.share.protocol import AnswerHead
from httpprocessproxy.companions.share.stream.channel import CREDIT_BYTES
from httpprocessproxy.companions.share.stream.frames import (
    MAX_DATA_BYTES,
    WINDOW_BYTES,
    AnswerFrame,
    CreditFrame,
    DataFrame,
    EndFrame,
    Frame,
    FrameError,
    ResetFrame,
)
from httpprocessproxy.frontends.streams import RequestSink
from httpprocessproxy.system.faults import contained

_FAILED = "the worker failed"


class VisitCarrier(Protocol):
    """The link, as a channel uses it."""

    def put(self, frame: Frame) -> None:
        """Queue a frame without waiting."""

    def request_turn(self, channel: "VisitChannel") -> None:
        """Call `send_some` as soon as the link has room."""

    def forget(self, channel: int) -> None:
        """Remove a channel that is over."""


class VisitChannel:
    """The `Visitor` of a visit that a relay has sent."""

    __slots__ = (
        *("_carrier", "_credit_bytes", "_has_answer_ended", "_has_request_ended", "_is_over"),
        *("_is_paused", "_is_queued", "_number", "_on_over", "_request", "_uncredited_bytes"),
        *("_unread_bytes", "_unsent"),
    )

    def __init__(self, number: int, carrier: VisitCarrier, on_over: Callable[[], None]) -> None:
        self._number = number
        self._carrier = carrier
        self._on_over = on_over
        self._request: RequestSink | None = None
        self._credit_bytes = WINDOW_BYTES
        self._unsent: deque[bytes | memoryview] = deque()
        self._unread_bytes = 0  # received of the request's body, and not credited
        self._uncredited_bytes = 0  # passed on by the site, but no credit sent yet
        self._has_request_ended = self._has_answer_ended = self._is_over = False
        self._is_paused = self._is_queued = False

    # Visitor

    def begin_answer(self, head: AnswerHead) -> None:
        if not self._is_over:
            self._carrier.put(AnswerFrame(self._number, head))

    def write(self, piece: bytes) -> None:
        if self._is_over or not piece:
            return
        self._unsent.append(piece)
        self._request_turn()
        if self._unsent and not self._is_paused and self._request is not None:
            self._is_paused = True
            self._request.pause()

    def end_answer(self) -> None:
        self._has_answer_ended = True
        self._check_answer()

    def cut(self, reason: str) -> None:
        if not self._is_over:
            self._carrier.put(ResetFrame(self._number, reason))
            self._finish()

    def consumed(self, size_bytes: int) -> None:
        self._uncredited_bytes += size_bytes
        if self._uncredited_bytes < CREDIT_BYTES or self._has_request_ended or self._is_over:
            return
        self._unread_bytes -= self._uncredited_bytes
        self._carrier.put(CreditFrame(self._number, self._uncredited_bytes))
        self._uncredited_bytes = 0

    # Called by the link

    def open(self, request: Callable[[], RequestSink]) -> None:
        """Let `request` begin the visit."""
        with contained("a visit of the share"):
            self._request = request()
            return
        self.cut(_FAILED)

    def take(self, frame: Frame) -> None:
        """Handle a received frame of this channel. Raises FrameError if it is not allowed now."""
        with contained("a visit of the share", FrameError):
            self._take(frame)
            return
        self.cut(_FAILED)
        self._abandon()

    def lose(self, reason: str) -> None:
        """End the visit without sending a frame: the visitor or the link is lost."""
        if not self._is_over:
            self._finish()
            self._abandon()

    def send_some(self) -> bool:
        """Send the next piece of the answer. Return whether another one can be sent."""
        if not self._unsent:  # the channel was reset while it waited
            self._is_queued = False
            return False
        piece = self._unsent.popleft()
        limit_bytes = min(self._credit_bytes, MAX_DATA_BYTES)
        if len(piece) > limit_bytes:
            view = memoryview(piece)
            self._unsent.appendleft(view[limit_bytes:])
            piece = view[:limit_bytes]
        self._credit_bytes -= len(piece)
        self._carrier.put(DataFrame(self._number, bytes(piece)))
        if self._unsent and self._credit_bytes:
            return True
        self._is_queued = False
        if not self._unsent:
            self._resume()
        return False

    def _take(self, frame: Frame) -> None:
        assert self._request is not None, "a channel without a request is over"
        match frame:
            case DataFrame(_, piece):
                self._unread_bytes += len(piece)
                if self._has_request_ended or self._unread_bytes > WINDOW_BYTES:
                    raise FrameError("DATA after its END or without credit")
                self._request.body(piece)
            case EndFrame() if not self._has_request_ended:
                self._has_request_ended = True
                self._request.end()
                self._check_over()
            case CreditFrame(_, size_bytes):
                self._credit_bytes += size_bytes
                self._request_turn()
            case ResetFrame(_, reason):
                self.lose(reason)
            case _:
                raise FrameError("an answer from the relay, or a second END")

    def _request_turn(self) -> None:
        if self._unsent and self._credit_bytes and not self._is_queued:
            self._is_queued = True
            self._carrier.request_turn(self)

    def _resume(self) -> None:
        if self._is_paused and self._request is not None:
            self._is_paused = False
            if not self._has_answer_ended:
                with contained("a visit of the share"):  # a bug must not end the link
                    self._request.resume()
        self._check_answer()

    def _check_answer(self) -> None:
        """Send the end of the answer after its last piece."""
        if self._has_answer_ended and not self._unsent and not self._is_over:
            self._carrier.put(EndFrame(self._number))
            self._check_over()

    def _check_over(self) -> None:
        if self._has_request_ended and self._has_answer_ended and not self._unsent:
            self._finish()

    def _finish(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._unsent.clear()
            self._carrier.forget(self._number)
            self._on_over()

    def _abandon(self) -> None:
        if self._request is not None:
            with contained("a visit of the share"):
                self._request.reset()
