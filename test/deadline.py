"""Deadlines of tests, and polling for conditions in other processes.

Deadlines are written `500 * MS`. HPP_TEST_SLOWNESS multiplies them all, for a slow machine.
"""

import os
import select
import time
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

# A deadline only ends a test that fails, so it may be generous.
MS: Final = 0.001 * float(os.environ.get("HPP_TEST_SLOWNESS", "1"))

PATIENCE_S: Final = 20_000 * MS


def eventually(look: Callable[[], T], within_s: float = PATIENCE_S) -> T:
    """Call `look` every few milliseconds until its result is true, and return that.

    For conditions that no event reports: the state of other processes.
    Raises AssertionError with the last result.
    """
    deadline = time.monotonic() + within_s
    while not (answer := look()):
        assert time.monotonic() < deadline, f"still {answer!r} after {within_s:g} s"
        select.select([], [], [], 0.005)
    return answer
