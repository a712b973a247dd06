"""The 503 responses while no server answers: text, output, and the state they were made in."""

from dataclasses import replace

from httpprocessproxy.config import Address
from httpprocessproxy.core.build import Build
from httpprocessproxy.core.needs import Pause
from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.core.state import Exited, Machine, State
from httpprocessproxy.events import EventBus
from httpprocessproxy.process import LaunchSpec
from httpprocessproxy.service.generation import GenerationOutcome
from httpprocessproxy.service.history import History
from httpprocessproxy.service.inbox import Inbox
from httpprocessproxy.service.member import Member, relate
from httpprocessproxy.service.outages import RETRY_AFTER_S, Outages
from test.children import FakeLauncher

PLAIN = Problem(503, "", "", retry_after_s=RETRY_AFTER_S, state="loading", generation=1)


class Desk:
    """A started machine, a server that has printed a line, and its outages."""

    def __init__(self) -> None:
        address = Address("127.0.0.1", 8001)
        launcher = FakeLauncher(address)
        launcher.launch_spec = LaunchSpec(("serve", "my site"), address)
        launcher.output.printed = b"Traceback\n"
        self.machine = Machine()
        self.machine.start()
        self.history = History("web", EventBus(), self.machine)
        self.member = Member("web", self.machine, Inbox(self.machine, 0.0), self.history)
        self.outages = Outages(launcher, self.history, self.member)


def test_server_that_has_ended_is_shown_with_reason_and_output() -> None:
    desk = Desk()
    desk.history.outcome = GenerationOutcome(3, "exited with status 3")
    desk.machine.handle(Exited(1, 3))
    assert desk.outages.ended() == replace(
        PLAIN,
        title="The server has ended",
        detail="`serve 'my site'`: exited with status 3. It starts again when a file changes.",
        public_detail="It starts again when a file changes.",
        output=b"Traceback\n",
        state="error",
    )


def test_late_server_is_shown_with_its_address_and_output() -> None:
    problem = Desk().outages.overdue()
    assert "`serve 'my site'` does not answer at 127.0.0.1:8001 yet." in problem.detail
    assert "serve" not in problem.for_strangers().detail
    assert problem == replace(
        PLAIN,
        title="The server does not answer yet",
        detail=problem.detail,
        public_detail="Try again in a moment.",
        output=b"Traceback\n",
    )


def test_starting_page_is_live_and_holds_no_output() -> None:
    """The page requests the output itself: not every client may see it."""
    problem = Desk().outages.starting()
    assert problem == replace(
        PLAIN, title="The server is starting", detail=problem.detail, is_live=True
    )


def test_stopped_server_is_shown_with_the_command_that_starts_it() -> None:
    desk = Desk()
    desk.member.suspend(Pause.STOPPED, "stop asked for by the page")
    problem = desk.outages.refusal()
    assert problem.detail == "web is stopped: `hpp start web` starts it."
    assert "hpp" not in problem.for_strangers().detail
    assert problem == replace(
        PLAIN,
        title="The server is stopped",
        detail=problem.detail,
        public_detail="Try again later.",
        output=b"Traceback\n",
        state="stopped",
    )


def test_failed_server_is_refused_with_its_own_reason() -> None:
    desk = Desk()
    desk.machine.handle(Exited(1, 3))
    assert desk.outages.refusal() == desk.outages.ended()


def test_needed_service_that_has_failed_is_named_with_its_reason() -> None:
    desk = Desk()
    machine = Machine()
    history = History("db", EventBus(), machine)
    database = Member("db", machine, Inbox(machine, 0.0), history)
    relate([desk.member, database], {"web": ["db"], "db": []}, {"web": [], "db": []})
    assert desk.outages.overdue().title == "The server waits for db"
    assert desk.outages.starting().title == "The server is starting"
    desk.machine.state = State.RUNNING
    live = desk.outages.starting()
    assert (live.title, live.service, live.state) == ("The server waits for db", "db", "loading")
    machine.state = State.ERROR
    history.outcome = GenerationOutcome(1, "exited with status 1")
    problem = desk.outages.refusal()
    assert problem.title == "The server needs db"
    assert problem.detail == (
        "db has ended: exited with status 1. It starts again when a file changes."
    )
    assert "db" not in problem.for_strangers().detail
    # The page reloads when the state of the database is over.
    assert (problem.service, problem.state, problem.generation) == ("db", "error", 0)


def test_server_beside_others_is_named() -> None:
    desk = Desk()
    desk.member.title = "api"
    outages = desk.outages
    titles = [problem().title for problem in (outages.ended, outages.overdue, outages.starting)]
    assert titles == ["api has ended", "api does not answer yet", "api is starting"]
    desk.member.suspend(Pause.STOPPED, "")
    assert outages.refusal().title == "api is stopped"


def test_failed_build_is_shown_in_place_of_the_server_that_has_ended() -> None:
    desk = Desk()
    build = Build("failed", "make 'a b'", "ended with exit status 2")
    desk.outages.build = lambda: build
    desk.machine.handle(Exited(1, None))
    desk.history.outcome = GenerationOutcome(3, "exited with status 3")
    assert desk.outages.ended().title == "The server has ended"
    desk.history.outcome = GenerationOutcome(None, build.failure)
    assert desk.outages.ended() == replace(
        PLAIN,
        title="The build has failed",
        detail="`make 'a b'` ended with exit status 2. It runs again when a file changes.",
        public_detail="It runs again when a file changes.",
        output=b"Traceback\n",
        state="error",
    )


def test_build_that_runs_is_the_reason_of_a_late_answer() -> None:
    desk = Desk()
    desk.outages.build = lambda: Build("running", "make")
    problem = desk.outages.overdue()
    assert problem.title == "The build still runs"
    assert "`make` has to succeed first" in problem.detail
    assert "make" not in problem.for_strangers().detail
