"""The fork server manager: keeps a fork server in the background, and replaces it when needed.

It ends the server at once when a library is installed, because forks would have the old code. Each
failure is one log line, and costs no more than a cold start.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.lines import duration, size
from httpprocessproxy.process import ProcessTree
from httpprocessproxy.warm.command import PythonCommand
from httpprocessproxy.warm.fork_server import ForkError, ForkServer
from httpprocessproxy.warm.libraries import Places, described, interpreter_of, watching
from httpprocessproxy.warm.record import ImportRecord

# An import that takes longer than this hangs.
READY_TIMEOUT_S: Final = 60.0

# An installer writes files for seconds, with pauses.
QUIET_S: Final = 1.0

# A single failure may be accidental; so many in a row, without a warm start in between, are not.
MAX_FAILURES: Final = 3

# Some packages write files into their own folder at each import, and some installers make long
# pauses: after so many changes before the server is ready, it is given up.
MAX_DISTURBED: Final = 5


@dataclass(frozen=True, slots=True)
class PreloadOptions:
    """The program that a fork server preloads, with its imports, environment and project folder."""

    command: PythonCommand
    record: ImportRecord
    environment: Mapping[str, str]
    folder: Path

    @property
    def places(self) -> Places:
        interpreter = interpreter_of(self.command)
        named = [interpreter, interpreter.resolve(), interpreter.parent.parent / "pyvenv.cfg"]
        record = self.record
        return Places.of(record.modules, record.folders, map(str, named), self.folder)


class ForkServerManager:
    """`server` is set while it can be used. `notify` is called with a line and its level."""

    def __init__(self, tree: ProcessTree, notify: Callable[[str, str], None]) -> None:
        self.server: ForkServer | None = None
        self.memory_bytes: int | None = None
        self.options: PreloadOptions | None = None
        self.off = ""  # the reason why preloading was given up
        self._tree = tree
        self._notify = notify
        self._wanted = asyncio.Event()
        self._dismissed = asyncio.Event()
        self._activity = asyncio.Event()
        self._changed: set[str] = set()
        self._failures = 0
        self._disturbed = 0  # the number of changes in a row without a ready server

    def want(self, options: PreloadOptions) -> None:
        """Replace the server, if any, by one with these options."""
        self.options = options
        if not self.off:
            self._dismiss()
            self._wanted.set()

    def give_up(self, why: str) -> None:
        """End the server, and start none from now on."""
        self.off = why
        self._notify(f"{why}: --preload is off, and starts are cold", "warning")
        self._wanted.clear()
        self._dismiss()

    def worked(self) -> None:
        """A warm start has succeeded: earlier failures do not count any more."""
        self._failures = 0

    def failed(self, why: str) -> None:
        """The server or a warm start has failed: replace it, or give up after MAX_FAILURES."""
        self._failures += 1
        if self._failures == MAX_FAILURES:
            self.give_up(why)
        else:
            self._notify(f"{why}: starts are cold until another one is ready", "warning")
            self._wanted.set()
            self._dismiss()

    async def run(self) -> None:
        """Run servers until cancelled; then the last one is gone."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            self._dismissed.clear()
            self._changed.clear()
            assert self.options is not None, "it is wanted"
            if why := await self._run_one(self.options):
                self.failed(why)

    async def _run_one(self, options: PreloadOptions) -> str:
        """Run a server until it is dismissed or ends; return the reason of a failure, or ""."""
        why = ""
        try:
            async with watching(options.places, self._on_change, self._on_warning):
                why = await self._serve(options)
                if self._changed:
                    await self._quiet()
        except* UserError as group:
            why = f"cannot watch what is preloaded: {group.exceptions[0]}"
        return why

    async def _serve(self, options: PreloadOptions) -> str:
        try:
            async with ForkServer(
                options.command, options.record, options.environment, self._tree
            ) as server:
                return await self._until_dismissed(server)
        except ForkError as error:
            return str(error)

    async def _until_dismissed(self, server: ForkServer) -> str:
        async with asyncio.TaskGroup() as group:
            offering = group.create_task(self._offer(server), name="offer the fork server")
            dismissal = group.create_task(self._dismissed.wait(), name="fork server's dismissal")
            await asyncio.wait((offering, dismissal), return_when=asyncio.FIRST_COMPLETED)
            self._withdraw()
            offering.cancel()
            dismissal.cancel()
        return "" if self._dismissed.is_set() else offering.result()

    async def _offer(self, server: ForkServer) -> str:
        """Offer the server for warm starts until it ends; return the reason of its end."""
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                await server.ready()
        except TimeoutError:
            # Another server would hang as well.
            self.give_up(f"the fork server is not ready after {duration(READY_TIMEOUT_S * 1000)}")
            return ""
        except ForkError as error:
            return str(error)
        self.server = server
        self._disturbed = 0
        self.memory_bytes = await asyncio.to_thread(server.memory_bytes)
        self._report_ready(server)
        return await server.ended()

    def _report_ready(self, server: ForkServer) -> None:
        assert self.options is not None, "it is wanted"
        count = len(self.options.record.modules) - len(server.skipped)
        took = duration(1000 * (server.ready_after_s or 0.0))
        memory = size(self.memory_bytes or 0)
        self._notify(f"preloaded {count} modules in {took}, {memory}: starts are warm now", "info")

    def _withdraw(self) -> None:
        self.server = self.memory_bytes = None

    def _dismiss(self) -> None:
        self._withdraw()
        self._dismissed.set()
        self._activity.set()

    # Changes

    def _on_change(self, paths: frozenset[str]) -> None:
        if not self._changed:
            assert self.options is not None, "it is watched"
            self._report_change(described(paths, self.options.folder))
        self._changed |= paths
        if not self.off:
            self._wanted.set()
            self._dismiss()

    def _report_change(self, name: str) -> None:
        self._disturbed += self.server is None
        if self._disturbed == MAX_DISTURBED:
            self.give_up(f"{name} changes whenever it is imported")
        elif not self.off:
            text = f"{name} has changed: preloading again, starts are cold until then"
            self._notify(text, "warning")

    def _on_warning(self, text: str) -> None:
        self._notify(text, "warning")

    async def _quiet(self) -> None:
        """Wait until there was no change for QUIET_S seconds."""
        while not self.off:
            self._activity.clear()
            try:
                async with asyncio.timeout(QUIET_S):
                    await self._activity.wait()
            except TimeoutError:
                return
