"""Importing what the program will import, in the fork server.

The rule: modules of the standard library and of the installed packages, and nothing that the
project has, adds or hides. A module that would not be the same in a fork (it has started a thread
or a process, or opened a descriptor) is told about, and the server ends: it is started again
without that one.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import NoReturn, Protocol

    from httpprocessproxy.warm.inside.recording import (
        listen_to_imports,
        origin_of,
        package_folders,
    )
    from httpprocessproxy.warm.inside.running import at_start, external

    class Tell(Protocol):
        def __call__(self, *fields: str) -> None: ...

    class Generator(Protocol):
        def seed(self) -> None: ...


class Foreign(BaseException):
    """The import of what must not be preloaded. No module catches it by mistake."""


class PreloadRun:
    """Imports the recorded modules, watches what they do, and knows what they mean for a fork."""

    def __init__(self, foreign: list[str], paths: list[str], tell: Tell) -> None:
        self.foreign = frozenset(foreign)
        self.tell = tell
        self.folders = tuple(folder + "/" for folder in package_folders())
        self.project = [path for path in sys.path + paths if not self.is_installed(path + "/")]
        self.refused = 0
        self.running: list[str] = []  # the modules that are being imported, the innermost last
        self.generators: list[Generator] = []
        self.unfollow: Callable[[], None] = lambda: None
        self.loaded: frozenset[str] = frozenset()
        self.lowest_fd = lowest_free_descriptor()

    def is_installed(self, path: str) -> bool:
        real = os.path.realpath(path) + "/"  # it takes the one away that is there
        return path.startswith(self.folders) or real.startswith(self.folders)

    def run(self, names: list[str]) -> None:
        end = listen_to_imports(self.before, self.after, self.failed)
        sys.meta_path.insert(0, self)
        for name in names:
            try:
                __import__(name)
            except BaseException as error:  # noqa: BLE001 - the program meets it again, or does not
                self.tell("left", name, f"{type(error).__name__}: {error}")
        sys.meta_path.remove(self)
        end()
        self.unfollow()
        self.loaded = frozenset(name for name in sys.modules if "." not in name) - at_start

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """As a finder: finds nothing, but refuses what is foreign."""
        if name in self.foreign or ("." not in name and self.is_in_project(name)):
            self.refused += 1
            raise Foreign(name)

    def is_in_project(self, name: str) -> bool:
        spec = external.PathFinder.find_spec(name, self.project)
        # A folder without __init__.py comes after all modules of that name, wherever they are.
        return spec is not None and spec.loader is not None and bool(spec.origin)

    def before(self, name: str) -> int:
        """A module imports another: look what it has done so far, lest that one be blamed."""
        if self.running:
            self.look(self.running[-1])
        self.running.append(name)
        return self.refused

    def failed(self, name: str, refused_before: int) -> None:
        """Look what a module has done that could not be imported: others go on without it."""
        self.running.pop()
        self.look(name)

    def after(self, name: str, refused_before: int) -> None:
        """Look what the import of a module has done, besides loading it."""
        self.running.pop()
        origin = origin_of(name) or ""
        if self.refused > refused_before:
            self.unfit(name, "does without what it did not get")
        if origin.startswith("/") and not self.is_installed(origin):
            self.unfit(name, "is not installed")
        self.look(name)
        if name == "random":
            self.follow_generators(sys.modules[name])

    def look(self, name: str) -> None:
        if sys.modules["_thread"]._count():
            self.unfit(name, "starts a thread")
        if lowest_free_descriptor() != self.lowest_fd:
            self.unfit(name, "opens a descriptor")
        if has_child():
            self.unfit(name, "starts a process")

    def unfit(self, name: str, why: str) -> NoReturn:
        self.tell("unfit", name, why)
        os._exit(0)

    def follow_generators(self, random: ModuleType) -> None:
        """Remember all generators that nobody gave a seed: they need another in each process."""
        original = random.Random.seed

        def seed(generator: Generator, a: object = None, version: int = 2) -> None:
            original(generator, a, version)
            if a is None:
                self.generators.append(generator)

        def unfollow() -> None:
            random.Random.seed = original

        self.unfollow = unfollow
        random.Random.seed = seed

    def hidden(self) -> str:
        """A module that is loaded, and of which the project has another by now; "" if none."""
        named: set[str] = set()
        for entry in self.project:
            # What an importer has seen of a folder may be older than the last change of it.
            sys.path_importer_cache.pop(entry or os.getcwd(), None)
            try:
                named.update(name.partition(".")[0] for name in os.listdir(entry or "."))
            except NotADirectoryError:
                named |= self.loaded  # a ZIP file
            except OSError:
                pass
        return next((name for name in self.loaded & named if self.is_in_project(name)), "")

    def refresh(self) -> None:
        """Renew what a process must not share with its siblings. (`random` does so by itself.)"""
        for generator in self.generators:
            generator.seed()
        numpy = sys.modules.get("numpy.random")
        if numpy is not None:
            numpy.seed()
        logging = vars(sys.modules["logging"]) if "logging" in sys.modules else {}
        if "_startTime" in logging:
            # What %(relativeCreated) counts from, in seconds, or since 3.13 in nanoseconds.
            time = sys.modules["time"]
            in_ns = isinstance(logging["_startTime"], int)
            logging["_startTime"] = time.time_ns() if in_ns else time.time()


def lowest_free_descriptor() -> int:
    number = os.dup(0)
    os.close(number)
    return number


def has_child() -> bool:
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return False
    return True
