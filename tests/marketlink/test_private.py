"""The account's events as JSON."""

from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from marketlink.errors import WireError
from marketlink.private import (
    VERSION,
    AccountState,
    Balance,
    Compared,
    Execution,
    ForeignOrder,
    PrivateEvent,
    RiskState,
    decode_private,
    encode_private,
)

words = st.text(st.characters(codec="utf-8"), max_size=12)
ids = st.integers(0, 2**63 - 1)
money = st.decimals(allow_nan=False, allow_infinity=False, places=8)
events: st.SearchStrategy[PrivateEvent] = st.one_of(
    st.builds(
        Execution, words, ids, st.integers(0, 2**64 - 1), words, words, words, words, money, money, st.booleans(), ids,
        st.none() | money, words,
    ),
    st.builds(Balance, words, money, ids, st.none() | money),
    st.builds(AccountState, money, money, st.none() | money, money, words, ids),
    st.builds(ForeignOrder, words, words, words, words, words, money, money, money, ids),
    st.builds(RiskState, words, words),
    st.builds(Compared, ids, ids, st.dictionaries(words, st.integers(0, 9999), max_size=3)),
)  # fmt: skip


@given(events)
def test_an_event_is_read_as_it_was_written(event: PrivateEvent) -> None:
    assert decode_private(encode_private(event)) == event


@given(events)
def test_fields_of_a_later_time_are_left_out_and_other_versions_are_no_news(event: PrivateEvent) -> None:
    data = orjson.loads(encode_private(event))
    assert decode_private(orjson.dumps({**data, "later": [1]})) == event
    assert decode_private(orjson.dumps({**data, "v": VERSION + 1})) is None
    assert decode_private(orjson.dumps({**data, "kind": "later"})) is None


@given(events, st.data())
def test_a_missing_or_bad_field_is_an_error_that_names_it(event: PrivateEvent, data: st.DataObject) -> None:
    written = orjson.loads(encode_private(event))
    required = sorted(set(written) - {"v", "kind", "fee", "fee_asset", "total"})
    name = data.draw(st.sampled_from(required))
    without = {key: value for key, value in written.items() if key != name}
    with pytest.raises(WireError, match=name):
        decode_private(orjson.dumps(without))
    with pytest.raises(WireError, match=name):
        decode_private(orjson.dumps({**written, name: [None]}))


@given(st.binary(max_size=60))
def test_any_bytes_are_an_event_or_an_error(raw: bytes) -> None:
    try:
        decode_private(raw)
    except WireError:
        pass


def test_money_is_exact_text_without_an_exponent() -> None:
    assert b'"wallet":"0.00000001"' in encode_private(Balance("USDT", Decimal("1E-8"), 5))
