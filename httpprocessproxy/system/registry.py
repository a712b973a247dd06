"""The registry of this user's running proxies: a file for each, which the proxy holds locked.

The kernel releases the lock (flock(2)) when the last process of the proxy ends, also by SIGKILL:
an entry without a lock is stale, and its next reader removes it. Each access holds a lock of the
whole registry, for less than a millisecond.
"""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from httpprocessproxy.system.checkout import Checkout
from httpprocessproxy.system.user_folders import runtime_folder

_LOCK: Final = ".lock"
_SUFFIX: Final = ".json"
# One such wait; it is repeated.
_START_TIMEOUT_S: Final = 60.0
# Another process ends, or begins to listen: neither can be waited for but by looking. A thousand
# processes may look at once.
_FIRST_PAUSE_S: Final = 0.01
_LAST_PAUSE_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class RunningProxy:
    """A proxy of this user.

    `folder` is a real path, `pid` that of the process that the user started. `bind`, with the IP
    addresses to connect to, `url` and `run` are empty until it is so far. `is_project`: it was
    started by `up`, which starts one in each folder. `started` is in UTC (RFC 3339).
    """

    folder: str
    pid: int
    is_project: bool
    started: str
    branch: str = ""
    bind: str = ""
    addresses: Sequence[tuple[str, int]] = field(default_factory=list)
    url: str = ""
    run: str = ""
    services: Sequence[str] = field(default_factory=list)
    file: Path = field(default=Path(), compare=False)

    @property
    def answers(self) -> bool:
        return self.url != ""

    @classmethod
    def read(cls, file: Path, text: str) -> Self | None:
        """Parse the text of an entry; None if another version has written it."""
        try:
            return cls(**json.loads(text), file=file)
        except (TypeError, ValueError):
            return None

    def members(self) -> Mapping[str, object]:
        """The fields of the file of the entry."""
        members = asdict(self)
        del members["file"]
        return members


class Registration:
    """The entry of this process, which stays until the context is left.

    A fork of the process shares the lock, and leaves the entry in place.
    """

    def __init__(self, registry: "ProxyRegistry", entry: RunningProxy, fd: int) -> None:
        self.registry = registry
        self.entry = entry
        self._fd = fd
        self._owner = os.getpid()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if os.getpid() == self._owner:
            self.entry.file.unlink(missing_ok=True)
        os.close(self._fd)

    def bound(self, bind: str, addresses: Sequence[tuple[str, int]]) -> None:
        """Add the address of this process; the registry is locked. Raises OSError."""
        self.entry = replace(self.entry, bind=bind, addresses=addresses)
        _write(self._fd, self.entry)

    def listening(self, *, url: str, run: str, services: Sequence[str]) -> None:
        """Add the parts that are known once the proxy answers. Raises OSError."""
        self.entry = replace(self.entry, url=url, run=run, services=list(services))
        with self.registry.locked():
            _write(self._fd, self.entry)


class ProxyRegistry:
    """The entries in a folder that only this user may enter."""

    def __init__(self, folder: Path) -> None:
        """Make the folder if there is none. Raises OSError."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder

    @classmethod
    def open(cls) -> Self:
        """Open that of the user. Raises OSError."""
        try:
            return cls(runtime_folder())
        except RuntimeError as error:
            raise OSError(str(error)) from error

    def proxies(self) -> list[RunningProxy]:
        """Return the running proxies, the oldest first. Raises OSError."""
        with self.locked() as living:
            return living

    def around(self, folder: Path) -> RunningProxy | None:
        """Return the proxy of a folder, or of the nearest folder above that has one.

        Of several in one folder, a project's comes first, then the newest. Raises OSError.
        """
        real = folder.resolve()
        of = {str(above): -depth for depth, above in enumerate((real, *real.parents))}
        found = [proxy for proxy in self.proxies() if proxy.folder in of]
        return max(found, key=lambda p: (of[p.folder], p.is_project, p.started), default=None)

    def register(self, folder: Path) -> Registration:
        """Add an entry for this process; a folder may have several. Raises OSError."""
        with self.locked():
            return self._register(folder, is_project=False)

    def claim(self, folder: Path) -> Registration | RunningProxy:
        """Add an entry for this process, the only project's in its folder, or return that one.

        Raises OSError.
        """
        real = str(folder.resolve())
        with self.locked() as living:
            for proxy in living:
                if proxy.is_project and proxy.folder == real:
                    return proxy
            return self._register(folder, is_project=True)

    def wait(
        self, proxy: RunningProxy, until: Callable[[RunningProxy | None], bool], timeout_s: float
    ) -> RunningProxy | None:
        """Wait until the present entry of a proxy, None once it has ended, fulfils a condition.

        Return that entry, or the last one after `timeout_s`.
        """
        deadline = time.monotonic() + timeout_s
        for pause_s in pauses():
            present = _peek(proxy)
            if until(present) or time.monotonic() > deadline:
                return present
            time.sleep(pause_s)
        raise AssertionError("pauses do not end")

    def started(self, proxy: RunningProxy, timeout_s: float) -> RunningProxy | None:
        """Wait as `wait` does until a proxy answers, or has ended."""
        return self.wait(proxy, lambda entry: entry is None or entry.answers, timeout_s)

    @contextlib.contextmanager
    def locked(self) -> Iterator[list[RunningProxy]]:
        """Keep other processes from reading and writing; the value is as of `proxies`.

        Raises OSError.
        """
        fd = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield self._living()
        finally:
            os.close(fd)

    def _living(self) -> list[RunningProxy]:
        """Return the entries of living proxies, the oldest first, and remove the others."""
        files = [file for file in self._folder.iterdir() if file.suffix == _SUFFIX]
        found = (_read(file) for file in files)
        return sorted((proxy for proxy in found if proxy), key=lambda proxy: proxy.started)

    def _register(self, folder: Path, *, is_project: bool) -> Registration:
        checkout = Checkout.around(folder.resolve())
        entry = RunningProxy(
            folder=str(folder.resolve()),
            pid=os.getpid(),
            is_project=is_project,
            started=datetime.now(UTC).isoformat(timespec="milliseconds"),
            branch=checkout.branch if checkout is not None else "",
            # The number keeps a process apart from an earlier one with the same pid.
            file=self._folder / f"{os.getpid()}-{time.monotonic_ns()}{_SUFFIX}",
        )
        opened = os.open(entry.file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        # Not 0, 1 or 2, which may be closed, and are the standard streams of child processes.
        fd = fcntl.fcntl(opened, fcntl.F_DUPFD_CLOEXEC, 3)
        os.close(opened)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _write(fd, entry)
        return Registration(self, entry, fd)


@contextlib.contextmanager
def registered(*, is_project: bool = False) -> Iterator[Registration | RunningProxy | None]:
    """Register this process in the user's registry, for its working directory.

    A project gets the entry of the one that runs there already, once that answers. None if the
    registry cannot be written: the proxy runs all the same.
    """
    with contextlib.ExitStack() as stack:
        found = None
        with contextlib.suppress(OSError):
            registry, folder = ProxyRegistry.open(), Path.cwd()
            found = _claim(registry, folder) if is_project else registry.register(folder)
            if isinstance(found, Registration):
                stack.enter_context(found)
        yield found


def _claim(registry: ProxyRegistry, folder: Path) -> Registration | RunningProxy:
    """Raises OSError."""
    while isinstance(found := registry.claim(folder), RunningProxy) and not found.answers:
        # It starts, and may fail.
        registry.started(found, _START_TIMEOUT_S)
    return found


def _write(fd: int, entry: RunningProxy) -> None:
    os.ftruncate(fd, 0)
    os.pwrite(fd, json.dumps(entry.members()).encode(), 0)


def pauses() -> Iterator[float]:
    """The times between two looks at another process, without an end."""
    pause_s = _FIRST_PAUSE_S
    while True:
        yield pause_s
        pause_s = min(pause_s * 1.3, _LAST_PAUSE_S)


def _peek(proxy: RunningProxy) -> RunningProxy | None:
    """Read the present entry of a proxy, without the lock of the registry."""
    try:
        with proxy.file.open() as opened:
            try:
                fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                # Its proxy may be writing it.
                return RunningProxy.read(proxy.file, opened.read()) or proxy
    except FileNotFoundError:
        pass
    return None


def _read(file: Path) -> RunningProxy | None:
    """Read an entry in the locked registry; remove one that is stale."""
    try:
        with file.open() as opened:
            try:
                fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return RunningProxy.read(file, opened.read())
        file.unlink()
    except FileNotFoundError:
        pass
    return None
