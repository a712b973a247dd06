"""The bar: what it shows of a fetch, on a terminal alone."""

import asyncio
import io

import pytest

from httpprocessproxy.companions.archive.origins import Fetched, Item, ItemFailedError
from httpprocessproxy.companions.archive.progress import Bar, ProgressFetcher
from test.companions.archive.fetchers import FakeFetcher, Said


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
    """Each look at it is a second later."""

    def __init__(self, step_s: float = 1.0) -> None:
        self._now, self._step_s = 0.0, step_s

    def __call__(self) -> float:
        self._now += self._step_s
        return self._now


def watch(screen: Screen, clock: Clock) -> bytes:
    """Fetch four items, one of them nowhere and one cut off; return what has come."""
    said = {
        "/a": Said([b"x" * 500] * 2, size=1000),
        "/b": Said([b"y" * 1000]),
        "/c\x1b": Said([b"z"], failure="gone"),
    }
    items = [Item(url) for url in ("/a", "/nowhere", "/b", "/c\x1b")]
    bar = Bar(screen, len(items), clock)

    async def read() -> bytes:
        came = b""
        async with ProgressFetcher(FakeFetcher(said), bar).fetch(items) as answers:
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


def test_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_it_fits_into_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    screen = Screen()
    watch(screen, Clock())
    assert {len(line) for line in screen.lines[:-1]} == {29}


def test_it_is_not_shown_more_often_than_one_sees() -> None:
    screen = Screen()
    watch(screen, Clock(0.02))
    assert len(screen.lines) == 3, "after 0, and 0.1 seconds, and at the end"


def test_nothing_is_shown_but_on_a_terminal() -> None:
    screen = Screen(is_terminal=False)
    watch(screen, Clock())
    assert screen.getvalue() == ""
