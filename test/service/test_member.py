"""A service among others: conditions, waits, pauses and their effects on relatives."""

import asyncio

import pytest

from httpprocessproxy.core.dependencies import CycleError
from httpprocessproxy.core.needs import Pause, Treatment
from httpprocessproxy.core.state import Changed, Command, Exited, Machine, Requests, State
from httpprocessproxy.events import EventBus, StateChanged
from httpprocessproxy.service.generation import GenerationOutcome
from httpprocessproxy.service.history import History
from httpprocessproxy.service.inbox import Inbox
from httpprocessproxy.service.member import Member, relate
from test.loops import on_every_loop


class Company:
    """Members without supervisors: the test sets the states of their machines."""

    def __init__(self, needs: str, follows: str = "") -> None:
        """`needs` and `follows` list pairs such as "api>db", and names without relations."""
        self.bus = EventBus()
        self.machines: dict[str, Machine] = {}
        self.histories: dict[str, History] = {}
        self.members: dict[str, Member] = {}
        self.treated: list[str] = []
        pairs = [pair.partition(">") for pair in needs.split()]
        following = [pair.partition(">") for pair in follows.split()]
        for name in dict.fromkeys(name for one, _, other in pairs for name in (one, other) if name):
            self.members[name] = self._member(name)
        relate(
            list(self.members.values()),
            {name: [b for a, _, b in pairs if b and a == name] for name in self.members},
            {name: [b for a, _, b in following if a == name] for name in self.members},
        )

    def _member(self, name: str) -> Member:
        machine = self.machines[name] = Machine()
        machine.start()
        history = self.histories[name] = History(name, self.bus, machine)
        history.began()
        member = Member(name, machine, Inbox(machine, 0.0), history)
        member.treat = lambda: self.treated.append(name)
        return member

    def __getitem__(self, name: str) -> Member:
        return self.members[name]

    def enter(self, state: State, *names: str) -> None:
        for name in names or self.members:
            self.machines[name].state = state

    @property
    def published(self) -> list[tuple[str, str, str, str]]:
        """The transitions after the first starts, with their reasons."""
        events = self.bus.recent(StateChanged)
        return [
            (event.service, event.before, event.state, event.why)
            for event in events
            if event.before
        ]


def names(members: object) -> list[str]:
    assert isinstance(members, list)
    return [each.name for each in members]


@on_every_loop
async def test_relations_include_needs_through_others_in_the_order_of_starts() -> None:
    company = Company("web api>migrate migrate>db worker>db", "worker>api")
    api, database, worker = company["api"].relations, company["db"], company["worker"]
    assert names(api.needed) == ["db", "migrate"]
    assert names(database.relations.dependents) == ["migrate", "api", "worker"]
    assert names(worker.relations.followed) == ["api"]
    assert names(api.followers) == ["worker"]
    assert names(worker.relations.sources) == ["db", "migrate", "api"]
    assert not company["web"].relations.sources


@on_every_loop
async def test_server_that_the_proxy_does_not_run_is_always_there() -> None:
    machine = Machine()
    api = Member("api", machine, Inbox(machine, 0.0), History("api", EventBus(), machine))
    relate([api], {"api": ["vite"]}, {"api": ["vite"]})
    assert not api.has_to_wait


@on_every_loop
async def test_circle_is_refused() -> None:
    with pytest.raises(CycleError):
        Company("api>db", "api>db api>api")


# Needs


@on_every_loop
async def test_start_waits_until_all_needed_services_run() -> None:
    company = Company("api>migrate migrate>db")
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(company["api"].may_start(), name="wait")
        for name, left in (("db", ["migrate"]), ("migrate", [])):
            await asyncio.sleep(0)
            assert not waiting.done()
            company.enter(State.RUNNING, name)
            company[name].moved()
            assert company["api"].waits_for() == left
    assert waiting.result(), "it had to wait"
    assert not await company["api"].may_start()


@on_every_loop
async def test_requests_wait_while_a_needed_service_restarts() -> None:
    company = Company("api>migrate migrate>db")
    company.enter(State.RUNNING)
    assert company["api"].treatment() == Treatment(Requests.FORWARD, "api")
    company.enter(State.KILLING, "db")
    company.treated.clear()
    company["db"].moved()
    assert company.treated == ["db", "migrate", "api"]
    assert company["api"].treatment() == Treatment(Requests.HOLD, "db")


@on_every_loop
async def test_failure_of_a_needed_service_is_the_cause_with_its_reason() -> None:
    company = Company("api>db")
    company.enter(State.RUNNING, "api")
    company.enter(State.ERROR, "db")
    company.histories["db"].outcome = GenerationOutcome(1, "exited with status 1")
    cause = company["api"].cause()
    assert cause is company["db"]
    assert cause.why_not() == (
        "has ended: exited with status 1. It starts again when a file changes"
    )


@on_every_loop
async def test_change_of_a_needed_service_is_unhandled_for_its_dependents() -> None:
    company = Company("api>migrate migrate>db worker")
    company["db"].inbox.changed(frozenset({"a.sql"}))
    assert [each.inbox.unhandled for each in company.members.values()] == [1, 1, 1, 0]
    async with asyncio.TaskGroup() as group:
        handled = group.create_task(company["api"].inbox.handled(), name="handled")
        await company["db"].inbox.next()
        assert [each.inbox.unhandled for each in company.members.values()] == [0, 0, 0, 0]
        await asyncio.sleep(0)
        assert not handled.done()
        company["db"].inbox.done()


# Follow


@on_every_loop
async def test_restart_restarts_followers_that_are_not_stopped() -> None:
    company = Company("db api worker", "api>db worker>db")
    company["worker"].suspend(Pause.STOPPED, "test")
    await company["worker"].inbox.next()
    company["db"].goes_down()
    assert await company["api"].inbox.next() == Changed(frozenset())
    assert company["api"].inbox.why == "restart asked for by the restart of db"
    company["worker"].goes_down()
    assert [each.inbox.unhandled for each in company.members.values()] == [0, 0, 0]


@on_every_loop
async def test_start_waits_for_a_followed_service_on_its_way_only() -> None:
    company = Company("db api", "api>db")
    assert company["api"].waits_for() == ["db"]
    company.enter(State.ERROR, "db")
    assert not company["api"].has_to_wait
    assert company["api"].treatment().cause == "api"


# Reloads


@on_every_loop
async def test_last_service_of_a_save_reloads() -> None:
    company = Company("api web")
    for each in company.members.values():
        each.begin_restart()
    company.enter(State.RUNNING, "api")
    assert not company["api"].settled(Command.RELOAD_BROWSERS)
    assert not company["web"].settled(Command.STOP)
    company.enter(State.ERROR, "web")
    assert company["web"].settled(Command.RELOAD_BROWSERS)


@on_every_loop
async def test_service_that_is_stopped_settles_when_its_process_has_ended() -> None:
    company = Company("api web")
    for each in company.members.values():
        each.begin_restart()
    company.enter(State.RUNNING, "web")
    assert not company["web"].settled(Command.RELOAD_BROWSERS)
    company["api"].suspend(Pause.STOPPED, "test")
    company.enter(State.KILLING, "api")
    assert not company["api"].settled(Command.STOP)
    company.enter(State.LOADING, "api")
    assert company["api"].settled(Command.START)


# Pauses


@on_every_loop
async def test_stopped_service_refuses_and_ignores_saves_until_its_start() -> None:
    company = Company("api>db")
    company.enter(State.RUNNING)
    database, api = company["db"], company["api"]
    database.suspend(Pause.STOPPED, "stop asked for by the page")
    assert await database.inbox.next() == Changed(frozenset())
    assert database.treatment() == Treatment(Requests.REFUSE, "db")
    assert api.treatment() == Treatment(Requests.REFUSE, "db")
    assert (api.waits_for(), database.why_not()) == (
        ["db"],
        "is stopped: `hpp start db` starts it",
    )
    database.changed(frozenset({"a.sql"}))
    assert not database.inbox.unhandled
    company.enter(State.LOADING, "db")
    database.wanted()
    assert database.pause is Pause.STOPPED, "a request does not start it"
    database.resume("start asked for by the page")
    assert not database.has_to_wait
    assert company.published[-1] == ("db", "loading", "loading", "start asked for by the page")


@on_every_loop
async def test_idle_service_is_woken_by_a_request_with_all_that_it_needs() -> None:
    company = Company("web>api api>db")
    for each in company.members.values():
        each.suspend(Pause.IDLE, "no request for 1 s")
        await each.inbox.next()
    assert company["web"].treatment() == Treatment(Requests.HOLD, "web")
    company["web"].wanted()
    assert all(each.pause is None for each in company.members.values())
    company["web"].wanted()  # has no effect on a service that is not idle
    company.enter(State.RUNNING, "web")
    assert not company["web"].settled(Command.RELOAD_BROWSERS), "a start for a request"


@on_every_loop
async def test_idle_service_can_be_stopped_and_published_so() -> None:
    company = Company("api")
    company["api"].suspend(Pause.IDLE, "no request for 1 s")
    await company["api"].inbox.next()
    company["api"].suspend(Pause.STOPPED, "stop asked for by the page")
    company["api"].suspend(Pause.STOPPED, "stop asked for by the keyboard")
    assert not company["api"].inbox.unhandled
    assert company.published == [("api", "loading", "stopped", "stop asked for by the page")]
    assert company["api"].condition is Pause.STOPPED


@on_every_loop
async def test_save_starts_an_idle_service_and_reloads() -> None:
    company = Company("api")
    company["api"].suspend(Pause.IDLE, "no request for 1 s")
    await company["api"].inbox.next()
    company["api"].changed(frozenset({"b.py", "a.py"}))
    assert company.published[-1][3] == "changed: a.py and 1 more"
    assert not company["api"].has_to_wait
    company.enter(State.RUNNING)
    assert company["api"].settled(Command.RELOAD_BROWSERS)


@on_every_loop
async def test_service_is_needed_while_a_dependent_is_not_paused() -> None:
    company = Company("api>db")
    assert company["db"].is_needed()
    company["api"].suspend(Pause.IDLE, "no request for 1 s")
    assert not company["db"].is_needed()
    assert not company["api"].is_needed()


@on_every_loop
async def test_start_of_a_service_that_failed_while_it_was_stopped_is_a_change() -> None:
    company = Company("api worker", "worker>api")
    company["api"].suspend(Pause.STOPPED, "test")
    await company["api"].inbox.next()
    company.machines["api"].handle(Exited(1, 1))
    company["api"].resume("start asked for by the page")
    assert await company["api"].inbox.next() == Changed(frozenset())
    assert await company["worker"].inbox.next() == Changed(frozenset())


@on_every_loop
async def test_start_before_the_end_of_the_process_is_a_restart() -> None:
    company = Company("api")
    company.enter(State.RUNNING)
    company["api"].suspend(Pause.STOPPED, "test")
    company.enter(State.KILLING)
    company["api"].resume("start asked for by the page")
    assert company["api"].inbox.unhandled == 1
    assert not company["api"].has_to_wait
    assert not company.published, "the transition follows"
