"""The interface between fetching and packing: items in, results out, in the same order.

Rule: at most one body is read at a time, and it is read to its end or abandoned before the next
result is requested. So a fetcher may request the next item's head ahead, but not read its body.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol


class ItemFailedError(Exception):
    """An item's body ended early or exceeded a limit; the text is one readable line."""


@dataclass(frozen=True, slots=True)
class Item:
    """One checked entry of a ticket: `url` is absolute, or a `/path` of the running site.

    `name` and `path` are the client's verbatim and untrusted; empty if not given.
    """

    url: str
    name: str = ""
    path: str = ""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Fetched:
    """The head of an origin's final response, with any status, and its unread body.

    `content_type` is the field verbatim, or empty. `size` counts the bytes that `body` will yield;
    it is None without a Content-Length, and when a content coding is decoded.
    `body` can be read once, need not be read, and raises ItemFailedError.
    """

    item: Item
    status: int
    content_type: str
    size: int | None
    body: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class Missed:
    """An item without a response: refused by the guard, or unreachable; `reason` is one line."""

    item: Item
    reason: str


class Fetcher(Protocol):
    """A source of items."""

    def fetch(
        self, items: Sequence[Item]
    ) -> AbstractAsyncContextManager[AsyncIterator[Fetched | Missed]]:
        """Fetch `items`: one result for each, in order. Leaving the context ends all requests.

        async with fetcher.fetch(items) as answers:
            async for answer in answers:
        """
        ...
