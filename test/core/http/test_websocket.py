"""Where frames end (RFC 6455 section 5.2), in streams cut at every byte."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpprocessproxy.core.http.websocket import (
    CLOSE_SERVICE_RESTART,
    WebSocketFrames,
    ends_with_answer,
)
from test.core.http.strict import repeatably

TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8A
TEXT_BEGINS, GOES_ON, ENDS, COMPRESSED = 0x01, 0x00, 0x80, 0xC1


def header(first: int, size: int, *, mask: bytes = b"", form: int | None = None) -> bytes:
    """A frame's header; `form` is 7, 16 or 64, the shortest that fits unless it is given."""
    form = form or (7 if size < 126 else 16 if size < 1 << 16 else 64)
    short = {7: size, 16: 126, 64: 127}[form]
    extended = b"" if form == 7 else size.to_bytes(form // 8, "big")
    return bytes([first, short | (0x80 if mask else 0)]) + extended + mask


def frame(first: int, payload: bytes = b"", *, mask: bytes = b"", form: int | None = None) -> bytes:
    # The payload's bytes look like headers, of Close among others: they must not be read as such.
    return header(first, len(payload), mask=mask, form=form) + payload


MASK = b"\x88\x02\x88\x02"
CONTENT = bytes([CLOSE, 0x02, 0x03, 0xF4]) * 2
STREAMS = {
    "one": [frame(TEXT, CONTENT)],
    "several": [frame(TEXT, CONTENT), frame(BINARY, CONTENT), frame(COMPRESSED, CONTENT)],
    "empty": [frame(TEXT), frame(PING), frame(TEXT)],
    "masked": [frame(TEXT, CONTENT, mask=MASK), frame(PING, mask=MASK), frame(TEXT, CONTENT)],
    "125 bytes": [frame(TEXT, b"x" * 125), frame(PONG)],
    "126 bytes": [frame(TEXT, b"x" * 126), frame(PONG)],
    "16 bits": [frame(TEXT, CONTENT * 40, mask=MASK), frame(PONG)],
    "16 bits, longer than need be": [frame(TEXT, CONTENT, form=16), frame(TEXT, form=16)],
    "64 bits, longer than need be": [
        frame(TEXT, CONTENT, form=64),
        frame(TEXT, mask=MASK, form=64),
    ],
    "fragments": [
        *(frame(TEXT_BEGINS, CONTENT), frame(PING, CONTENT), frame(GOES_ON), frame(PONG)),
        frame(ENDS, CONTENT),
    ],
    "goodbye": [frame(TEXT, CONTENT), frame(CLOSE, b"\x03\xe8bye")],
    "goodbye, masked": [frame(PING), frame(CLOSE, b"\x03\xe8", mask=MASK)],
    "goodbye without a reason": [frame(TEXT, CONTENT), frame(CLOSE)],
}


@pytest.mark.parametrize("frames", STREAMS.values(), ids=STREAMS)
def test_byte_by_byte(frames: list[bytes]) -> None:
    boundaries = {0, *accumulate(map(len, frames))}
    close_at = close_begins(frames)
    watch = WebSocketFrames()
    for end, byte in enumerate(b"".join(frames), start=1):
        assert watch.at_boundary == (end - 1 in boundaries), end - 1
        watch.feed(bytes([byte]))
        assert watch.closing == (close_at is not None and end >= close_at), end
    assert watch.at_boundary


@pytest.mark.parametrize("frames", STREAMS.values(), ids=STREAMS)
def test_cut_in_two(frames: list[bytes]) -> None:
    data = b"".join(frames)
    boundaries = {0, *accumulate(map(len, frames))}
    for at in range(len(data) + 1):
        watch = WebSocketFrames()
        watch.feed(data[:at])
        assert watch.at_boundary == (at in boundaries), at
        watch.feed(data[at:])
        assert watch.at_boundary
        assert watch.closing == (close_begins(frames) is not None)


def close_begins(frames: list[bytes]) -> int | None:
    """Where the header of a Close frame is whole."""
    before = 0
    for data in frames:
        if data[0] == CLOSE:
            return before + 2 + (4 if data[1] & 0x80 else 0)
        before += len(data)
    return None


def test_a_frame_beyond_memory() -> None:
    """No more than its header is kept, whatever length it claims."""
    watch = WebSocketFrames()
    watch.feed(header(BINARY, (1 << 64) - 1, form=64))
    piece = b"\x88\x00" * 1000
    for _ in range(100):
        watch.feed(piece)
        assert not watch.at_boundary
    assert not watch.closing


def test_nothing_is_no_news() -> None:
    watch = WebSocketFrames()
    watch.feed(b"")
    assert watch.at_boundary
    watch.feed(frame(TEXT, b"ab")[:3])
    watch.feed(b"")
    assert not watch.at_boundary


def test_our_goodbye() -> None:
    """RFC 6455 section 5.5.1: unmasked, FIN, opcode 8, and 1012 for a restart."""
    assert frame(CLOSE, (1012).to_bytes(2, "big")) == CLOSE_SERVICE_RESTART
    watch = WebSocketFrames()
    watch.feed(CLOSE_SERVICE_RESTART)
    assert (watch.at_boundary, watch.closing) == (True, True)


def masked(first: int, payload: bytes, mask: bytes = MASK) -> bytes:
    """A client's frame as it is on the wire."""
    content = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return frame(first, content, mask=mask)


GOODBYE = (1012).to_bytes(2, "big")


@pytest.mark.parametrize(
    ("data", "is_answer"),
    [
        (masked(CLOSE, GOODBYE), True),
        (masked(CLOSE, GOODBYE, bytes(4)), True),
        (masked(TEXT, b"last words") + masked(CLOSE, GOODBYE), True),
        (masked(CLOSE, (1000).to_bytes(2, "big")), False),
        (masked(CLOSE, GOODBYE)[1:], False),
        (masked(CLOSE, GOODBYE) + b"x", False),
        (masked(TEXT, GOODBYE), False),
        (masked(CLOSE, b""), False),
        (b"", False),
    ],
)
def test_the_answer_to_our_goodbye(data: bytes, is_answer: bool) -> None:
    assert ends_with_answer(data) is is_answer


random_frames = st.lists(
    st.builds(
        lambda first, payload, mask: frame(first, payload, mask=mask),
        st.sampled_from([TEXT, BINARY, PING, PONG, TEXT_BEGINS, GOES_ON, ENDS, COMPRESSED]),
        st.integers(0, 400).map(bytes) | st.binary(max_size=20),
        st.sampled_from([b"", MASK]),
    ),
    max_size=6,
)


@repeatably
@given(random_frames, st.lists(st.integers(0, 300), max_size=20))
def test_any_frames_cut_anywhere(frames: list[bytes], sizes: list[int]) -> None:
    data = b"".join(frames)
    boundaries = {0, *accumulate(map(len, frames))}
    watch = WebSocketFrames()
    at = 0
    for size in [*sizes, len(data)]:
        watch.feed(data[at : at + size])
        at = min(len(data), at + size)
        assert watch.at_boundary == (at in boundaries)
    assert not watch.closing
