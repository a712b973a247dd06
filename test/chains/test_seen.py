"""A chain comes by once, and its Id is forgotten in time."""

from httpprocessproxy.chains.seen import MAX_REMEMBERED, REMEMBERED_S, Seen


def test_the_same_id_comes_once() -> None:
    seen = Seen()
    assert seen.enter("a-1", 0.0)
    assert not seen.enter("A-1", 1.0)
    assert seen.enter("b-1", 1.0)


def test_after_an_error_it_may_come_again() -> None:
    seen = Seen()
    seen.enter("A", 0.0)
    seen.leave("a")
    seen.leave("never came")
    assert seen.enter("a", 1.0)


def test_after_some_minutes_it_is_forgotten() -> None:
    seen = Seen()
    seen.enter("old", 0.0)
    seen.enter("young", REMEMBERED_S)
    assert seen.enter("old", REMEMBERED_S + 1)
    assert not seen.enter("young", REMEMBERED_S + 1)


def test_memory_is_bounded_and_the_oldest_go_first() -> None:
    seen = Seen()
    for number in range(MAX_REMEMBERED + 1):
        assert seen.enter(str(number), 0.0)
    assert not seen.enter(str(MAX_REMEMBERED), 0.0)
    assert seen.enter("0", 0.0)
