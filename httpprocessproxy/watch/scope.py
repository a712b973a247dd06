"""The scope of a watcher: files that restart the server, and files that refresh browsers.

Without --pattern, a file that git ignores does not restart the server. Patterns and --refresh
globs name their files explicitly, so git's rules do not apply. The file of --env-file always
restarts the server.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

from httpprocessproxy.config import WatchConfig
from httpprocessproxy.core.change.patterns import ANYTHING, Patterns, literal
from httpprocessproxy.watch.environments import MARKER, Environments
from httpprocessproxy.watch.git import GITIGNORE, WorkTree


class Scope:
    """Decides which paths are in scope. Not thread-safe, except for `refreshes`."""

    def __init__(
        self,
        restarting: Patterns | None,
        refreshing: Patterns | None = None,
        work_tree: WorkTree | None = None,
        always: Patterns | None = None,
        environments: Environments | None = None,
    ) -> None:
        """Files that match `always` restart the server whether git ignores them or not.

        Without `restarting`, no other file does.
        """
        self._restarting = restarting
        self._refreshing = refreshing
        self._work_tree = work_tree
        self._always = always
        self._environments = environments
        self._named = [patterns for patterns in (refreshing, always) if patterns is not None]

    @classmethod
    def of(
        cls,
        config: WatchConfig,
        root: Path,
        never: Sequence[str] = (),
        env_file: Path | None = None,
    ) -> Self:
        """The scope of the user's options, without the globs of `never`. Raises UserError."""
        excludes = [*config.excludes, *never]
        restarting = None
        if config.restarts:
            restarting = Patterns(config.patterns, excludes, config.default_excludes)
        refreshing = None
        if config.refresh:
            refreshing = Patterns(config.refresh, excludes, config.default_excludes)
        heeds_git = config.restarts and config.default_excludes and not config.patterns
        work_tree = WorkTree.around(root) if heeds_git else None
        always = None
        if config.restarts and (inside := _relative(env_file, root)) is not None:
            always = Patterns((literal(inside),), excludes, config.default_excludes)
        environments = Environments(root) if config.default_excludes else None
        return cls(restarting, refreshing, work_tree, always, environments)

    def copy(self) -> "Scope":
        """A copy for another thread."""
        work_tree = self._work_tree.copy() if self._work_tree is not None else None
        environments = self._environments.copy() if self._environments is not None else None
        return Scope(self._restarting, self._refreshing, work_tree, self._always, environments)

    def refreshes(self, path: str) -> bool:
        """Whether a change of the file at `path` refreshes browsers instead of restarting."""
        return self._refreshing is not None and self._refreshing.matches(path)

    def among(self, paths: frozenset[str]) -> frozenset[str]:
        """The paths that are in scope, after `renew`; ANYTHING if it may stand for such a path."""
        self.renew(paths)
        if ANYTHING in paths and self._restarting is not None:
            return frozenset({ANYTHING})
        return frozenset(filter(self.matches, paths - {ANYTHING}))

    def matches(self, path: str) -> bool:
        """Whether the file at `path` is in scope."""
        work_tree = self._work_tree
        by_tool = self._environment(path.rpartition("/")[0])
        restarts = self._restarting is not None and self._restarting.matches(path, by_tool)
        if restarts and not (work_tree is not None and work_tree.ignores(path)):
            return True
        return any(patterns.matches(path, by_tool) for patterns in self._named)

    def may_contain(self, folder: str) -> bool:
        """Whether a file anywhere below `folder` can be in scope; "" is the root."""
        work_tree = self._work_tree
        by_tool = self._environment(folder)
        restarting = self._restarting
        may_restart = restarting is not None and restarting.may_contain(folder, by_tool)
        if may_restart and not (folder and work_tree and work_tree.ignores_folder(folder)):
            return True
        return any(patterns.may_contain(folder, by_tool) for patterns in self._named)

    def renew(self, changed: Iterable[str]) -> bool:
        """Clear caches after these changes; return whether a watcher must scan the root again."""
        names = {path.rpartition("/")[2] for path in changed}
        is_other = False
        if self._work_tree is not None and not names.isdisjoint((GITIGNORE, ANYTHING)):
            self._work_tree.forget()
            is_other = True
        if self._environments is not None and not names.isdisjoint((MARKER, ANYTHING)):
            self._environments.forget()
            is_other = is_other or MARKER in names
        return is_other

    def _environment(self, folder: str) -> str:
        return self._environments.around(folder) if self._environments is not None else ""


def _relative(path: Path | None, root: Path) -> str | None:
    """The path relative to `root`, as a watcher reports it; None if it is outside."""
    inside = os.path.relpath(root / path, root) if path is not None else os.pardir
    return None if inside.split(os.sep)[0] == os.pardir else inside
