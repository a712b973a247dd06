"""The import of recorded modules in the fork server.

The rule: only modules of the standard library and of installed packages, none that the project
has, adds or hides. A module that does not survive a fork (it starts a thread or a process, or opens
a descriptor) is reported, and the server ends: it is started again without that module.
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

    class Send(Protocol):
        def __call__(self, *fields: str) -> None: ...

    class Generator(Protocol):
        def seed(self) -> None: ...


class Foreign(BaseException):
    """Raised by the import of a foreign module. `except Exception` does not catch it."""


class PreloadRun:
    """Imports the recorded modules, and finds those that do not survive a fork."""

    def __init__(self, foreign: list[str], paths: list[str], send: Send) -> None:
        self.foreign = frozenset(foreign)
        self.send = send
        self.folders = tuple(folder + "/" for folder in package_folders())
        self.project = [path for path in sys.path + paths if not self.is_installed(path + "/")]
        self.refused = 0
        self.running: list[str] = []  # the modules being imported, the innermost last
        self.generators: list[Generator] = []
        self.unfollow: Callable[[], None] = lambda: None
        self.loaded: frozenset[str] = frozenset()
        self.lowest_fd = lowest_free_descriptor()

    def is_installed(self, path: str) -> bool:
        real = os.path.realpath(path) + "/"  # realpath removes a trailing slash
        return path.startswith(self.folders) or real.startswith(self.folders)

    def run(self, names: list[str]) -> None:
        end = listen_to_imports(self.before, self.after, self.failed)
        sys.meta_path.insert(0, self)
        for name in names:
            try:
                __import__(name)
            except BaseException as error:  # noqa: BLE001 - the program may raise it again
                self.send("skipped", name, f"{type(error).__name__}: {error}")
        sys.meta_path.remove(self)
        end()
        self.unfollow()
        self.loaded = frozenset(name for name in sys.modules if "." not in name) - at_start

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Act as a finder that refuses foreign modules and finds none."""
        if name in self.foreign or ("." not in name and self.is_in_project(name)):
            self.refused += 1
            raise Foreign(name)

    def is_in_project(self, name: str) -> bool:
        spec = external.PathFinder.find_spec(name, self.project)
        # A folder without __init__.py is found only after all modules of that name.
        return spec is not None and spec.loader is not None and bool(spec.origin)

    def before(self, name: str) -> int:
        """Check the importing module first, so that the imported one is not blamed."""
        if self.running:
            self.check(self.running[-1])
        self.running.append(name)
        return self.refused

    def failed(self, name: str, refused_before: int) -> None:
        """Check a module whose import failed: its importer may go on without it."""
        self.running.pop()
        self.check(name)

    def after(self, name: str, refused_before: int) -> None:
        """Check a module after its import."""
        self.running.pop()
        origin = origin_of(name) or ""
        if self.refused > refused_before:
            self.reject(name, "handles a refused import")
        if origin.startswith("/") and not self.is_installed(origin):
            self.reject(name, "is not installed")
        self.check(name)
        if name == "random":
            self.follow_generators(sys.modules[name])

    def check(self, name: str) -> None:
        if sys.modules["_thread"]._count():
            self.reject(name, "starts a thread")
        if lowest_free_descriptor() != self.lowest_fd:
            self.reject(name, "opens a descriptor")
        if has_child():
            self.reject(name, "starts a process")

    def reject(self, name: str, why: str) -> NoReturn:
        self.send("unforkable", name, why)
        os._exit(0)

    def follow_generators(self, random: ModuleType) -> None:
        """Collect the generators without an explicit seed: each process reseeds them."""
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
        """The name of a preloaded module that the project has now, too; "" if none."""
        named: set[str] = set()
        for entry in self.project:
            # An importer's cached listing may be older than the folder's last change.
            sys.path_importer_cache.pop(entry or os.getcwd(), None)
            try:
                named.update(name.partition(".")[0] for name in os.listdir(entry or "."))
            except NotADirectoryError:
                named |= self.loaded  # a ZIP file
            except OSError:
                pass
        return next((name for name in self.loaded & named if self.is_in_project(name)), "")

    def refresh(self) -> None:
        """Renew state that forks must not share. (`random` reseeds its own generator.)"""
        for generator in self.generators:
            generator.seed()
        numpy = sys.modules.get("numpy.random")
        if numpy is not None:
            numpy.seed()
        logging = vars(sys.modules["logging"]) if "logging" in sys.modules else {}
        if "_startTime" in logging:
            # The origin of %(relativeCreated), in seconds, or since 3.13 in nanoseconds.
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
