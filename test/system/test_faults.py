"""Containment of unexpected exceptions: logged and counted once; expected ones propagate."""

import asyncio
import logging

import pytest

from httpprocessproxy.system import faults
from httpprocessproxy.system.faults import contained
from test.loops import on_every_loop

pytestmark = pytest.mark.expects_faults


class ExpectedError(Exception):
    pass


def test_exception_is_logged_once_with_traceback_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = faults.count()
    with contained("a visit"):
        raise ValueError("no text")
    assert faults.count() == before + 1
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage() == "a visit was ended by a bug: ValueError: no text"
    assert "test_exception_is_logged_once" in caplog.text


def test_exception_group_is_summarised_by_its_only_exception(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with contained("a visit"):
        raise ExceptionGroup("outer", [ExceptionGroup("inner", [ValueError("no text")])])
    assert caplog.records[0].getMessage() == "a visit was ended by a bug: ValueError: no text"


def test_block_without_exception_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    before = faults.count()
    with contained("a visit"):
        pass
    assert not caplog.records
    assert faults.count() == before


def test_expected_exception_propagates() -> None:
    with pytest.raises(ExpectedError), contained("a visit", ExpectedError):
        raise ExpectedError


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_exception_that_ends_the_program_propagates(kind: type[BaseException]) -> None:
    with pytest.raises(kind), contained("a visit"):
        raise kind


@on_every_loop
async def test_cancellation_propagates() -> None:
    went_on = False

    async def work() -> None:
        nonlocal went_on
        with contained("a visit"):
            await asyncio.Event().wait()
        went_on = True

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(work())
        await asyncio.sleep(0)
        task.cancel()
    assert task.cancelled()
    assert not went_on


@on_every_loop
async def test_cancellation_hidden_by_an_error_propagates() -> None:
    async def fail() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("while it ends")

    async def work() -> None:
        with contained("a visit"):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(fail())

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(work())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
    assert task.cancelled()


@on_every_loop
async def test_timeout_around_a_contained_error_is_still_a_timeout() -> None:
    async def fail() -> None:
        with contained("a visit"):
            try:
                await asyncio.Event().wait()
            finally:
                raise ValueError("while it ends")

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(fail(), 0.001)
