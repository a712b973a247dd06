"""Query parameters, and the errors of invalid ones."""

import pytest

from httpprocessproxy.admin.answers import choices, number, seconds
from httpprocessproxy.core.errors import RequestError


def test_valid_values_are_parsed() -> None:
    assert number("0", "id") == 0
    assert number("42", "id") == 42
    assert seconds("0", "timeout", 10) == 0
    assert seconds("10", "timeout", 10) == 10
    assert seconds("0.5", "timeout", 10) == 0.5
    assert choices("a,b", "wait", ("a", "b", "c")) == {"a", "b"}


@pytest.mark.parametrize("text", ["", "-1", "x", "1.0", "1" * 16, "\u0661", " 1", "1_0"])
def test_invalid_number_is_an_error(text: str) -> None:
    with pytest.raises(RequestError, match="id is a number") as caught:
        number(text, "id")
    assert caught.value.status == 400


@pytest.mark.parametrize("text", ["", "-1", "x", "11", "1e1", "inf", "nan", "1.", "1" * 400])
def test_invalid_time_is_an_error(text: str) -> None:
    with pytest.raises(RequestError, match="timeout is in seconds, 10 at most"):
        seconds(text, "timeout", 10)


@pytest.mark.parametrize("text", ["", "d", "a,d", "a,", "a, b", "A"])
def test_invalid_choice_is_an_error(text: str) -> None:
    with pytest.raises(RequestError, match="wait is one or more of a,b,c"):
        choices(text, "wait", ("a", "b", "c"))
