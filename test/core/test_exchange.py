"""The life of a request: dialogues, and a walk over all sequences of events."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import pytest

from httpprocessproxy.core.exchange import (
    TRANSITIONS,
    Loss,
    Phase,
    Progress,
    event_of,
)
from httpprocessproxy.core.exchange import (
    ExchangeCommand as Command,
)
from httpprocessproxy.core.exchange import (
    ExchangeEvent as Event,
)

REFUSED, HUNG_UP, BROKEN_OFF, RESTARTED = Loss
WAITING, SENT, ANSWERING, UPLOADING, OVER = Phase
NOTHING, PASS, ENTER, SUSPECT, RESPOND, TUNNEL, COMPLETE, CUT, CANCEL = Command
LOST = (Event.UNSERVED, Event.DOUBTED, Event.FAILED)


# Dialogues


class Script:
    """A dialogue with an exchange; a mismatch prints the whole dialogue."""

    def __init__(self) -> None:
        self._phase = WAITING
        self._lines: list[str] = []
        self._command = NOTHING

    def send(self, event: Event) -> "Script":
        self._phase, self._command = TRANSITIONS[self._phase][event]
        self._lines.append(f"{event.name}: {self._command.name}, phase {self._phase.name}")
        return self

    def lose(
        self,
        loss: Loss,
        *,
        sent: bool = True,
        repeatable: bool = True,
        reused: bool = False,
        suspected: bool = False,
    ) -> "Script":
        return self.send(event_of(loss, Progress(sent, repeatable, reused, suspected)))

    def expect(self, command: Command = NOTHING, *, phase: Phase) -> "Script":
        dialogue = "\n".join([*self._lines, f"expected: {command.name}, {phase.name}"])
        assert (self._command, self._phase) == (command, phase), dialogue
        return self


def test_request_gets_its_response() -> None:
    (
        Script()
        .send(Event.SENT).expect(phase=SENT)
        .send(Event.BEGAN).expect(PASS, phase=ANSWERING)
        .send(Event.ENDED).expect(COMPLETE, phase=OVER)
        .send(Event.LEFT).expect(phase=OVER)
    )  # fmt: skip


def test_save_during_a_get_sends_it_to_the_next_generation() -> None:
    (
        Script()
        .send(Event.SENT)
        .lose(RESTARTED).expect(ENTER, phase=WAITING)
        .lose(RESTARTED).expect(ENTER, phase=WAITING)  # while its connection is being made
        .send(Event.SENT).expect(phase=SENT)
        .send(Event.BEGAN).send(Event.ENDED).expect(COMPLETE, phase=OVER)
    )  # fmt: skip


def test_save_during_a_post_gives_502() -> None:
    Script().send(Event.SENT).lose(RESTARTED, repeatable=False).expect(RESPOND, phase=OVER)


def test_save_before_a_post_is_sent_holds_it() -> None:
    (
        Script()
        .lose(RESTARTED, sent=False, repeatable=False).expect(ENTER, phase=WAITING)
        .send(Event.SENT).expect(phase=SENT)
    )  # fmt: skip


def test_crash_in_the_middle_of_a_body_cuts_the_response() -> None:
    Script().send(Event.SENT).send(Event.BEGAN).lose(BROKEN_OFF).expect(CUT, phase=OVER)


def test_crash_before_the_response_waits_for_its_report() -> None:
    (
        Script()
        .send(Event.SENT)
        .lose(HUNG_UP).expect(SUSPECT, phase=WAITING)
        .send(Event.FAILED).expect(RESPOND, phase=OVER)  # the gate refuses it: 503
    )  # fmt: skip


def test_live_backend_that_hangs_up_twice_gives_502() -> None:
    (
        Script()
        .send(Event.SENT)
        .lose(HUNG_UP).expect(SUSPECT, phase=WAITING)
        .send(Event.SENT)
        .lose(HUNG_UP, suspected=True).expect(RESPOND, phase=OVER)
    )  # fmt: skip


def test_idle_connection_that_closes_sends_the_request_again() -> None:
    Script().send(Event.SENT).lose(HUNG_UP, reused=True).expect(ENTER, phase=WAITING)


def test_upload_that_is_refused_early_passes_to_its_end() -> None:
    (
        Script()
        .send(Event.SENT)
        .send(Event.BEGAN).expect(PASS, phase=ANSWERING)
        .send(Event.ENDED_EARLY).expect(phase=UPLOADING)
        .send(Event.READ).expect(COMPLETE, phase=OVER)
    )  # fmt: skip


def test_backend_that_closes_during_the_rest_of_an_upload_has_answered() -> None:
    (
        Script()
        .send(Event.SENT).send(Event.BEGAN).send(Event.ENDED_EARLY)
        .lose(HUNG_UP, repeatable=False).expect(COMPLETE, phase=OVER)
    )  # fmt: skip


def test_websocket_becomes_a_tunnel() -> None:
    (
        Script()
        .send(Event.SENT)
        .send(Event.SWITCHED).expect(TUNNEL, phase=OVER)
        .send(Event.LEFT).expect(phase=OVER)
    )  # fmt: skip


@pytest.mark.parametrize(
    "events",
    [
        [],
        [Event.SENT],
        [Event.SENT, Event.BEGAN],
        [Event.SENT, Event.BEGAN, Event.ENDED_EARLY],
    ],
)
def test_client_that_leaves_cancels_its_request(events: list[Event]) -> None:
    script = Script()
    for event in events:
        script.send(event)
    script.send(Event.LEFT).expect(CANCEL, phase=OVER)


# The walk


# Events that cannot happen in a phase, with the rule of the shell that excludes them.
IMPOSSIBLE = {
    "an exchange in WAITING has no connection, which alone reports responses": {
        (WAITING, event)
        for event in (Event.BEGAN, Event.ENDED, Event.ENDED_EARLY, Event.SWITCHED, Event.READ)
    },
    "a connection is taken in WAITING alone": {
        (phase, Event.SENT) for phase in (SENT, ANSWERING, UPLOADING)
    },
    "a response ends after it has begun, unless it is a 101": {
        (SENT, event) for event in (Event.ENDED, Event.ENDED_EARLY)
    },
    "a response begins once": {
        (phase, event)
        for phase in (ANSWERING, UPLOADING)
        for event in (Event.BEGAN, Event.SWITCHED)
    },
    "a response ends once": {(UPLOADING, event) for event in (Event.ENDED, Event.ENDED_EARLY)},
    "the end of a request is an event after the response alone": {
        (phase, Event.READ) for phase in (SENT, ANSWERING)
    },
    "nothing but the client reports to an exchange that is over": {
        (OVER, event) for event in Event if event is not Event.LEFT
    },
}


def test_each_phase_and_event_has_a_row_or_is_impossible_by_one_rule() -> None:
    rows = {(phase, event) for phase, events in TRANSITIONS.items() for event in events}
    impossible = [pair for pairs in IMPOSSIBLE.values() for pair in pairs]
    assert len(impossible) == len(set(impossible))
    assert not rows & set(impossible)
    assert rows | set(impossible) == set(product(Phase, Event))


@dataclass(frozen=True)
class World:
    """An exchange in its surroundings: the facts that `event_of` and the client depend on."""

    phase: Phase = WAITING
    is_unrepeatable: bool = False
    times_sent: int = 0  # counted up to 2
    begun: int = 0  # responses, of the backend or of the proxy, counted up to 2
    ends: int = 0  # commands that end the exchange, counted up to 2
    command: Command = NOTHING

    @property
    def was_sent(self) -> bool:
        return self.times_sent > 0


def events(world: World) -> Iterator[Event]:
    """The events that may happen: losses as `event_of` makes them, and all other rows."""
    flags = (False, True)
    losses = {
        event_of(loss, Progress(world.was_sent, not world.is_unrepeatable, reused, suspected))
        for loss, reused, suspected in product(Loss, flags, flags)
    }
    # The gate, a time limit or an invalid response fail any request.
    losses.add(Event.FAILED)
    for event in TRANSITIONS[world.phase]:
        if event not in LOST or event in losses:
            yield event


def after(world: World, event: Event) -> World:
    phase, command = TRANSITIONS[world.phase][event]
    ending = command in (RESPOND, COMPLETE, CUT, CANCEL, TUNNEL)
    return replace(
        world,
        phase=phase,
        command=command,
        times_sent=min(2, world.times_sent + (event is Event.SENT)),
        begun=min(2, world.begun + (command in (PASS, RESPOND, TUNNEL))),
        ends=min(2, world.ends + ending),
    )


@pytest.fixture(scope="module")
def worlds() -> dict[World, dict[Event, World]]:
    """Every reachable world, with its successors: all sequences of events, of any length."""
    found: dict[World, dict[Event, World]] = {}
    waiting = [World(), World(is_unrepeatable=True)]
    while waiting:
        world = waiting.pop()
        if world not in found:
            found[world] = {event: after(world, event) for event in events(world)}
            waiting += found[world].values()
    return found


def test_walk_reaches_every_row(worlds: dict[World, dict[Event, World]]) -> None:
    reached = {(world.phase, event) for world, nexts in worlds.items() for event in nexts}
    assert reached == {(phase, event) for phase, rows in TRANSITIONS.items() for event in rows}


def test_unrepeatable_request_is_never_sent_twice(worlds: dict[World, dict[Event, World]]) -> None:
    assert max(world.times_sent for world in worlds if world.is_unrepeatable) == 1
    assert max(world.times_sent for world in worlds if not world.is_unrepeatable) == 2


def test_client_gets_one_response_at_most(worlds: dict[World, dict[Event, World]]) -> None:
    assert {world.begun for world in worlds} == {0, 1}


def test_response_that_has_begun_is_completed_cut_or_left(
    worlds: dict[World, dict[Event, World]],
) -> None:
    for world, nexts in worlds.items():
        if world.phase in (ANSWERING, UPLOADING):
            for next_world in nexts.values():
                assert next_world.phase in (ANSWERING, UPLOADING, OVER)
                if next_world.phase is OVER:
                    assert next_world.command in (COMPLETE, CUT, CANCEL)


def test_complete_response_is_not_cut(worlds: dict[World, dict[Event, World]]) -> None:
    for world, nexts in worlds.items():
        if world.phase is UPLOADING:
            assert all(next_world.command is not CUT for next_world in nexts.values())


def test_over_is_final_and_reached_by_one_command(
    worlds: dict[World, dict[Event, World]],
) -> None:
    for world, nexts in worlds.items():
        assert world.ends == (world.phase is OVER)
        if world.phase is OVER:
            assert {next_world.phase for next_world in nexts.values()} == {OVER}
            assert {next_world.command for next_world in nexts.values()} == {NOTHING}


def test_over_is_reachable_from_every_world(worlds: dict[World, dict[Event, World]]) -> None:
    """Without the client's departure, too: no phase is a trap."""
    ends = {world for world in worlds if world.phase is OVER}
    while True:
        more = {
            world
            for world, nexts in worlds.items()
            if any(after in ends for event, after in nexts.items() if event is not Event.LEFT)
        }
        if more <= ends:
            break
        ends |= more
    assert ends == set(worlds)
