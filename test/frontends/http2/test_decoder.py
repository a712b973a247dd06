"""The quick HPACK decoder: the same fields and the same errors as `hpack.Decoder`."""

import pytest
from hpack import Decoder, Encoder, HPACKDecodingError, HPACKError, OversizedHeaderListError
from hypothesis import given
from hypothesis import strategies as st

from httpprocessproxy.frontends.http2.decoder import FieldDecoder

names = st.sampled_from([b":method", b":path", b"accept", b"cookie", b"x-long", b"x" * 200])
values = st.binary(max_size=200)
header_lists = st.lists(st.tuples(names, values, st.booleans()), max_size=12)


def outcome(decoder: Decoder, block: bytes) -> object:
    """The fields of a block, or the type of the error."""
    try:
        return [tuple(field) for field in decoder.decode(block, raw=True)]
    except HPACKError as error:
        return type(error)
    except IndexError:  # hpack fails so at some truncated blocks
        return HPACKDecodingError


@given(st.lists(header_lists, max_size=6), st.booleans(), st.sampled_from([4096, 200, 0]))
def test_blocks_of_an_encoder_decode_as_by_hpack(
    blocks: list[list[tuple[bytes, bytes, bool]]], huffman: bool, table_bytes: int
) -> None:
    encoder, quick, plain = Encoder(), FieldDecoder(), Decoder()
    encoder.header_table_size = table_bytes
    for fields in blocks:
        block = encoder.encode(fields, huffman)
        assert outcome(quick, block) == outcome(plain, block)
        assert quick.header_table.dynamic_entries == plain.header_table.dynamic_entries


@given(st.lists(st.binary(max_size=40), max_size=4))
def test_any_bytes_decode_as_by_hpack(blocks: list[bytes]) -> None:
    quick, plain = FieldDecoder(), Decoder()
    for block in blocks:
        expected = outcome(plain, block)
        assert outcome(quick, block) == expected
        if isinstance(expected, type):
            return  # the connection ends (RFC 7541 section 2.3.2)


def test_table_update_after_a_field_is_an_error() -> None:
    """RFC 7541 section 4.2."""
    with pytest.raises(HPACKDecodingError):
        FieldDecoder().decode(b"\x82\x20", raw=True)


def test_block_that_names_a_large_field_often_is_too_large() -> None:
    encoder, decoder = Encoder(), FieldDecoder()
    field = (b"x-large", b"y" * 3000)
    decoder.decode(encoder.encode([field]), raw=True)
    decoder.max_header_list_size = 64 * 1024
    index = encoder.encode([field])
    assert len(index) == 1
    assert len(decoder.decode(index * 21, raw=True)) == 21
    with pytest.raises(OversizedHeaderListError):
        decoder.decode(index * 22, raw=True)
