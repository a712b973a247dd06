"""The memory limit for buffered bodies: shares take and release bytes."""

import pytest

from httpprocessproxy.core.budget import Budget


class FullError(Exception):
    """The budget is exhausted."""


def test_held_bytes_count_until_the_share_is_released() -> None:
    budget = Budget(100, FullError)
    with budget.share() as one:
        one.keep(60)
        with budget.share() as two:
            two.keep(40)
            assert budget.held_bytes == 100
        assert budget.held_bytes == 60
    assert budget.held_bytes == 0


def test_share_beyond_the_limit_raises_and_takes_no_bytes() -> None:
    budget = Budget(100, FullError)
    with budget.share() as one, budget.share() as two:
        one.keep(60)
        with pytest.raises(FullError):
            two.keep(41)
        two.keep(40)
        one.release()
        one.release()
        assert budget.held_bytes == 40
        two.keep(60)
    assert budget.held_bytes == 0
