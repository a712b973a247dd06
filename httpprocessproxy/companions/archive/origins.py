"""What fetching and packing agree on: items go in, answers come out, in the same order.

Rule: at most one body is read at a time, and it is read to its end, or left, before the next
answer is asked for. So a fetcher may ask for the next item's head ahead, but not for its body.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol


class ItemFailedError(Exception):
    """An item's body ended too early, or must not go on; the text is one line for people."""


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of a ticket, checked: `url` is absolute, or a `/path` of the running site.

    `name` and `path` are as given, and not to be trusted; empty where nothing was.
    """

    url: str
    name: str = ""
    path: str = ""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Fetched:
    """The head of an origin's final answer, whatever its status, and its body to come.

    `content_type` is the field as sent, or empty. `size` counts the bytes that `body` will yield,
    so it is None where the origin did not tell, and where a content coding is taken off.
    `body` can be read once, need not be read, and raises ItemFailedError.
    """

    item: Item
    status: int
    content_type: str
    size: int | None
    body: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class Missed:
    """An item without any answer: refused by us, or nobody there; `reason` is one line."""

    item: Item
    reason: str


class Fetcher(Protocol):
    """Where items come from."""

    def fetch(
        self, items: Sequence[Item]
    ) -> AbstractAsyncContextManager[AsyncIterator[Fetched | Missed]]:
        """Fetch `items`: one answer for each, in order. Leaving the context ends all of it.

        async with fetcher.fetch(items) as answers:
            async for answer in answers:
        """
        ...
