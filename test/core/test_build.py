"""Builds: the effect of an end in each state of the machine, and its line."""

import pytest

from httpprocessproxy.core.build import Build, Effect, consequence, effect_of
from httpprocessproxy.core.state import State

LOADING, RUNNING, ERROR, KILLING = State.LOADING, State.RUNNING, State.ERROR, State.KILLING


@pytest.mark.parametrize(
    ("state", "is_held", "success", "failure", "line"),
    [
        (LOADING, True, Effect.INCLUDE, Effect.GO_ON, "the start goes on"),
        (LOADING, False, Effect.CHANGE, Effect.GO_ON, "the start of generation 3 goes on"),
        (RUNNING, False, Effect.CHANGE, Effect.GO_ON, "generation 3 goes on serving"),
        (ERROR, False, Effect.CHANGE, Effect.REFUSE, "waiting for a change"),
        (ERROR, True, Effect.CHANGE, Effect.REFUSE, "waiting for a change"),
        (KILLING, False, Effect.INCLUDE, Effect.GO_ON, "the start goes on"),
        (KILLING, True, Effect.INCLUDE, Effect.GO_ON, "the start goes on"),
    ],
)
def test_end_of_a_build_has_an_effect_by_the_state(
    state: State, is_held: bool, success: Effect, failure: Effect, line: str
) -> None:
    assert effect_of(state, is_held=is_held, has_succeeded=True) is success
    assert effect_of(state, is_held=is_held, has_succeeded=False) is failure
    assert consequence(state, 3, is_held=is_held, can_start=True) == line


@pytest.mark.parametrize("state", [LOADING, KILLING])
def test_start_without_any_build_waits_for_a_change(state: State) -> None:
    line = consequence(state, 1, is_held=True, can_start=False)
    assert line == "waiting for a change"


def test_failure_is_a_clause() -> None:
    failed = Build("failed", "npm run build", "ended with exit status 1", 20.0)
    assert failed.failure == "before failed: npm run build ended with exit status 1"
    assert not failed.is_running
    running = Build("running", "npm run build")
    assert running.failure == ""
    assert running.is_running
