"""The proxy's URLs, and a browser opened at one of them.

The browser must not print to the terminal, run in it (lynx) or end with the proxy: other pages may
be open in it. So it runs in a session of its own, with a mark that exempts it from
`process/tree.py`. BROWSER is respected; in a container without a browser, the URL is printed.
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

# -I: isolated, so that a module of the user's project cannot shadow one of Python's.
_OPEN = "import sys, webbrowser; sys.exit(not webbrowser.open(sys.argv[1]))"
_COMMAND = (sys.executable, "-I", "-c", _OPEN)

# A documentation address (RFC 5737). Connecting UDP sends nothing; it selects the local address.
_ELSEWHERE = ("192.0.2.1", 9)


def urls(bind: Address, scheme: str = "http") -> Sequence[str]:
    """The URLs of a listener at `bind`: for this machine, and for others if they can reach it."""
    others = _network_address() if bind.is_everywhere else None
    places = [bind] if others is None else [bind, Address(others, bind.port)]
    return [place.url_of(scheme) for place in places]


def _network_address() -> str | None:
    """The address by which other machines reach this one; None without a network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ELSEWHERE)
        except OSError:
            return None
        address: str = probe.getsockname()[0]
        return address


class Browser:
    """Opens a browser at `url`; `say` gets a line if that fails."""

    def __init__(self, url: str, say: Callable[[str], None]) -> None:
        self._url = url
        self._say = say
        self._is_due = True

    def open_once_running(self, event: StateChanged) -> None:
        """Open the browser when the server runs for the first time."""
        if self._is_due and event.state == "running":
            self._is_due = False
            self.open()

    def open(self) -> None:
        """Open the browser in a daemon thread. Needs a running event loop."""
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._open, args=[loop], name="browser", daemon=True).start()

    def _open(self, loop: asyncio.AbstractEventLoop) -> None:
        # Without TERM, `webbrowser` finds no browser that runs in a terminal.
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
