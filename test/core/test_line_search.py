"""The search for a text in lines: cuts, colours, streams, and long lines."""

import pytest

from httpprocessproxy.core.line_search import MAX_LINE_BYTES, LineSearch


@pytest.mark.parametrize(
    ("output", "is_found"),
    [
        (b"ready to accept\n", True),
        (b"LOG:  database is ready to accept connections\n", True),
        (b"ready to accept", True),  # without the end of the line
        (b"\x1b[32mready\x1b[0m to accept\n", True),
        (b"ready to\naccept\n", False),
        (b"\x1b[32mready\x1b[0m\n", False),
        (b"", False),
    ],
)
def test_text_is_found_however_the_output_is_cut(output: bytes, is_found: bool) -> None:
    for at in range(len(output) + 1):
        search = LineSearch("ready to accept")
        found = [search.finds("stdout", piece) for piece in (output[:at], output[at:])]
        assert any(found) is is_found, at


def test_streams_have_lines_of_their_own() -> None:
    search = LineSearch("ready")
    assert not search.finds("stdout", b"rea")
    assert not search.finds("stderr", b"dy\n")
    assert search.finds("stdout", b"dy\n")


def test_only_the_end_of_a_long_line_is_kept() -> None:
    search = LineSearch("ready")
    for _ in range(10):
        assert not search.finds("stdout", b"x" * MAX_LINE_BYTES)
    assert len(search._lines["stdout"]) == MAX_LINE_BYTES
    assert search.finds("stdout", b"ready")
