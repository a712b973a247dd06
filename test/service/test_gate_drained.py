"""The gate's wait for requests that a restart would lose."""

import asyncio

import pytest

from test.crowd import Crowd
from test.deadline import PATIENCE_S
from test.loops import on_every_loop


@on_every_loop
async def test_drained_returns_at_once_without_pending_requests() -> None:
    gate = Crowd().gate
    await gate.drained(PATIENCE_S * 2)
    await gate.drained(0)


@on_every_loop
async def test_drained_waits_for_the_last_pending_request() -> None:
    gate = Crowd().gate
    gate.pending_began()
    gate.pending_began()
    pending = [gate.has_pending]
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(gate.drained(PATIENCE_S * 2), name="drained")
        gate.pending_ended()
        await asyncio.sleep(0)
        assert not waiting.done()
        pending.append(gate.has_pending)
        gate.pending_ended()
    pending.append(gate.has_pending)
    assert pending == [True, True, False]
    gate.pending_began()
    gate.pending_ended()
    await gate.drained(PATIENCE_S * 2)


@on_every_loop
async def test_drained_waits_for_a_request_that_begins_as_the_last_one_ends() -> None:
    """Both may happen in one iteration of the loop, before the waiting task is resumed."""
    gate = Crowd().gate
    gate.pending_began()
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(gate.drained(PATIENCE_S * 2), name="drained")
        await asyncio.sleep(0)
        gate.pending_ended()
        gate.pending_began()
        for _ in range(5):
            await asyncio.sleep(0)
        assert not waiting.done()
        gate.pending_ended()


@pytest.mark.parametrize("timeout_s", [0, 0.01])
@on_every_loop
async def test_drained_returns_after_the_timeout(timeout_s: float) -> None:
    gate = Crowd().gate
    gate.pending_began()
    await gate.drained(timeout_s)
