"""The waits: from half a second to half a minute, never hot, never the same for all."""

from httpprocessproxy.companions.share.worker.backoff import FIRST_S, LONGEST_S, Backoff


def test_waits_grow_to_the_longest_and_begin_anew() -> None:
    backoff = Backoff()
    for _ in range(2):
        waits = [backoff.failed() for _ in range(5000)]
        for number, wait_s in enumerate(waits):
            full_s = min(LONGEST_S, FIRST_S * 2 ** min(number, 20))
            assert full_s / 2 <= wait_s <= full_s
        backoff.succeeded()


def test_two_workers_do_not_come_back_together() -> None:
    assert len({Backoff().failed() for _ in range(100)}) > 90
