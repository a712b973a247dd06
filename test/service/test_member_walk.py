"""An exhaustive walk of two services side by side: each event in each pair of states.

The walk plays the supervisors of `api`, which needs `db`, without processes: it hands each change
to its machine at once, and sends the events that the processes may cause.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Final

from httpprocessproxy.core.needs import Pause, requests_while
from httpprocessproxy.core.state import Changed, Exited, Machine, Ready, Requests, State
from httpprocessproxy.events import EventBus
from httpprocessproxy.service.history import History
from httpprocessproxy.service.inbox import Inbox
from httpprocessproxy.service.member import Member, relate

SAVE = frozenset({"a.py"})


class Player:
    """One service: its member, its machine, and the process that its supervisor would have."""

    def __init__(self, name: str) -> None:
        self.machine = Machine()
        self.inbox = Inbox(self.machine, 0.0)
        self.member = Member(
            name, self.machine, self.inbox, History(name, EventBus(), self.machine)
        )
        self.is_begun = False  # the present generation has a process
        self.machine.start()
        self.member.begin_restart()
        self.begin()

    def begin(self) -> None:
        """Start the process if nothing prevents that."""
        if self.machine.state is State.LOADING and not self.member.has_to_wait:
            self.is_begun = True

    def take(self) -> None:
        """Hand all queued changes to the machine."""
        while self.inbox._events.qsize():
            coroutine = self.inbox.next()
            try:
                coroutine.send(None)
            except StopIteration as stop:
                self.handle(stop.value)
            self.inbox.done()

    def handle(self, event: Changed | Ready | Exited) -> None:
        command = self.machine.handle(event)
        if command is None:
            return
        if isinstance(event, Changed):
            self.member.goes_down()
        if isinstance(event, Exited):
            self.is_begun = False
        self.member.settled(command)
        self.member.moved()

    def events(self) -> Iterator[Callable[[], None]]:
        """The actions that are possible now."""
        member, generation = self.member, self.machine.generation
        yield lambda: member.changed(SAVE)
        yield lambda: member.suspend(Pause.STOPPED, "test")
        if member.pause is not None:
            yield lambda: member.resume("test")
            yield member.wanted
        elif self.machine.state is State.RUNNING and not member.is_needed():
            yield lambda: member.suspend(Pause.IDLE, "test")
        if self.machine.state is State.LOADING and self.is_begun:
            yield lambda: self.handle(Ready(generation))
        if self.machine.state is State.KILLING or (
            self.is_begun and self.machine.state in (State.LOADING, State.RUNNING)
        ):
            yield lambda: self.handle(Exited(generation, 1))


Moves = tuple[int, ...]
Key = tuple[tuple[State, Pause | None, bool], ...]


class Pair:
    """`api`, which needs `db`."""

    def __init__(self) -> None:
        self.api, self.database = self.players = Player("api"), Player("db")
        members = [player.member for player in self.players]
        relate(members, {"api": ["db"], "db": []}, {"api": [], "db": []})
        self.api.is_begun = False  # it waits for the database

    @property
    def key(self) -> Key:
        return tuple(
            (each.machine.state, each.member.pause, each.is_begun) for each in self.players
        )

    def moves(self) -> list[tuple[Player, Player, Callable[[], None]]]:
        """The possible moves: of a player, beside another one."""
        sides = (self.players, self.players[::-1])
        return [(player, other, act) for player, other in sides for act in player.events()]

    def play(self, number: int) -> None:
        """Play one of the moves, and check all invariants."""
        _, other, act = self.moves()[number]
        before = other.machine.state, other.machine.generation, other.member.pause
        act()
        for each in self.players:
            each.take()
            each.begin()
        # A start for a request wakes `db` as well; nothing else reaches the other service.
        after = other.machine.state, other.machine.generation, other.member.pause
        assert after == before or (before[2] is Pause.IDLE and after[2] is None)
        self.check()

    def check(self) -> None:
        for player in self.players:
            check_alone(player)
        of_api, of_db = (player.member.condition for player in self.players)
        allowed = {requests_while(of_api), requests_while(of_db)}
        expected = max(allowed, key=[Requests.FORWARD, Requests.HOLD, Requests.REFUSE].index)
        assert self.api.member.treatment().requests is expected
        assert self.database.member.treatment().requests is requests_while(of_db)
        if of_api is State.LOADING and of_db is State.RUNNING:
            assert self.api.is_begun, "nothing prevents the start"


def check_alone(player: Player) -> None:
    state, pause = player.machine.state, player.member.pause
    assert player.inbox.unhandled == 0
    if pause is not None:
        assert state in (State.LOADING, State.KILLING), "it does not run"
    if state is State.RUNNING:
        assert player.is_begun
    if state is State.LOADING and pause is not None:
        assert not player.is_begun


def test_two_services_keep_their_invariants_in_any_order_of_events() -> None:
    paths: dict[Key, Moves] = {Pair().key: ()}
    left = list(paths.values())
    while left:
        path = left.pop()
        for number in itertools.count():
            pair = Pair()
            for move in path:
                pair.play(move)
            if number == len(pair.moves()):
                break
            pair.play(number)
            if pair.key not in paths:
                paths[pair.key] = (*path, number)
                left.append(paths[pair.key])
    conditions = {
        tuple(state if pause is None else pause for state, pause, _ in key) for key in paths
    }
    assert len(conditions) == len([*State, *Pause]) ** 2 - len(IMPOSSIBLE)
    assert not conditions & IMPOSSIBLE


# A service that another one needs is not stopped for want of requests.
IMPOSSIBLE: Final = {(state, Pause.IDLE) for state in State}
