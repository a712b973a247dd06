"""The history of a server: its state and since when, why it ended, and the times of a restart.

It only keeps records, for the event bus and `/_hpp/status`; the supervisor makes the transitions.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import assert_never

from httpprocessproxy.core.lines import duration, enumeration
from httpprocessproxy.core.needs import Pause
from httpprocessproxy.core.state import Changed, Event, Exited, Machine, Ready, State
from httpprocessproxy.events import EventBus, RestartReport, StartReport, StateChanged
from httpprocessproxy.service.generation import GenerationOutcome, Start


@dataclass(slots=True)
class Restart:
    """A restart, from the change to readiness. Times are monotonic seconds, or None so far.

    Its stages: unsafe requests are *drained*, the old process tree is *stopped*, the new process
    is *started*, and answers (*ready*).
    """

    paths: set[str]
    changed_at: float
    drained_at: float | None = None
    stopped_at: float | None = None
    started_at: float | None = None
    ready_at: float | None = None

    def report(self) -> RestartReport:
        times = (
            self.changed_at,
            self.drained_at,
            self.stopped_at,
            self.started_at,
            self.ready_at,
        )
        drain, stop, start, ready = map(_ms, times, times[1:])
        total = _ms(self.changed_at, self.ready_at)
        return RestartReport(sorted(self.paths), drain, stop, start, ready, total)


class StartTimes:
    """The last start of the process: cold or warm, its duration, and the time a warm start saved.

    `cold_ms` is the duration of the last cold start, in this or an earlier session.
    """

    def __init__(self, cold_ms: float | None) -> None:
        self._cold_ms = cold_ms
        self._start: Start | None = None
        self._ms: float | None = None

    def began(self, start: Start) -> None:
        self._start, self._ms = start, None

    def answered(self, now: float) -> None:
        if self._start is None:
            return
        self._ms = _ms(self._start.began_at, now)
        if not self._start.is_warm:
            self._cold_ms = self._ms

    def report(self) -> StartReport | None:
        start = self._start
        if start is None:
            return None
        saved_ms = None
        if start.is_warm and self._ms is not None and self._cold_ms is not None:
            saved_ms = round(self._cold_ms - self._ms, 1)
        return StartReport(start.is_warm, self._ms, saved_ms)


class History:
    """The records of one machine's transitions."""

    def __init__(
        self, service: str, bus: EventBus, machine: Machine, cold_ms: float | None = None
    ) -> None:
        """`cold_ms` is the duration of a cold start in an earlier session, if known."""
        self._service = service
        self._start_times = StartTimes(cold_ms)
        self.outcome = GenerationOutcome(None, "")
        self.restart: Restart | None = None
        self._bus = bus
        self._machine = machine
        self._entered_at = time.monotonic()
        self.since = ""  # the time of the last transition (RFC 3339)
        self.pause: Pause | None = None
        self._published = ""

    def began(self) -> None:
        """Record the machine's start."""
        self._entered_at = time.monotonic()
        self._publish("first start", (), reloads=False)

    def moved(self, why: str, *, reloads: bool = False) -> None:
        """Publish the state again: a pause has changed, or with `reloads` browsers reload."""
        self._publish(why, (), reloads=reloads)

    def resumed(self, why: str) -> None:
        """Record the end of a pause, which begins a restart."""
        now = self._entered_at = time.monotonic()
        self.restart = Restart(set(), now, drained_at=now, stopped_at=now)
        self.moved(why)

    def entered(
        self,
        before: State,
        event: Event,
        paths: set[str],
        request: str = "",
        *,
        reloads: bool = False,
    ) -> None:
        """Record the machine's transition from `before` to its present state, caused by `event`.

        `paths` are those of the burst, and may grow while the backend is being stopped; without
        any, `request` is the reason. `reloads` makes browsers reload.
        """
        now = time.monotonic()
        lasted_s, self._entered_at = now - self._entered_at, now
        restart = self.restart
        match event:
            case Changed():
                self.restart = Restart(paths, now)
                if before is State.ERROR:
                    self.restart.drained_at = self.restart.stopped_at = now
            case Ready():
                self._start_times.answered(now)
                if restart is not None:
                    restart.ready_at = now
            case Exited() if restart is not None and before is State.KILLING:
                restart.stopped_at = now
            case _:
                pass  # the first start is not a restart
        shown = self.restart.paths if self.restart is not None else ()
        why = self._why(event, lasted_s, request)
        self._publish(why, shown, reloads=reloads)

    def drained(self) -> None:
        if self.restart is not None:
            self.restart.drained_at = time.monotonic()

    def started(self, start: Start) -> None:
        """Record that the process runs."""
        self._start_times.began(start)
        if self.restart is not None:
            self.restart.started_at = time.monotonic()

    @property
    def last_start(self) -> StartReport | None:
        return self._start_times.report()

    @property
    def last_restart(self) -> RestartReport | None:
        return self.restart.report() if self.restart is not None else None

    @property
    def state(self) -> str:
        """The word for the present state: the machine's, or that of a pause without a process."""
        if self.pause is not None and self._machine.state is State.LOADING:
            return self.pause.value
        return self._machine.state.value

    def _publish(self, why: str, paths: Iterable[str], *, reloads: bool) -> None:
        before, self._published = self._published, self.state
        self.since = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._bus.publish(
            StateChanged(
                service=self._service,
                state=self._published,
                before=before,
                generation=self._machine.generation,
                time=self.since,
                why=why,
                paths=sorted(paths),
                returncode=self.returncode,
                reason=self.reason,
                start=self.last_start if self._machine.state is State.RUNNING else None,
                restart=self.last_restart,
                reloads=reloads,
            )
        )

    @property
    def returncode(self) -> int | None:
        return self.outcome.returncode if self._machine.state is State.ERROR else None

    @property
    def reason(self) -> str:
        return self.outcome.reason if self._machine.state is State.ERROR else ""

    def _why(self, event: Event, lasted_s: float, request: str) -> str:
        match event:
            case Changed(paths) if paths:
                return f"changed: {enumeration(sorted(paths))}"
            case Changed():
                return request
            case Ready():
                return f"ready after {duration(lasted_s * 1000)}"
            case Exited() if self._machine.state is State.LOADING:
                return f"stopped after {duration(lasted_s * 1000)}"
            case Exited():
                return f"{self.outcome.reason}, after {duration(lasted_s * 1000)}"
            case _:
                assert_never(event)


def _ms(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else round((end - start) * 1000, 1)
