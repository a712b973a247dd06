"""The 503 responses while no server answers: text, output, and the state they were made in."""

from dataclasses import replace

from httpprocessproxy.config import Address
from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.core.state import Exited, Machine
from httpprocessproxy.events import EventBus
from httpprocessproxy.process import LaunchSpec
from httpprocessproxy.service.generation import GenerationOutcome
from httpprocessproxy.service.history import History
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
        self.outages = Outages(launcher, self.machine, self.history)


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
