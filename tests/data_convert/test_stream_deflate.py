"""Blocks packed apart are one stream, and the CRC of the whole comes from the parts."""

from __future__ import annotations

import zlib

import pytest
from data_convert.files.deflate import COMPRESSIONS, LAST_BLOCK, BlockPacker, combine_crc32, compressor, stored_block
from hypothesis import given, settings
from hypothesis import strategies as st


@settings(max_examples=200)
@given(first=st.binary(max_size=300), second=st.binary(max_size=300))
def test_the_crc_of_two_parts_is_the_crc_of_both(first, second):
    assert combine_crc32(zlib.crc32(first), zlib.crc32(second), len(second)) == zlib.crc32(first + second)


def test_the_crc_is_right_for_lengths_beyond_32_bits():
    """Moved on by 2^33 zero bytes, as two halves or as one."""
    crc, zeros = zlib.crc32(b"a"), 1 << 33
    halves = combine_crc32(combine_crc32(crc, 0, zeros // 2), 0, zeros // 2)
    assert combine_crc32(crc, 0, zeros) == halves


@pytest.mark.parametrize("compress", COMPRESSIONS)
@settings(max_examples=25)
@given(blocks=st.lists(st.binary(max_size=2000), max_size=12))
def test_blocks_come_back_in_order_and_inflate_to_the_whole(compress, blocks):
    packer = BlockPacker(compressor(compress))
    try:
        packed = [item for block in blocks for item in packer.put(memoryview(block))]
        packed += packer.drain()
    finally:
        packer.close()
    assert [(crc, length) for _, crc, length in packed] == [(zlib.crc32(b), len(b)) for b in blocks]
    joined = b"".join(data for data, _, _ in packed)
    whole = b"".join(blocks)
    assert (joined if compress == "none" else zlib.decompress(joined + LAST_BLOCK, -15)) == whole


def test_a_stored_block_is_its_bytes_between_others():
    assert zlib.decompress(stored_block(b"header") + LAST_BLOCK, -15) == b"header"
    assert stored_block(b"header")[5:] == b"header"
