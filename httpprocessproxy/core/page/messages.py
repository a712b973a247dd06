"""The messages that pages send to `/_hpp/events`, in JSON. No I/O.

A page first sends `hello`: its age, and the time of the last message it received, if it was
connected before. These decide whether the page is up to date with the current code.
"""

import json
from dataclasses import dataclass
from typing import Final

# Topics for every page, and topics on request. Only a trusted page gets a topic on request, and
# topics that may reveal secrets of other pages require the dashboard's token.
ALWAYS: Final = frozenset(("build", "refresh", "state"))
ON_REQUEST: Final = frozenset(("hop", "notice", "output", "request"))
WITH_TOKEN: Final = frozenset(("hop", "request"))


@dataclass(frozen=True, slots=True)
class ClientHello:
    """A page's first message. Times are in milliseconds."""

    age_ms: float
    """The time since the page received its first byte."""
    run: str
    """The run of the program that it was connected to before, or ""."""
    heard_ms: float
    """The time of the last message that it received, by that run's clock."""
    topics: frozenset[str]
    token: str = ""
    path: str = ""
    """The path of its URL; "" for the dashboard, and for a program."""
    service: str = ""
    """The service whose state it shows, if it is a page of the proxy."""

    def last_current_ms(self, run: str, now_ms: float) -> float:
        """Return the last time that the page was up to date, by the clock of `run`, in ms."""
        return self.heard_ms if self.run == run else now_ms - self.age_ms


def parse_hello(message: str | bytes) -> ClientHello | None:
    """Parse a page's first message; return None if it is not a hello."""
    value = _object(message)
    if value.get("type") != "hello":
        return None
    return ClientHello(
        _milliseconds(value.get("age_ms")),
        _text(value.get("run")),
        _milliseconds(value.get("at_ms")),
        _topics(value),
        _text(value.get("token")),
        _text(value.get("path")),
        _text(value.get("service")),
    )


def parse_topics(message: str | bytes) -> frozenset[str] | None:
    """Parse a subscription to topics on request; return None for any other message."""
    value = _object(message)
    return _topics(value) if value.get("type") == "subscribe" else None


def _object(message: str | bytes) -> dict[str, object]:
    try:
        value: object = json.loads(message)
    except (ValueError, RecursionError):  # RecursionError: "[[[[…"
        return {}
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _milliseconds(value: object) -> float:
    return float(value) if isinstance(value, int | float) and 0 <= value < 1e15 else 0.0


def _topics(value: dict[str, object]) -> frozenset[str]:
    topics = value.get("topics")
    items = topics if isinstance(topics, list) else []
    return frozenset(item for item in items if isinstance(item, str)) & ON_REQUEST
