"""A fork server in the background, for as long as it is of any use; and then another one.

It ends at once when something is installed, for it would serve what was imported before. Whatever
fails is told in a line, and costs nobody more than a cold start.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.lines import duration, size
from httpprocessproxy.warm.command import PythonCommand
from httpprocessproxy.warm.fork_server import ForkError, ForkServer
from httpprocessproxy.warm.libraries import Places, described, interpreter_of, watching
from httpprocessproxy.warm.record import ImportRecord

# Nothing takes so long to import, but what hangs.
READY_TIMEOUT_S: Final = 60.0

# An installer writes for seconds, with pauses.
QUIET_S: Final = 1.0

# One that fails may have been killed by chance; so many, without a warm start in between, have not.
MAX_FAILURES: Final = 3

# There are packages that write files of their own when they are imported, and installers with
# long pauses.
MAX_DISTURBED: Final = 5


@dataclass(frozen=True, slots=True)
class PreloadOptions:
    """What a fork server is to be like."""

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
    """`server` is there while it can be used. `say` gets lines, and how much they matter."""

    def __init__(self, say: Callable[[str, str], None]) -> None:
        self.server: ForkServer | None = None
        self.memory_bytes: int | None = None
        self.wish: PreloadOptions | None = None
        self.off = ""  # why there will be none any more
        self._say = say
        self._wanted = asyncio.Event()
        self._dismissed = asyncio.Event()
        self._news = asyncio.Event()
        self._changed: set[str] = set()
        self._failures = 0
        self._disturbed = 0  # by a change, one after the other

    def want(self, wish: PreloadOptions) -> None:
        """Have a server like this one, in the place of what there is."""
        self.wish = wish
        if not self.off:
            self._dismiss()
            self._wanted.set()

    def give_up(self, why: str) -> None:
        """Have no server from now on."""
        self.off = why
        self._say(f"{why}: --preload is off, and starts are cold", "warning")
        self._wanted.clear()
        self._dismiss()

    def worked(self) -> None:
        """The server has done what it is for: whatever failed before was chance."""
        self._failures = 0

    def failed(self, why: str) -> None:
        """The server has not done what it is for: have another one, but not for ever."""
        self._failures += 1
        if self._failures == MAX_FAILURES:
            self.give_up(why)
        else:
            self._say(f"{why}: starts are cold until another one is ready", "warning")
            self._wanted.set()
            self._dismiss()

    async def run(self) -> None:
        """Work until cancelled; then the server is gone."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            self._dismissed.clear()
            self._changed.clear()
            assert self.wish is not None, "it is wanted"
            if why := await self._keep(self.wish):
                self.failed(why)

    async def _keep(self, wish: PreloadOptions) -> str:
        """Have a server until it is dismissed or ends; return what went wrong, if anything."""
        why = ""
        try:
            async with watching(wish.places, self._on_change, self._on_warning):
                why = await self._use(wish)
                if self._changed:
                    await self._quiet()
        except* UserError as group:
            why = f"cannot watch what is preloaded: {group.exceptions[0]}"
        return why

    async def _use(self, wish: PreloadOptions) -> str:
        try:
            async with ForkServer(wish.command, wish.record, wish.environment) as server:
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
        """Let the server be used until it ends; return why it did."""
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                await server.ready()
        except TimeoutError:
            # Another one would hang as well.
            self.give_up(f"the fork server is not ready after {duration(READY_TIMEOUT_S * 1000)}")
            return ""
        except ForkError as error:
            return str(error)
        self.server = server
        self._disturbed = 0
        self.memory_bytes = await asyncio.to_thread(server.memory_bytes)
        self._tell(server)
        return await server.ended()

    def _tell(self, server: ForkServer) -> None:
        assert self.wish is not None, "it is wanted"
        count = len(self.wish.record.modules) - len(server.left_alone)
        took = duration(1000 * (server.ready_after_s or 0.0))
        memory = size(self.memory_bytes or 0)
        self._say(f"preloaded {count} modules in {took}, {memory}: starts are warm now", "info")

    def _withdraw(self) -> None:
        self.server = self.memory_bytes = None

    def _dismiss(self) -> None:
        self._withdraw()
        self._dismissed.set()
        self._news.set()

    # Changes

    def _on_change(self, paths: frozenset[str]) -> None:
        if not self._changed:
            assert self.wish is not None, "it is watched"
            self._tell_change(described(paths, self.wish.folder))
        self._changed |= paths
        if not self.off:
            self._wanted.set()
            self._dismiss()

    def _tell_change(self, what: str) -> None:
        self._disturbed += self.server is None
        if self._disturbed == MAX_DISTURBED:
            self.give_up(f"{what} changes whenever it is imported")
        elif not self.off:
            self._say(f"{what} has changed: preloading anew, starts are cold until then", "warning")

    def _on_warning(self, text: str) -> None:
        self._say(text, "warning")

    async def _quiet(self) -> None:
        """Wait until nothing has changed for a while."""
        while not self.off:
            self._news.clear()
            try:
                async with asyncio.timeout(QUIET_S):
                    await self._news.wait()
            except TimeoutError:
                return
