"""The freshness of a gate whose server no file restarts."""

from httpprocessproxy.service.unwatched import NoChanges


def test_no_request_waits_for_a_change() -> None:
    freshness = NoChanges()
    assert freshness.fence is None
    assert freshness.is_current()
    assert freshness.is_past(freshness.mark())
