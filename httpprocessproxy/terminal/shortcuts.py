"""The keys in the terminal, and what they do."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from httpprocessproxy.system.event_loop import call_from_thread

KEYS: Final = {
    "r": "restart the server",
    "o": "open the browser",
    "c": "clear the screen",
    "q": "quit",
    "?": "show this",
}

HELP: Final = "\n".join(
    (
        *(f"  {key}  {does}" for key, does in KEYS.items()),
        "Other keys are the server's, and so are these while it reads from the terminal.",
    )
)


class Shortcuts:
    """Make it on the event loop's thread, where the actions run; `press` may come from any."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._actions: Mapping[str, Callable[[], None]] = {}

    def lead_to(self, actions: Mapping[str, Callable[[], None]]) -> None:
        """From now on the keys do this; until then they did nothing."""
        assert actions.keys() == KEYS.keys()
        self._actions = actions

    def press(self, key: str) -> None:
        call_from_thread(self._loop, self._act, key)

    def _act(self, key: str) -> None:
        if key in self._actions:
            self._actions[key]()
