"""Random saves and requests, on several servers: no response is older than the last save.

The figures: pytest -m slow --log-cli-level=INFO test/whole/test_never_stale_random.py
"""

import logging
import random
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from test.harness import Proxy
from test.saved import COMMANDS, build, lay_out, save, version_of
from test.wire import Wire

# Pairs of a save and the request after it, by server; 10,000 in the whole run.
PAIRS: Final = {"http.server": 2500, "node": 2500, "go": 3500, "uvicorn": 900, "django": 600}
FENCED_PAIRS: Final = 1000
FEW_PAIRS: Final = 12

PLAIN: Final = "GET / HTTP/1.1\r\n"
PAGE: Final = f"{PLAIN}Sec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\n"
UNSAFE: Final = "POST / HTTP/1.1\r\nContent-Length: 0\r\n"
SYNC: Final = f"{PLAIN}Hpp-Sync: 1\r\n"
ANY: Final = (PLAIN, PLAIN, PAGE, UNSAFE)
FENCED: Final = (SYNC, PAGE, UNSAFE)

# Longer than the start of the quick servers, so that requests meet each state.
PAUSE_S: Final = 0.08

_log = logging.getLogger(__name__)


@dataclass
class Pairs:
    """Saves the project's files, and sends a request after each save.

    One to three saves precede the reading of the responses, so that a save also meets a server
    that is starting, being stopped, or has just answered.
    """

    proxy: Proxy
    requests: tuple[str, ...]
    chance: random.Random
    saves: int = 0
    old: list[str] = field(default_factory=list)
    torn: int = 0  # answers by a server that started during a save

    def run(self, count: int) -> None:
        kept = self.proxy.running().connect()
        try:
            while self.saves < count:
                self._pause()
                if not self._save_and_ask(kept):
                    kept.socket.close()
                    kept = self.proxy.connect()
        finally:
            kept.socket.close()

    def _save_and_ask(self, kept: Wire) -> bool:
        """Save and ask up to three times; return whether the kept connection can be reused."""
        is_kept = True
        with ExitStack() as stack:
            asked: list[tuple[Wire, str, int]] = []
            if self.chance.random() < 0.3:
                # Keeps the server busy at the time of the save.
                asked.append(self._ask(stack.enter_context(self.proxy.connect())))
            for turn in range(self.chance.choice((1, 1, 2, 3))):
                self.saves += 1
                save(self.proxy.project, self.saves, self.chance)
                self._pause()
                is_new = turn > 0 or self.chance.random() < 0.5
                wire = stack.enter_context(self.proxy.connect()) if is_new else kept
                asked.append(self._ask(wire))
            for wire, request, saved in asked:
                response = wire.response()
                assert response.status == 200, response
                found = version_of(response.body)
                if found is None:
                    self.torn += 1
                elif found < saved:
                    self.old.append(f"{found} after save {saved}: {request!r}")
                if wire is kept:
                    is_kept = (response.get(b"Connection") or b"").lower() != b"close"
        return is_kept

    def _ask(self, wire: Wire) -> tuple[Wire, str, int]:
        request = self.chance.choice(self.requests)
        wire.send(f"{request}Host: 127.0.0.1:{self.proxy.port}\r\n\r\n".encode())
        return wire, request, self.saves

    def _pause(self) -> None:
        """Pause sometimes; mostly not, so that a response of the old code is in flight."""
        if self.chance.random() < 0.4:
            threading.Event().wait(self.chance.choice((0.005, PAUSE_S)) * self.chance.random())


@pytest.fixture(scope="session")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("builds")


def run_pairs(
    project: Path, builds: Path, name: str, count: int, *, watcher: str = "embedded"
) -> None:
    lay_out(project, build(name, builds / name))
    requests = ANY if watcher == "embedded" else FENCED
    # On a busy machine a start, or the response to a POST before a restart, may take longer.
    options = ("--starting-page", "off", "--drain", "10")
    with Proxy(project, COMMANDS[name], *options, watcher=watcher) as proxy:
        pairs = Pairs(proxy, requests, random.Random(f"{name} {watcher}"))
        pairs.run(count)
        generation = proxy.running().status()["generation"]
    counts = pairs.saves, generation, len(pairs.old), pairs.torn
    _log.info("%s, %s: %d pairs, %d starts, %d old, %d torn", name, watcher, *counts)
    assert pairs.old == []


@pytest.mark.parametrize("name", PAIRS)
def test_no_response_of_a_few_is_older_than_the_save_before_it(
    project: Path, builds: Path, name: str
) -> None:
    run_pairs(project, builds, name, FEW_PAIRS)


@pytest.mark.slow
@pytest.mark.parametrize("name", PAIRS)
def test_no_response_of_10000_is_older_than_the_save_before_it(
    project: Path, builds: Path, name: str
) -> None:
    run_pairs(project, builds, name, PAIRS[name])


@pytest.mark.parametrize("watcher", ["watchman", "polling"])
def test_fenced_request_of_any_kind_is_answered_by_the_code_of_the_save(
    project: Path, builds: Path, watcher: str
) -> None:
    run_pairs(project, builds, "go", FEW_PAIRS, watcher=watcher)


@pytest.mark.slow
@pytest.mark.parametrize("watcher", ["watchman", "polling"])
@pytest.mark.parametrize("name", ["http.server", "go"])
def test_fenced_request_of_very_many_is_answered_by_the_code_of_the_save(
    project: Path, builds: Path, watcher: str, name: str
) -> None:
    run_pairs(project, builds, name, FENCED_PAIRS, watcher=watcher)
