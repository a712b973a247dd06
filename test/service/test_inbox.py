"""The inbox: the order of events, bursts, and events of a generation that a bug ended."""

import asyncio

from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.core.state import Changed, Event, Exited, Machine, Ready, State
from httpprocessproxy.service.inbox import Inbox
from httpprocessproxy.service.waiter import Target
from test.loops import on_every_loop

TARGET = Target(GenerationId("web", 1), "127.0.0.1", 8001)


async def taken(inbox: Inbox, count: int) -> list[Event]:
    events = []
    for _ in range(count):
        events.append(await inbox.next())
        inbox.done()
    return events


@on_every_loop
async def test_changes_of_a_burst_are_one_event_with_all_paths() -> None:
    inbox = Inbox(Machine(), 10.0)
    inbox.changed(frozenset({"a.py"}))
    inbox.changed(frozenset({"b.py"}))
    inbox.ready(1, TARGET)
    assert await taken(inbox, 2) == [Changed(frozenset({"a.py"})), Ready(1)]
    assert inbox.paths == {"a.py", "b.py"}


@on_every_loop
async def test_paths_start_again_with_each_change_but_not_during_a_kill() -> None:
    machine = Machine()
    inbox = Inbox(machine, 0.0)
    inbox.put_changed(frozenset({"a.py"}))
    inbox.put_changed(frozenset({"b.py"}))
    assert inbox.paths == {"b.py"}
    machine.state = State.KILLING
    inbox.restart("the page")
    assert (inbox.paths, inbox.why) == ({"b.py"}, "restart asked for by the page")


@on_every_loop
async def test_change_is_unhandled_until_it_is_taken() -> None:
    inbox = Inbox(Machine(), 0.0)
    inbox.put_changed(frozenset({"a.py"}))
    assert inbox.unhandled == 1
    await taken(inbox, 1)
    assert inbox.unhandled == 0


@on_every_loop
async def test_handled_waits_until_the_taken_event_is_done() -> None:
    inbox = Inbox(Machine(), 0.0)
    inbox.ready(1, TARGET)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(inbox.handled(), name="handled")
        await inbox.next()
        await asyncio.sleep(0)
        assert not waiting.done()
        inbox.done()


@on_every_loop
async def test_events_of_a_lost_generation_are_dropped_and_changes_are_kept() -> None:
    inbox = Inbox(Machine(), 0.0)
    inbox.ready(1, TARGET)
    inbox.put_changed(frozenset({"a.py"}))
    inbox.exited(1, 0)
    inbox.keep_changes()
    inbox.exited(2, 0)
    assert await taken(inbox, 2) == [Changed(frozenset({"a.py"})), Exited(2, 0)]
    await inbox.handled()
    assert inbox.unhandled == 0


@on_every_loop
async def test_quiet_waits_for_the_end_of_the_burst() -> None:
    inbox = Inbox(Machine(), 0.01)
    await inbox.quiet()
    inbox.changed(frozenset({"a.py"}))
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(inbox.quiet(), name="quiet")
        await asyncio.sleep(0)
        assert not waiting.done()
