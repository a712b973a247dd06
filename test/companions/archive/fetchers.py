"""A fake fetcher with prepared responses, whose bodies are produced while they are read."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from httpprocessproxy.companions.archive.origins import Fetched, Item, ItemFailedError, Missed


@dataclass(frozen=True, slots=True)
class FakeResponse:
    """A response of an origin: the `pieces` of its body, and a `failure` that truncates it."""

    pieces: Sequence[bytes] = ()
    status: int = 200
    content_type: str = "text/plain"
    size: int | None = None
    failure: str = ""


class FakeFetcher:
    """Returns the response for each item's URL; a URL without one is unreachable."""

    def __init__(self, responses: Mapping[str, FakeResponse]) -> None:
        self._responses = responses
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
            response = self._responses.get(item.url)
            if response is None:
                yield Missed(item, "nobody there")
            else:
                body = self._body(response)
                yield Fetched(item, response.status, response.content_type, response.size, body)

    async def _body(self, response: FakeResponse) -> AsyncIterator[bytes]:
        for piece in response.pieces:
            self.pieces_read += 1
            yield piece
        if response.failure:
            raise ItemFailedError(response.failure)
