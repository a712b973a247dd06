"""Which of the events a client hears: trusted or not, on the site's origin or the dashboard's."""

from httpprocessproxy.events import EventBus, RequestEnded
from test.admin.sockets import TAIL, TOKEN, opened, receive, run
from test.admin.test_events import enter, page


def test_the_output_of_an_error_is_kept_from_clients_that_are_not_trusted() -> None:
    async def main() -> None:
        bus = EventBus()
        async with (
            opened(bus=bus) as control,
            page(control, trusted=False, topics=["output"]) as (stranger, _),
            page(control) as (developer, _),
        ):
            enter(bus, "error")
            assert (await receive(developer))["output"] == TAIL
            assert (await receive(stranger))["output"] == ""
            async with page(control, trusted=False) as (_, hello):
                state = hello["state"]
                assert isinstance(state, dict)
                assert (state["state"], state["output"]) == ("error", "")

    run(main())


def test_the_token_does_not_count_on_the_origin_of_the_site() -> None:
    async def main() -> None:
        bus = EventBus()
        async with opened(bus=bus) as control, page(control, topics=["request"], token=TOKEN):
            assert not bus.is_wanted(RequestEnded)

    run(main())
