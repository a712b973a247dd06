"""The idle meter: what counts as use, and for how long."""

from httpprocessproxy.core.idle import IdleMeter


def test_service_is_idle_after_the_limit_without_use() -> None:
    meter = IdleMeter(10.0)
    looks = [meter.look(now, 0, is_used=False) for now in (100.0, 105.0, 110.0, 111.0)]
    assert looks == [False, False, True, True]


def test_open_request_begins_the_time_again_when_it_ends() -> None:
    meter = IdleMeter(10.0)
    assert not meter.look(100.0, 0, is_used=False)
    assert not meter.look(120.0, 0, is_used=True)
    assert not meter.look(129.0, 0, is_used=False)
    assert meter.look(130.0, 0, is_used=False)


def test_response_between_two_looks_counts_as_use() -> None:
    meter = IdleMeter(10.0)
    assert not meter.look(100.0, 7, is_used=False)
    assert not meter.look(110.0, 8, is_used=False)
    assert meter.look(120.0, 8, is_used=False)
