"""Suggestions for mistyped names, by a table."""

import pytest

from httpprocessproxy.core.nearest import nearest

NAMES = ("--pattern", "--ping", "--ping-path", "restart", "start", "-")


@pytest.mark.parametrize(
    ("unknown", "name"),
    [
        ("--patern", "--pattern"),
        ("--pin", "--ping"),
        ("restrat", "restart"),
        ("sta", "start"),
        ("-", "--pattern"),
        ("zebra", ""),
    ],
)
def test_name_that_begins_so_wins_over_a_similar_one(unknown: str, name: str) -> None:
    assert nearest(unknown, NAMES) == (f": did you mean {name}?" if name else "")


def test_nothing_is_suggested_without_names() -> None:
    assert nearest("api", ()) == ""
