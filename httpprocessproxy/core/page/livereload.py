"""The messages of LiveReload protocol 7, used by browser scripts and extensions.

Both sides send `hello`, then the server may send `reload`. Stock clients disconnect on any other
message from the server, so it sends no others. Messages of a client after its hello are ignored.
No I/O.
"""

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

OFFICIAL_7: Final = "http://livereload.com/protocols/official-7"

# The browser extension lists only this to check for a server, and leaves the socket open.
CONNECTION_CHECK: Final = "http://livereload.com/protocols/connection-check-1"

# Files that livereload.js replaces without a reload of the page.
_SWAPPED: Final = re.compile(r"\.(css|gif|jpe?g|png|svg)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class LiveReloadHello:
    """A client's first message."""

    protocols: frozenset[str]

    @property
    def is_page(self) -> bool:
        """Whether the client is a page; some clients do not list official-7."""
        return self.protocols != {CONNECTION_CHECK}


def hello() -> str:
    return json.dumps(
        {
            "command": "hello",
            "protocols": [OFFICIAL_7],
            "serverName": "http-process-proxy",
        }
    )


def reload(path: str) -> str:
    """Return a message that `path` changed; only style sheets and images avoid a page reload."""
    return json.dumps({"command": "reload", "path": path, "liveCSS": True})


def refresh(paths: Collection[str]) -> list[str]:
    """Return a message for each changed file, or a single one if the page has to reload."""
    if all(_SWAPPED.fullmatch(path[path.rfind(".") :]) for path in paths):
        return [reload(path) for path in paths]
    return [reload("/")]


def parse(message: str | bytes) -> LiveReloadHello | None:
    """Parse a client's hello; return None for any other message, including malformed ones."""
    try:
        value: object = json.loads(message)
    except (ValueError, RecursionError):  # RecursionError: "[[[[…"
        return None
    if not isinstance(value, dict) or value.get("command") != "hello":
        return None
    return LiveReloadHello(_strings(value.get("protocols")))


def _strings(value: object) -> frozenset[str]:
    items = value if isinstance(value, list) else []
    return frozenset(item for item in items if isinstance(item, str))
