"""A walk through a project's files that skips directories without files in scope, and its links.

Symbolic links to directories come last and are followed once: the caller's `enter` returns False
for directories that it has seen. A link to a directory above the root is never followed: it leads
out of the project and back in. Unreadable directories are skipped.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from httpprocessproxy.watch.scope import Scope


def walk(
    root: Path, scope: Scope, top: str, enter: Callable[[str], bool]
) -> Iterator[tuple[str, list[os.DirEntry[str]]]]:
    """Yield the prefix of the paths and the files of each folder in or below `top`.

    The files include those out of scope. `enter(folder)` is called before a folder is read, and
    returns whether to read it. `top` and `folder` are paths from the root, "" being the root.
    """
    folders = [top]
    links: list[str] = []
    while folders or links:
        folder = (folders or links).pop()
        if not enter(folder):
            continue
        prefix = f"{folder}/" if folder else ""
        files = []
        for entry in _entries(f"{root}/{folder}"):
            if not _is_folder(entry):
                files.append(entry)
            elif scope.may_contain(path := prefix + entry.name):
                if not entry.is_symlink():
                    folders.append(path)
                elif not leads_above(root, path):
                    links.append(path)
        yield prefix, files


def leads_above(root: Path, link: str) -> bool:
    """Whether the link at `link` leads to the root or to a directory that holds it."""
    return Path(os.path.realpath(root)).is_relative_to(os.path.realpath(root / link))


def hides_files(root: Path, scope: Scope, link: str) -> bool:
    """Whether a watcher that does not follow links misses files in scope behind this one."""
    path = root / link
    if os.path.isdir(path):
        return scope.may_contain(link) and not leads_above(root, link)
    return (
        scope.matches(link) and os.path.isfile(path) and not _is_target_in_scope(root, scope, path)
    )


def _is_target_in_scope(root: Path, scope: Scope, path: Path) -> bool:
    """Whether the target of the link at `path` is in scope by its own path as well."""
    target = os.path.relpath(os.path.realpath(path), os.path.realpath(root))
    return target.split(os.sep)[0] != os.pardir and scope.matches(target)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle, or into a folder that may not be read
        return False
