"""Messages as the feed publishes them."""

from collections.abc import Mapping

RESTART = {
    "paths": ["app/views.py"],
    "drain_ms": 0.1,
    "stop_ms": 9.6,
    "start_ms": 4.2,
    "ready_ms": 200.4,
    "total_ms": 214.3,
}


def state(entered: str, before: str = "", **members: object) -> Mapping[str, object]:
    """A transition to `entered`; `members` are those that matter."""
    return {
        "type": "state",
        "at_ms": 0.0,
        "state": entered,
        "from": before,
        "generation": 1,
        "time": "2026-11-21T10:00:00.000+00:00",
        "why": "",
        "paths": [],
        "returncode": None,
        "reason": "",
        "start": None,
        "restart": None,
        **members,
    }


def request(**members: object) -> Mapping[str, object]:
    """A request that is over."""
    return {
        "type": "request",
        "at_ms": 0.0,
        "id": 1,
        "time": "2026-11-21T10:00:00.000+00:00",
        "method": "GET",
        "target": "/path",
        "status": 200,
        "outcome": "",
        "ended": True,
        "duration_ms": 12.3,
        "held_ms": 0.0,
        "sent": 1,
        "bytes": 3401,
        "websocket": False,
        "client": "127.0.0.1",
        "replay_of": None,
        "can_be_replayed": True,
        **members,
    }


def notice(text: str) -> Mapping[str, object]:
    return {"type": "notice", "at_ms": 0.0, "text": text}
