"""The order of starts: a name comes after all names that it needs. No I/O."""

from collections.abc import Mapping, Sequence, Set

from httpprocessproxy.core.errors import UserError


class CycleError(UserError):
    """Names that need each other: each of `cycle` needs the next one, the last one the first."""

    def __init__(self, cycle: Sequence[str]) -> None:
        first, *others = cycle
        if others:
            chain = ", which needs ".join(map(repr, (*others, first)))
            super().__init__(f"a circle: {first!r} needs {chain}")
        else:
            super().__init__(f"{first!r} needs itself")
        self.cycle = tuple(cycle)


def start_order(needs: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """All names, each behind those that it needs; otherwise in the order of `needs`.

    Each name that is needed is a key. Raises CycleError for a cycle.
    """
    found: dict[str, None] = {}
    path: dict[str, None] = {}

    def visit(name: str) -> None:
        if name in path:
            names = list(path)
            raise CycleError(names[names.index(name) :])
        if name in found:
            return
        path[name] = None
        for needed in needs[name]:
            visit(needed)
        del path[name]
        found[name] = None

    for name in needs:
        visit(name)
    return list(found)


def needed_by(names: Sequence[str], needs: Mapping[str, Sequence[str]]) -> Set[str]:
    """`names` and all names that they need, directly or through others."""
    found: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += needs[name]
    return found
