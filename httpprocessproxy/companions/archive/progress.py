"""A progress bar for an archive: one line of the terminal, rewritten in place."""

import contextlib
import shutil
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TextIO

from httpprocessproxy.companions.archive.origins import Fetched, Fetcher, Item, Missed
from httpprocessproxy.core.lines import printable, size

# Often enough to look smooth, and rarely enough to cost nothing.
_INTERVAL_S: Final = 0.1
_BAR_WIDTH: Final = 20
_CLEAR: Final = "\r\x1b[K"


class Bar:
    """Shows the progress of fetching; silent unless the stream is a terminal."""

    def __init__(
        self, terminal: TextIO, items: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._terminal = terminal if terminal.isatty() else None
        self._items = items
        self._clock = clock
        self._began_at, self._shown_at = clock(), float("-inf")
        self._done = -1
        self._bytes = 0
        self._item_bytes, self._item_size = 0, 0
        self._url = ""

    def begin(self, answer: Fetched | Missed) -> None:
        """Begin the next item; the previous one is done."""
        self._done += 1
        self._item_bytes = 0
        self._item_size = (answer.size or 0) if isinstance(answer, Fetched) else 0
        self._url = answer.item.url
        self._show()

    def add(self, count_bytes: int) -> None:
        self._bytes += count_bytes
        self._item_bytes += count_bytes
        self._show()

    def clear(self) -> None:
        """Erase the line before other output."""
        if self._terminal is not None:
            self._write(_CLEAR)

    def _show(self) -> None:
        now = self._clock()
        if self._terminal is not None and now - self._shown_at >= _INTERVAL_S:
            self._shown_at = now
            columns = shutil.get_terminal_size().columns
            # A line as wide as the terminal would wrap.
            self._write(_CLEAR + self._line(now)[: columns - 1])

    def _line(self, now: float) -> str:
        of_item = min(1.0, self._item_bytes / self._item_size) if self._item_size else 0.0
        part = min(1.0, (self._done + of_item) / self._items)
        bar = ("#" * round(part * _BAR_WIDTH)).ljust(_BAR_WIDTH)
        pace = self._bytes / max(now - self._began_at, _INTERVAL_S)
        number = f"{self._done + 1}/{self._items}"
        return f"[{bar}] {number}  {size(self._bytes)}  {size(pace)}/s  {printable(self._url)}"

    def _write(self, text: str) -> None:
        assert self._terminal is not None, "the callers check this"
        self._terminal.write(text)
        self._terminal.flush()


@dataclass(frozen=True, slots=True)
class ProgressFetcher:
    """Wraps a fetcher and reports its progress to a bar."""

    fetcher: Fetcher
    bar: Bar

    @contextlib.asynccontextmanager
    async def fetch(self, items: Sequence[Item]) -> AsyncIterator[AsyncIterator[Fetched | Missed]]:
        async with self.fetcher.fetch(items) as answers:
            yield self._watched(answers)

    async def _watched(
        self, answers: AsyncIterator[Fetched | Missed]
    ) -> AsyncIterator[Fetched | Missed]:
        async for answer in answers:
            self.bar.begin(answer)
            if isinstance(answer, Fetched):
                yield replace(answer, body=self._body(answer.body))
            else:
                yield answer

    async def _body(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for piece in body:
            self.bar.add(len(piece))
            yield piece
