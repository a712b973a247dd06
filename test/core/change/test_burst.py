"""Bursts: a table of event times, and the bursts they open and end."""

import pytest

from httpprocessproxy.core.change.burst import Burst


@pytest.mark.parametrize(
    ("times", "opens", "ends_at"),
    [
        pytest.param([], [], None, id="nothing"),
        pytest.param([0.0], [True], 0.1, id="one, at the clock's zero"),
        pytest.param([5.0, 5.05], [True, False], 5.15, id="the second prolongs"),
        pytest.param([5.0, 5.05, 5.125], [True, False, False], 5.225, id="the third as well"),
        pytest.param([5.0, 5.2], [True, True], 5.3, id="after the quiet: another"),
        pytest.param([5.0, 5.1], [True, True], 5.2, id="at the very end: another"),
        pytest.param(
            [1 + i / 16 for i in range(16)], [True] + [False] * 15, 2.0, id="never quiet: limit"
        ),
        pytest.param(
            [1 + i / 16 for i in range(18)],
            [True] + [False] * 15 + [True, False],
            2.1625,
            id="never quiet: the next opens at the limit",
        ),
    ],
)
def test_events_open_bursts_that_end_after_quiet_or_at_the_limit(
    times: list[float], opens: list[bool], ends_at: float | None
) -> None:
    burst = Burst(settle_s=0.1, limit_s=1.0)

    assert [burst.event(now) for now in times] == opens
    assert burst.ends_at() == (ends_at if ends_at is None else pytest.approx(ends_at))


def test_settle_longer_than_the_limit_ends_at_the_limit() -> None:
    burst = Burst(settle_s=3.0, limit_s=1.0)
    burst.event(10.0)
    assert burst.ends_at() == 11.0


def test_each_event_is_a_burst_without_settle_time() -> None:
    burst = Burst(settle_s=0.0)
    assert [burst.event(1.0), burst.event(1.0)] == [True, True]
