"""Targets of links to files: inotify watches the folder of each step on the way to the target.

A link may lead through other links and linked folders; any of them may be replaced, as Kubernetes
does with a mounted ConfigMap.
"""

import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from httpprocessproxy.watch import inotify_calls as calls
from httpprocessproxy.watch.inotify_calls import Inotify

_CHANGED: Final = (
    calls.CREATE | calls.MOVED_TO | calls.DELETE | calls.MOVED_FROM | calls.MODIFY | calls.ONLYDIR
)

# Linux follows at most 40 links (path_resolution(7)).
_MOST_LINKS: Final = 40


class Targets:
    """The links below a root, keyed by folder and name of each step they depend on."""

    def __init__(self, root: Path, inotify: Inotify) -> None:
        self._root = root
        self._inotify = inotify
        self._links: defaultdict[tuple[int, str], set[str]] = defaultdict(set)

    def add(self, link: str) -> None:
        """Watch the target of a link to a file. Raises OSError if watches run out."""
        for folder, name in steps(f"{os.path.realpath(self._root)}/{link}"):
            # MASK_ADD: a watch that the folder already has keeps its other events.
            watch = self._inotify.add_watch(folder, _CHANGED | calls.MASK_ADD)
            self._links[watch, name].add(link)

    def changed(self, number: int, name: str) -> set[str]:
        """The links that depend on the file `name` in the folder with this watch descriptor."""
        links = self._links.get((number, name))
        if not links:
            return set()
        found = {link for link in links if os.path.islink(self._root / link)}
        links &= found
        for link in found:
            self.add(link)
        return found


def steps(link: str) -> Iterator[tuple[str, str]]:
    """Resolve a link: yield the folder and the name of each further link and of the target."""
    at, names, left = "/", link.split("/")[::-1], _MOST_LINKS
    is_first = True
    while names and left:
        name = names.pop()
        if name in ("", "."):
            continue
        path = os.path.join(at, name)
        if name == "..":
            at = os.path.dirname(at)
        elif os.path.islink(path):
            if not is_first:
                yield at, name
            is_first = False
            left -= 1
            target = os.readlink(path)
            at = "/" if target.startswith("/") else at
            names += target.split("/")[::-1]
        elif names:
            at = path
        elif os.path.isdir(at):
            yield at, name
