"""The messages of `/_hpp/events`, JSON both ways: what a page says of itself. No I/O.

A page says hello first: how old it is, and if it was connected before, what it heard last. With
that, we tell whether it shows what the present code makes.
"""

import json
from dataclasses import dataclass
from typing import Final

# What every page hears, and what it may ask for besides. Of these, only a trusted one gets any,
# and what may tell secrets of other pages takes the token of the page about ourselves.
ALWAYS: Final = frozenset(("refresh", "state"))
ON_REQUEST: Final = frozenset(("hop", "notice", "output", "request"))
WITH_TOKEN: Final = frozenset(("hop", "request"))


@dataclass(frozen=True, slots=True)
class ClientHello:
    """A page's first message. Times are in milliseconds."""

    age_ms: float
    """How long ago its first byte came."""
    run: str
    """The run of the program that it heard of before, or ""."""
    heard_ms: float
    """The time, by that run's clock, of the last that it heard."""
    topics: frozenset[str]
    token: str = ""

    def last_current_ms(self, run: str, now_ms: float) -> float:
        """When, by the clock of `run`, the page was last known to be up to date."""
        return self.heard_ms if self.run == run else now_ms - self.age_ms


def parse_hello(message: str | bytes) -> ClientHello | None:
    """Read a page's first message; None if it is none."""
    value = _object(message)
    if value.get("type") != "hello":
        return None
    return ClientHello(
        _milliseconds(value.get("age_ms")),
        _text(value.get("run")),
        _milliseconds(value.get("at_ms")),
        _topics(value),
        _text(value.get("token")),
    )


def parse_topics(message: str | bytes) -> frozenset[str] | None:
    """Read a later message: what the page wants to hear from now on; None for anything else."""
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
