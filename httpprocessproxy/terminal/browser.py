"""Where browsers find us, and opening one.

The browser must not print over our terminal, nor run in it (lynx), nor end with us: other pages
may be open in it. So it has a session of its own, and a mark that keeps `process/tree.py` from it.
BROWSER is respected; in a container without one, the URL is said.
"""

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence

from httpprocessproxy.config import Address
from httpprocessproxy.events import StateChanged
from httpprocessproxy.process import NOT_OURS
from httpprocessproxy.system.event_loop import call_from_thread

# Isolated, so that no module of the project is taken for one of Python's.
_OPEN = "import sys, webbrowser; sys.exit(not webbrowser.open(sys.argv[1]))"
_COMMAND = (sys.executable, "-I", "-c", _OPEN)

# For documentation (RFC 5737): nothing is sent there, the system only chooses an address of ours.
_ELSEWHERE = ("192.0.2.1", 9)


def urls(bind: Address, scheme: str = "http") -> Sequence[str]:
    """The URLs of what listens at `bind`: for this machine, and for others if they can reach it."""
    others = _network_address() if bind.is_everywhere else None
    places = [bind] if others is None else [bind, Address(others, bind.port)]
    return [place.url_of(scheme) for place in places]


def _network_address() -> str | None:
    """The address by which other machines reach this one, if it is in a network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ELSEWHERE)
        except OSError:
            return None
        address: str = probe.getsockname()[0]
        return address


class Browser:
    """Opens `url`. `say` gets a line if that cannot be done."""

    def __init__(self, url: str, say: Callable[[str], None]) -> None:
        self._url = url
        self._say = say
        self._is_due = True

    def open_once_running(self, event: StateChanged) -> None:
        """Open it when the server runs for the first time."""
        if self._is_due and event.state == "running":
            self._is_due = False
            self.open()

    def open(self) -> None:
        """Open it in a thread, which nobody waits for. Needs a running event loop."""
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._open, args=[loop], name="browser", daemon=True).start()

    def _open(self, loop: asyncio.AbstractEventLoop) -> None:
        # Without TERM, `webbrowser` knows of none that runs in a terminal.
        environment = {name: value for name, value in os.environ.items() if name != "TERM"}
        done = subprocess.run(
            [*_COMMAND, self._url],
            env={**environment, NOT_OURS: "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            check=False,
        )
        if done.returncode:
            call_from_thread(loop, self._say, f"no browser to open here: {self._url}")
