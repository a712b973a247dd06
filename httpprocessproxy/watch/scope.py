"""Which files a watcher reports: those that restart the server, and those that refresh browsers.

Without a pattern of the user's, what git ignores restarts nothing; patterns, and globs to refresh,
name their files themselves, and git is not asked.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

from httpprocessproxy.config import Config
from httpprocessproxy.core.patterns import ANYTHING, Patterns
from httpprocessproxy.watch.git import GITIGNORE, WorkTree


class Scope:
    """To be used in one thread, but for `refreshes`, which may be used in any."""

    def __init__(
        self,
        restarting: Patterns,
        refreshing: Patterns | None = None,
        work_tree: WorkTree | None = None,
    ) -> None:
        self._restarting = restarting
        self._refreshing = refreshing
        self._work_tree = work_tree

    @classmethod
    def of(cls, config: Config, root: Path, never: Sequence[str] = ()) -> Self:
        """The scope that the user asked for, without the globs of `never`. Raises UserError."""
        excludes = [*config.excludes, *never]
        restarting = Patterns(config.patterns, excludes, config.default_excludes)
        refreshing = None
        if config.refresh:
            refreshing = Patterns(config.refresh, excludes, config.default_excludes)
        asks_git = config.default_excludes and not config.patterns
        return cls(restarting, refreshing, WorkTree.around(root) if asks_git else None)

    def refreshes(self, path: str) -> bool:
        """Whether a change of the file at `path` refreshes browsers, and restarts nothing."""
        return self._refreshing is not None and self._refreshing.matches(path)

    def matches(self, path: str) -> bool:
        """Whether the file at `path` counts."""
        work_tree = self._work_tree
        restarts = self._restarting.matches(path)
        if restarts and not (work_tree is not None and work_tree.ignores(path)):
            return True
        return self.refreshes(path)

    def may_contain(self, folder: str) -> bool:
        """Whether a file anywhere below `folder` can count; "" is the root."""
        work_tree = self._work_tree
        may_restart = not folder or self._restarting.may_contain(folder)
        if may_restart and not (folder and work_tree and work_tree.ignores_folder(folder)):
            return True
        return self._refreshing is not None and self._refreshing.may_contain(folder)

    def renew(self, changed: Iterable[str]) -> bool:
        """Whether these changes make it another scope, of which a watcher has to begin anew."""
        names = {path.rpartition("/")[2] for path in changed}
        if self._work_tree is None or names.isdisjoint((GITIGNORE, ANYTHING)):
            return False
        self._work_tree.forget()
        return True
