"""Output that overwrites itself: the cases with which `client/screen.js` is tested, too."""

import pytest

from httpprocessproxy.core.page import ansi
from httpprocessproxy.core.page.screen import COLUMNS, Screen
from test.core.page.screens import CASES


@pytest.mark.parametrize(("output", "text"), CASES)
def test_output_that_overwrites_itself_is_shown_in_its_final_form(output: str, text: str) -> None:
    assert ansi.to_text(output.encode("utf-8", "surrogatepass")) == text


def test_unknown_control_changes_nothing() -> None:
    screen = Screen("")
    screen.write("ab", "")
    screen.execute("Z", "5")
    screen.write("c", "")
    assert screen.lines == [[("a", ""), ("b", ""), ("c", "")]]


def test_written_line_may_exceed_the_limit_of_cursor_movement() -> None:
    screen = Screen("")
    screen.write("x" * COLUMNS * 2, "")
    screen.execute("C", "5")
    screen.write("y", "")
    assert len(screen.lines[0]) == COLUMNS * 2 + 1
