"""A ZIP of what a fetcher brings, written as it comes."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from httpprocessproxy.archive.origins import Fetcher, Item

Write = Callable[[bytes], Awaitable[None]]


class BrokenError(Exception):
    """A strict archive that lacks an item: what was written must not look complete."""


@dataclass(frozen=True, slots=True)
class Options:
    """`strict`: end in BrokenError at the first failure, in place of listing it in the archive.

    `level` is zlib's, for what is not compressed already.
    """

    strict: bool = False
    level: int = 6


@dataclass(frozen=True, slots=True)
class Packed:
    """What became of the items: how many are whole, and a line for each of the others."""

    members: int
    errors: tuple[str, ...]


async def pack(
    items: Sequence[Item], fetcher: Fetcher, write: Write, options: Options | None = None
) -> Packed:
    """Write the ZIP of `items`, in order, awaiting each `write`: its pace is ours.

    Cancel it to stop fetching. Raises BrokenError if `options.strict`, and what `write` raises.
    """
    raise NotImplementedError
