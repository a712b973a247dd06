"""The state machine: decides the next step of the backend and of requests.

Rule 1: every state change is a row of TRANSITIONS; no other file decides one.
Rule 2: `Machine` only decides. The supervisor executes the `Command` and reports back by an event.

    LOADING   the backend has been started and does not answer yet: requests wait
    RUNNING   the backend answers: requests are forwarded
    ERROR     the backend exited by itself, or could not be started: requests get 503
    KILLING   a file changed and the backend is being stopped: requests wait

A *generation* is one run of the backend, counted from 1; every START begins the next. `Ready`
and `Exited` carry its number, and an event of an earlier generation is dropped: its process is
gone. A command that cannot be spawned is `Exited(generation, None)`.

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
    """The treatment of an arriving request."""

    HOLD = "hold"
    FORWARD = "forward"
    REFUSE = "503 with the reason"


class Command(enum.Enum):
    START = "start the next generation"
    STOP = "stop the backend's whole process tree"
    RELOAD_BROWSERS = "make browsers reload"


@dataclass(frozen=True, slots=True)
class Changed:
    """Watched files changed: the first event of a burst."""

    paths: frozenset[str]


@dataclass(frozen=True, slots=True)
class Ready:
    """The backend of this generation answered its ping."""

    generation: int


@dataclass(frozen=True, slots=True)
class Exited:
    """The backend of this generation has exited, with its whole process tree.

    `returncode` is negative for a signal, and None if the command could not be spawned.
    """

    generation: int
    returncode: int | None


Event = Changed | Ready | Exited


@dataclass(frozen=True, slots=True)
class To:
    """A transition: the next state, and the command that the supervisor executes."""

    state: State
    command: Command


class Ignored(enum.Enum):
    """An event without effect, with the reason."""

    BEING_KILLED = "the next start includes this change"
    LATE_PROBE = "the probe of a backend that is being stopped or has exited"


class Impossible(enum.Enum):
    """An event that only a bug of the supervisor can send, with the reason."""

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
    """One backend's state. Events go in, the next command comes out."""

    def __init__(self) -> None:
        self.state = State.LOADING
        self.generation = 0

    @property
    def requests(self) -> Requests:
        return REQUESTS[self.state]

    def start(self) -> Command:
        """Begin generation 1 in LOADING. Called once, before any event."""
        assert self.generation == 0, "the machine starts once"
        self.generation = 1
        return Command.START

    def handle(self, event: Event) -> Command | None:
        """Make the transition for `event`; return the command to execute, or None without one.

        Raises AssertionError for an impossible event, and leaves the state unchanged.
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
