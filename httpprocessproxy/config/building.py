"""Nested dataclasses from flat values, whose names are paths of fields, such as `watch.refresh`."""

from collections.abc import Mapping
from typing import TypeVar, get_type_hints

T = TypeVar("T")


def build(of: type[T], values: Mapping[str, object]) -> T:
    """Make the dataclass `of`, and the dataclasses that are its members.

    Members without a value keep their default. Raises TypeError for an unknown name.
    """
    members: dict[str, object] = {}
    groups: dict[str, dict[str, object]] = {}
    for path, value in values.items():
        name, dot, rest = path.partition(".")
        if dot:
            groups.setdefault(name, {})[rest] = value
        else:
            members[name] = value
    types = get_type_hints(of)
    for name, below in groups.items():
        members[name] = build(types[name], below)
    return of(**members)


def below(group: str, values: Mapping[str, object]) -> dict[str, object]:
    """The values of one group, by their names within it."""
    prefix = f"{group}."
    return {
        path.removeprefix(prefix): value
        for path, value in values.items()
        if path.startswith(prefix)
    }


def prefixed(group: str, values: Mapping[str, object]) -> dict[str, object]:
    """The values of one group, by their names outside of it: the reverse of `below`."""
    return {f"{group}.{path}": value for path, value in values.items()}
