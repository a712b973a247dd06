"""The last state, build and change of each service, for pages that connect later."""

import contextlib
from collections.abc import Iterator

from httpprocessproxy.events import BuildChanged, Event, EventBus, Refreshed, StateChanged


class LastChanges:
    """`states`, `builds` and `changed_ms`, by the name of the service.

    Recorded while the context of `recording` is open. A service changes when it runs again, and
    when a file is refreshed.
    """

    def __init__(self) -> None:
        self.states: dict[str, StateChanged] = {}
        self.builds: dict[str, BuildChanged] = {}
        self.changed_ms: dict[str, float] = {}

    @contextlib.contextmanager
    def recording(self, bus: EventBus) -> Iterator[None]:
        for event in bus.recent(StateChanged):
            self._note(event)
        with bus.subscribe([StateChanged, BuildChanged, Refreshed], self._note):
            yield

    def _note(self, event: Event) -> None:
        match event:
            case StateChanged():
                self.states[event.service] = event
                if event.state == "running":
                    self.changed_ms[event.service] = event.at_ms
            case BuildChanged():
                self.builds[event.service] = event
            case Refreshed():
                self.changed_ms[event.service] = event.at_ms
