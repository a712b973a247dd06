"""The scope of one watcher for several services: the files that concern any of them."""

from collections.abc import Iterable, Sequence

from httpprocessproxy.watch.scope import Scope


class ScopeUnion(Scope):
    """The union of scopes, which stay usable by themselves."""

    def __init__(self, scopes: Sequence[Scope]) -> None:
        self._scopes = scopes

    @classmethod
    def joined(cls, scopes: Sequence[Scope]) -> Scope:
        """The union of scopes; a single one is returned as it is."""
        return scopes[0] if len(scopes) == 1 else cls(scopes)

    def copy(self) -> "ScopeUnion":
        """A copy for another thread."""
        return ScopeUnion([scope.copy() for scope in self._scopes])

    def matches(self, path: str) -> bool:
        return any(scope.matches(path) for scope in self._scopes)

    def may_contain(self, folder: str) -> bool:
        return any(scope.may_contain(folder) for scope in self._scopes)

    def renew(self, changed: Iterable[str]) -> bool:
        paths = frozenset(changed)
        # Each scope has caches of its own: all are renewed.
        renewed = [scope.renew(paths) for scope in self._scopes]
        return any(renewed)
