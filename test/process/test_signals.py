"""Names of signals."""

import signal

from httpprocessproxy.process import signal_name


def test_signal_has_its_name_and_a_real_time_signal_its_number() -> None:
    assert signal_name(signal.SIGTERM) == "SIGTERM"
    assert signal_name(signal.SIGRTMIN + 2) == str(signal.SIGRTMIN + 2)
