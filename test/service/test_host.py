"""The host of generations: effects on the gate, the inbox and connections."""

import asyncio

import pytest

from httpprocessproxy.config import RestartConfig
from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.core.state import Changed, Machine, Ready, State
from httpprocessproxy.events import EventBus
from httpprocessproxy.service.context import ServiceContext, StartBuilds
from httpprocessproxy.service.gate import GateLimits
from httpprocessproxy.service.history import History
from httpprocessproxy.service.host import Host
from httpprocessproxy.service.inbox import Inbox
from httpprocessproxy.service.member import Member
from httpprocessproxy.service.reports import Reports
from httpprocessproxy.service.signs import ProcessStarted
from httpprocessproxy.service.waiter import Target
from test.children import FakeLauncher, configured
from test.deadline import PATIENCE_S
from test.fakes import OVERDUE
from test.gates import new_gate
from test.loops import on_every_loop
from test.supervision import FakePlane, FakeWaiter

ENDS = {("127.0.0.1", 40_000)}
TARGET = Target(GenerationId("web", 1), "127.0.0.1", 8001)


class FakeChanges:
    """Changes in a start, which end it when they are judged."""

    def __init__(self) -> None:
        self.pending: frozenset[str] = frozenset()

    def entered(self, state: State) -> None:
        pass

    @property
    def is_pending(self) -> bool:
        return bool(self.pending)

    def answers(self) -> frozenset[str]:
        return self.pending


class FakeBuilds:
    """Builds that the test sets an obstacle of; `changes` lists the changes to build for."""

    def __init__(self) -> None:
        self.obstacle = ""
        self.has_to_wait = False
        self.changes: list[frozenset[str]] = []

    def entered(self, state: State) -> None:
        pass

    def changed(self, paths: frozenset[str]) -> None:
        self.changes.append(paths)

    async def before_start(self) -> str:
        return self.obstacle


class Parts:
    """A host in the state LOADING, and the parts that it acts on."""

    def __init__(self, builds: StartBuilds | None = None) -> None:
        config = configured(RestartConfig(drain_s=PATIENCE_S))
        launcher = FakeLauncher(config.address)
        self.machine = Machine()
        self.machine.start()
        self.changes = FakeChanges()
        self.plane = FakePlane()
        self.inbox = Inbox(self.machine, 0.0)
        history = History("web", EventBus(), self.machine)
        self.member = Member("web", self.machine, self.inbox, history)
        self.begun: list[str] = []
        self.gate = new_gate(OVERDUE, GateLimits(PATIENCE_S))
        self.host = Host(
            ServiceContext(
                config=config,
                launcher=launcher,
                preload=None,
                machine=self.machine,
                inbox=self.inbox,
                gate=self.gate,
                history=history,
                member=self.member,
                changes=self.changes,
                reports=Reports(launcher.output, lambda text: None),
                sign=ProcessStarted(),
                builds=builds,
            ),
            self.plane,
            lambda: self.begun.append("start"),
        )

    def ask(self) -> FakeWaiter:
        waiter = FakeWaiter()
        self.gate.enter_unfenced(waiter)
        return waiter


@on_every_loop
async def test_gate_holds_after_requests_are_reclaimed() -> None:
    parts = Parts()
    # The server has exited by itself, which the machine does not know yet.
    parts.gate.open(TARGET)
    parts.host.reclaim_unaccepted(ENDS)
    assert parts.plane.taken_back == ENDS
    assert parts.ask().target is None


@pytest.mark.parametrize(
    ("pending", "state", "is_sent"),
    [("", State.LOADING, True), ("a.py", State.LOADING, False), ("", State.KILLING, False)],
)
@on_every_loop
async def test_first_request_needs_a_start_without_pending_changes(
    pending: str, state: State, is_sent: bool
) -> None:
    parts = Parts()
    waiter = parts.ask()
    parts.changes.pending = frozenset(pending and {pending})
    parts.machine.state = state
    assert (parts.host.first_request(TARGET) is not None) is is_sent
    assert waiter.target == (TARGET if is_sent else None)


@on_every_loop
async def test_pending_change_precedes_the_readiness_that_it_refutes() -> None:
    parts = Parts()
    parts.changes.pending = frozenset({"a.py"})
    parts.host.ready(TARGET.generation, TARGET)
    assert [await parts.inbox.next() for _ in range(2)] == [Changed(frozenset({"a.py"})), Ready(1)]
    assert parts.inbox.target == TARGET


@on_every_loop
async def test_pending_change_is_built_first_if_there_are_builds() -> None:
    builds = FakeBuilds()
    parts = Parts(builds)
    parts.changes.pending = frozenset({"a.py"})
    parts.host.ready(TARGET.generation, TARGET)
    assert await parts.inbox.next() == Ready(1)
    assert builds.changes == [{"a.py"}]


@on_every_loop
async def test_start_waits_for_builds_if_there_are_any() -> None:
    assert await Parts().host.before_start() == ""
    builds = FakeBuilds()
    parts = Parts(builds)
    assert await parts.host.before_start() == ""
    assert parts.begun == []
    builds.obstacle, builds.has_to_wait = "before failed", True
    assert await parts.host.before_start() == "before failed"
    # The time limit of the start begins now.
    assert len(parts.begun) == 1


@on_every_loop
async def test_drain_waits_for_an_unsafe_request() -> None:
    parts = Parts()
    parts.gate.pending_began()
    async with asyncio.TaskGroup() as group:
        draining = group.create_task(parts.host.drained(), name="drain")
        await asyncio.sleep(0)
        assert not draining.done()
        parts.gate.pending_ended()


@on_every_loop
async def test_end_of_connections_and_silence_belong_to_the_data_plane() -> None:
    parts = Parts()
    parts.host.end_connections(TARGET.generation)
    assert parts.plane.ended == [TARGET.generation]
    assert parts.host.silence() is None
