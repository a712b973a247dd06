"""Writes the items of a fetcher into a ZIP while they arrive.

Rule: nothing is lost silently. An item that is missing or truncated is a line of the last member;
with `strict`, the archive ends there, visibly incomplete.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from httpprocessproxy.companions.archive.kinds import is_compressed
from httpprocessproxy.companions.archive.names import MemberNames, member_path
from httpprocessproxy.companions.archive.origins import (
    Fetched,
    Fetcher,
    Item,
    ItemFailedError,
    Missed,
)
from httpprocessproxy.companions.archive.zipping import Level, ZipStream, ZipTooLargeError
from httpprocessproxy.core.lines import printable

Write = Callable[[bytes], Awaitable[None]]

ERRORS: Final = "_errors.txt"
COMMENT: Final = "Written by http-process-proxy"

# Deflating this much takes about as long as a switch to a thread and back.
_INLINE_BYTES = 4 * 1024
# Large enough for a thread to be worth it, small enough for cancellation to be prompt.
_PIECE_BYTES = 256 * 1024
_WRITE_BYTES = 64 * 1024


class BrokenError(Exception):
    """A strict archive lacks an item; the caller must make the written part look incomplete."""


@dataclass(frozen=True, slots=True)
class Options:
    """`strict`: raise BrokenError at the first failure instead of listing it in the archive."""

    strict: bool = False


@dataclass(frozen=True, slots=True)
class Packed:
    """The result of packing: the number of complete items, and a line for each other item."""

    members: int
    errors: tuple[str, ...]


async def pack(
    items: Sequence[Item], fetcher: Fetcher, write: Write, options: Options | None = None
) -> Packed:
    """Write the ZIP of `items`, in order, and await each `write` (back-pressure).

    Cancellation stops fetching. Raises BrokenError if `options.strict`, and the errors of `write`.
    """
    packer = _Packer(write, options or Options())
    async with fetcher.fetch(items) as answers:
        async for answer in answers:
            await packer.add(answer)
    return await packer.finish()


class _Packer:
    def __init__(self, write: Write, options: Options) -> None:
        self._options = options
        self._zip = ZipStream(datetime.now(UTC), COMMENT)
        self._names = MemberNames(ERRORS)
        self._out = _WriteBuffer(write)
        self._members = 0
        self._errors: list[str] = []

    async def add(self, answer: Fetched | Missed) -> None:
        """Add an item. Raises BrokenError if it fails in a strict archive."""
        match answer:
            case Missed(item, reason):
                self._fail(item, reason)
            case Fetched(item, HTTPStatus.OK):
                await self._add_member(item, answer)
            case Fetched(item, status):
                self._fail(item, f"the answer was {status}")

    async def finish(self) -> Packed:
        if self._errors:
            self._out.put(self._zip.begin(ERRORS, None))
            await self._feed("".join(f"{line}\n" for line in self._errors).encode())
            self._out.put(self._zip.end())
        for piece in self._zip.finish():
            self._out.put(piece)
            await self._out.flush(at_least=_WRITE_BYTES)
        await self._out.flush()
        return Packed(self._members, tuple(self._errors))

    async def _add_member(self, item: Item, answer: Fetched) -> None:
        name = self._names.unique(member_path(item))
        level = Level.NONE if is_compressed(answer.content_type, name) else Level.USUAL
        self._out.put(self._zip.begin(name, answer.size, level))
        try:
            await self._add_body(answer)
        except (ItemFailedError, ZipTooLargeError) as error:
            self._fail(item, f"{name} is not whole: {error}")
        else:
            self._members += 1
        # A member is always closed: streaming readers could not find the next one otherwise.
        self._out.put(self._zip.end())
        await self._out.flush()

    async def _add_body(self, answer: Fetched) -> None:
        """Add a body. Raises ItemFailedError after adding the received data; ZipTooLargeError."""
        gathered = bytearray()
        failure: ItemFailedError | None = None
        try:
            async for data in answer.body:
                gathered += data
                if len(gathered) >= _PIECE_BYTES:
                    piece, gathered = gathered, bytearray()
                    await self._feed(piece)
        except ItemFailedError as error:
            failure = error
        await self._feed(gathered)
        if failure is not None:
            raise failure

    async def _feed(self, data: bytes | bytearray) -> None:
        """Deflate data and write it. Raises ZipTooLargeError."""
        if len(data) <= _INLINE_BYTES:
            self._out.put(self._zip.feed(data))
        else:
            loop = asyncio.get_running_loop()
            self._out.put(await loop.run_in_executor(None, self._zip.feed, data))
        await self._out.flush(at_least=_WRITE_BYTES)

    def _fail(self, item: Item, reason: str) -> None:
        """Record a failed item. Raises BrokenError in a strict archive."""
        line = printable(f"{item.url}: {reason}")
        if self._options.strict:
            raise BrokenError(line)
        self._errors.append(line)


class _WriteBuffer:
    """A write buffer, so that a small member is one write."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._waiting = bytearray()

    def put(self, data: bytes) -> None:
        self._waiting += data

    async def flush(self, at_least: int = 1) -> None:
        if len(self._waiting) >= at_least:
            # An immutable copy, as the writer may keep it.
            data = bytes(self._waiting)
            self._waiting.clear()
            await self._write(data)
