"""A walk through the files of a project, without directories that can hold none that counts.

Symbolic links to directories come last and are followed once: whoever walks knows, in `enter`,
which directories it has seen. A link to a directory above the root is never followed: it
leads out of the project and back in. Directories that cannot be read are passed over.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from httpprocessproxy.watch.scope import Scope


def walk(
    root: Path, scope: Scope, top: str, enter: Callable[[str], bool]
) -> Iterator[tuple[str, list[os.DirEntry[str]]]]:
    """Each folder in or below `top`: what its files' paths begin with, and its files.

    The files are those that count and others. `enter(folder)` is called before a folder is read,
    which happens if it returns True. `top` and `folder` are paths from the root, "" being the
    root itself.
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


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads in a circle, or nowhere we may look
        return False
