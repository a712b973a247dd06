"""A bucket of tokens: so many at once, and so many in the long run."""

from httpprocessproxy.frontends.http2.token_bucket import TokenBucket


def taken(allowance: TokenBucket, now: float) -> int:
    count = 0
    while allowance.take(now):
        count += 1
    return count


def test_a_burst_and_then_what_comes_in() -> None:
    allowance = TokenBucket(5, 2)
    assert [taken(allowance, now) for now in (100.0, 100.25, 100.5, 103.0)] == [5, 0, 1, 5]


def test_it_never_holds_more_than_a_burst() -> None:
    allowance = TokenBucket(3, 1000)
    assert taken(allowance, 0.0) == 3
    assert taken(allowance, 1e6) == 3
