"""Symbolic links, and which of them lead to files that are not seen elsewhere in the project."""

import os
from pathlib import Path

from httpprocessproxy.watch.scope import Scope
from httpprocessproxy.watch.tree import leads_above


def hides_files(root: Path, scope: Scope, link: str) -> bool:
    """Whether files that count lie behind a link, where a watcher that follows none misses them."""
    path = root / link
    if os.path.isdir(path):
        return scope.may_contain(link) and not leads_above(root, link)
    return scope.matches(link) and os.path.isfile(path) and not _is_seen(root, scope, path)


def _is_seen(root: Path, scope: Scope, path: Path) -> bool:
    """Whether the file that `path` leads to counts by its own name, too."""
    target = os.path.relpath(os.path.realpath(path), os.path.realpath(root))
    return target.split(os.sep)[0] != os.pardir and scope.matches(target)
