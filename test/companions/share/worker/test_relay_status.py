"""Reports of the relay's status, once for each change; and the back-off between calls."""

from httpprocessproxy.companions.share.worker.relay_status import (
    FIRST_S,
    LONGEST_S,
    Backoff,
    RelayStatus,
)
from httpprocessproxy.companions.share.worker.settings import Reporter


def test_each_change_is_reported_once() -> None:
    reports: list[str] = []
    relay_status = RelayStatus(
        "r.test", Reporter(reports.append, reports.append, lambda record: None)
    )
    for _ in range(3):
        relay_status.connected("streaming")
    for _ in range(3):
        relay_status.lost("timeout")
    for _ in range(3):
        relay_status.connected("by long polling")
    relay_status.connected("streaming")
    assert reports == [
        "share: connected, streaming",
        "share: the relay r.test does not answer (timeout); trying again",
        "share: the relay r.test is back, by long polling",
        "share: connected, streaming",
    ]


def test_wait_doubles_up_to_the_longest_and_restarts_after_success() -> None:
    backoff = Backoff()
    for _ in range(2):
        waits = [backoff.failed() for _ in range(5000)]
        for number, wait_s in enumerate(waits):
            full_s = min(LONGEST_S, FIRST_S * 2 ** min(number, 20))
            assert full_s / 2 <= wait_s <= full_s
        backoff.succeeded()


def test_waits_of_workers_differ() -> None:
    assert len({Backoff().failed() for _ in range(100)}) > 90
