"""Output as lines with a prefix: cut anywhere, with progress bars, colours and prompts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpprocessproxy.process.prefixed_lines import MAX_HELD_BYTES, MAX_LINE_BYTES, PrefixedLines

P = b"api | "


def shown(*pieces: bytes) -> bytes:
    """Everything that is printed for the pieces, as the only stream."""
    lines, out = PrefixedLines(), b""
    for piece in pieces:
        out += lines.take(piece, P, is_open=bool(out) and not out.endswith(b"\n"))
    return out + lines.rest(P, is_open=bool(out) and not out.endswith(b"\n"))


@pytest.mark.parametrize(
    ("piece", "expected"),
    [
        (b"one\ntwo\n", b"api | one\napi | two\n"),
        (b"\n\n", b"api | \napi | \n"),
        # Vite scrolls the screen away by empty lines.
        (b"one\n" + 40 * b"\n" + b"two\n", b"api | one\napi | \napi | \napi | two\n"),
        (b"\r\n\r\n\r\n\r\none\n\n\n\n", b"api | \napi | \napi | one\napi | \napi | \n"),
        (b"windows\r\n", b"api | windows\n"),
        (b"prompt> ", b"api | prompt> "),
        (b" 1%\r 2%\n", b"api |  1%\rapi |  2%\n"),
        # Programs that draw a line again: erase it and return, in this order or the other.
        (b"\x1b[2K\rnew\n", b"api | \rapi | \x1b[K\rapi | new\n"),
        (b"\r\x1b[2Knew\n", b"api | \rapi | \rapi | \x1b[Knew\n"),
        (b"\x1b[1Gnew\x1b[K\n", b"api | \rapi | new\x1b[K\n"),
        # Colours end with a line, and go on in the next.
        (
            b"\x1b[31mred\nred\x1b[m no\n",
            b"api | \x1b[31mred\x1b[m\napi | \x1b[31mred\x1b[m no\n",
        ),
        (
            b"\x1b[1m\x1b[31mred\nx\x1b[0;32mgreen\ny\n",
            b"api | \x1b[1m\x1b[31mred\x1b[m\n"
            b"api | \x1b[1m\x1b[31mx\x1b[0;32mgreen\x1b[m\n"
            b"api | \x1b[0;32my\x1b[m\n",
        ),
        (b"\x1b[31m 1%\r 2%\n", b"api | \x1b[31m 1%\x1b[m\rapi | \x1b[31m 2%\x1b[m\n"),
        # Links pass. Titles, modes, the cursor and character sets do not.
        (
            b"\x1b]8;;http://a/\x1b\\a\x1b]8;;\x07\n",
            b"api | \x1b]8;;http://a/\x1b\\a\x1b]8;;\x07\n",
        ),
        (b"\x1b]0;title\x07\x1b[?1049h\x1b[2J\x1b[5;5Hx\x1b(0\x0e\x1bc\n", b"api | x\n"),
        (b"\x1b]0;not ended\nnext\n", b"api | ]0;not ended\napi | next\n"),
    ],
)
def test_piece_is_shown_with_prefixes(piece: bytes, expected: bytes) -> None:
    assert shown(piece) == expected


def test_end_of_a_prompt_is_not_an_empty_line() -> None:
    lines = PrefixedLines()
    assert lines.take(b"\n\n> ", P, is_open=False) == b"api | \napi | \n"
    assert lines.rest(P, is_open=False) == b"api | > "
    assert lines.take(b"\n", P, is_open=True) == b"\n"


@given(st.lists(st.sampled_from(["a", "é", "\n", "\x1b[31m", "\x1b[m", "\x1b[?25l"])), st.data())
def test_cuts_change_nothing(parts: list[str], data: st.DataObject) -> None:
    text = "".join(parts).encode()
    lines, out, rest = PrefixedLines(), b"", text
    while rest:
        end = data.draw(st.integers(1, len(rest)))
        out += lines.take(rest[:end], P, is_open=False)
        rest = rest[end:]
    whole = PrefixedLines()
    assert out == whole.take(text, P, is_open=False)
    assert lines.rest(P, is_open=False) == whole.rest(P, is_open=False)
    assert not lines.is_held


def test_part_of_a_line_waits_for_its_end() -> None:
    lines = PrefixedLines()
    assert lines.take(b"one\ntw", P, is_open=False) == b"api | one\n"
    assert lines.is_held
    assert lines.take(b"o\n", P, is_open=False) == b"api | two\n"
    assert not lines.is_held


def test_line_that_another_has_interrupted_begins_again() -> None:
    lines = PrefixedLines()
    assert lines.take(b"\x1b[31mbegun, ", P, is_open=False) == b""
    assert lines.rest(P, is_open=False) == b"api | \x1b[31mbegun, \x1b[m"
    assert lines.take(b"open\n", P, is_open=True) == b"\x1b[31mopen\x1b[m\n"
    lines.take(b"begun, ", P, is_open=False)
    lines.rest(P, is_open=False)
    assert lines.take(b"ended\n", P, is_open=False) == b"api | \x1b[31mended\x1b[m\n"


@pytest.mark.parametrize(
    "begun", [b"\r", b"\x1b", b"\x1b[3", b"\x1b]8;;http", b"\xc3", b"\xf0\x9f"]
)
def test_beginning_of_a_sequence_waits_for_its_end(begun: bytes) -> None:
    lines = PrefixedLines()
    lines.take(b"text" + begun, P, is_open=False)
    assert lines.rest(P, is_open=False) == b"api | text"
    assert not lines.is_held, "or the time limit of a line would be set again and again"
    assert lines.rest(P, is_open=True) == b""


def test_long_line_is_printed_in_parts() -> None:
    lines = PrefixedLines()
    assert lines.take(b"x" * (MAX_HELD_BYTES + 1), P, is_open=False).startswith(P + b"xxx")
    assert lines.take(b"y" * MAX_HELD_BYTES, P, is_open=True) == b""
    assert lines.take(b"y", P, is_open=True) == b"y" * (MAX_HELD_BYTES + 1)
    assert len(lines.line) == MAX_LINE_BYTES


def test_prompt_of_a_hidden_service_is_held_when_it_is_shown_again() -> None:
    lines = PrefixedLines()
    lines.skip(b"hidden\n(Pd")
    lines.skip(b"b) ")
    assert lines.line == b"(Pdb) "
    assert not lines.is_held
    lines.hold_line()
    assert lines.rest(P, is_open=False) == b"api | (Pdb) "
