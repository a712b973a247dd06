"""Events by client: trusted or not, on the site's origin or the dashboard's."""

import pytest

from httpprocessproxy.core.build import Build
from httpprocessproxy.events import TOPICS, BuildChanged, EventBus, Notice, RequestEnded, members
from test.admin.sockets import TAIL, TOKEN, opened, receive, refusal, run, settled
from test.admin.test_events import enter, greet, knock, page, say


def test_untrusted_client_gets_an_error_without_output() -> None:
    async def main() -> None:
        bus = EventBus()
        async with (
            opened(bus=bus) as admin,
            page(admin, trusted=False, topics=["output"]) as (stranger, _),
            page(admin) as (developer, _),
        ):
            enter(bus, "error")
            assert (await receive(developer))["output"] == TAIL
            assert (await receive(stranger))["output"] == ""
            async with page(admin, trusted=False) as (_, hello):
                state = hello["state"]
                assert isinstance(state, dict)
                assert (state["state"], state["output"]) == ("error", "")

    run(main())


def test_untrusted_client_gets_the_state_of_a_build_alone() -> None:
    async def main() -> None:
        bus = EventBus()
        build = Build("failed", "make all", "ended with exit status 2", 20.0)
        event = BuildChanged(
            service="web", build=build, generation=3, paths=["a.py"], output="a.py:1: no\n"
        )
        bare = {"state": "failed", "command": "", "reason": "", "ms": 20.0}
        async with (
            opened(bus=bus) as admin,
            page(admin, trusted=False) as (stranger, _),
            page(admin) as (developer, _),
        ):
            bus.publish(event, keep=False)
            shown = await receive(developer)
            assert (shown["type"], shown["build"]) == ("build", members(build))
            assert (shown["output"], shown["paths"]) == ("a.py:1: no\n", ["a.py"])
            hidden = await receive(stranger)
            assert (hidden["build"], hidden["output"], hidden["paths"]) == (bare, "", [])
            async with page(admin, trusted=False) as (_, hello):
                builds = hello["builds"]
                assert isinstance(builds, list)
                (before,) = builds
                assert (before["build"], before["output"]) == (bare, "")

    run(main())


def test_token_is_invalid_on_the_origin_of_the_site() -> None:
    async def main() -> None:
        bus = EventBus()
        async with opened(bus=bus) as admin, page(admin, topics=["request"], token=TOKEN):
            assert not bus.is_wanted(RequestEnded)

    run(main())


@pytest.mark.parametrize("token", ["", "guessed", "\ud800", 7])
def test_page_without_the_token_gets_no_requests(token: object) -> None:
    """It may be a script of the backend's pages, and requests contain secrets of other pages."""

    async def main() -> None:
        bus = EventBus()
        topics = ["request", "notice"]
        async with (
            opened(bus=bus) as admin,
            page(admin, topics=topics, token=token) as (client, _),
        ):
            assert (bus.is_wanted(RequestEnded), bus.is_wanted(Notice)) == (False, True)
            await say(client, type="subscribe", topics=["request"], token=TOKEN)
            await settled(client)
            assert not bus.is_wanted(RequestEnded)

    run(main())


def test_program_needs_no_token() -> None:
    async def main() -> None:
        bus = EventBus()
        async with opened(bus=bus) as admin, knock(admin, origin=None) as client:
            await greet(client, topics=["request"])
            assert bus.is_wanted(RequestEnded)

    run(main())


def test_untrusted_client_gets_states_only() -> None:
    async def main() -> None:
        bus = EventBus()
        enter(bus, "running")
        topics = ["output", "request", "notice"]
        async with (
            opened(bus=bus) as admin,
            page(admin, trusted=False, topics=topics) as (client, hello),
        ):
            assert not any(hello[secret] for secret in ("editor", "folder", "command", "console"))
            await say(client, type="subscribe", topics=topics)
            await settled(client)
            assert not any(bus.is_wanted(kind) for topic in topics for kind in TOPICS[topic])
            enter(bus, "loading")
            assert (await receive(client))["type"] == "state"

    run(main())


@pytest.mark.parametrize("origin", ["http://evil", "null", "", "http://localhost:9999"])
def test_pages_of_other_origins_are_refused(origin: str) -> None:
    async def main() -> None:
        async with opened() as admin:
            assert await refusal(knock(admin, origin)) == 403
            assert await refusal(knock(admin, origin, trusted=False)) == 403

    run(main())


def test_client_without_an_origin_is_accepted() -> None:
    async def main() -> None:
        async with opened() as admin, knock(admin, None) as client:
            await greet(client)

    run(main())
