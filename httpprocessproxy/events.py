"""Typed events, the bus that carries them, and their JSON.

An event is a frozen value; subscribers name the types that they want. The bus keeps the last events
of each type for readers that come later. JSON is made at the edge alone, by `to_json`: its member
`type` is the event's topic, and the others are documented in README.rst.
"""

import contextlib
import dataclasses
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, TypeVar

from httpprocessproxy.core.build import Build
from httpprocessproxy.system.faults import contained

INFO: Final = "info"
WARNING: Final = "warning"
ERROR: Final = "error"

# A day of saves; each event has a few hundred bytes.
MAX_RECENT: Final = 500

# Outcomes of a hop of a chain that is not in trouble.
_GOOD_HOPS: Final = ("delivered", "ended", "would go")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """`at_ms` is the time in milliseconds since the program began, set by the bus."""

    topic: ClassVar[str]
    at_ms: float = 0.0

    @property
    def level(self) -> str:
        """The severity: INFO, WARNING or ERROR."""
        return INFO


# The server


@dataclass(frozen=True, slots=True)
class StartReport:
    """A start: `ms` until the server answered, `saved_ms` less than the last cold start."""

    warm: bool
    ms: float | None = None
    saved_ms: float | None = None


@dataclass(frozen=True, slots=True)
class RestartReport:
    """The stages of a restart in milliseconds; None for a stage that is not over."""

    paths: Sequence[str]
    drain_ms: float | None
    stop_ms: float | None
    start_ms: float | None
    ready_ms: float | None
    total_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChanged(Event):
    """A transition of the state machine, and the first start, whose `before` is "".

    `time` is in UTC (RFC 3339), `returncode` and `reason` are set in the state "error". With
    `reloads` browsers reload.
    """

    topic: ClassVar[str] = "state"
    service: str
    state: str
    before: str = ""
    generation: int
    time: str = ""
    why: str = ""
    paths: Sequence[str] = ()
    returncode: int | None = None
    reason: str = ""
    start: StartReport | None = None
    restart: RestartReport | None = None
    reloads: bool = False

    @property
    def level(self) -> str:
        return ERROR if self.state == "error" else INFO


@dataclass(frozen=True, slots=True)
class PreloadStatus:
    """The fork server: whether it can fork now, why it is off, its modules and its memory."""

    ready: bool
    off: str | None
    modules: int | None
    memory_bytes: int | None


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """The present state of a service, as `/_hpp/status` returns it.

    It is that of the machine, "stopped" or "idle". The service starts after those in `waits_for`.
    """

    state: str
    generation: int
    pid: int | None
    watcher: str
    returncode: int | None
    reason: str
    since: str
    last_start: StartReport | None
    last_restart: RestartReport | None
    preload: PreloadStatus | None
    task: bool = False
    waits_for: Sequence[str] = ()
    build: Build | None = None  # the last one of --before


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice(Event):
    """A line for the user, about a service if it is set."""

    topic: ClassVar[str] = "notice"
    service: str | None = None
    text: str
    severity: str = WARNING

    @property
    def level(self) -> str:
        return self.severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshed(Event):
    """Files changed that browsers fetch again without a restart."""

    topic: ClassVar[str] = "refresh"
    service: str
    paths: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildChanged(Event):
    """A build of `before` begins or ends, for changed `paths`; `output` is that of a failure."""

    topic: ClassVar[str] = "build"
    service: str
    build: Build
    generation: int
    paths: Sequence[str] = ()
    output: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputPrinted(Event):
    """A piece of a service's output on `stream`, "stdout" or "stderr"."""

    topic: ClassVar[str] = "output"
    service: str
    stream: str
    text: str


# Requests


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRow:
    """A request in the log. `status` is None before the response, `ended` whether it is over."""

    id: int
    service: str
    time: str
    method: str
    target: str
    status: int | None
    outcome: str
    ended: bool
    duration_ms: float
    held_ms: float
    sent: int
    bytes: int
    websocket: bool
    client: str
    replay_of: int | None
    can_be_replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestBegan(Event):
    """A request came, or its connection was upgraded."""

    topic: ClassVar[str] = "request"
    row: RequestRow


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestEnded(Event):
    """A request is over."""

    topic: ClassVar[str] = "request"
    row: RequestRow


# Companions


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitEnded(Event):
    """A share visit is over; without a status, its visitor left."""

    topic: ClassVar[str] = "visit"
    client: str
    method: str
    target: str
    status: int | None
    duration_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HopReported(Event):
    """A step of a chain of X-Forward fields, known by its Id."""

    topic: ClassVar[str] = "hop"
    time: str
    chain: str
    outcome: str
    method: str = ""
    url: str = ""
    status: int | None = None
    duration_ms: float | None = None
    tries: int = 1
    text: str = ""

    @property
    def level(self) -> str:
        return INFO if self.outcome in _GOOD_HOPS else WARNING


TOPICS: Final[Mapping[str, Sequence[type[Event]]]] = {
    "state": (StateChanged,),
    "notice": (Notice,),
    "refresh": (Refreshed,),
    "build": (BuildChanged,),
    "output": (OutputPrinted,),
    "request": (RequestBegan, RequestEnded),
    "visit": (VisitEnded,),
    "hop": (HopReported,),
}

# Members of JSON that are no names of Python, or of another member.
_MEMBERS: Final = {"before": "from", "severity": "level"}
# Fields that are no members: the time is added at the front, and pages get `reload`.
_INTERNAL: Final = frozenset(("at_ms", "reloads"))


def to_json(event: Event) -> dict[str, object]:
    """Return an event as an object of JSON (RFC 8259)."""
    value = event.row if isinstance(event, RequestBegan | RequestEnded) else event
    return {"type": event.topic, "at_ms": event.at_ms, **members(value)}


def members(value: object) -> dict[str, object]:
    """Return the fields of a dataclass as members of an object of JSON."""
    assert dataclasses.is_dataclass(value), f"not a dataclass: {value!r}"
    return {
        _MEMBERS.get(field.name, field.name): _value(getattr(value, field.name))
        for field in dataclasses.fields(value)
        if field.name not in _INTERNAL
    }


def _value(value: object) -> object:
    if dataclasses.is_dataclass(value):
        return members(value)
    return list(value) if isinstance(value, tuple) else value


E = TypeVar("E", bound=Event)


class EventBus:
    """Use it on the event loop's thread only; `is_wanted` may be called on any."""

    def __init__(self) -> None:
        # Generations count from 1 in every run of the program: a page must not mix them up.
        self.run = secrets.token_hex(8)
        self._began = time.monotonic()
        self._recent: dict[type[Event], deque[Event]] = {}
        self._subscribers: dict[object, tuple[frozenset[type[Event]], Callable[[Event], None]]] = {}
        self.wanted: frozenset[type[Event]] = frozenset()  # the types with a subscriber

    def now_ms(self) -> float:
        """Milliseconds since the program began, by the monotonic clock."""
        return round((time.monotonic() - self._began) * 1000, 1)

    def publish(self, event: Event, *, keep: bool = True) -> None:
        """Pass an event, with the time, to the subscribers of its type."""
        event = dataclasses.replace(event, at_ms=self.now_ms())
        kind = type(event)
        if keep:
            self._recent.setdefault(kind, deque(maxlen=MAX_RECENT)).append(event)
        for kinds, on_event in list(self._subscribers.values()):
            if kind in kinds:
                with contained("a subscriber of the event bus"):
                    on_event(event)

    def recent(self, kind: type[E]) -> Sequence[E]:
        """Return the last events of a type, oldest first."""
        return [event for event in self._recent.get(kind, ()) if isinstance(event, kind)]

    def is_wanted(self, kind: type[Event]) -> bool:
        return kind in self.wanted

    @contextlib.contextmanager
    def subscribe(
        self, kinds: Sequence[type[Event]], on_event: Callable[[Event], None]
    ) -> Iterator[None]:
        """Call `on_event` with every event of the types, until the context is left."""
        key = object()
        self._subscribers[key] = frozenset(kinds), on_event
        self._count_wanted()
        try:
            yield
        finally:
            del self._subscribers[key]
            self._count_wanted()

    def on(
        self, kind: type[E], on_event: Callable[[E], None]
    ) -> contextlib.AbstractContextManager[None]:
        """Call `on_event` with every event of one type, until the context is left."""

        def on_any(event: Event) -> None:
            assert isinstance(event, kind), "no other type was subscribed to"
            on_event(event)

        return self.subscribe([kind], on_any)

    def _count_wanted(self) -> None:
        # Looked up for every request and piece of output, so it is computed here.
        self.wanted = frozenset().union(*(kinds for kinds, _ in self._subscribers.values()))
