"""Events by client: trusted or not, on the site's origin or the dashboard's."""

from httpprocessproxy.events import EventBus, RequestEnded
from test.admin.sockets import TAIL, TOKEN, opened, receive, run
from test.admin.test_events import enter, page


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


def test_token_is_invalid_on_the_origin_of_the_site() -> None:
    async def main() -> None:
        bus = EventBus()
        async with opened(bus=bus) as admin, page(admin, topics=["request"], token=TOKEN):
            assert not bus.is_wanted(RequestEnded)

    run(main())
