"""Messages to pages on `/_hpp/events` of a program with several services."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from httpprocessproxy.events import MAX_RECENT, EventBus, OutputPrinted
from test.admin.sockets import TAIL, opened, receive, run, service
from test.admin.test_events import page, say
from test.messages import state as changed_to

SHOP = (service("api", "/api/**"), service("web", "/**"), service("worker"))


def changed(bus: EventBus, name: str, state: str, generation: int = 1) -> None:
    bus.publish(changed_to(state, generation=generation, service=name))


def named(states: object) -> list[tuple[str, str]]:
    assert isinstance(states, list)
    return [(state["service"], state["state"]) for state in states]


def test_hello_has_the_service_of_the_page_and_the_states_of_the_others() -> None:
    async def main() -> None:
        bus = EventBus()
        for name, state in (("worker", "loading"), ("api", "error"), ("web", "running")):
            changed(bus, name, state)
        async with opened(bus=bus, services=SHOP) as admin:
            async with page(admin, path="/cart") as (_, hello):
                assert hello["service"] == "web"
                assert named([hello["state"]]) == [("web", "running")]
                others = hello["other_states"]
                assert named(others) == [("api", "error"), ("worker", "loading")]
                assert isinstance(others, list)
                assert others[0]["output"] == f"api: {TAIL}"
                common = {"command": "true", "folder": str(Path.cwd()), "external": False}
                assert hello["services"] == [
                    {"name": "api", "at_host": True, **common},
                    {"name": "web", "at_host": True, **common},
                    {"name": "worker", "at_host": False, **common},
                ]
            async with page(admin, path="/api/orders") as (_, hello):
                assert hello["service"] == "api"
                assert named([hello["state"]]) == [("api", "error")]
            async with page(admin) as (_, hello):  # a program
                assert hello["service"] == "api"

    run(main())


def test_hello_has_the_folder_of_the_service_for_relative_paths_in_its_output() -> None:
    async def main() -> None:
        services = (SHOP[0], replace(SHOP[1], folder=Path("front/../frontend")))
        async with opened(services=services) as admin:
            for path, folder in (("/api/x", Path.cwd()), ("/", Path.cwd() / "frontend")):
                async with page(admin, path=path) as (_, hello):
                    assert hello["folder"] == str(folder)
                    shown = hello["services"]
                    assert isinstance(shown, list)
                    assert shown[1]["folder"] == str(Path.cwd() / "frontend")

    run(main())


def test_state_of_a_quiet_service_is_known_after_many_transitions_of_another() -> None:
    async def main() -> None:
        bus = EventBus()
        async with opened(bus=bus, services=SHOP) as admin:
            changed(bus, "web", "running")
            for number in range(MAX_RECENT + 1):
                changed(bus, "api", "loading", number)
            async with page(admin, path="/") as (_, hello):
                assert named([hello["state"]]) == [("web", "running")]

    run(main())


def test_page_is_stale_after_a_change_of_a_service_at_its_host() -> None:
    async def main() -> None:
        bus = EventBus()
        async with opened(bus=bus, services=SHOP) as admin:
            changed(bus, "web", "running")
            async with page(admin, path="/") as (_, hello):
                known = partial(page, admin, path="/", run=hello["run"], at_ms=hello["at_ms"])
            while bus.now_ms() == hello["at_ms"]:
                pass
            changed(bus, "worker", "running")
            async with known() as (_, hello):
                assert hello["stale"] is False
            changed(bus, "api", "running")
            async with known() as (_, hello):
                assert hello["stale"] is True
            changed(bus, "web", "loading")
            async with known() as (_, hello):
                assert hello["stale"] is False

    run(main())


def test_page_of_an_external_server_is_stale_after_a_change_of_the_api() -> None:
    async def main() -> None:
        bus = EventBus()
        services = (SHOP[0], replace(SHOP[1], command=()))
        async with opened(bus=bus, services=services) as admin:
            async with page(admin, path="/", age_ms=1e9) as (_, hello):
                assert hello["stale"] is False
                assert hello["state"] is None
            changed(bus, "api", "running")
            async with page(admin, path="/", age_ms=1e9) as (_, hello):
                assert hello["stale"] is True

    run(main())


def test_page_gets_states_of_all_services_and_the_output_of_its_own() -> None:
    async def main() -> None:
        bus = EventBus()
        async with (
            opened(bus=bus, services=SHOP) as admin,
            page(admin, path="/api/") as (client, _),
        ):
            await say(client, type="subscribe", topics=["output"])
            tail = await receive(client)
            assert (tail["service"], tail["text"]) == ("api", f"api: {TAIL}")
            for name in ("web", "api"):
                bus.publish(OutputPrinted(service=name, stream="stdout", text=name), keep=False)
            changed(bus, "worker", "running")
            heard = [await receive(client) for _ in range(2)]
            assert [(message["type"], message["service"]) for message in heard] == [
                ("output", "api"),
                ("state", "worker"),
            ]

    run(main())


def test_program_gets_the_earlier_output_of_each_service() -> None:
    async def main() -> None:
        async with (
            opened(services=SHOP) as admin,
            page(admin) as (client, _),
        ):
            await say(client, type="subscribe", topics=["output"])
            tails = [await receive(client) for _ in SHOP]
            assert [tail["service"] for tail in tails] == ["api", "web", "worker"]
            assert all(tail["is_tail"] for tail in tails)

    run(main())


def test_untrusted_client_gets_no_command_and_no_output_of_any_service() -> None:
    async def main() -> None:
        bus = EventBus()
        async with opened(bus=bus, services=SHOP) as admin:
            changed(bus, "api", "error")
            async with page(admin, trusted=False, path="/") as (_, hello):
                services, others = hello["services"], hello["other_states"]
                assert isinstance(services, list)
                assert isinstance(others, list)
                assert {each["command"] + each["folder"] for each in services} == {""}
                assert [state["output"] for state in others] == [""]

    run(main())
