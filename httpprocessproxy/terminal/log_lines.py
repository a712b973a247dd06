"""Events as lines of the log, for a person at the terminal.

One line for what matters: that the server runs (again), and how long that took; that it has ended,
and why. The steps between them are for `--debug`.
"""

from collections.abc import Sequence
from typing import Final

from httpprocessproxy.core.lines import duration, enumeration, printable, size
from httpprocessproxy.events import (
    Event,
    HopReported,
    Notice,
    Refreshed,
    RequestEnded,
    RequestRow,
    StateChanged,
    VisitEnded,
)

_STAGES: Final = ("drain", "stop", "start", "ready")


class LogLines:
    """Makes lines of events; it has to see all of them, in order."""

    def __init__(self, *, debug: bool = False) -> None:
        self._debug = debug
        self._entered_ms: dict[str, float] = {}
        self._causes: dict[str, str] = {}

    def of(self, event: Event) -> Sequence[str]:
        """Return the lines for an event, often none, without control characters."""
        return [printable(line) for line in self._raw(event)]

    def _raw(self, event: Event) -> Sequence[str]:
        match event:
            case StateChanged():
                return [*(_steps(event) if self._debug else ()), *self._state(event)]
            case Notice():
                return [event.text]
            case Refreshed():
                return [f"refreshed: {enumeration(event.paths)}"]
            case RequestEnded():
                return [_request(event.row)]
            case VisitEnded():
                return [_visit(event)]
            case HopReported():
                return [_hop(event)]
        return []

    def _state(self, event: StateChanged) -> Sequence[str]:
        if event.state == event.before:
            return []  # published again for its reload
        lasted_ms = event.at_ms - self._entered_ms.get(event.service, 0.0)
        self._entered_ms[event.service] = event.at_ms
        if event.state == "running":
            total_ms = event.restart.total_ms if event.restart is not None else None
            if total_ms is None:
                return [f"started in {duration(lasted_ms)}"]
            cause = enumeration(event.paths) or self._causes.get(event.service, "")
            return [f"restarted in {duration(total_ms)}{_warm(event)}: {cause}"]
        if event.state == "error":
            if event.returncode is None:
                return [f"{event.reason}; waiting for a change"]
            return [f"{event.why}: waiting for a change"]
        if event.state in ("stopped", "idle"):
            is_over = event.before == "killing"
            return [f"{event.state}: {self._causes[event.service] if is_over else _cause(event)}"]
        if event.before != "killing":
            self._causes[event.service] = _cause(event)
        return []


def _cause(event: StateChanged) -> str:
    """The reason of a transition, behind the word for it."""
    return event.why.removeprefix("restart ").removeprefix("start ").removeprefix("stop ")


def _warm(event: StateChanged) -> str:
    """The remark on a warm start, with the time that it saved."""
    start = event.start
    if start is None or not start.warm:
        return ""
    if start.saved_ms is not None and start.saved_ms > 0:
        return f" (warm, {duration(start.saved_ms)} saved)"
    return " (warm)"


def _request(row: RequestRow) -> str:
    """A request that is over, with what was unusual about it."""
    words = [
        *(row.method, row.target, str(row.status or "-")),
        *(duration(row.duration_ms), size(row.bytes)),
    ]
    remarks = [
        f"held {duration(row.held_ms)}" if row.held_ms >= 1 else "",
        "sent again" if row.sent > 1 else "",
        "replayed" if row.replay_of else "",
        row.outcome,
    ]
    said = ", ".join(remark for remark in remarks if remark)
    return " ".join(words) + (f" ({said})" if said else "")


def _visit(event: VisitEnded) -> str:
    words = ["visit", event.client, event.method, event.target, str(event.status or "-")]
    return f"{' '.join(words)} {duration(event.duration_ms)}"


def _hop(event: HopReported) -> str:
    words = ["hop", event.chain or "-", event.outcome, event.method, event.url]
    words.append(str(event.status or ""))
    if event.duration_ms is not None:
        words.append(duration(event.duration_ms))
    if event.tries > 1:
        words.append(f"({event.tries} tries)")
    said = f": {event.text}" if event.text else ""
    return " ".join(word for word in words if word) + said


def _steps(event: StateChanged) -> Sequence[str]:
    """The transition by the names of its states, and the stages of a restart that is over."""
    before, after = event.before.upper(), event.state.upper()
    lines = [f"{before} -> {after} ({event.why})"] if before else []
    restart = event.restart
    if event.state == "running" and restart is not None:
        times = (restart.drain_ms, restart.stop_ms, restart.start_ms, restart.ready_ms)
        stages = zip(_STAGES, times, strict=True)
        known = [f"{stage} {duration(ms)}" for stage, ms in stages if ms is not None]
        lines.append(f"stages: {', '.join(known)}")
    return lines
