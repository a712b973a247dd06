"""The order of starts, by tables."""

import pytest

from httpprocessproxy.core.dependencies import CycleError, needed_by, start_order

SHOP = {
    "migrate": ["db"],
    "api": ["migrate", "cache"],
    "db": [],
    "cache": [],
    "worker": ["api", "db"],
    "web": [],
}


def orders(text: str) -> dict[str, list[str]]:
    """Read `a: b c, b:`."""
    pairs = (part.split(":") for part in text.split(","))
    return {name.strip(): needed.split() for name, needed in pairs}


@pytest.mark.parametrize(
    ("needs", "order"),
    [
        ("a:", "a"),
        ("b:, a:", "b a"),
        ("a: b, b:", "b a"),
        ("a: b, b: c, c:, d:", "c b a d"),
        ("a: b c, b: d, c: d, d:", "d b c a"),
        ("a: b b, b:", "b a"),
        ("z: y, m:, y: m", "m y z"),
    ],
)
def test_order_puts_needed_names_first_and_keeps_the_given_one_else(needs: str, order: str) -> None:
    assert start_order(orders(needs)) == order.split()


def test_order_of_nothing_is_empty() -> None:
    assert start_order({}) == []


@pytest.mark.parametrize(
    ("needs", "cycle", "text"),
    [
        ("a: a", "a", "'a' needs itself"),
        ("a: b, b: a", "a b", "a circle: 'a' needs 'b', which needs 'a'"),
        ("x: a, a: b, b: c, c: a", "a b c", "'a' needs 'b', which needs 'c', which needs 'a'"),
        ("a: b c, b:, c: a", "a c", "a circle: 'a' needs 'c', which needs 'a'"),
    ],
)
def test_cycle_is_an_error_that_names_it(needs: str, cycle: str, text: str) -> None:
    with pytest.raises(CycleError) as raised:
        start_order(orders(needs))
    assert raised.value.cycle == tuple(cycle.split())
    assert text in str(raised.value)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ([], ""),
        (["web"], "web"),
        (["api"], "api migrate db cache"),
        (["worker", "web"], "worker api migrate db cache web"),
    ],
)
def test_needed_names_are_found_through_others(names: list[str], found: str) -> None:
    assert needed_by(names, SHOP) == set(found.split())


def test_needed_names_of_a_cycle_are_found() -> None:
    assert needed_by(["a"], orders("a: b, b: a, c:")) == {"a", "b"}
