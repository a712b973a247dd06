"""Restart loops distinguished from users: rows of starts, each ended by a change."""

import random
from collections.abc import Iterable

import pytest

from httpprocessproxy.core.change.restart_loop import (
    LASTING_S,
    START_S,
    SUSPICIOUS,
    TIMES,
    LoopVerdict,
    RestartLoop,
)

NOTHING = LoopVerdict(frozenset(), frozenset())


class Life:
    """A server started again and again; each start takes `stop_s` after a change."""

    def __init__(self, stop_s: float = 0.01) -> None:
        self.recurrence = RestartLoop()
        self.now = 0.0
        self.stop_s = stop_s

    def start(self, *paths: str, after_s: float, answers_after_s: float = 1000.0) -> LoopVerdict:
        """Start, change `paths` after `after_s` seconds, and return the verdict."""
        self.recurrence.started(self.now)
        if answers_after_s < after_s:
            self.recurrence.answered()
        verdict = self.recurrence.changed(paths, self.now + after_s)
        self.now += after_s + self.stop_s
        return verdict

    def starts_until_written(self, waits_s: Iterable[float]) -> int | None:
        """The number of starts until a.log is reported as written by the server; else None."""
        for number, after_s in enumerate(waits_s, 1):
            if self.start("a.log", after_s=after_s).written:
                return number
        return None


@pytest.mark.parametrize("after_s", [0.5, 5.0, 40.0])
def test_file_written_at_each_start_is_reported_after_ten_starts(after_s: float) -> None:
    assert Life().starts_until_written([after_s] * 100) == TIMES


def test_loop_of_fast_starts_is_reported_after_three_seconds() -> None:
    starts = Life().starts_until_written([0.02] * 1000)
    assert starts is not None
    assert LASTING_S <= (starts - 1) * 0.03 < LASTING_S + 0.1


def test_irregular_times_of_a_busy_machine_are_still_a_loop() -> None:
    chance = random.Random(1)
    waits = [chance.gauss(0.4, 0.02) for _ in range(100)]
    assert Life().starts_until_written(waits) is not None


def test_saves_at_random_times_are_not_a_loop() -> None:
    """An editor saves automatically while the user types, and the server starts for seconds."""
    for seed in range(100):
        chance = random.Random(seed)
        waits = [chance.uniform(0.2, 2.0) for _ in range(100)]
        assert Life().starts_until_written(waits) is None


def test_regular_saves_twenty_seconds_apart_are_not_a_loop() -> None:
    """A save about every 20 s of a server that crashes: more regular than any user."""
    for seed in range(100):
        chance = random.Random(seed)
        waits = [chance.gauss(20, 1) for _ in range(100)]
        assert Life().starts_until_written(waits) is None


def test_held_save_keys_are_not_a_loop() -> None:
    """Ctrl+S repeats 30 times a second."""
    assert Life().starts_until_written([0.023] * 60) is None


def test_program_that_waits_for_each_response_is_not_a_loop() -> None:
    life = Life()
    for _ in range(1000):
        assert not life.start("a.py", after_s=0.2, answers_after_s=0.19).written


def test_start_without_the_path_ends_its_row() -> None:
    life = Life()
    for _ in range(10):
        for _ in range(TIMES - 1):
            assert not life.start("a.log", after_s=1).written
        assert not life.start("b.py", after_s=1).written


def test_only_the_recurring_file_is_reported() -> None:
    life = Life()
    for number in range(TIMES - 1):
        assert not life.start("a.log", f"{number}.py", after_s=1).written
    assert life.start("a.log", "a.py", after_s=1).written == {"a.log"}


def test_only_the_first_change_after_a_start_counts() -> None:
    life = Life()
    for _ in range(2 * TIMES):
        life.start("a.py", after_s=1, answers_after_s=0.5)
        assert life.recurrence.changed(["b.log"], life.now) == NOTHING


def test_file_is_unconfirmed_after_five_ten_twenty_and_forty_starts() -> None:
    life = Life()
    suspected = [
        number
        for number in range(1, 50)
        if life.start("a.log", after_s=1, answers_after_s=0.5).unconfirmed
    ]
    assert suspected == [SUSPICIOUS, 2 * SUSPICIOUS, 4 * SUSPICIOUS, 8 * SUSPICIOUS]


def test_change_long_after_the_start_is_never_reported() -> None:
    life = Life()
    for _ in range(100):
        assert life.start("a.log", after_s=START_S + 1, answers_after_s=0.5) == NOTHING
