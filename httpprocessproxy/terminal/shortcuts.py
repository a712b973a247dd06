"""Keys in the terminal, and their actions."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
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
    """Runs actions on the event loop's thread, where it is created; any thread may call `press`."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._actions: Mapping[str, Callable[[], None]] = {}

    @contextlib.contextmanager
    def acting(self, actions: Mapping[str, Callable[[], None]]) -> Iterator[None]:
        """Run the action of each of `KEYS` while the context is open; else, keys do nothing."""
        assert actions.keys() == KEYS.keys()
        self._actions = actions
        try:
            yield
        finally:
            self._actions = {}

    def press(self, key: str) -> None:
        call_from_thread(self._loop, self._act, key)

    def _act(self, key: str) -> None:
        if key in self._actions:
            self._actions[key]()
