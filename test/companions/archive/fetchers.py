"""Fetchers for tests: answers that are written down, and bodies made as they are read."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from httpprocessproxy.companions.archive.origins import Fetched, Item, ItemFailedError, Missed


@dataclass(frozen=True, slots=True)
class Said:
    """What an origin says: `pieces` of a body, and why it ends too early, if it does."""

    pieces: Sequence[bytes] = ()
    status: int = 200
    content_type: str = "text/plain"
    size: int | None = None
    failure: str = ""


class FakeFetcher:
    """Gives for each item what is `said` for its URL; without it nobody is there."""

    def __init__(self, said: Mapping[str, Said]) -> None:
        self._said = said
        self.pieces_read = 0
        self.is_left = False

    @asynccontextmanager
    async def fetch(self, items: Sequence[Item]) -> AsyncIterator[AsyncIterator[Fetched | Missed]]:
        try:
            yield self._answers(items)
        finally:
            self.is_left = True

    async def _answers(self, items: Sequence[Item]) -> AsyncIterator[Fetched | Missed]:
        for item in items:
            said = self._said.get(item.url)
            if said is None:
                yield Missed(item, "nobody there")
            else:
                body = self._body(said)
                yield Fetched(item, said.status, said.content_type, said.size, body)

    async def _body(self, said: Said) -> AsyncIterator[bytes]:
        for piece in said.pieces:
            self.pieces_read += 1
            yield piece
        if said.failure:
            raise ItemFailedError(said.failure)
