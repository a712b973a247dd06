"""WebSocket frame boundaries (RFC 6455 section 5.2), in streams cut at every byte."""

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
    """Return a frame's header; `form` is 7, 16 or 64 bits of length, by default the shortest."""
    form = form or (7 if size < 126 else 16 if size < 1 << 16 else 64)
    short = {7: size, 16: 126, 64: 127}[form]
    extended = b"" if form == 7 else size.to_bytes(form // 8, "big")
    return bytes([first, short | (0x80 if mask else 0)]) + extended + mask


def frame(first: int, payload: bytes = b"", *, mask: bytes = b"", form: int | None = None) -> bytes:
    # The payload contains the bytes of headers, including Close, which must not be parsed.
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
def test_boundaries_are_found_byte_by_byte(frames: list[bytes]) -> None:
    boundaries = {0, *accumulate(map(len, frames))}
    close_at = close_begins(frames)
    watch = WebSocketFrames()
    for end, byte in enumerate(b"".join(frames), start=1):
        assert watch.at_boundary == (end - 1 in boundaries), end - 1
        watch.feed(bytes([byte]))
        assert watch.closing == (close_at is not None and end >= close_at), end
    assert watch.at_boundary


@pytest.mark.parametrize("frames", STREAMS.values(), ids=STREAMS)
def test_boundaries_are_found_in_two_pieces(frames: list[bytes]) -> None:
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
    """Return the offset at which the header of a Close frame is complete; None without one."""
    before = 0
    for data in frames:
        if data[0] == CLOSE:
            return before + 2 + (4 if data[1] & 0x80 else 0)
        before += len(data)
    return None


def test_huge_frame_is_not_buffered() -> None:
    """Only the header is buffered, whatever length it announces."""
    watch = WebSocketFrames()
    watch.feed(header(BINARY, (1 << 64) - 1, form=64))
    piece = b"\x88\x00" * 1000
    for _ in range(100):
        watch.feed(piece)
        assert not watch.at_boundary
    assert not watch.closing


def test_empty_piece_changes_no_state() -> None:
    watch = WebSocketFrames()
    watch.feed(b"")
    assert watch.at_boundary
    watch.feed(frame(TEXT, b"ab")[:3])
    watch.feed(b"")
    assert not watch.at_boundary


def test_close_frame_of_a_restart_is_valid() -> None:
    """RFC 6455 section 5.5.1: unmasked, FIN, opcode 8, and 1012 for a restart."""
    assert frame(CLOSE, (1012).to_bytes(2, "big")) == CLOSE_SERVICE_RESTART
    watch = WebSocketFrames()
    watch.feed(CLOSE_SERVICE_RESTART)
    assert (watch.at_boundary, watch.closing) == (True, True)


def masked(first: int, payload: bytes, mask: bytes = MASK) -> bytes:
    """Return a client's frame as it is sent, with its payload masked."""
    content = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return frame(first, content, mask=mask)


RESTART_CODE = (1012).to_bytes(2, "big")


@pytest.mark.parametrize(
    ("data", "is_answer"),
    [
        (masked(CLOSE, RESTART_CODE), True),
        (masked(CLOSE, RESTART_CODE, bytes(4)), True),
        (masked(TEXT, b"last words") + masked(CLOSE, RESTART_CODE), True),
        (masked(CLOSE, (1000).to_bytes(2, "big")), False),
        (masked(CLOSE, RESTART_CODE)[1:], False),
        (masked(CLOSE, RESTART_CODE) + b"x", False),
        (masked(TEXT, RESTART_CODE), False),
        (masked(CLOSE, b""), False),
        (b"", False),
    ],
)
def test_close_response_of_a_client_is_detected(data: bytes, is_answer: bool) -> None:
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
def test_boundaries_are_found_in_random_frames_and_pieces(
    frames: list[bytes], sizes: list[int]
) -> None:
    data = b"".join(frames)
    boundaries = {0, *accumulate(map(len, frames))}
    watch = WebSocketFrames()
    at = 0
    for size in [*sizes, len(data)]:
        watch.feed(data[at : at + size])
        at = min(len(data), at + size)
        assert watch.at_boundary == (at in boundaries)
    assert not watch.closing
