"""HPACK decoder (RFC 7541) that looks indexed fields up directly.

A page's requests repeat nearly all their fields, so nearly every byte of a header block is an index
into the table, which `hpack.Decoder` spends 3 us on. Literals, table updates and everything
irregular are left to it: a header block is a sequence of representations, of which it gets one at
a time.
"""

from typing import Final

from hpack import Decoder, HeaderTuple, HPACKDecodingError, OversizedHeaderListError

# RFC 7541 section 6.1: 1 and an index of 7 bits, of which 127 announces further bytes.
_FIRST_INDEX: Final = 0x81
_LAST_INDEX: Final = 0xFE

# RFC 7541 section 6.3: 001 and the new size of the table, at the beginning of a block only.
_UPDATE_MASK: Final = 0xE0
_UPDATE: Final = 0x20

# The limit of bytes after the prefix of an integer (RFC 7541 section 5.1): enough for 35 bits.
_MAX_MORE: Final = 5


class FieldDecoder(Decoder):
    """A `Decoder` whose fields may be plain tuples of bytes."""

    def decode(self, data: bytes, raw: bool = False) -> list[HeaderTuple]:
        """Decode a header block, for `raw` fields. Raises HPACKError."""
        if not (raw and data) or data[0] & _UPDATE_MASK == _UPDATE:
            return list(super().decode(data, raw))
        fields: list[HeaderTuple] = []
        look_up = self.header_table.get_by_index
        at = 0
        while at < len(data):
            first = data[at]
            if _FIRST_INDEX <= first <= _LAST_INDEX:
                fields.append(look_up(first & 0x7F))  # type: ignore[arg-type]
                at += 1
            elif first & _UPDATE_MASK == _UPDATE:
                raise HPACKDecodingError("a table size update after a field")
            else:
                end = _end_of(data, at)
                fields += super().decode(data[at:end], raw)
                at = end
        # A block of 64 KiB may name a field of 4 KiB 65,000 times; 32: RFC 7541 section 4.1.
        if sum(32 + len(name) + len(value) for name, value in fields) > self.max_header_list_size:
            raise OversizedHeaderListError(f"more than {self.max_header_list_size} bytes")
        return fields


def _end_of(data: bytes, at: int) -> int:
    """Return the offset after the representation at `at`.

    If it is malformed, this is the end of `data`, and `hpack.Decoder` finds the error.
    """
    first = data[at]
    try:
        if first & 0x80:
            return _integer(data, at, 0x7F)[1]
        index, at = _integer(data, at, 0x3F if first & 0x40 else 0x0F)
        for _ in range(1 if index else 2):  # the name, unless it is indexed, and the value
            length, at = _integer(data, at, 0x7F)
            at += length
    except IndexError:
        return len(data)
    return at


def _integer(data: bytes, at: int, mask: int) -> tuple[int, int]:
    """Return the integer with the prefix `mask`, and the offset after it. Raises IndexError."""
    value = data[at] & mask
    at += 1
    if value < mask:
        return value, at
    for shift in range(0, 7 * _MAX_MORE, 7):
        more = data[at]
        at += 1
        value += (more & 0x7F) << shift
        if more < 0x80:
            return value, at
    raise IndexError("an integer of more than 35 bits")
