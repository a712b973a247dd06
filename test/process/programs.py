"""Small programs around the package, run as separate processes.

    python -m test.process.programs NAME [COMMAND...]

Each runs COMMAND as the backend; its docstring describes how.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable

from httpprocessproxy.process import (
    Child,
    InputWaits,
    Keyboard,
    Launcher,
    LaunchSpec,
    OutputCopier,
    ProcessTrees,
    SpawnError,
    Terminal,
    become_subreaper,
    guarded,
    seal_descriptors,
)

COMMAND = tuple(sys.argv[2:])


async def _until_end_or_signal(with_terminal: bool) -> int:
    """Run one generation until a signal or its end, like the real program in small."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    caught: list[signal.Signals] = []

    def catch(number: signal.Signals) -> None:
        caught.append(number)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, catch, number)
    become_subreaper()
    trees = ProcessTrees()
    tree = trees.add("web")
    with contextlib.ExitStack() as stack:
        copier = stack.enter_context(OutputCopier())
        terminal = stack.enter_context(Terminal(copier)) if with_terminal else None
        child = Launcher(LaunchSpec(COMMAND), copier.add("web"), tree, terminal).spawn()
        copier.write(f"program {os.getpid()}")
        return await _run(trees, child, stop, caught)


async def _run(
    trees: ProcessTrees, child: Child, stop: asyncio.Event, caught: list[signal.Signals]
) -> int:
    async with asyncio.TaskGroup() as group:
        reaper = group.create_task(trees.reap_adopted(), name="reap")
        waiter = group.create_task(child.wait(), name="wait")
        waiter.add_done_callback(lambda _: stop.set())
        await stop.wait()
        returncode = await child.stop()
        reaper.cancel()
    return 128 + caught[0] if caught else returncode & 0xFF


def run() -> int:
    """Run the backend with pipes; exit with its status, or 128 + the signal that ended us."""
    seal_descriptors()
    return asyncio.run(_until_end_or_signal(with_terminal=False))


def run_with_terminal() -> int:
    """Run the backend with our terminal."""
    seal_descriptors()
    return asyncio.run(_until_end_or_signal(with_terminal=Terminal.is_usable()))


async def _until_signal() -> int:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGINT, stop.set)
    trees = ProcessTrees()
    tree = trees.add("web")
    keyboard = Keyboard("rq", lambda key: copier.write(f"pressed {key}"), trees.processes)
    with OutputCopier(keyboard) as copier, Terminal(copier) as terminal:
        async with asyncio.TaskGroup() as group:
            try:
                child = Launcher(LaunchSpec(COMMAND), copier.add("web"), tree, terminal).spawn()
            except SpawnError:
                copier.write("[not started]")
                await stop.wait()
            else:
                copier.write(f"backend {child.pid}")
                waiter = group.create_task(child.wait(), name="wait")
                waiter.add_done_callback(lambda _: copier.write("[ended]"))
                await stop.wait()
                await child.stop()
    return 128 + signal.SIGINT


def keys() -> int:
    """Run the backend with our terminal and the shortcuts r and q; go on after its end."""
    seal_descriptors()
    become_subreaper()
    return asyncio.run(_until_signal())


async def _several_until_signal() -> int:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGINT, stop.set)
    trees = ProcessTrees()
    services = dict(zip(_SERVICES, " ".join(COMMAND).split(" -- "), strict=True))
    digits = {"0": None, **dict(zip("123", services, strict=True))}
    keyboard = Keyboard(
        "r0123",
        lambda key: copier.show(digits[key]) if key in digits else copier.write(f"pressed {key}"),
        trees.processes,
    )
    waits = InputWaits(trees.processes, lambda name: copier.write("waits", name, is_important=True))
    with OutputCopier(keyboard, waits) as copier:
        outputs = {name: copier.add(name) for name in services}
        terminal = Terminal(copier) if Terminal.is_usable() else None
        with terminal or contextlib.nullcontext():
            children = [
                Launcher(
                    LaunchSpec(("sh", "-c", command)), outputs[name], trees.add(name), terminal
                ).spawn()
                for name, command in services.items()
            ]
            copier.write(f"services {' '.join(str(child.pid) for child in children)}")
            if terminal is None:
                for child in children:
                    await child.wait()
            else:
                await stop.wait()
            for child in children:
                await child.stop()
    return 128 + signal.SIGINT if stop.is_set() else 0


_SERVICES = ("db", "api", "worker")


def several() -> int:
    """Run three services, whose shell commands are separated by "--".

    The keys 1 to 3 and 0 switch between them, and r is a shortcut. Without a terminal it ends with
    the services.
    """
    seal_descriptors()
    become_subreaper()
    return asyncio.run(_several_until_signal())


def guard() -> int:
    """Do what `run` does, under the guard."""
    return guarded(run)


def guard_terminal() -> int:
    """Do what `run_with_terminal` does, under the guard."""
    return guarded(run_with_terminal)


def interrupted_guard() -> int:
    """Do what `guard` does, but wait for SIGINT before the fork."""
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
    "terminal": run_with_terminal,
    "keys": keys,
    "several": several,
    "guard": guard,
    "guard-terminal": guard_terminal,
    "interrupted-guard": interrupted_guard,
}

if __name__ == "__main__":
    sys.exit(PROGRAMS[sys.argv[1]]())
