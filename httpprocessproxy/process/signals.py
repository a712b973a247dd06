"""Names of signals."""

import signal


def signal_name(number: int) -> str:
    """The name of a signal; a real-time signal has only a number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
