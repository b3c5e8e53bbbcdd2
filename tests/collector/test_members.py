import gzip
import random
import zlib

from collector.members import mend, pack, whole_until
from hypothesis import given, settings
from hypothesis import strategies as st

TEXTS = [b"".join(b'%d {"n":%d}\n' % (1000 + i, i * j) for i in range(20 * j)) for j in range(1, 4)]
CHAIN = b"".join(map(pack, TEXTS))
ENDS = [0, len(pack(TEXTS[0])), len(pack(TEXTS[0])) + len(pack(TEXTS[1])), len(CHAIN)]


@given(st.lists(st.binary(max_size=300), max_size=6))
def test_chain_of_members_reads_back_whole(texts: list[bytes]) -> None:
    chain = b"".join(map(pack, texts))
    assert gzip.decompress(chain) == b"".join(texts)
    assert whole_until(chain) == len(chain)


def test_chain_cut_anywhere_is_whole_up_to_the_member_before() -> None:
    for cut in range(len(CHAIN)):
        assert whole_until(CHAIN[:cut]) == max(end for end in ENDS if end <= cut)


def test_every_line_that_reached_a_torn_member_is_saved_and_none_is_made_up() -> None:
    text = TEXTS[2]
    whole = pack(text)
    for cut in range(1, len(whole)):
        mended = mend(whole[:cut])
        saved = gzip.decompress(mended.data)
        inflated = zlib.decompressobj(31).decompress(whole[:cut])
        assert saved == inflated[: inflated.rfind(b"\n") + 1]
        assert text.startswith(saved)
        assert (mended.torn, mended.bytes_cut, mended.lines_saved) == (True, cut, saved.count(b"\n"))


@settings(deadline=None, max_examples=300)
@given(st.integers(0, len(CHAIN) - 1), st.integers(1, 255))
def test_one_wrong_byte_costs_no_other_member(at: int, change: int) -> None:
    broken = bytearray(CHAIN)
    broken[at] ^= change
    hit = next(i for i, end in enumerate(ENDS[1:]) if at < end)
    start = whole_until(bytes(broken))
    mended = mend(bytes(broken)[start:])
    kept = gzip.decompress(bytes(broken)[:start]) + gzip.decompress(mended.data)
    others = b"".join(text for i, text in enumerate(TEXTS) if i != hit)
    if start == len(broken):  # a header byte without a meaning
        assert kept == b"".join(TEXTS)
    elif hit < 2:
        assert kept == others
        assert not mended.torn
    else:  # the last member may look cut short
        assert kept.startswith(others)


def test_rubbish_behind_the_members_is_cut_and_called_damage() -> None:
    mended = mend(bytes(4096))
    assert (mended.data, mended.torn, mended.bytes_cut) == (b"", False, 4096)


def test_members_behind_a_torn_one_are_kept_in_order() -> None:
    first, second = pack(TEXTS[0]), pack(TEXTS[1])
    mended = mend(first[:-9] + second)
    assert mended.data == second
    assert not mended.torn


def test_many_members_longer_than_a_step_are_walked() -> None:
    noise = random.Random(5).randbytes(200_000)
    chain = pack(noise) + b"".join(pack(b"%d\n" % i) for i in range(3000))
    assert whole_until(chain) == len(chain)
    assert whole_until(chain[:-1]) == len(chain) - len(pack(b"2999\n"))
