"""The format of a ZIP written without seeking: deflate and data descriptors (APPNOTE 6.3.10).

Rule: streaming readers can read the archive. Java's ZipInputStream accepts sizes that follow a
member only if it is deflated, and derives the width of these sizes from their values. So no member
is stored, and a member is zip64 only when it does not fit otherwise; APPNOTE sections in [].

The package stream-zip does not serve here: a synchronous reader pulls its data, and it can neither
end a truncated member nor add a comment to the archive. No I/O.
"""

import enum
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

MAX_UINT16: Final = 0xFFFF
MAX_UINT32: Final = 0xFFFFFFFF

# [4.4.3] Version needed to extract: deflate, or zip64. [4.4.2] Made by Unix: it has file modes.
_VERSION, _VERSION_ZIP64, _MADE_BY_UNIX = 20, 45, 3 << 8
# [4.4.4] Sizes and CRC come after the member (bit 3); names are UTF-8 (bit 11).
_FLAGS = 1 << 3 | 1 << 11
_DEFLATED = 8
_ZIP64_EXTRA = 0x0001
# A regular file that only its owner may read and write.
_ATTRIBUTES = 0o100600 << 16
# More than zlib buffers at its highest settings, 256 KB and the window.
_BUFFERED_BYTES = 1 << 20

_LOCAL = struct.Struct("<4s5H3L2H")  # [4.3.7]
_DESCRIPTOR = struct.Struct("<4s3L")  # [4.3.9]
_DESCRIPTOR_ZIP64 = struct.Struct("<4sL2Q")
_CENTRAL = struct.Struct("<4s6H3L5H2L")  # [4.3.12]
_END_ZIP64 = struct.Struct("<4sQ2H2L4Q")  # [4.3.14]
_LOCATOR_ZIP64 = struct.Struct("<4sLQL")  # [4.3.15]
_END = struct.Struct("<4s4H2LH")  # [4.3.16]


class Level(enum.IntEnum):
    """The level of compression. NONE is for compressed data: it costs a copy and the CRC."""

    NONE = 0
    USUAL = 6


class ZipTooLargeError(Exception):
    """A member of unknown or wrong size that exceeds the format it was begun with."""

    def __init__(self) -> None:
        super().__init__("4 GiB and more, of an unknown size")


@dataclass(slots=True)
class _Member:
    name: bytes
    offset: int
    is_zip64: bool
    crc: int = 0
    size: int = 0
    compressed: int = 0

    def has_room_for(self, more: int) -> bool:
        """Whether 32-bit sizes suffice, with `more` bytes and the data that zlib may buffer."""
        grown = self.compressed + _max_deflated(more) + _BUFFERED_BYTES
        return self.size + more <= MAX_UINT32 and grown <= MAX_UINT32


class ZipStream:
    """The encoder: for each member `begin`, `feed` any number of times, `end`; then `finish`.

    The caller writes the returned bytes in order. `feed` may be called in a thread.
    """

    def __init__(self, moment: datetime, comment: str = "") -> None:
        """`moment` is the modification time of all members, 1980 or later."""
        self._time = moment.hour << 11 | moment.minute << 5 | moment.second // 2
        self._date = (moment.year - 1980) << 9 | moment.month << 5 | moment.day
        self._comment = comment.encode()
        self._members: list[_Member] = []
        self._deflate = zlib.compressobj()
        self._offset = 0

    def begin(self, name: str, size: int | None, level: Level = Level.USUAL) -> bytes:
        """The head of a member. `size` is its uncompressed size in bytes; None if unknown.

        A member of unknown size may have at most 4 GiB less a byte, both deflated and not.
        """
        member = _Member(name.encode(), self._offset, _max_deflated(size or 0) > MAX_UINT32)
        self._members.append(member)
        self._deflate = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
        # [4.5.3] Both sizes are in the extra field then, and still unknown.
        extra = struct.pack("<2H2Q", _ZIP64_EXTRA, 16, 0, 0) if member.is_zip64 else b""
        sizes = (MAX_UINT32, MAX_UINT32) if member.is_zip64 else (0, 0)
        common = (_version(member.is_zip64), _FLAGS, _DEFLATED, self._time, self._date)
        lengths = (len(member.name), len(extra))
        head = _LOCAL.pack(b"PK\x03\x04", *common, 0, *sizes, *lengths)
        return self._written(head + member.name + extra)

    def feed(self, data: bytes | bytearray) -> bytes:
        """Data of the member. Raises ZipTooLargeError, and then adds none of it."""
        member = self._members[-1]
        if not member.is_zip64 and not member.has_room_for(len(data)):
            raise ZipTooLargeError
        member.crc = zlib.crc32(data, member.crc)
        member.size += len(data)
        return self._deflated(self._deflate.compress(data))

    def end(self) -> bytes:
        """The end of the member, complete or truncated."""
        member = self._members[-1]
        rest = self._deflated(self._deflate.flush())
        form = _DESCRIPTOR_ZIP64 if member.is_zip64 else _DESCRIPTOR
        sizes = (member.compressed, member.size)
        return rest + self._written(form.pack(b"PK\x07\x08", member.crc, *sizes))

    def finish(self) -> Iterator[bytes]:
        """The central directory, one piece for each member, and the end of the archive."""
        start = self._offset
        for member in self._members:
            yield self._written(self._directory_entry(member))
        yield self._end(start, self._offset - start)

    def _directory_entry(self, member: _Member) -> bytes:
        # [4.5.3] Only the values that do not fit into 32 bits, in this order.
        large: list[int] = []

        def fitted(value: int, *, is_large: bool) -> int:
            if is_large:
                large.append(value)
            return MAX_UINT32 if is_large else value

        size = fitted(member.size, is_large=member.is_zip64)
        compressed = fitted(member.compressed, is_large=member.is_zip64)
        offset = fitted(member.offset, is_large=member.offset >= MAX_UINT32)
        extra = struct.pack(f"<2H{len(large)}Q", _ZIP64_EXTRA, 8 * len(large), *large)
        extra = extra if large else b""
        version = _version(bool(large))
        common = (version, _FLAGS, _DEFLATED, self._time, self._date, member.crc)
        lengths = (len(member.name), len(extra), 0)
        made_by = _MADE_BY_UNIX | version
        fields = (made_by, *common, compressed, size, *lengths, 0, 0, _ATTRIBUTES, offset)
        return _CENTRAL.pack(b"PK\x01\x02", *fields) + member.name + extra

    def _end(self, start: int, size: int) -> bytes:
        count, zip64 = len(self._members), b""
        if count >= MAX_UINT16 or size >= MAX_UINT32 or start >= MAX_UINT32:
            rest = _END_ZIP64.size - 12
            made_by = _MADE_BY_UNIX | _VERSION_ZIP64
            about = (rest, made_by, _VERSION_ZIP64, 0, 0, count, count, size, start)
            zip64 = _END_ZIP64.pack(b"PK\x06\x06", *about)
            zip64 += _LOCATOR_ZIP64.pack(b"PK\x06\x07", 0, self._offset, 1)
        counts = (min(count, MAX_UINT16),) * 2
        place = (min(size, MAX_UINT32), min(start, MAX_UINT32))
        fields = (0, 0, *counts, *place, len(self._comment))
        return zip64 + _END.pack(b"PK\x05\x06", *fields) + self._comment

    def _deflated(self, data: bytes) -> bytes:
        self._members[-1].compressed += len(data)
        return self._written(data)

    def _written(self, data: bytes) -> bytes:
        self._offset += len(data)
        return data


def _version(is_zip64: bool) -> int:
    return _VERSION_ZIP64 if is_zip64 else _VERSION


def _max_deflated(size: int) -> int:
    """The maximum deflated size: each block of 16 KB grows by 5 bytes."""
    return size + size // 2048 + 64
