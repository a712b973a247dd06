"""The terminal state after an output, and the escape sequences that reset it."""

import pytest

from httpprocessproxy.process.screen import ScreenState


def undoing(*pieces: bytes) -> bytes:
    screen = ScreenState()
    for piece in pieces:
        screen.follow(piece)
    return screen.undo()


@pytest.mark.parametrize(
    ("output", "undone_by"),
    [
        (b"\x1b[?25l", b"\x1b[?25h"),
        (b"\x1b[?1049h", b"\x1b[?1049l"),
        (b"\x1b[?1000h\x1b[?1006h", b"\x1b[?1000l\x1b[?1006l"),
        (b"\x1b[?1000;1006h", b"\x1b[?1000l\x1b[?1006l"),
        (b"\x1b[?1049h\x1b[?2004h", b"\x1b[?2004l\x1b[?1049l"),
        (b"\x1b[31m", b"\x1b[m"),
        (b"\x1b[0;1;31m", b"\x1b[m"),
        (b"\x1b[2;5r", b"\x1b7\x1b[r\x1b8"),
        (b"\x1b=", b"\x1b>"),
        (b"\x1b(0", b"\x1b(B"),
        (b"\x1b[>1u", b"\x1b[<u"),
    ],
)
def test_modes_left_by_output_are_undone(output: bytes, undone_by: bytes) -> None:
    assert undoing(output) == undone_by


@pytest.mark.parametrize(
    "output",
    [
        b"plain",
        b"\x1b[31mred\x1b[0m",
        b"\x1b[31mred\x1b[m",
        b"\x1b[?25l...\x1b[?25h",
        b"\x1b[?1049h...\x1b[?1049l",
        b"\x1b[?25l\x1bc",
        b"\x1b[2;5r\x1b[r",
        b"\x1b[>1u\x1b[<u",
        b"\x1b[10;20H\x1b[K",
    ],
)
def test_output_that_restores_modes_itself_needs_no_undoing(output: bytes) -> None:
    assert undoing(output) == b""


def test_sequences_split_across_pieces_are_followed() -> None:
    whole = b"text\x1b[?1049htext\x1b[?25l"
    assert undoing(*(bytes([byte]) for byte in whole)) == b"\x1b[?25h\x1b[?1049l"


def test_modes_are_undone_once() -> None:
    screen = ScreenState()
    screen.follow(b"\x1b[?25l")
    assert screen.undo()
    assert screen.undo() == b""


@pytest.mark.parametrize(
    ("output", "is_cleared"),
    [
        (b"\x1b[2J\x1b[3J\x1b[H", True),
        (b"\x1bc", True),
        (b"\x1b[J", False),
        (b"\x1b[?1049h\x1b[2J", False),
    ],
)
def test_cleared_screen_is_detected(output: bytes, is_cleared: bool) -> None:
    screen = ScreenState()
    screen.follow(output)
    assert screen.was_cleared == is_cleared


@pytest.mark.parametrize(
    ("output", "repeated"),
    [
        (b"plain \x1b[31mred", b""),
        (b"\x1b[?25l\x1b[?1049h", b"\x1b[?1049h\x1b[?25l"),
        (b"\x1b[?2004h\x1b=\x1b[>4;2m\x1b[>1u", b"\x1b[?2004h\x1b=\x1b[>4;2m\x1b[>1u"),
    ],
)
def test_modes_are_set_again_on_a_new_screen(output: bytes, repeated: bytes) -> None:
    screen, again = ScreenState(), ScreenState()
    screen.follow(output)
    assert screen.repeating() == repeated
    again.follow(repeated)
    assert again.repeating() == repeated


def test_parts_on_the_alternate_screen_are_not_for_the_main_one() -> None:
    screen = ScreenState()
    assert screen.follow_main(b"before\x1b[?1049hinside") == b"before\x1b[?1049h"
    assert screen.follow_main(b"inside") == b""
    assert screen.follow_main(b"inside\x1b[?1049lafter") == b"after"
    assert screen.follow_main(b"plain") == b"plain"
