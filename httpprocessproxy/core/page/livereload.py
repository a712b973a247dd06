"""The messages of LiveReload protocol 7, which browsers and their extensions speak.

Both sides say hello, then the server may say reload. Stock clients hang up on any other message
of ours, so there is none. Whatever a client sends besides its hello changes nothing. No I/O.
"""

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

OFFICIAL_7: Final = "http://livereload.com/protocols/official-7"

# The browser extension asks with this alone whether a server is there, and leaves the socket open.
CONNECTION_CHECK: Final = "http://livereload.com/protocols/connection-check-1"

# What livereload.js shows anew without a reload of the page.
_SWAPPED: Final = re.compile(r"\.(css|gif|jpe?g|png|svg)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class LiveReloadHello:
    """A client's first message."""

    protocols: frozenset[str]

    @property
    def is_page(self) -> bool:
        """Whether a page is behind it; some clients forget to list official-7."""
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
    """Tell a page that `path` changed; anything but a style sheet or an image reloads it all."""
    return json.dumps({"command": "reload", "path": path, "liveCSS": True})


def refresh(paths: Collection[str]) -> list[str]:
    """Tell a page that files changed: a message for each, or one for all if it has to reload."""
    if all(_SWAPPED.fullmatch(path[path.rfind(".") :]) for path in paths):
        return [reload(path) for path in paths]
    return [reload("/")]


def parse(message: str | bytes) -> LiveReloadHello | None:
    """Read a client's message: None for all that needs no answer, garbage included."""
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
