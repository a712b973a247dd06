"""Silence: the time that requests have waited without any response."""

from httpprocessproxy.core.silence import Silence, SilenceMeter


def test_silence_begins_with_the_first_waiting_request() -> None:
    meter = SilenceMeter()
    assert meter.look(1.0, 0, 0) is None
    assert meter.look(2.0, 0, 1) == Silence(1, 0.0)
    assert meter.look(5.0, 0, 3) == Silence(3, 3.0)


def test_any_response_ends_a_silence() -> None:
    meter = SilenceMeter()
    meter.look(0.0, 0, 2)
    assert meter.look(9.0, 1, 1) == Silence(1, 0.0)
    assert meter.look(10.0, 1, 1) == Silence(1, 1.0)


def test_silence_continues_after_clients_have_left() -> None:
    meter = SilenceMeter()
    meter.look(0.0, 0, 1)
    assert meter.look(1.0, 0, 0) is None
    assert meter.look(9.0, 0, 1) == Silence(1, 9.0)


def test_restart_ends_a_silence() -> None:
    meter = SilenceMeter()
    meter.look(0.0, 0, 1)
    meter.restarted()
    assert meter.look(9.0, 0, 1) == Silence(1, 0.0)
