"""The state machine: everything that decides what the backend and requests do next.

Rule 1: every state change is a row of TRANSITIONS, and nothing outside this file decides one.
Rule 2: `Machine` only decides. The supervisor obeys the `Command` and reports back with an event.

    LOADING   the backend has been started and does not answer yet: requests wait
    RUNNING   the backend answers: requests are passed on
    ERROR     the backend ended by itself, or could not be started: requests get 503
    KILLING   a file changed and the backend is being stopped: requests wait

A *generation* is one life of the backend, counted from 1; every START begins the next. `Ready`
and `Exited` name theirs, and news of an earlier generation is dropped: it describes a process
that is gone. A command that cannot be spawned is `Exited(generation, None)`.

Ctrl+C is not a state: it ends the program, and the backend on the way out.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


class State(enum.Enum):
    LOADING = "loading"
    RUNNING = "running"
    ERROR = "error"
    KILLING = "killing"


class Requests(enum.Enum):
    """What becomes of a request that arrives."""

    HOLD = "hold"
    FORWARD = "forward"
    REFUSE = "503 with the reason"


class Command(enum.Enum):
    START = "start the next generation"
    STOP = "stop the backend's whole process tree"
    RELOAD_BROWSERS = "tell browsers to reload"


@dataclass(frozen=True, slots=True)
class Changed:
    """Files changed that the backend was started from: the first of a burst."""

    paths: frozenset[str]


@dataclass(frozen=True, slots=True)
class Ready:
    """The backend of this generation answered its ping."""

    generation: int


@dataclass(frozen=True, slots=True)
class Exited:
    """The backend of this generation is gone, with all of its tree.

    `returncode` is negative for a signal, and None when it could not be spawned.
    """

    generation: int
    returncode: int | None


Event = Changed | Ready | Exited


@dataclass(frozen=True, slots=True)
class To:
    """A row: the state to go to, and the command that takes the world there."""

    state: State
    command: Command


class Ignored(enum.Enum):
    """An event that changes nothing, and why."""

    BEING_KILLED = "the next start will see this change"
    LATE_PROBE = "the probe of a backend that is ending"


class Impossible(enum.Enum):
    """An event that cannot happen; if it does, the supervisor has a bug."""

    ANSWERED_TWICE = "a generation becomes ready once"
    ENDED_TWICE = "a generation ends once"


Row = To | Ignored | Impossible

REQUESTS: Final[Mapping[State, Requests]] = {
    State.LOADING: Requests.HOLD,
    State.RUNNING: Requests.FORWARD,
    State.ERROR: Requests.REFUSE,
    State.KILLING: Requests.HOLD,
}

TRANSITIONS: Final[Mapping[State, Mapping[type[Event], Row]]] = {
    State.LOADING: {
        Changed: To(State.KILLING, Command.STOP),
        Ready: To(State.RUNNING, Command.RELOAD_BROWSERS),
        Exited: To(State.ERROR, Command.RELOAD_BROWSERS),
    },
    State.RUNNING: {
        Changed: To(State.KILLING, Command.STOP),
        Ready: Impossible.ANSWERED_TWICE,
        Exited: To(State.ERROR, Command.RELOAD_BROWSERS),
    },
    State.ERROR: {
        Changed: To(State.LOADING, Command.START),
        Ready: Ignored.LATE_PROBE,
        Exited: Impossible.ENDED_TWICE,
    },
    State.KILLING: {
        Changed: Ignored.BEING_KILLED,
        Ready: Ignored.LATE_PROBE,
        Exited: To(State.LOADING, Command.START),
    },
}


class Machine:
    """One backend's state. Events go in, the command to obey comes out."""

    def __init__(self) -> None:
        self.state = State.LOADING
        self.generation = 0

    @property
    def requests(self) -> Requests:
        return REQUESTS[self.state]

    def start(self) -> Command:
        """Begin: LOADING, generation 1. Called once, before any event."""
        assert self.generation == 0, "the machine starts once"
        self.generation = 1
        return Command.START

    def handle(self, event: Event) -> Command | None:
        """Take one step, and return the command to obey, or None if nothing changes.

        Raises AssertionError, and stays where it is, for an event that cannot happen.
        """
        if not isinstance(event, Changed) and event.generation != self.generation:
            return None
        row = TRANSITIONS[self.state][type(event)]
        if isinstance(row, Impossible):
            raise AssertionError(f"{event} in {self.state.name}: {row.value}")
        if isinstance(row, Ignored):
            return None
        self.state = row.state
        if row.command is Command.START:
            self.generation += 1
        return row.command
