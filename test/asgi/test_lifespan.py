"""The lifespan of an application: startup, shutdown, and applications without lifespan."""

import asyncio
import logging

import pytest

from httpprocessproxy.asgi import lifespan as tested
from httpprocessproxy.asgi.interface import (
    Application,
    Receive,
    Scope,
    Send,
    State,
    contained,
)
from httpprocessproxy.core.errors import UserError
from test.loops import run


def lived(application: Application) -> State:
    """Run the lifespan from startup to shutdown, and return the state that was yielded."""
    states = []

    async def main() -> None:
        async with (
            asyncio.TaskGroup() as group,
            tested.lifespan(contained(application), group) as state,
        ):
            states.append(state)

    try:
        run(main())
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
    return states[0]


def test_application_gets_startup_and_shutdown_once_each() -> None:
    seen: list[object] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((scope["type"], scope["asgi"]))
        state = scope["state"]
        assert isinstance(state, dict)
        state["pool"] = 1
        seen.append(await receive())
        await send({"type": "lifespan.startup.complete"})
        seen.append(await receive())
        await send({"type": "lifespan.shutdown.complete"})

    assert lived(application) == {"pool": 1}
    assert seen == [
        ("lifespan", {"version": "3.0", "spec_version": "2.0"}),
        {"type": "lifespan.startup"},
        {"type": "lifespan.shutdown"},
    ]


@pytest.mark.parametrize("message", ["no database", ""])
def test_failed_startup_is_a_user_error(message: str, caplog: pytest.LogCaptureFixture) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": message})
        raise ValueError("as Starlette does")

    with pytest.raises(UserError, match=f"did not start: {message or 'no reason given'}"):
        lived(application)
    assert not caplog.records


@pytest.mark.parametrize("knows", [False, True])
def test_application_that_raises_in_its_lifespan_is_served(
    knows: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if knows:
            await receive()
        raise ValueError("only http here")

    assert lived(application) == {}
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * knows


def test_application_that_returns_from_its_lifespan_is_served() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        pass

    assert lived(application) == {}


def test_failed_shutdown_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.failed", "message": "still busy"})

    lived(application)
    assert "still busy" in caplog.text


def test_shutdown_that_does_not_end_is_logged_after_the_timeout(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tested, "SHUTDOWN_TIMEOUT_S", 0.01)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "lifespan.startup.complete"})
        await asyncio.Event().wait()

    lived(application)
    assert "did not shut down" in caplog.text


def test_event_out_of_turn_is_logged_as_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start"})

    lived(application)
    assert "out of turn" in caplog.text


def test_cancellation_during_the_startup_does_not_wait() -> None:
    has_begun = asyncio.Event()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        has_begun.set()
        await asyncio.Event().wait()

    async def main() -> None:
        async def life() -> None:
            async with asyncio.TaskGroup() as group, tested.lifespan(application, group):
                raise AssertionError("it has not started")

        async with asyncio.TaskGroup() as group:
            task = group.create_task(life(), name="life")
            await has_begun.wait()
            task.cancel()

    run(main())
