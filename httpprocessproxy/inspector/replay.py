"""Requests sent again: when somebody asks for it, and after restarts if that is wanted.

For webhooks and the like, which nobody repeats by himself: mend the code, and the request that
failed comes again.
"""

import contextlib
from collections.abc import Callable, Iterator

from httpprocessproxy.events import EventBus, StateChanged
from httpprocessproxy.inspector.request_log import RequestLog, RequestRecord


class Replayer:
    """`send` is set by who can send a request again: the data plane."""

    def __init__(self, log: RequestLog) -> None:
        self.log = log
        self.after_restarts = False
        self.send: Callable[[RequestRecord], RequestRecord]

    @contextlib.contextmanager
    def listening(self, bus: EventBus) -> Iterator[None]:
        """Until the context is left, send the last failed request again after each restart."""
        with bus.on_state(self._state_changed):
            yield

    def _state_changed(self, event: StateChanged) -> None:
        if self.after_restarts and event.state == "running":
            record = self.log.last_failed()
            if record is not None:
                self.send(record)
