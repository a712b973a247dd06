"""The progress bar of a fetch on a terminal."""

import asyncio
import io

import pytest

from httpprocessproxy.companions.archive.origins import Fetched, Item, ItemFailedError
from httpprocessproxy.companions.archive.progress import Bar, ProgressFetcher
from test.companions.archive.fetchers import FakeFetcher, FakeResponse


class Screen(io.StringIO):
    def __init__(self, is_terminal: bool = True) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal

    @property
    def lines(self) -> list[str]:
        return self.getvalue().split("\r\x1b[K")[1:]


class Clock:
    """A clock that advances by `step_s` on each reading."""

    def __init__(self, step_s: float = 1.0) -> None:
        self._now, self._step_s = 0.0, step_s

    def __call__(self) -> float:
        self._now += self._step_s
        return self._now


def watch(screen: Screen, clock: Clock) -> bytes:
    """Fetch four items, one of them missing and one truncated; return the received bytes."""
    responses = {
        "/a": FakeResponse([b"x" * 500] * 2, size=1000),
        "/b": FakeResponse([b"y" * 1000]),
        "/c\x1b": FakeResponse([b"z"], failure="gone"),
    }
    items = [Item(url) for url in ("/a", "/nowhere", "/b", "/c\x1b")]
    bar = Bar(screen, len(items), clock)

    async def read() -> bytes:
        came = b""
        async with ProgressFetcher(FakeFetcher(responses), bar).fetch(items) as answers:
            async for answer in answers:
                if isinstance(answer, Fetched):
                    try:
                        async for piece in answer.body:
                            came += piece
                    except ItemFailedError:
                        came += b"!"
        bar.clear()
        return came

    return asyncio.run(read())


def test_bar_shows_items_bytes_rate_and_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    screen = Screen()
    assert watch(screen, Clock()) == b"x" * 1000 + b"y" * 1000 + b"z!"
    assert screen.lines == [
        "[                    ] 1/4  0 B  0 B/s  /a",
        "[##                  ] 1/4  500 B  250 B/s  /a",
        "[#####               ] 1/4  1.0 kB  333 B/s  /a",
        "[#####               ] 2/4  1.0 kB  250 B/s  /nowhere",
        "[##########          ] 3/4  1.0 kB  200 B/s  /b",
        "[##########          ] 3/4  2.0 kB  333 B/s  /b",
        "[###############     ] 4/4  2.0 kB  286 B/s  /c\\x1b",
        "[###############     ] 4/4  2.0 kB  250 B/s  /c\\x1b",
        "",
    ]


def test_bar_is_narrower_than_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    screen = Screen()
    watch(screen, Clock())
    assert {len(line) for line in screen.lines[:-1]} == {29}


def test_bar_is_redrawn_at_most_ten_times_a_second() -> None:
    screen = Screen()
    watch(screen, Clock(0.02))
    assert len(screen.lines) == 3, "after 0, and 0.1 seconds, and at the end"


def test_bar_is_silent_without_a_terminal() -> None:
    screen = Screen(is_terminal=False)
    watch(screen, Clock())
    assert screen.getvalue() == ""
