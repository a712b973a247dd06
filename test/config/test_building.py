"""Nested dataclasses from values by the paths of their fields."""

from dataclasses import dataclass

import pytest

from httpprocessproxy.config.building import below, build, prefixed


@dataclass(frozen=True)
class Inner:
    """A group."""

    size: int = 1
    name: str = "?"


@dataclass(frozen=True)
class Outer:
    """A group with a group."""

    title: str
    inner: Inner = Inner()


def test_values_become_members_at_their_paths() -> None:
    assert build(Outer, {"title": "a", "inner.size": 2}) == Outer("a", Inner(2))


def test_group_without_values_keeps_its_default() -> None:
    assert build(Outer, {"title": "a"}) == Outer("a")


def test_unknown_path_raises_type_error() -> None:
    with pytest.raises(TypeError, match="weight"):
        build(Outer, {"title": "a", "inner.weight": 1})


def test_below_returns_one_groups_values_by_their_names_in_it() -> None:
    assert below("a", {"a.x": 1, "a.b.y": 2, "ab.z": 3, "a": 4}) == {"x": 1, "b.y": 2}


def test_prefixed_is_the_reverse_of_below() -> None:
    values = {"x": 1, "b.y": 2}
    assert prefixed("a", values) == {"a.x": 1, "a.b.y": 2}
    assert below("a", prefixed("a", values)) == values
