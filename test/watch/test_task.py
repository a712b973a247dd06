"""A task for another thread: its callbacks run on the event loop's thread, in order."""

import asyncio
import threading
from pathlib import Path

from httpprocessproxy.core.change.patterns import Patterns
from httpprocessproxy.watch.scope import Scope
from httpprocessproxy.watch.task import Task


def test_callbacks_from_a_thread_run_on_the_loops_thread() -> None:
    calls: list[tuple[object, threading.Thread]] = []

    def note(what: object) -> None:
        calls.append((what, threading.current_thread()))

    async def main() -> None:
        task = Task(Path(), Scope(Patterns([], [], True)), note, note).from_thread()
        await asyncio.to_thread(task.changed, frozenset({"a"}))
        await asyncio.to_thread(task.say, "text")

    asyncio.run(main())
    here = threading.current_thread()
    assert calls == [(frozenset({"a"}), here), ("text", here)]
