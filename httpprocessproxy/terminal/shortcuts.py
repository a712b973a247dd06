"""Keys in the terminal, and their actions."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from httpprocessproxy.config import Config
from httpprocessproxy.system.event_loop import call_from_thread

KEYS: Final = {
    "r": "restart the server",
    "o": "open the browser",
    "c": "clear the screen",
    "q": "quit",
    "?": "show this",
}

# The key that shows all of several services. The digits from 1 on show one alone.
SHOW_ALL: Final = "0"
_DIGITS: Final = "123456789"


def keys_of_services(config: Config) -> Mapping[str, str]:
    """The key of each service that the proxy starts, by the name of the service.

    Empty for one service; the tenth and later ones have no key.
    """
    names = [service.name for service in config.services if not service.is_external]
    return dict(zip(names, _DIGITS, strict=False)) if len(config.services) > 1 else {}


def help_text(keys: Mapping[str, str]) -> str:
    """The keys; `keys` are those of services."""
    shown = [f"  {key}  {does}" for key, does in KEYS.items()]
    if not keys:
        line = "Other keys are the server's, and so are these while it reads from the terminal."
        return "\n".join([*shown, line])
    shown[0] = "  r  restart the service that is shown alone, or all"
    for service, key in keys.items():
        shown.append(f"  {key}  show {service} alone")
    shown.append(f"  {SHOW_ALL}  show all services; Ctrl+] does so while a service reads keys")
    shown.append("A service that is shown alone gets all other keys, and these while it reads.")
    return "\n".join(shown)


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
