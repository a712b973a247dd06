"""Builds: the command of `before`, which has to succeed before a changed file restarts a server.

A change begins a build beside the server. A further change kills the build and begins another. The
machine (`state.py`) hears of a change at the end of its build only:

    machine     a build                         success                  failure
    ----------  ------------------------------  -----------------------  -----------------------
    LOADING     holds the start back            the start goes on        the start fails, unless
                                                                         a build has succeeded
    LOADING     is beside the server's start    Changed                  the start goes on
    RUNNING     is beside the server            Changed                  the server goes on
    ERROR       is alone; requests are held     Changed                  requests are refused
    KILLING     holds the next start back       that start includes it   that start goes on

A start waits for the build that runs when it begins: at the first start that is always one, and
later it is one for a change during KILLING. No I/O.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from httpprocessproxy.core.state import State

BuildState = Literal["running", "failed", "succeeded"]


class Effect(enum.Enum):
    """The effect of a build's end."""

    CHANGE = "the machine hears of the change"
    INCLUDE = "the start that waits includes the change"
    GO_ON = "the server, or its start, goes on"
    REFUSE = "requests that were held are refused"


# The effects of success and of failure.
EFFECTS: Final[Mapping[State, tuple[Effect, Effect]]] = {
    State.LOADING: (Effect.CHANGE, Effect.GO_ON),
    State.RUNNING: (Effect.CHANGE, Effect.GO_ON),
    State.ERROR: (Effect.CHANGE, Effect.REFUSE),
    State.KILLING: (Effect.INCLUDE, Effect.GO_ON),
}


@dataclass(frozen=True, slots=True)
class Build:
    """The last build of a service: `reason` is that of its failure, `ms` its duration."""

    state: BuildState
    command: str
    reason: str = ""
    ms: float | None = None

    @property
    def is_running(self) -> bool:
        return self.state == "running"

    @property
    def failure(self) -> str:
        """The failure as a clause, or ""."""
        return f"before failed: {self.command} {self.reason}" if self.state == "failed" else ""


def effect_of(state: State, *, is_held: bool, has_succeeded: bool) -> Effect:
    """The effect of a build that ends in a state; `is_held`: a start waits for it."""
    if is_held and state is State.LOADING:
        return Effect.INCLUDE if has_succeeded else Effect.GO_ON
    success, failure = EFFECTS[state]
    return success if has_succeeded else failure


def consequence(state: State, generation: int, *, is_held: bool, can_start: bool) -> str:
    """The consequence of a failure, for the user: `can_start` is whether a build has succeeded."""
    match state:
        case State.RUNNING:
            return f"generation {generation} goes on serving"
        case State.LOADING if not is_held:
            return f"the start of generation {generation} goes on"
        case State.LOADING | State.KILLING if can_start:
            return "the start goes on"
        case _:
            return "waiting for a change"
