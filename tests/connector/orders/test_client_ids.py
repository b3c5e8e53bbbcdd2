"""Client ids say whose an order is, exactly, and never mix."""

import pytest
from connector.client_ids import ALPHABET, MOST_PREFIX, ClientIds, Owner, digest_of
from hypothesis import given
from hypothesis import strategies as st
from marketlink.times import WallNs
from marketlink.venues.binance import USDM_TRADING

NOW = WallNs(1_760_000_000_000_000_000)
prefixes = st.text(ALPHABET, max_size=MOST_PREFIX)
bots = st.integers(0, 2**64 - 1)
numbers = st.integers(0, 2**64 - 1)
times = st.integers(1_577_836_800_000_000_000, 4_000_000_000_000_000_000).map(WallNs)


@given(prefixes, bots, numbers, times)
def test_an_id_reads_back_as_it_was_made(prefix: str, bot: int, number: int, now: WallNs) -> None:
    ids = ClientIds(prefix)
    made = ids.make(bot, number, now)
    assert ids.read(made, now) == Owner(digest_of(bot), number)
    assert len(made) <= 31 <= USDM_TRADING.id_length
    assert set(made) <= set(ALPHABET)


@given(prefixes, prefixes, bots, numbers, times)
def test_prefixes_of_the_same_length_never_mix(mine: str, other: str, bot: int, number: int, now: WallNs) -> None:
    if mine != other:
        assert ClientIds(mine).read(ClientIds(other).make(bot, number, now), now) is None


@pytest.mark.parametrize(("mine", "other"), [("mm", "mm2"), ("mm2", "mm"), ("", "mm"), ("mm", ""), ("m", "mm")])
@given(bot=bots, number=numbers, now=times)
def test_a_prefix_that_begins_another_never_mixes_with_it(
    mine: str, other: str, bot: int, number: int, now: WallNs
) -> None:
    assert ClientIds(mine).read(ClientIds(other).make(bot, number, now), now) is None


@given(st.text(max_size=40), prefixes, times)
def test_any_text_is_an_id_or_none(text: str, prefix: str, now: WallNs) -> None:
    owner = ClientIds(prefix).read(text, now)
    if owner is not None:
        assert text.startswith(prefix)
        assert len(text) == len(prefix) + 23
        assert 0 <= owner.order_id < 2**64
        assert 0 <= owner.digest < 2**30


@pytest.mark.parametrize(
    "text", ["web_abcdefghijklmnopqrstuvw", "autoclose-1700000000000000", "x-aaaaaaaaaaaaaaaaaaaaa"]
)
def test_ids_of_others_are_not_read_with_an_empty_prefix(text: str) -> None:
    assert ClientIds("").read(text, NOW) is None


@given(st.lists(st.tuples(bots, numbers, times), min_size=1, max_size=200))
def test_no_id_is_made_twice_whatever_the_clock_does(asked: list[tuple[int, int, WallNs]]) -> None:
    ids = ClientIds("mm")
    made = [ids.make(7, 1, now) for _, _, now in asked] + [ids.make(bot, number, now) for bot, number, now in asked]
    assert len(set(made)) == len(made)
    assert [one[-7:] for one in made] == sorted(
        (one[-7:] for one in made), key=lambda nonce: [ALPHABET.index(x) for x in nonce]
    )


@given(times, st.integers(0, 10**15))
def test_after_a_restart_no_id_of_before_is_made_again(now: WallNs, back_ns: int) -> None:
    before = ClientIds("mm")
    made = {before.make(7, 1, now) for _ in range(5)}
    again = ClientIds("mm")
    for one in made:
        again.after(one)
    earlier = WallNs(max(1_577_836_800_000_000_000, now - back_ns))
    assert again.make(7, 1, earlier) not in made


@pytest.mark.parametrize("prefix", ["ninechars", "a b", "ä", "a/b", "a:b"])
def test_a_prefix_that_no_venue_takes_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="at most 8"):
        ClientIds(prefix)
