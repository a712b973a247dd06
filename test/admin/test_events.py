"""Messages to pages on `/_hpp/events`: events, staleness, and nothing else."""

import contextlib
import json
from collections.abc import AsyncIterator, Mapping

import pytest
from websockets.asyncio.client import ClientConnection, connect, unix_connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin

from httpprocessproxy.admin.endpoints import Admin
from httpprocessproxy.admin.events import MAX_UNSENT_BYTES
from httpprocessproxy.events import (
    EventBus,
    Notice,
    OutputPrinted,
    Refreshed,
    RequestBegan,
    RequestEnded,
)
from test.admin.sockets import OWN, TAIL, TOKEN, opened, receive, run, settled
from test.messages import row
from test.messages import state as changed_to

LONG_AGO_MS = 1e9


def knock(
    admin: Admin,
    origin: str | None = OWN,
    trusted: bool = True,
    is_dashboard: bool = False,
) -> connect:
    path = admin.socket_for(b"/_hpp/events", trusted, is_dashboard)
    return unix_connect(
        path,
        "ws://localhost:8001/_hpp/events",
        origin=None if origin is None else Origin(origin),
        proxy=None,
        max_queue=1,
    )


async def say(client: ClientConnection, **message: object) -> None:
    await client.send(json.dumps(message))


async def greet(client: ClientConnection, **fields: object) -> dict[str, object]:
    await say(client, type="hello", **fields)
    hello = await receive(client)
    assert hello["type"] == "hello"
    await settled(client)
    return hello


@contextlib.asynccontextmanager
async def page(
    admin: Admin, trusted: bool = True, is_dashboard: bool = False, **fields: object
) -> AsyncIterator[tuple[ClientConnection, Mapping[str, object]]]:
    """A page that has sent its hello, and the response to it."""
    async with knock(admin, trusted=trusted, is_dashboard=is_dashboard) as client:
        yield client, await greet(client, **fields)


async def until_dropped(client: ClientConnection) -> AsyncIterator[object]:
    with contextlib.suppress(ConnectionClosed):
        while True:
            yield await client.recv()


def enter(bus: EventBus, state: str, generation: int = 1) -> None:
    bus.publish(changed_to(state, generation=generation))


def test_hello_has_run_command_and_state() -> None:
    async def main() -> None:
        bus = EventBus()
        enter(bus, "running", 4)
        async with opened(bus=bus) as admin, page(admin) as (_, hello):
            assert hello["run"] == bus.run
            assert hello["stale"] is False
            assert hello["command"] == "true"
            state = hello["state"]
            assert isinstance(state, dict)
            assert (state["state"], state["generation"]) == ("running", 4)
            assert "output" not in state

    run(main())


def test_hello_before_the_first_start_has_no_state() -> None:
    async def main() -> None:
        async with opened() as admin, page(admin) as (_, hello):
            assert hello["state"] is None

    run(main())


def test_page_gets_states_and_refreshes() -> None:
    async def main() -> None:
        bus = EventBus()
        async with opened(bus=bus) as admin, page(admin) as (client, _):
            enter(bus, "loading")
            bus.publish(Refreshed(service="web", paths=["a.css"]), keep=False)
            bus.publish(Notice(text="not asked for"))
            enter(bus, "running")
            heard = [await receive(client) for _ in range(3)]
            assert [message["type"] for message in heard] == ["state", "refresh", "state"]
            assert heard[1]["paths"] == ["a.css"]

    run(main())


def test_error_has_the_output() -> None:
    async def main() -> None:
        bus = EventBus()
        enter(bus, "error")
        async with opened(bus=bus) as admin, page(admin) as (client, hello):
            state = hello["state"]
            assert isinstance(state, dict)
            assert state["output"] == TAIL
            enter(bus, "error", 2)
            assert (await receive(client))["output"] == TAIL

    run(main())


@pytest.mark.parametrize(
    ("age_ms", "state", "stale"),
    [
        (0, "running", False),
        (LONG_AGO_MS, "running", True),
        (LONG_AGO_MS, "loading", False),
        (LONG_AGO_MS, "error", False),
    ],
)
def test_page_made_by_older_code_is_stale(age_ms: float, state: str, stale: bool) -> None:
    async def main() -> None:
        bus = EventBus()
        async with opened(bus=bus) as admin:
            enter(bus, "running")
            enter(bus, state)
            async with page(admin, age_ms=age_ms) as (_, hello):
                assert hello["stale"] is stale

    run(main())


class Clocked(EventBus):
    """An event bus whose time the test sets."""

    time_ms = 0.0

    def now_ms(self) -> float:
        return self.time_ms


def test_page_from_before_a_refresh_is_stale() -> None:
    async def main() -> None:
        bus = Clocked()
        async with opened(bus=bus) as admin:
            enter(bus, "running")
            bus.time_ms = made_at_ms = 0.1
            async with page(admin, age_ms=bus.time_ms - made_at_ms) as (_, hello):
                assert hello["stale"] is False
            bus.time_ms += 0.1
            bus.publish(Refreshed(service="web", paths=["a.html"]), keep=False)
            async with page(admin, age_ms=bus.time_ms - made_at_ms) as (_, hello):
                assert hello["stale"] is True

    run(main())


def test_reconnected_page_is_stale_only_after_a_missed_change() -> None:
    async def main() -> None:
        bus = EventBus()
        async with opened(bus=bus) as admin:
            enter(bus, "running")
            async with page(admin) as (_, hello):
                run_name, at_ms = hello["run"], hello["at_ms"]
            async with page(admin, run=run_name, at_ms=at_ms, age_ms=LONG_AGO_MS) as (_, hello):
                assert hello["stale"] is False
            while bus.now_ms() == at_ms:
                pass
            enter(bus, "running", 2)
            async with page(admin, run=run_name, at_ms=at_ms, age_ms=LONG_AGO_MS) as (_, hello):
                assert hello["stale"] is True
            async with page(admin, run="another", at_ms=at_ms, age_ms=LONG_AGO_MS) as (_, hello):
                assert hello["stale"] is True

    run(main())


def test_subscriber_of_output_gets_the_earlier_output_first() -> None:
    async def main() -> None:
        bus = EventBus()
        async with opened(bus=bus) as admin, page(admin) as (client, _):
            assert not bus.is_wanted(OutputPrinted)
            await say(client, type="subscribe", topics=["output"])
            tail = await receive(client)
            assert (tail["type"], tail["text"], tail["is_tail"]) == ("output", TAIL, True)
            assert tail["service"] == "web"
            assert bus.is_wanted(OutputPrinted)
            bus.publish(OutputPrinted(service="web", stream="stderr", text="news"), keep=False)
            assert (await receive(client))["text"] == "news"
            await say(client, type="subscribe", topics=[])
            await settled(client)
            assert not bus.is_wanted(OutputPrinted)
            enter(bus, "running")
            assert (await receive(client))["type"] == "state"

    run(main())


def test_closed_page_ends_its_subscription() -> None:
    async def main() -> None:
        bus = EventBus()
        async with opened(bus=bus) as admin:
            async with page(admin, topics=["request"], is_dashboard=True, token=TOKEN):
                assert bus.is_wanted(RequestEnded)
            async with page(admin) as (client, _):
                while bus.is_wanted(RequestEnded):
                    await settled(client)

    run(main())


@pytest.mark.parametrize("nonsense", ["", "{}", "[[", '{"type": "subscribe"}'])
def test_first_message_other_than_hello_closes_the_connection(nonsense: str) -> None:
    async def main() -> None:
        async with opened() as admin, knock(admin) as client:
            await client.send(nonsense)
            with pytest.raises(ConnectionClosed):
                await client.recv()

    run(main())


def test_invalid_later_message_is_ignored() -> None:
    async def main() -> None:
        bus = EventBus()
        async with opened(bus=bus) as admin, page(admin) as (client, _):
            for nonsense in ("", "{}", "[[", '{"type": "hello"}'):
                await client.send(nonsense)
            await settled(client)
            enter(bus, "running")
            assert (await receive(client))["type"] == "state"

    run(main())


def test_page_that_does_not_read_is_aborted_without_delay_for_others() -> None:
    async def main() -> None:
        bus = EventBus()
        text = "x" * 64 * 1024
        count = 10 * MAX_UNSENT_BYTES // len(text)
        async with (
            opened(bus=bus) as admin,
            page(admin, topics=["request"], is_dashboard=True, token=TOKEN) as (good, _),
        ):
            sleeper = await knock(admin, is_dashboard=True)
            await greet(sleeper, topics=["request"], token=TOKEN)
            sleeper.transport.pause_reading()
            for number in range(count):
                bus.publish(RequestBegan(row=row(number, target=text)), keep=False)
                assert (await receive(good))["id"] == number
            sleeper.transport.resume_reading()
            assert len([message async for message in until_dropped(sleeper)]) < count

    run(main())


def test_message_to_fifty_pages_is_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        bus = EventBus()
        async with opened(bus=bus) as admin, contextlib.AsyncExitStack() as pages:
            clients = [await pages.enter_async_context(knock(admin)) for _ in range(50)]
            for client in clients:
                await greet(client)
            dumps, encoded = json.dumps, 0

            def counted(message: object) -> str:
                nonlocal encoded
                encoded += 1
                return dumps(message)

            monkeypatch.setattr(json, "dumps", counted)
            enter(bus, "running")
            for client in clients:
                assert (await receive(client))["state"] == "running"
            assert encoded == 1

    run(main())
