"""The process of a build: runs the command of `before`, and ends it with all its processes.

The processes have a tree of their own. Otherwise the sweep at the end of a server would kill a
build, and the end of a build would kill what the server has started in the background.
"""

import asyncio
import shlex

from httpprocessproxy.process import Launcher, SpawnError, signal_name


class BuildProcess:
    """Runs one process at a time. A process that left the group of its build goes on after it.

    Compilers keep such a server for the next build; a build that is cancelled ends it.
    """

    def __init__(self, command: tuple[str, ...], server: Launcher) -> None:
        self._command = command
        self._server = server
        self._launcher = server.beside("before", command)
        self._beside = self._launcher.output
        self._has_run = False

    @property
    def command(self) -> str:
        return shlex.join(self._launcher.launch_spec.words)

    @property
    def output(self) -> bytes:
        """The end of the output of the last build."""
        return self._launcher.output.tail

    async def run(self, cancelled: asyncio.Event, *, is_alone: bool) -> str | None:
        """Run the command; return "" after success, the reason of a failure, or None.

        None: `cancelled` was set, and all processes are gone. If it `is_alone`, its output takes
        the place of the server's. Raises StopError.
        """
        launcher, server = self._launcher, self._server
        launcher.launch_spec = server.launch_spec.for_command(self._command)
        launcher.output = server.output if is_alone else self._beside
        try:
            child = launcher.spawn()
        except SpawnError as error:
            return str(error)
        child.ends_group = True
        self._has_run = True
        returncode: int | None = None
        try:
            async with asyncio.TaskGroup() as group:
                ending = group.create_task(child.wait(), name="a build")
                cancelling = group.create_task(cancelled.wait(), name="a build is cancelled")
                await asyncio.wait((ending, cancelling), return_when=asyncio.FIRST_COMPLETED)
                ending.cancel()
                cancelling.cancel()
            returncode = None if ending.cancelled() else ending.result()
        finally:
            if returncode is None:
                await child.stop()
        return None if returncode is None else _reason(returncode)

    async def end(self) -> None:
        """End the processes that builds have left. Raises StopError."""
        if self._has_run:
            await self._launcher.tree.sweep()


def _reason(returncode: int) -> str:
    if returncode < 0:
        return f"was ended by signal {signal_name(-returncode)}"
    return f"ended with exit status {returncode}" if returncode else ""
