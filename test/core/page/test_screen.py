"""Output that draws over itself: the table of cases that `client/screen.js` is tested with, too."""

import pytest

from httpprocessproxy.core.page import ansi
from httpprocessproxy.core.page.screen import COLUMNS, Screen
from test.core.page.screens import CASES


@pytest.mark.parametrize(("output", "text"), CASES)
def test_output_that_draws_over_itself_is_shown_as_it_ends_up(output: str, text: str) -> None:
    assert ansi.to_text(output.encode("utf-8", "surrogatepass")) == text


def test_a_written_line_may_be_longer_than_the_cursor_can_be_moved() -> None:
    screen = Screen("")
    screen.write("x" * COLUMNS * 2, "")
    screen.obey("C", "5")
    screen.write("y", "")
    assert len(screen.lines[0]) == COLUMNS * 2 + 1
