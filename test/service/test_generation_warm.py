"""Generations with a warm start, and when they start again cold."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator

import pytest

from httpprocessproxy.service.generation import GenerationOutcome
from test.generation import Life
from test.loops import eventually, on_every_loop


@contextlib.asynccontextmanager
async def begun(
    *, is_warm: bool = True, listens: bool = False
) -> AsyncIterator[tuple[Life, asyncio.Task[GenerationOutcome]]]:
    """Yield a generation that has started its process; the context ends with the generation."""
    life = Life()
    life.launcher.is_warm, life.launcher.listens = is_warm, listens
    async with asyncio.TaskGroup() as group:
        running = group.create_task(life.generation.run(), name="generation")
        await eventually(lambda: bool(life.launcher.children))
        yield life, running


@on_every_loop
async def test_warm_start_that_crashes_before_it_answers_is_repeated_cold() -> None:
    async with begun() as (life, _):
        life.launcher.listens = True
        life.launcher.children[0].exit(-signal.SIGSEGV)
        await life.happened(life.target)
        life.launcher.children[1].exit(0)
    assert life.launcher.given_up == ["a warm server ended by signal SIGSEGV before it answered"]
    assert [start.is_warm for start in life.host.starts] == [True, False]


@pytest.mark.parametrize(
    ("is_warm", "answers", "code"),
    [(True, True, -signal.SIGSEGV), (True, False, 1), (False, False, -signal.SIGSEGV)],
    ids=["once it has answered", "by an exit", "cold"],
)
@on_every_loop
async def test_any_other_exit_ends_the_generation(is_warm: bool, answers: bool, code: int) -> None:
    async with begun(is_warm=is_warm, listens=answers) as (life, running):
        if answers:
            await life.happened(life.target)
        life.launcher.children[0].exit(code)
    assert running.result().returncode == code
    assert len(life.launcher.children) == 1
    assert life.launcher.given_up == []


@on_every_loop
async def test_stopped_warm_start_is_not_repeated() -> None:
    async with begun() as (life, _):
        life.generation.stop.set()
    assert len(life.launcher.children) == 1
    assert life.launcher.given_up == []
