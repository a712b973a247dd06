"""Services that need and follow each other: starts, requests, saves, reloads and the end."""

import asyncio
from dataclasses import replace
from functools import partial

import pytest

from httpprocessproxy.config import WatchConfig
from httpprocessproxy.core.change.patterns import ANYTHING
from httpprocessproxy.core.identity import GenerationId
from test.loops import eventually, on_every_loop
from test.several import Several, running, service
from test.supervision import FakeWaiter

CHAIN = (
    service("api", needs=["migrate"]),
    service("migrate", needs=["db"], patterns=["migrations/*"]),
    service("db", patterns=["*.sql"]),
)


def is_admitted(waiter: FakeWaiter) -> bool:
    return waiter.target is not None


def chain() -> Several:
    """`api` needs `migrate`, which needs `db`."""
    return Several(*CHAIN)


@on_every_loop
async def test_services_start_in_the_order_of_needs() -> None:
    several = chain()
    several.launchers["db"].listens = False
    async with running(several):
        await eventually(lambda: bool(several.launchers["db"].children))
        assert several.services["api"].status().waits_for == ["db", "migrate"]
        assert not several.launchers["migrate"].children
        several.services["db"].restart("the page")
        several.launchers["db"].listens = True
        await several.reached("running", 1, "migrate", "api")
        assert several.services["api"].status().waits_for == []
        assert several.services["db"].status().generation == 2
    assert several.ended[-3:] == [
        GenerationId("api", 1),
        GenerationId("migrate", 1),
        GenerationId("db", 2),
    ], "they stop in the reverse order"


@on_every_loop
async def test_requests_are_held_and_not_lost_while_a_migration_runs_again() -> None:
    async with running(chain()) as several:
        await several.reached("running", 1)
        several.launchers["migrate"].listens = False
        several.services.changed(frozenset({"migrations/1.py"}))
        # The watcher has reported the save, and no supervisor has acted on it.
        waiting = several.ask("api")
        assert not is_admitted(waiting)
        await several.reached("loading", 2, "migrate")
        waiting_too = several.ask("api")
        several.launchers["migrate"].listens = True
        several.services["migrate"].restart("test")
        await several.reached("running", 3, "migrate")
        await eventually(lambda: waiting_too.target is not None)
        assert waiting.target is not None
        assert len(several.launchers["api"].children) == 1, "it was not restarted"


@on_every_loop
async def test_failure_of_a_needed_service_refuses_requests_by_its_name() -> None:
    async with running(chain()) as several:
        await several.reached("running", 1)
        several.child("db").exit(1)
        await several.reached("error", 1, "db")
        for name in ("api", "migrate"):
            problem = several.ask(name).problem
            assert problem is not None
            assert problem.title == f"{name} needs db"
            assert several.services[name].status().state == "running"
        several.services.changed(frozenset({"a.sql"}))
        await several.reached("running", 2, "db")
        assert several.ask("api").target is not None


@on_every_loop
async def test_first_request_waits_for_needed_services() -> None:
    several = Several(service("api", needs=["db"]), service("db"))
    several.launchers["db"].listens = False
    async with running(several):
        waiter = several.ask("api")
        await eventually(lambda: bool(several.launchers["db"].children))
        assert several.ask("api").problem is None
        several.launchers["db"].listens = True
        several.services["db"].restart("test")
        await eventually(lambda: waiter.target is not None)


@on_every_loop
async def test_time_limit_of_a_start_begins_after_the_wait() -> None:
    api = service("api", needs=["db"])
    several = Several(
        replace(api, restart=replace(api.restart, start_timeout_s=0.03)), service("db")
    )
    several.launchers["db"].listens = several.launchers["api"].listens = False
    async with running(several):
        waiter = several.ask("api")
        await eventually(lambda: bool(several.launchers["db"].children))
        assert several.services["api"]._supervisor._start_timeout is None
        several.launchers["db"].listens = True
        several.services["db"].restart("test")
        await eventually(lambda: waiter.problem is not None)
        await eventually(lambda: len(several.launchers["api"].children) == 1)


# Saves


@on_every_loop
async def test_save_that_concerns_several_services_is_one_reload() -> None:
    several = Several(service("api"), service("web"), service("worker", patterns=["jobs/*"]))
    several.launchers["web"].listens = False
    async with running(several):
        await several.reached("running", 1, "api", "worker")
        assert several.reloads == []
        several.launchers["web"].listens = True
        several.services.changed(frozenset({"a.py"}))
        await several.reached("running", 2, "api", "web")
        assert len(several.reloads) == 1
        several.services.changed(frozenset({"jobs/a.py"}))
        await several.reached("running", 2, "worker")
        assert several.reloads[1:] == ["worker"]
        assert several.states("api").count("killing") == 1


@on_every_loop
async def test_services_of_a_save_start_in_the_order_of_needs() -> None:
    several = Several(service("api", needs=["db"]), service("db"))
    async with running(several):
        await several.reached("running", 1)
        several.launchers["db"].listens = False
        several.services.changed(frozenset({ANYTHING}))
        await eventually(lambda: len(several.launchers["db"].children) == 2)
        await several.reached("loading", 2, "api")
        assert len(several.launchers["api"].children) == 1
        several.services["db"].stop("test")
        several.launchers["db"].listens = True
        several.services["db"].start("test")
        await several.reached("running", 2, "api")
        assert len(several.reloads) == 2, "the first start, and this one"


@on_every_loop
async def test_service_without_files_is_not_restarted_by_a_save() -> None:
    api = service("api")
    several = Several(api, replace(service("vite"), watch=WatchConfig(restarts=False)))
    async with running(several):
        await several.reached("running", 1)
        several.services.changed(frozenset({"a.py"}))
        several.services.changed(frozenset({ANYTHING}))
        await several.reached("running", 2, "api")
        assert several.states("vite") == ["loading", "running"]


# Follow, stop and start


@on_every_loop
async def test_follower_stops_with_the_followed_service_and_starts_after_it() -> None:
    several = Several(service("worker", follow=["db"], patterns=["jobs/*"]), service("db"))
    async with running(several):
        await several.reached("running", 1)
        several.launchers["db"].listens = False
        several.services["db"].restart("the page")
        await eventually(lambda: len(several.launchers["db"].children) == 2)
        await several.reached("loading", 2, "worker")
        assert several.services["worker"].status().waits_for == ["db"]
        several.launchers["db"].listens = True
        several.services["db"].restart("the page")
        await eventually(lambda: several.services["worker"].status().state == "running")
        assert several.launchers["worker"].children[0].ended.is_set()
        assert len(several.launchers["worker"].children) == 2


@on_every_loop
async def test_crash_leaves_followers_alone_until_the_next_start() -> None:
    several = Several(service("worker", follow=["db"], patterns=["jobs/*"]), service("db"))
    async with running(several):
        await several.reached("running", 1)
        several.child("db").exit(1)
        await several.reached("error", 1, "db")
        assert several.states("worker") == ["loading", "running"]
        several.services["db"].start("the page")
        await several.reached("running", 2)


@on_every_loop
async def test_stopped_service_starts_by_start_or_restart_and_by_no_save() -> None:
    several = Several(service("api"), service("web", needs=["api"], patterns=["*.js"]))
    async with running(several):
        await several.reached("running", 1)
        for generation, begin in enumerate(("start", "restart"), 2):
            several.services["api"].stop("the page")
            refused = several.ask("api")
            await several.reached("stopped", generation, "api")
            assert refused.problem is not None
            assert several.child("api").ended.is_set()
            several.services.changed(frozenset({"a.py"}))
            of_web = several.ask("web").problem
            assert of_web is not None
            assert "hpp start api" in of_web.detail
            getattr(several.services["api"], begin)("the page")
            waiter = several.ask("api")
            await several.reached("running", generation, "api")
            await eventually(partial(is_admitted, waiter))
        several.services["api"].start("the page")  # has no effect
        assert several.states("api")[-3:] == ["stopped", "loading", "running"]
        assert len(several.launchers["web"].children) == 1


@on_every_loop
async def test_restart_of_all_leaves_a_stopped_service_alone() -> None:
    async with running(Several(service("api"), service("web"))) as several:
        await several.reached("running", 1)
        several.services["api"].stop("the page")
        await several.reached("stopped", 2, "api")
        several.services.restart("the keyboard")
        await several.reached("running", 2, "web")
        assert several.services["api"].status().state == "stopped"


@on_every_loop
async def test_failed_service_can_be_started_and_stopped() -> None:
    async with running(Several(service("api"))) as several:
        await several.reached("running", 1)
        several.child("api").exit(1)
        await several.reached("error", 1)
        several.services["api"].stop("the page")
        await several.reached("stopped", 2)
        several.services["api"].start("the page")
        await several.reached("running", 2)
        several.child("api").exit(1)
        await several.reached("error", 2)
        several.services["api"].start("the page")
        await several.reached("running", 3)


# The end


@pytest.mark.parametrize("is_killed", [False, True])
@on_every_loop
async def test_service_stops_once_those_that_need_it_have_ended(*, is_killed: bool) -> None:
    several = chain()
    async with asyncio.TaskGroup() as group, running(several):
        await several.reached("running", 1)
        several.child("api").lingers = True
        group.create_task(end_of_api(several, is_killed=is_killed), name="end of api")
    assert several.states("db") == ["loading", "running"]


async def end_of_api(several: Several, *, is_killed: bool) -> None:
    """End `api` while the program ends."""
    await eventually(lambda: bool(several.child("api").stops))
    assert not several.child("migrate").stops
    if is_killed:
        several.services.kill()
        await eventually(lambda: bool(several.child("db").stops))
    else:
        several.child("api").exit(0)


# Builds


@on_every_loop
async def test_save_with_a_build_is_one_reload_whether_the_build_succeeds_or_fails() -> None:
    several = Several(replace(service("api"), before=("make",)), service("worker"))
    async with running(several):
        await end_build(several, 1)
        await several.reached("running", 1)
        for number, code in ((2, 0), (3, 2)):
            reloads = len(several.reloads)
            several.services.changed(frozenset({"a.py"}))
            await several.reached("running", number, "worker")
            assert len(several.reloads) == reloads
            await end_build(several, number, code)
            await eventually(partial(has_reloaded, several, reloads + 1))
            await several.reached("running", 2, "api")
        assert several.reloads == [several.reloads[0], "api", "api"]
        several.services["worker"].restart("test")
        await several.reached("running", 4, "worker")
        assert several.reloads[3:] == ["worker"]


async def end_build(several: Several, number: int, code: int = 0) -> None:
    builder = several.launchers["api"].builder
    assert builder is not None
    await eventually(lambda: len(builder.children) == number)
    builder.children[-1].exit(code)


def has_reloaded(several: Several, count: int) -> bool:
    return len(several.reloads) == count
