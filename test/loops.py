"""Coroutine tests, run once on each supported event loop.

A test fails after a timeout, or if an unhandled error reached the loop's exception handler.
"""

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Concatenate, ParamSpec, cast

import pytest
import uvloop

from test.deadline import PATIENCE_S

P = ParamSpec("P")
Loop = Callable[[], asyncio.AbstractEventLoop]


def run(main: Coroutine[None, None, None], new_loop: Loop = asyncio.new_event_loop) -> None:
    """Run a test with a timeout; an error that reaches the loop's exception handler fails it."""
    errors: list[str] = []

    async def in_time() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: errors.append(str(context)))
        async with asyncio.timeout(PATIENCE_S):
            await main

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(in_time())
    assert not errors


def on_every_loop(
    test: Callable[P, Coroutine[None, None, None]],
) -> Callable[Concatenate[Loop, P], None]:
    """Make a test from a coroutine function, for asyncio's own loop and for uvloop."""

    def on_loop(new_loop: Loop, *args: P.args, **kwargs: P.kwargs) -> None:
        run(test(*args, **kwargs), new_loop)

    functools.update_wrapper(on_loop, test)
    signature = inspect.signature(test)
    new_loop = inspect.Parameter("new_loop", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = [new_loop, *signature.parameters.values()]
    on_loop.__dict__["__signature__"] = signature.replace(parameters=parameters)
    loops = [
        pytest.param(asyncio.new_event_loop, id="asyncio"),
        pytest.param(uvloop.new_event_loop, id="uvloop"),
    ]
    looped = pytest.mark.parametrize("new_loop", loops)(on_loop)
    return cast(Callable[Concatenate[Loop, P], None], looped)  # pytest passes it by name


async def eventually(look: Callable[[], bool]) -> None:
    """Poll a condition that no event reports, at every turn of the loop, until it is true."""
    async with asyncio.timeout(PATIENCE_S):
        while not look():
            await turn()


async def turn() -> None:
    """Let the loop poll its descriptors and run the callbacks."""
    await asyncio.sleep(0.001)
