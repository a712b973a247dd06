"""The watcher of preloaded libraries: installed distributions, the interpreter, its pyvenv.cfg.

A folder is watched if a preloaded module came from it, or if distributions are installed in it.
Other folders cost nothing, however large.
"""

import os
import re
import shutil
from collections.abc import AsyncGenerator, Callable, Collection, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from httpprocessproxy.core.change.patterns import ANYTHING, is_within
from httpprocessproxy.warm.command import PythonCommand
from httpprocessproxy.watch import Scope, open_watcher

# Files in a project's folder that list the distributions it requires.
REQUIREMENTS: Final = (
    *("requirements*.txt", "constraints*.txt", "Pipfile.lock"),
    *("pdm.lock", "poetry.lock", "uv.lock"),
)

# Bytecode, which an import writes: not a change.
_COMPILED: Final = (".pyc", ".pyo")

_INSTALLED_IN: Final = re.compile(r"/(?:site|dist)-packages/")


@dataclass(frozen=True, slots=True)
class Places:
    """The files and folders to watch, as absolute paths.

    Every file directly in `folders` counts; in `installed`, also the metadata of each distribution;
    `named` are single files. In `project`, files of requirements count.
    """

    folders: frozenset[str]
    installed: frozenset[str] = frozenset()
    named: frozenset[str] = frozenset()
    project: str = ""

    @classmethod
    def of(
        cls, modules: Iterable[str], installed: Iterable[str], named: Iterable[str], project: Path
    ) -> "Places":
        """The folders of `installed` that `modules` may have been imported from, and these folders.

        `named` are the files of the interpreter; `project` is the folder with requirements.
        """
        there = frozenset(folder for folder in installed if os.path.isdir(folder))
        packages = {name.rpartition(".")[0] for name in modules} | set(modules)
        inside = {name.replace(".", "/") for name in packages if name} | {"lib-dynload"}
        wanted = (os.path.join(folder, path) for folder in there for path in inside)
        folders = frozenset(path for path in wanted if os.path.isdir(path))
        return cls(folders | there, there, frozenset(named), str(project))

    def roots(self) -> list[str]:
        """The smallest set of folders that contains all watched ones."""
        wanted = {*self.folders, *map(os.path.dirname, self.named), self.project}
        roots: list[str] = []
        for folder in sorted(folder for folder in wanted if os.path.isdir(folder)):
            if not any(is_within(folder, root) for root in roots):
                roots.append(folder)
        return roots


class Libraries(Scope):
    """The watcher's scope: the part of `places` below `root`."""

    def __init__(self, root: str, places: Places) -> None:
        self._root = root
        self._places = places
        watched = {*places.folders, *map(os.path.dirname, places.named), places.project}
        self._may_contain = {above for folder in watched for above in _ancestors(folder)}

    def matches(self, path: str) -> bool:
        whole = os.path.join(self._root, path)
        folder, name = os.path.split(whole)
        places = self._places
        if whole in places.named:
            return True
        if folder in places.folders or _distribution(folder) in places.installed:
            return not name.endswith(_COMPILED)
        return folder == places.project and any(fnmatchcase(name, one) for one in REQUIREMENTS)

    def may_contain(self, folder: str) -> bool:
        whole = os.path.join(self._root, folder) if folder else self._root
        return whole in self._may_contain or _distribution(whole) in self._places.installed

    def renew(self, changed: Iterable[str]) -> bool:
        return False


def interpreter_of(command: PythonCommand) -> Path:
    """The absolute path of the command's interpreter, without following links."""
    return Path(shutil.which(command.interpreter) or command.interpreter).absolute()


def described(paths: Collection[str], project: Path) -> str:
    """The name of the changed distribution or file, for the user."""
    path = min(paths)
    if path == ANYTHING:
        return "something installed"
    inside = _INSTALLED_IN.split(path)[-1]
    if inside == path:
        return os.path.relpath(path, project) if is_within(path, str(project)) else path
    return re.split(r"[/.-]", inside)[0]


@asynccontextmanager
async def watching(
    places: Places, changed: Callable[[frozenset[str]], None], warn: Callable[[str], None]
) -> AsyncGenerator[None]:
    """Watch all places; `changed` gets absolute paths, or {ANYTHING}, and `warn` gets warnings."""
    async with AsyncExitStack() as stack:
        for root in places.roots():
            scope = Libraries(root, places)
            on_change = _absolute(root, changed)
            watcher = open_watcher("embedded", Path(root), scope, on_change, warn)
            await stack.enter_async_context(watcher)
        yield


def _absolute(
    root: str, changed: Callable[[frozenset[str]], None]
) -> Callable[[frozenset[str]], None]:
    def on_change(paths: Collection[str]) -> None:
        changed(frozenset(ANYTHING if p == ANYTHING else os.path.join(root, p) for p in paths))

    return on_change


def _distribution(folder: str) -> str:
    """The folder where a distribution is installed, given its metadata folder; "" for others."""
    above, name = os.path.split(folder)
    return above if name.endswith((".dist-info", ".egg-info")) else ""


def _ancestors(folder: str) -> Iterable[str]:
    yield folder
    while (above := os.path.dirname(folder)) != folder:
        yield above
        folder = above
