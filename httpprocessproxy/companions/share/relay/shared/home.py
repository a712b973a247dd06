"""The visits of our own visitors, as the messages of other relays move them on."""

import asyncio
from collections.abc import Collection

from httpprocessproxy.companions.share.relay.pipe import CutError, PipeSink, pour
from httpprocessproxy.companions.share.relay.shared import scripts
from httpprocessproxy.companions.share.relay.shared.bus import Bus
from httpprocessproxy.companions.share.relay.shared.messages import Message, decode_answer
from httpprocessproxy.companions.share.relay.shared.pipes import Pipes
from httpprocessproxy.companions.share.relay.visit import (
    HeldBody,
    RelayVisit,
    VisitError,
    VisitOutcome,
    VisitSource,
    VisitState,
)

# A body up to this size is in Redis with its visit; a larger one follows when somebody takes it.
INLINE_BYTES = 64 * 1024

# Whose visits are at home here.
KINDS = frozenset(
    ("took", "want", "untook", "returned", "touch", "claimed", "head", "refuse"),
)
# Whose sender, named in it, has to be told if the visit is over.
_WITH_SENDER = frozenset(("took", "want", "touch", "claimed"))


class Home:
    """All visits that have entered here and are not over."""

    def __init__(self, bus: Bus, pipes: Pipes, tasks: asyncio.TaskGroup) -> None:
        """`tasks` send bodies to the relays whose workers take them."""
        self._bus = bus
        self._pipes = pipes
        self._tasks = tasks
        self._visits: dict[str, RelayVisit] = {}
        # Which relay has, or has had, a visit's worker, and which answers it.
        self._takers: dict[str, str] = {}
        self._answerers: dict[str, str] = {}

    def add(self, visit: RelayVisit) -> None:
        self._visits[visit.rid] = visit

    def remove(self, visit: RelayVisit) -> bool:
        """Forget a visit, and tell who is concerned; False if that is done already."""
        if self._visits.pop(visit.rid, None) is None:
            return False
        taker = self._takers.pop(visit.rid, None)
        answerer = self._answerers.pop(visit.rid, None)
        for relay in {taker, answerer} - {None}:
            assert relay is not None
            self._bus.post(relay, Message("over", (visit.rid,)))
        self._pipes.forget(f"answer:{visit.rid}", "the visitor has left")
        return True

    def handle(self, message: Message) -> None:
        """Take a message about a visit."""
        rid = message.words[0]
        visit = self._visits.get(rid)
        if visit is None:
            if message.kind in _WITH_SENDER:
                self._bus.post(message.words[1], Message("over", (rid,)))
            return
        match message.kind:
            case "took":
                visit.took()
                self._takers[rid] = message.words[1]
            case "want":
                self._send_body(visit, message.words[1], message.words[2])
            case "untook":
                self._return(visit, is_counted=False)
            case "returned":
                self._return(visit, is_counted=True)
            case "touch":
                visit.touch()
            case "claimed":
                self._claimed(visit, message.words[1])
            case "head":
                visit.answered(decode_answer(message.data))
            case "refuse":
                visit.fail(VisitError(VisitOutcome(message.words[1]), message.data.decode()))
            case kind:
                raise AssertionError(f"no message about a visit: {kind}")

    def lose(self, living: Collection[str]) -> None:
        """Tell those whose answers came through relays that live no more."""
        for rid, relay in list(self._answerers.items()):
            if relay not in living:
                reason = "the relay of the worker has died"
                self._visits[rid].fail(VisitError(VisitOutcome.BAD_ANSWER, reason))

    def _send_body(self, visit: RelayVisit, relay: str, number: str) -> None:
        sink = self._pipes.sink(f"body:{visit.rid}:{number}", relay)
        task = _send(VisitSource(visit), sink)
        self._tasks.create_task(task, name=f"body {visit.rid}")

    def _claimed(self, visit: RelayVisit, relay: str) -> None:
        # Its worker may have been so fast that we think it is waiting again.
        visit.took()
        if visit.claim():
            self._answerers[visit.rid] = relay
            self._pipes.receive(f"answer:{visit.rid}", relay, visit.answer)

    def _return(self, visit: RelayVisit, *, is_counted: bool) -> None:
        if visit.state is not VisitState.TAKEN:
            return
        if is_counted and not visit.may_return:
            visit.fail(VisitError(VisitOutcome.NO_ANSWER, "the worker that had it has gone"))
            return
        visit.returned(is_counted=is_counted)
        asked = self._bus.ask(scripts.RETURN, visit.rid, visit.request.host)
        asked.add_done_callback(lambda done: _unless_answered(visit, done))


def inline_body(visit: RelayVisit) -> bytes | None:
    """The body that goes with the visit itself, if it is one that does."""
    body = visit.request.body
    if isinstance(body, HeldBody) and len(body.data) <= INLINE_BYTES:
        return body.data
    return None


def _unless_answered(visit: RelayVisit, asked: "asyncio.Future[object]") -> None:
    """The worker that was thought dead may have answered meanwhile: then nobody gets it again."""
    if asked.exception() is not None or asked.result() != 1:
        visit.took()


async def _send(source: VisitSource, sink: PipeSink) -> None:
    try:
        await pour(source, sink)
    except CutError:
        pass  # one of the two has gone, and the other knows
