"""The memory for bodies: who takes it, who gives it back."""

import pytest

from httpprocessproxy.core.budget import Budget


class FullError(Exception):
    """There is no more."""


def test_what_is_kept_counts_until_it_is_not() -> None:
    budget = Budget(100, FullError)
    with budget.share() as one:
        one.keep(60)
        with budget.share() as two:
            two.keep(40)
            assert budget.held_bytes == 100
        assert budget.held_bytes == 60
    assert budget.held_bytes == 0


def test_no_more_than_there_is() -> None:
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
