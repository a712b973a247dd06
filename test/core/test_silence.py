"""How long requests have waited without any answer."""

from httpprocessproxy.core.silence import Silence, SilenceMeter


def test_silence_lasts_from_the_first_request_that_waits() -> None:
    meter = SilenceMeter()
    assert meter.look(1.0, 0, 0) is None
    assert meter.look(2.0, 0, 1) == Silence(1, 0.0)
    assert meter.look(5.0, 0, 3) == Silence(3, 3.0)


def test_any_answer_ends_a_silence() -> None:
    meter = SilenceMeter()
    meter.look(0.0, 0, 2)
    assert meter.look(9.0, 1, 1) == Silence(1, 0.0)
    assert meter.look(10.0, 1, 1) == Silence(1, 1.0)


def test_silence_outlasts_the_clients_that_leave() -> None:
    meter = SilenceMeter()
    meter.look(0.0, 0, 1)
    assert meter.look(1.0, 0, 0) is None
    assert meter.look(9.0, 0, 1) == Silence(1, 9.0)


def test_restart_ends_a_silence() -> None:
    meter = SilenceMeter()
    meter.look(0.0, 0, 1)
    meter.restarted()
    assert meter.look(9.0, 0, 1) == Silence(1, 0.0)
