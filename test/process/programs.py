"""Small programs around the package, to be run as processes of their own.

    python -m test.process.programs NAME [COMMAND...]

Each runs COMMAND as the backend, in the way its docstring says.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable

from httpprocessproxy.process import (
    Keyboard,
    Launcher,
    LaunchSpec,
    Output,
    SpawnError,
    Terminal,
    become_subreaper,
    guarded,
    reap_adopted,
    seal_descriptors,
)

COMMAND = tuple(sys.argv[2:])


async def _until_end_or_signal(terminal: bool) -> int:
    """What the real program does, in small: one generation, ended by a signal or by itself."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    caught: list[signal.Signals] = []

    def catch(number: signal.Signals) -> None:
        caught.append(number)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, catch, number)
    become_subreaper()
    with Output() as output:
        if not terminal:
            return await _run(Launcher(LaunchSpec(COMMAND), output), output, stop, caught)
        with Terminal(output) as lent:
            return await _run(Launcher(LaunchSpec(COMMAND), output, lent), output, stop, caught)


async def _run(
    launcher: Launcher, output: Output, stop: asyncio.Event, caught: list[signal.Signals]
) -> int:
    child = launcher.spawn()
    output.write(f"program {os.getpid()}")
    async with asyncio.TaskGroup() as group:
        reaper = group.create_task(reap_adopted(), name="reap")
        waiter = group.create_task(child.wait(), name="wait")
        waiter.add_done_callback(lambda _: stop.set())
        await stop.wait()
        returncode = await child.stop()
        reaper.cancel()
    return 128 + caught[0] if caught else returncode & 0xFF


def run() -> int:
    """Run it with pipes; exit with its status, or 128 + the signal that ended us."""
    seal_descriptors()
    return asyncio.run(_until_end_or_signal(terminal=False))


def lend() -> int:
    """Run it with our terminal."""
    seal_descriptors()
    return asyncio.run(_until_end_or_signal(terminal=Terminal.is_usable()))


async def _until_signal() -> int:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGINT, stop.set)
    keyboard = Keyboard("rq", lambda key: output.write(f"pressed {key}"))
    with Output(keyboard=keyboard) as output, Terminal(output) as lent:
        async with asyncio.TaskGroup() as group:
            try:
                child = Launcher(LaunchSpec(COMMAND), output, lent).spawn()
            except SpawnError:
                output.write("[not started]")
                await stop.wait()
            else:
                output.write(f"backend {child.pid}")
                waiter = group.create_task(child.wait(), name="wait")
                waiter.add_done_callback(lambda _: output.write("[ended]"))
                await stop.wait()
                await child.stop()
    return 128 + signal.SIGINT


def keys() -> int:
    """Run it with our terminal, take the keys r and q, and stay when it has ended."""
    seal_descriptors()
    become_subreaper()
    return asyncio.run(_until_signal())


def guard() -> int:
    """As `run`, under the guard."""
    return guarded(run)


def guard_terminal() -> int:
    """As `lend`, under the guard."""
    return guarded(lend)


def interrupted_guard() -> int:
    """As `guard`; it is interrupted before it has forked, and waits for that."""
    fork = os.fork

    def fork_late() -> int:
        os.write(1, b"about to fork\n")
        while signal.SIGINT not in signal.sigpending():
            os.sched_yield()
        return fork()

    os.fork = fork_late
    return guarded(run)


PROGRAMS: dict[str, Callable[[], int]] = {
    "run": run,
    "lend": lend,
    "keys": keys,
    "guard": guard,
    "guard-terminal": guard_terminal,
    "interrupted-guard": interrupted_guard,
}

if __name__ == "__main__":
    sys.exit(PROGRAMS[sys.argv[1]]())
