"""Replay of recorded requests: on demand, and optionally after each restart.

It serves requests such as webhooks, which no client repeats: after the code is corrected, the
failed request is sent again.
"""

import contextlib
from collections.abc import Callable, Iterator

from httpprocessproxy.events import EventBus, StateChanged
from httpprocessproxy.inspector.request_log import RequestLog, RequestRecord


class Replayer:
    """Replays requests of `log`; `send` sends a recorded request, and returns the new record."""

    def __init__(self, log: RequestLog, send: Callable[[RequestRecord], RequestRecord]) -> None:
        self.log = log
        self.send = send
        self.after_restarts = False

    @contextlib.contextmanager
    def listening(self, bus: EventBus) -> Iterator[None]:
        """Send the last failed request after each restart, until the context is left."""
        with bus.on(StateChanged, self._state_changed):
            yield

    def _state_changed(self, event: StateChanged) -> None:
        if self.after_restarts and event.state == "running":
            record = self.log.last_failed()
            if record is not None:
                self.send(record)
