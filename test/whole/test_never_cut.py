"""GETs on kept-alive connections while files are saved: each gets its complete response.

The figures: pytest -m slow --log-cli-level=INFO test/whole/test_never_cut.py
"""

import logging
import random
import threading
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from test.deadline import eventually
from test.harness import Proxy
from test.pressure import workers
from test.saved import COMMANDS, LARGE_BYTES, build, lay_out, save, version_of
from test.wire import TruncatedError, Wire

CLIENTS: Final = 16
SAVES: Final = 20
FEW_CLIENTS: Final = 4
FEW_SAVES: Final = 3

# Servers that need neither a package manager nor a JDK, and so run wherever the tests do.
QUICK: Final = ("http.server", "django", "gunicorn", "uvicorn", "node")

# The longest time under load before a save, so that saves meet every phase of a response.
PAUSE_S: Final = 0.1

_log = logging.getLogger(__name__)


class Clients:
    """Clients that send one GET after another on a connection each: the page, the large file."""

    def __init__(self, proxy: Proxy, count: int) -> None:
        self.proxy = proxy
        self.count = count
        self.gets: Counter[int] = Counter()
        self.lost: list[str] = []

    def ask(self, number: int, done: threading.Event) -> None:
        wire = self.proxy.connect()
        try:
            while not done.is_set():
                path = "/large" if (self.gets[number] + number) % 4 == 0 else "/"
                try:
                    is_kept = self._get(wire, path)
                    self.gets[number] += 1
                    if not is_kept:
                        wire.socket.close()
                        wire = self.proxy.connect()
                except (AssertionError, OSError, TruncatedError) as error:
                    self.lost.append(f"{path}: {error!r:.300}")
                    wire.socket.close()
                    wire = self.proxy.connect()
        finally:
            wire.socket.close()

    def wait(self) -> None:
        """Wait until every client has received another response, or one has lost one."""
        before = self.gets.copy()
        numbers = range(self.count)
        eventually(lambda: self.lost or all(self.gets[one] > before[one] for one in numbers))

    def _get(self, wire: Wire, path: str) -> bool:
        """Send a GET, read its complete response, and return whether the connection can be kept."""
        wire.send(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.proxy.port}\r\n\r\n".encode())
        response = wire.response()
        assert response.status == 200, response
        if path == "/large":
            assert len(response.body) == LARGE_BYTES
        else:
            version_of(response.body)
        return (response.get(b"Connection") or b"").lower() != b"close"


def save_under_load(project: Path, built: Path, name: str, clients: int, saves: int) -> None:
    lay_out(project, built)
    chance = random.Random(name)
    # A response that takes longer than the drain is cut, so the drain must suffice if it is busy.
    with Proxy(project, COMMANDS[name], "--drain", "10") as proxy:
        proxy.running()
        asking = Clients(proxy, clients)
        with workers(clients, asking.ask):
            for number in range(1, saves + 1):
                asking.wait()
                threading.Event().wait(PAUSE_S * chance.random())
                with proxy.restart():
                    save(project, number, chance)
        generation = proxy.status()["generation"]
    gets, lost = asking.gets.total(), len(asking.lost)
    _log.info("%s: %d GETs, %d starts, %d lost", name, gets, generation, lost)
    assert asking.lost == []


@pytest.mark.parametrize("name", QUICK)
def test_no_get_is_cut_by_a_few_saves(project: Path, tmp_path: Path, name: str) -> None:
    save_under_load(project, build(name, tmp_path / "build"), name, FEW_CLIENTS, FEW_SAVES)


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_no_get_of_many_clients_is_cut(project: Path, tmp_path: Path, name: str) -> None:
    save_under_load(project, build(name, tmp_path / "build"), name, CLIENTS, SAVES)
