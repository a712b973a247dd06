"""The state machine: dialogues, each row of its table, and an exhaustive search of its worlds."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from httpprocessproxy.core.state import (
    REQUESTS,
    TRANSITIONS,
    Changed,
    Command,
    Event,
    Exited,
    Ignored,
    Impossible,
    Machine,
    Ready,
    Requests,
    State,
    To,
)

LOADING, RUNNING, ERROR, KILLING = State
START, STOP, RELOAD_BROWSERS = Command


def changed(*paths: str) -> Changed:
    return Changed(frozenset(paths or ("a.py",)))


class Script:
    """A dialogue with a started machine; a mismatch prints the whole dialogue."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._lines: list[str] = []
        self._record("start()", machine.start())

    def _record(self, line: str, answer: Command | None) -> None:
        self._answer = answer
        state = self._machine.state.name
        self._lines.append(f"{line}: {answer.name if answer else None}, state {state}")

    def send(self, event: Event) -> "Script":
        self._record(str(event), self._machine.handle(event))
        return self

    def expect(self, command: Command | None = None, *, state: State) -> "Script":
        dialogue = "\n".join([*self._lines, f"expected: {command}, {state}"])
        assert (self._answer, self._machine.state) == (command, state), dialogue
        return self


# Dialogues


def test_save_while_running_restarts_the_backend() -> None:
    (
        Script(Machine())
        .expect(START, state=LOADING)
        .send(Ready(1)).expect(RELOAD_BROWSERS, state=RUNNING)
        .send(changed()).expect(STOP, state=KILLING)
        .send(Exited(1, -9)).expect(START, state=LOADING)
        .send(Ready(2)).expect(RELOAD_BROWSERS, state=RUNNING)
    )  # fmt: skip


def test_save_while_loading_kills_the_backend_despite_a_late_ready() -> None:
    (
        Script(Machine())
        .expect(START, state=LOADING)
        .send(changed()).expect(STOP, state=KILLING)
        .send(Ready(1)).expect(state=KILLING)  # the probe won the race; the kill continues
        .send(Exited(1, -15)).expect(START, state=LOADING)
        .send(Exited(1, -15)).expect(state=LOADING)  # an event of generation 1, dropped
        .send(Ready(2)).expect(RELOAD_BROWSERS, state=RUNNING)
    )  # fmt: skip


def test_save_while_killing_is_part_of_the_next_start() -> None:
    (
        Script(Machine())
        .send(Ready(1)).send(changed("a.py")).expect(STOP, state=KILLING)
        .send(changed("b.py")).expect(state=KILLING)
        .send(Exited(1, -9)).expect(START, state=LOADING)
    )  # fmt: skip


def test_crashed_backend_starts_again_at_the_next_save() -> None:
    (
        Script(Machine())
        .send(Ready(1)).send(Exited(1, 3)).expect(RELOAD_BROWSERS, state=ERROR)
        .send(Ready(1)).expect(state=ERROR)
        .send(changed()).expect(START, state=LOADING)
        .send(Exited(1, 3)).expect(state=LOADING)
        .send(Ready(2)).expect(RELOAD_BROWSERS, state=RUNNING)
    )  # fmt: skip


def test_command_that_cannot_be_spawned_leads_to_error() -> None:
    (
        Script(Machine())
        .send(Exited(1, None)).expect(RELOAD_BROWSERS, state=ERROR)
        .send(changed()).expect(START, state=LOADING)
        .send(Exited(2, None)).expect(RELOAD_BROWSERS, state=ERROR)
    )  # fmt: skip


# The table

TABLE = """
LOADING  HOLD     Changed KILLING STOP    Ready RUNNING RELOAD_BROWSERS  Exited ERROR RELOAD_BROWSERS
RUNNING  FORWARD  Changed KILLING STOP    Ready Impossible -             Exited ERROR RELOAD_BROWSERS
ERROR    REFUSE   Changed LOADING START   Ready Ignored -                Exited Impossible -
KILLING  HOLD     Changed Ignored -       Ready Ignored -                Exited LOADING START
"""  # noqa: E501
LINES = [line.split() for line in TABLE.split("\n") if line]
ROWS = [(line[0], *line[at : at + 3]) for line in LINES for at in (2, 5, 8)]
CURRENT: dict[str, Event] = {"Changed": changed(), "Ready": Ready(7), "Exited": Exited(7, 1)}


def machine_in(state: State, generation: int = 7) -> Machine:
    machine = Machine()
    machine.state, machine.generation = state, generation
    return machine


@pytest.mark.parametrize(("state", "event", "outcome", "command"), ROWS)
def test_event_in_each_state_has_the_outcome_of_its_row(
    state: str, event: str, outcome: str, command: str
) -> None:
    machine = machine_in(State[state])
    if outcome == "Impossible":
        with pytest.raises(AssertionError, match=f"{event}.*in {state}"):
            machine.handle(CURRENT[event])
        assert (machine.state, machine.generation) == (State[state], 7)
        return
    answer = machine.handle(CURRENT[event])
    if outcome == "Ignored":
        assert (answer, machine.state, machine.generation) == (None, State[state], 7)
        return
    assert answer is Command[command]
    assert machine.state is State[outcome]
    assert machine.generation == (8 if answer is START else 7)


def test_table_has_a_row_for_each_state_and_event() -> None:
    assert len(ROWS) == sum(len(row) for row in TRANSITIONS.values()) == len(State) * 3


@pytest.mark.parametrize("line", LINES, ids=lambda line: line[0])
def test_requests_are_held_forwarded_or_refused_by_state(line: list[str]) -> None:
    machine = machine_in(State[line[0]])
    assert machine.requests is Requests[line[1]]
    assert REQUESTS[machine.state] is machine.requests


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("generation", [0, 6, 8])
@pytest.mark.parametrize("event", [Ready, lambda of: Exited(of, 1), lambda of: Exited(of, None)])
def test_event_of_another_generation_is_dropped(
    state: State, generation: int, event: type[Ready]
) -> None:
    machine = machine_in(state)
    assert machine.handle(event(generation)) is None
    assert (machine.state, machine.generation) == (state, 7)


def test_machine_that_starts_twice_raises() -> None:
    machine = Machine()
    machine.start()
    with pytest.raises(AssertionError, match="once"):
        machine.start()
    assert (machine.state, machine.generation) == (LOADING, 1)


# All worlds


@dataclass(frozen=True)
class World:
    """A machine and its backend; `news` are events in flight, which arrive in any order."""

    state: State = LOADING
    generation: int = 1
    is_alive: bool = True
    is_stopped: bool = False
    may_answer: bool = True
    news: frozenset[tuple[Event, int]] = frozenset()  # each event with its count
    changes: int = 3  # saves that may still happen
    is_stale: bool = False  # a change was made after the last START

    def send(self, event: Event) -> "World":
        counts = dict(self.news)
        counts[event] = counts.get(event, 0) + 1
        return replace(self, news=frozenset(counts.items()))

    def receive(self, event: Event) -> "World":
        counts = dict(self.news)
        counts[event] -= 1
        left = frozenset((other, count) for other, count in counts.items() if count)
        return replace(self, news=left)

    @property
    def is_settled(self) -> bool:
        return self.state in (RUNNING, ERROR) and not self.news


def forced_moves(world: World) -> Iterator[World]:
    """Moves that must happen: an event arrives, a live backend answers, a stopped one exits."""
    for event, _ in world.news:
        yield from deliver(world.receive(event), event)
    if world.is_alive and world.may_answer:
        yield replace(world, may_answer=False).send(Ready(world.generation))
    if world.is_alive and world.is_stopped:
        yield ended(world, -9)


def free_moves(world: World) -> Iterator[World]:
    """Moves that may happen: a save, a backend that exits by itself or never answers."""
    if world.changes:
        yield replace(world, changes=world.changes - 1, is_stale=True).send(changed())
    if world.is_alive:
        yield ended(world, 1)
        yield replace(world, may_answer=False)


def ended(world: World, returncode: int) -> World:
    gone = replace(world, is_alive=False, may_answer=False)
    return gone.send(Exited(world.generation, returncode))


def deliver(world: World, event: Event) -> Iterator[World]:
    """Let the machine handle an event; execute its command with each possible result."""
    machine = machine_in(world.state, world.generation)
    command = machine.handle(event)
    after = replace(world, state=machine.state, generation=machine.generation)
    if command is START:
        assert not world.is_alive, f"two backends at once: {world} {event}"
        fresh = replace(after, is_stopped=False, is_stale=False)
        yield replace(fresh, is_alive=True, may_answer=True)
        yield fresh.send(Exited(fresh.generation, None))
    else:
        yield replace(after, is_stopped=after.is_stopped or command is STOP)


@pytest.fixture(scope="module")
def worlds() -> dict[World, list[World]]:
    """Every reachable world, with its successors by forced moves."""
    found: dict[World, list[World]] = {}
    waiting = [World()]
    while waiting:
        world = waiting.pop()
        if world not in found:
            found[world] = list(forced_moves(world))
            waiting += [*found[world], *free_moves(world)]
    return found


def test_search_reaches_exactly_the_possible_rows(worlds: dict[World, list[World]]) -> None:
    reached = {
        (world.state, type(event))
        for world in worlds
        for event, _ in world.news
        if isinstance(event, Changed) or event.generation == world.generation
    }
    possible = {
        (state, event)
        for state, rows in TRANSITIONS.items()
        for event, row in rows.items()
        if isinstance(row, To | Ignored)
    }
    assert reached == possible
    assert len(possible) + len(Impossible) == 12
    assert len(worlds) > 500


def test_search_includes_events_of_earlier_generations(worlds: dict[World, list[World]]) -> None:
    assert any(
        isinstance(event, Ready) and event.generation < world.generation
        for world in worlds
        for event, _ in world.news
    )


def test_every_world_settles_or_keeps_loading(worlds: dict[World, list[World]]) -> None:
    """Every reachable world settles by forced moves alone, or has a backend that loads forever."""
    before: dict[World, list[World]] = {world: [] for world in worlds}
    for world, nexts in worlds.items():
        for after in nexts:
            before[after].append(world)
    # A backend that runs and never answers loads forever: the gate has a timeout for that.
    rest = [w for w in worlds if w.is_settled or (w.state is LOADING and w.is_alive and not w.news)]
    settles = set(rest)
    while rest:
        new = [world for world in before[rest.pop()] if world not in settles]
        settles.update(new)
        rest += new
    assert settles == set(worlds)


def test_every_save_is_included_in_a_later_start(worlds: dict[World, list[World]]) -> None:
    for world in worlds:
        if not world.news and world.state is not KILLING:
            assert not world.is_stale, world


def test_save_leads_to_one_start_at_most(worlds: dict[World, list[World]]) -> None:
    for world in worlds:
        in_news = sum(count for event, count in world.news if isinstance(event, Changed))
        made = 3 - world.changes
        is_starting = world.state is KILLING
        assert world.generation - 1 + is_starting <= made - in_news, world


def test_machine_outside_error_has_a_backend_or_an_exit_in_flight(
    worlds: dict[World, list[World]],
) -> None:
    for world in worlds:
        ends = [event for event, _ in world.news if isinstance(event, Exited)]
        will_hear = any(event.generation == world.generation for event in ends)
        assert (world.state is ERROR) != (world.is_alive or will_hear), world
