"""Binance USD-M: literal frames of every kind, damaged ones, and the shared captures and payloads where they are present."""

import gzip
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from marketlink.book.rules import DepthUpdate, Snapshot
from marketlink.errors import MalformedMessage
from marketlink.events import BUY, DEPTH, DEPTH_BBO, LOCAL, SELL, TRADE
from marketlink.venues.base import (
    Answer,
    Depth,
    Heading,
    NotUsed,
    OrderBounds,
    Refusal,
    ShuttingDown,
    Ticks,
    VenueMessage,
    WeightLimit,
)
from marketlink.venues.binance import USDM, reduced_root
from marketlink.venues.trading import OrderLimit

UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
ROOT = Path(__file__).parents[3]
SHARED = Path(os.environ.get("MARKETLINK_SHARED", ROOT.parent / "shared" / "data"))
RECV = 1_723_161_255_030_314_667

DEPTH_DATA: dict[str, Any] = {
    "e": "depthUpdate",
    "E": 1723161256299,
    "T": 1723161256298,
    "s": "BTCUSDT",
    "U": 5123107832006,
    "u": 5123107837557,
    "pu": 5123107831937,
    "b": [["58710.20", "0.014"], ["61496.50", "0.000"]],
    "a": [["61800.30", "2.510"]],
}
TRADE_DATA: dict[str, Any] = {
    "e": "trade",
    "E": 1723161256322,
    "T": 1723161256321,
    "s": "BTCUSDT",
    "t": 5266583935,
    "p": "61800.30",
    "q": "0.006",
    "X": "MARKET",
    "m": False,
}
QUOTE_DATA: dict[str, Any] = {
    "e": "bookTicker",
    "u": 5123107839020,
    "s": "BTCUSDT",
    "b": "61800.20",
    "B": "2.507",
    "a": "61800.30",
    "A": "2.510",
    "T": 1723161256313,
    "E": 1723161256314,
}
STREAM = {"depthUpdate": "btcusdt@depth@0ms", "trade": "btcusdt@trade", "bookTicker": "btcusdt@bookTicker"}
ALL = [DEPTH_DATA, TRADE_DATA, QUOTE_DATA]


SLOW = replace(USDM, scan=None)


def combined(data: Any, stream: str | None = None) -> bytes:
    return orjson.dumps({"stream": stream or STREAM[data["e"]], "data": data})


def bare(data: Any) -> bytes:
    return orjson.dumps(data)


def depth(frame: bytes) -> Depth:
    message = USDM.decode(frame, RECV)
    assert isinstance(message, Depth)
    return message


def ticks(frame: bytes) -> Ticks:
    message = USDM.decode(frame, RECV)
    assert isinstance(message, Ticks)
    return message


def malformed(frame: bytes) -> MalformedMessage:
    with pytest.raises(MalformedMessage) as caught:
        USDM.decode(frame, RECV)
    return caught.value


@pytest.mark.parametrize("shape", [combined, bare])
def test_depth_is_bids_then_asks_at_transaction_time_with_the_last_id(shape: Any) -> None:
    message = depth(shape(DEPTH_DATA))
    update = message.update
    assert message.symbol == "btcusdt"
    assert (update.first_id, update.last_id, update.prev_id) == (5123107832006, 5123107837557, 5123107831937)
    exch = 1723161256298_000_000
    assert update.events.tolist() == [
        (LOCAL | DEPTH | BUY, exch, RECV, 58710.20, 0.014, 0, 5123107837557, 0.0),
        (LOCAL | DEPTH | BUY, exch, RECV, 61496.50, 0.0, 0, 5123107837557, 0.0),
        (LOCAL | DEPTH | SELL, exch, RECV, 61800.30, 2.510, 0, 5123107837557, 0.0),
    ]


def test_depth_without_levels_is_an_update_all_the_same() -> None:
    assert len(depth(combined({**DEPTH_DATA, "b": [], "a": []})).update.events) == 0


@pytest.mark.parametrize("shape", [combined, bare])
@pytest.mark.parametrize(("buyer_is_maker", "side"), [(True, SELL), (False, BUY)])
def test_a_market_trade_is_on_the_takers_side(shape: Any, buyer_is_maker: bool, side: int) -> None:
    message = ticks(shape({**TRADE_DATA, "m": buyer_is_maker}))
    assert message.symbol == "btcusdt"
    assert message.events.tolist() == [
        (LOCAL | TRADE | side, 1723161256321_000_000, RECV, 61800.30, 0.006, 0, 5266583935, 0.0)
    ]


@pytest.mark.parametrize("kind", ["INSURANCE_FUND", "ADL", "NA"])
def test_a_trade_that_is_not_of_the_market_brings_nothing_whatever_its_numbers(kind: str) -> None:
    message = ticks(combined({**TRADE_DATA, "X": kind, "p": "0", "q": "0"}))
    assert (message.symbol, len(message.events)) == ("btcusdt", 0)


@pytest.mark.parametrize("stream", [None, "!bookTicker"])
def test_a_quote_is_a_bid_row_and_an_ask_row(stream: str | None) -> None:
    exch = 1723161256313_000_000
    assert ticks(combined(QUOTE_DATA, stream)).events.tolist() == [
        (LOCAL | DEPTH_BBO | BUY, exch, RECV, 61800.20, 2.507, 0, 5123107839020, 0.0),
        (LOCAL | DEPTH_BBO | SELL, exch, RECV, 61800.30, 2.510, 0, 5123107839020, 0.0),
    ]


def test_an_empty_side_of_a_quote_is_zero() -> None:
    assert ticks(combined({**QUOTE_DATA, "b": "0", "B": "0"})).events["px"].tolist() == [0.0, 61800.30]


@pytest.mark.parametrize("data", ALL)
def test_unknown_fields_and_another_order_of_fields_change_nothing(data: dict[str, Any]) -> None:
    plain, decorated = (
        combined(data),
        combined({"zz": {"deep": [1]}, **dict(reversed(data.items())), "st": 1, "ps": "BTCUSDT"}),
    )
    assert same(USDM.decode(plain, RECV), USDM.decode(decorated, RECV))
    assert USDM.heading(plain) == USDM.heading(decorated)


def same(one: VenueMessage, other: VenueMessage) -> bool:
    if isinstance(one, Depth) and isinstance(other, Depth):
        return one.symbol == other.symbol and same_book(one.update, other.update)
    if isinstance(one, Ticks) and isinstance(other, Ticks):
        return one.symbol == other.symbol and np.array_equal(one.events, other.events)
    return one == other


def same_book(one: DepthUpdate, other: DepthUpdate) -> bool:
    ids = (one.first_id, one.last_id, one.prev_id) == (other.first_id, other.last_id, other.prev_id)
    return ids and np.array_equal(one.events, other.events)


@pytest.mark.parametrize("data", ALL)
def test_messages_of_the_coin_margined_product_are_left_out(data: dict[str, Any]) -> None:
    frame = combined({**data, "st": 2})
    assert USDM.decode(frame, RECV) == USDM.heading(frame) == NotUsed(f"{data['e']} st=2", known=True)


def test_a_product_never_heard_of_is_left_out_as_unknown() -> None:
    frame = combined({**TRADE_DATA, "st": 3})
    assert USDM.decode(frame, RECV) == USDM.heading(frame) == NotUsed("trade st=3", known=False)


@pytest.mark.parametrize(
    "kind", ["aggTrade", "markPriceUpdate", "forceOrder", "kline", "24hrTicker", "24hrMiniTicker", "contractInfo"]
)
def test_kinds_that_are_not_used_are_named(kind: str) -> None:
    for frame in (bare({"e": kind, "s": "BTCUSDT"}), combined({"e": kind, "s": "BTCUSDT"}, f"btcusdt@{kind}")):
        assert USDM.decode(frame, RECV) == USDM.heading(frame) == NotUsed(kind, known=True)


def test_kinds_never_heard_of_are_named_as_such() -> None:
    assert USDM.decode(bare({"e": "somethingNew"}), RECV) == NotUsed("somethingNew", known=False)
    assert USDM.decode(bare({"whatever": 1}), RECV) == NotUsed("?", known=False)
    assert USDM.decode(combined([{"e": "markPriceUpdate"}], "!markPrice@arr"), RECV) == NotUsed(
        "markPriceUpdate", known=True
    )


@pytest.mark.parametrize("stream", ["btcusdt@depth5@100ms", "btcusdt@depth20", "btcusdt@rpiDepth@500ms"])
def test_depth_that_is_no_difference_to_the_book_is_never_taken_for_one(stream: str) -> None:
    message = USDM.decode(combined(DEPTH_DATA, stream), RECV)
    assert message == USDM.heading(combined(DEPTH_DATA, stream))
    assert isinstance(message, NotUsed)
    assert message.known


@pytest.mark.parametrize(
    ("frame", "answer"),
    [
        (b'{"result":null,"id":7}', Answer(7, None)),
        (b'{"id":7,"result":["btcusdt@trade"]}', Answer(7, None)),
        (b'{"result":null,"id":"ab"}', Answer("ab", None)),
        (b'{"error":{"code":2,"msg":"Invalid request: x"},"id":7}', Answer(7, "2: Invalid request: x")),
        (b'{"result":null,"error":null,"id":7}', Answer(7, None)),
        (b'{"code":3,"msg":"Invalid JSON","id":7}', Answer(7, "3: Invalid JSON")),
        (b'{"code":3,"msg":"Invalid JSON"}', Answer(None, "3: Invalid JSON")),
        (b'{"error":"gone","id":true}', Answer(None, "gone")),
    ],
)
def test_answers_are_told_from_data(frame: bytes, answer: Answer) -> None:
    assert USDM.decode(frame, RECV) == USDM.control(frame) == USDM.heading(frame) == answer


@pytest.mark.parametrize(
    "frame",
    [
        b'{"e":"serverShutdown","E":1}',
        b'{"stream":"x","data":{"e":"serverShutdown"}}',
        b'{"event":{"e":"serverShutdown","E":1}}',
    ],
)
def test_an_announced_shutdown_is_recognised(frame: bytes) -> None:
    assert USDM.decode(frame, RECV) == USDM.control(frame) == USDM.heading(frame) == ShuttingDown()


@pytest.mark.parametrize(
    "frame", [combined(DEPTH_DATA), bare(TRADE_DATA), b"", b"{", b"[]", b"null", b"\xff", b'{"x":1}']
)
def test_data_and_nonsense_are_no_control_messages(frame: bytes) -> None:
    assert USDM.control(frame) is None


BAD_NUMBERS: list[Any] = [
    "",
    "abc",
    "nan",
    "NaN",
    "inf",
    "-1",
    "+1",
    "1_0",
    " 1",
    "1 ",
    "1,2",
    "1e999",
    "0x1",
    "1.2.3",
    "１",
    None,
    1,
    1.5,
    True,
    [],
]


@pytest.mark.parametrize("bad", BAD_NUMBERS)
def test_a_number_that_is_none_makes_the_message_unusable(bad: Any) -> None:
    for data, field in ((DEPTH_DATA, "b"), (DEPTH_DATA, "a")):
        for level in ([bad, "1"], ["1", bad]):
            error = malformed(combined({**data, field: [["2", "2"], level]}))
            assert (error.field, error.symbol, error.stream) == (field, "btcusdt", "depth")
    for field in "pq":
        error = malformed(combined({**TRADE_DATA, field: bad}))
        assert (error.field, error.symbol, error.stream) == (field, "btcusdt", "trade")
    for field in "bBaA":
        error = malformed(combined({**QUOTE_DATA, field: bad}))
        assert (error.field, error.symbol, error.stream) == (field, "btcusdt", "bookTicker")


@pytest.mark.parametrize(
    "levels", [None, {}, "12", ["12"], [["1"]], [[]], [{"1": "2"}], [["0", "1"]], [["0.00", "1"]], [[["1"], "2"]]]
)
def test_levels_that_are_none_make_the_message_unusable(levels: Any) -> None:
    assert malformed(combined({**DEPTH_DATA, "b": levels})).field == "b"


@pytest.mark.parametrize("bad", [None, "5", 5.0, -1, True, 2**63, 2**70])
def test_an_id_or_time_that_is_no_whole_number_makes_the_message_unusable(bad: Any) -> None:
    for data, names in ((DEPTH_DATA, ("U", "u", "pu", "T")), (TRADE_DATA, ("t", "T")), (QUOTE_DATA, ("u", "T"))):
        for name in names:
            frame = json.dumps(
                {"stream": STREAM[data["e"]], "data": {**data, name: bad}}, separators=(",", ":")
            ).encode()
            error = malformed(frame)
            assert (error.symbol, error.stream) == ("btcusdt", STREAM[data["e"]].split("@")[1])
            if name in ("U", "u", "pu") and data is DEPTH_DATA:
                with pytest.raises(MalformedMessage):
                    USDM.heading(frame)


@pytest.mark.parametrize("data", ALL)
def test_a_missing_field_makes_the_message_unusable(data: dict[str, Any]) -> None:
    for name in set(data) - {"e", "E"}:
        assert malformed(combined({key: value for key, value in data.items() if key != name})).field == name


@pytest.mark.parametrize("data", ALL)
def test_the_symbol_is_the_payloads(data: dict[str, Any]) -> None:
    frame = combined({**data, "s": "BNBUSDT"})
    message, heading = USDM.decode(frame, RECV), USDM.heading(frame)
    assert isinstance(message, (Depth, Ticks))
    assert isinstance(heading, Heading)
    assert message.symbol == heading.symbol == "bnbusdt"


def test_ids_in_the_wrong_order_make_the_message_unusable() -> None:
    frame = combined({**DEPTH_DATA, "U": 9, "u": 8})
    assert malformed(frame).field == "u"
    with pytest.raises(MalformedMessage):
        USDM.heading(frame)


@pytest.mark.parametrize("data", ALL)
def test_a_payload_that_is_not_its_streams_makes_the_message_unusable(data: dict[str, Any]) -> None:
    kind = STREAM[data["e"]].split("@")[1]
    for frame in (
        combined({**data, "e": "depthUpdbte"}, STREAM[data["e"]]),
        combined(None, STREAM[data["e"]]),
        combined({}, STREAM[data["e"]]),
    ):
        error = malformed(frame)
        assert (error.symbol, error.stream) == ("btcusdt", kind)


@pytest.mark.parametrize("data", ALL)
@pytest.mark.parametrize("shape", [combined, bare])
def test_a_frame_cut_anywhere_is_unusable_and_tells_whose_it_is_as_soon_as_its_bytes_do(
    data: dict[str, Any], shape: Any
) -> None:
    frame = shape(data)
    for end in range(len(frame)):
        for read in (lambda cut: USDM.decode(cut, RECV), USDM.heading):
            with pytest.raises(MalformedMessage) as caught:
                read(frame[:end])
            if end > frame.index(b'"BTCUSDT"') + 9:
                assert (caught.value.symbol, caught.value.stream) == ("btcusdt", STREAM[data["e"]].split("@")[1])


@UNTIMED
@given(st.sampled_from([shape(data) for data in ALL for shape in (combined, bare)]), st.data())
def test_no_damage_raises_anything_but_malformed(frame: bytes, data: st.DataObject) -> None:
    damaged = bytearray(frame)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    USDM.control(bytes(damaged))
    for read in (lambda raw: USDM.decode(raw, RECV), USDM.heading):
        try:
            read(bytes(damaged))
        except MalformedMessage:
            pass


EDITS = st.lists(
    st.tuples(st.sampled_from("=-+"), st.integers(0, 400), st.sampled_from(b'0123456789."[]{},:-eEsUuptT\\ ')),
    max_size=3,
)


@UNTIMED
@given(
    st.sampled_from(
        [shape({**data, **more}) for data in ALL for shape in (combined, bare) for more in ({}, {"st": 1})]
    ),
    EDITS,
)
def test_whatever_decodes_has_the_heading_of_what_it_decodes_to(
    frame: bytes, edits: list[tuple[str, int, int]]
) -> None:
    damaged = bytearray(frame)
    for edit, place, byte in edits:
        at = place % len(damaged)
        damaged[at : at + (edit != "+")] = b"" if edit == "-" else bytes([byte])
    try:
        message = USDM.decode(bytes(damaged), RECV)
    except MalformedMessage:
        with pytest.raises(MalformedMessage):
            SLOW.decode(bytes(damaged), RECV)
        return
    assert same(message, SLOW.decode(bytes(damaged), RECV))
    json.loads(
        damaged, object_pairs_hook=lambda pairs: assume(len({name for name, _ in pairs}) == len(pairs)) and dict(pairs)
    )
    heading = USDM.heading(bytes(damaged))
    match message:
        case Depth(symbol, update):
            assert heading == Heading(symbol, "depth", update.first_id, update.last_id, update.prev_id)
        case Ticks(symbol):
            assert isinstance(heading, Heading)
            assert heading.symbol == symbol
        case _:
            assert heading == message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@UNTIMED
@given(JSON, st.sampled_from(["plain", "data", "event", "e"]))
def test_no_json_raises_anything_but_malformed(value: Any, where: str) -> None:
    wrapped = {
        "plain": value,
        "data": {"stream": "btcusdt@depth", "data": value},
        "event": {"event": value},
        "e": {"e": value, "s": value},
    }[where]
    frame = json.dumps(wrapped).encode()
    for read in (
        lambda raw: USDM.decode(raw, RECV),
        USDM.heading,
        USDM.decode_info,
        lambda raw: USDM.decode_snapshot("x", raw, RECV),
    ):
        try:
            read(frame)
        except MalformedMessage:
            pass
    USDM.refusal(frame)
    USDM.control(frame)


symbols = st.sampled_from(["BTCUSDT", "1000SHIBUSDT", "BTCUSDT_251226", "币安人生USDT"])
ids = st.integers(0, 2**63 - 1)
prices = st.integers(1, 10**12).map(lambda n: f"{n / 100:.2f}")


@UNTIMED
@given(symbols, ids, ids, ids, st.lists(st.tuples(prices, prices), max_size=4), st.booleans(), st.booleans())
def test_the_quick_heading_agrees_with_the_whole_decoding(
    symbol: str, one: int, two: int, prev: int, levels: list[tuple[str, str]], spaced: bool, plain: bool
) -> None:
    first, last = sorted((one, two))
    data = {**DEPTH_DATA, "s": symbol, "U": first, "u": last, "pu": prev, "b": levels, "a": levels}
    value = data if plain else {"stream": f"{symbol.lower()}@depth@100ms", "data": data}
    frame = json.dumps(value, separators=None if spaced else (",", ":"), ensure_ascii=spaced).encode()
    update = depth(frame).update
    assert USDM.heading(frame) == Heading(symbol.lower(), "depth", update.first_id, update.last_id, update.prev_id)
    assert update.events["px"].tolist() == [float(price) for price, _ in levels] * 2


def test_a_snapshot_is_the_whole_book_best_first() -> None:
    body = b'{"lastUpdateId":9,"E":5,"T":4,"bids":[["1.5","2"],["1.6","3"]],"asks":[["2.5","1"],["2.4","7"]]}'
    snapshot = USDM.decode_snapshot("btcusdt", body, RECV)
    assert snapshot.last_id == 9
    assert snapshot.events.tolist() == [
        (LOCAL | DEPTH | BUY, 4_000_000, RECV, 1.6, 3.0, 0, 9, 0.0),
        (LOCAL | DEPTH | BUY, 4_000_000, RECV, 1.5, 2.0, 0, 9, 0.0),
        (LOCAL | DEPTH | SELL, 4_000_000, RECV, 2.4, 7.0, 0, 9, 0.0),
        (LOCAL | DEPTH | SELL, 4_000_000, RECV, 2.5, 1.0, 0, 9, 0.0),
    ]


@pytest.mark.parametrize(("times", "expected"), [('"E":5,', 5_000_000), ("", RECV)])
def test_a_snapshot_without_transaction_time_takes_the_next_best(times: str, expected: int) -> None:
    body = f'{{"lastUpdateId":9,{times}"bids":[["1","2"]],"asks":[]}}'.encode()
    assert USDM.decode_snapshot("btcusdt", body, RECV).events["exch_ts"].tolist() == [expected]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"lastUpdateId":"9","bids":[],"asks":[]}',
        b'{"lastUpdateId":9,"bids":[]}',
        b'{"lastUpdateId":9,"T":"x","bids":[],"asks":[]}',
    ],
)
def test_a_body_that_is_no_book_is_refused_with_its_symbol(body: bytes) -> None:
    with pytest.raises(MalformedMessage) as caught:
        USDM.decode_snapshot("btcusdt", body, RECV)
    assert caught.value.symbol == "btcusdt"


def test_the_snapshot_request_is_upper_case_and_weighs_twenty() -> None:
    request = USDM.snapshot_request("btcusdt")
    assert (request.path, dict(request.query), request.weight) == (
        "/fapi/v1/depth",
        {"symbol": "BTCUSDT", "limit": "1000"},
        20,
    )


INFO = {
    "rateLimits": [
        {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "SECOND", "intervalNum": 10, "limit": 300},
    ],
    "symbols": [
        {
            "symbol": "BTCUSDT",
            "status": "TRADING",
            "filters": [
                {"filterType": "PRICE_FILTER", "tickSize": "0.10"},
                {"filterType": "MARKET_LOT_SIZE", "stepSize": "1"},
                {"filterType": "LOT_SIZE", "stepSize": "0.001"},
            ],
        },
        {"symbol": "BROKENUSDT", "status": "TRADING", "filters": []},
        {
            "symbol": "OLDUSDT",
            "status": "SETTLING",
            "filters": [{"filterType": "PRICE_FILTER", "tickSize": "1"}, {"filterType": "LOT_SIZE", "stepSize": "1"}],
        },
    ],
}


def test_instruments_come_with_number_and_text_and_a_broken_one_is_left_out() -> None:
    info = USDM.decode_info(orjson.dumps(INFO))
    assert list(info.instruments) == ["btcusdt", "oldusdt"]
    btc = info.instruments["btcusdt"]
    assert (btc.tick_size, btc.lot_size, btc.tick_text, btc.lot_text, btc.trading) == (
        0.1,
        0.001,
        "0.10",
        "0.001",
        True,
    )
    assert not info.instruments["oldusdt"].trading
    assert info.weight_limit == WeightLimit(300, 10)
    assert list(info.order_limits) == [OrderLimit(1200, 60)]
    assert btc.bounds == OrderBounds()


def test_what_bounds_an_order_is_read_exactly_and_what_is_unusable_or_zero_bounds_nothing() -> None:
    filters = [
        {"filterType": "PRICE_FILTER", "tickSize": "0.10", "minPrice": "556.80", "maxPrice": "4529764"},
        {"filterType": "LOT_SIZE", "stepSize": "0.001", "minQty": "0.001", "maxQty": "1000"},
        {"filterType": "MARKET_LOT_SIZE", "stepSize": "0.001", "minQty": "0.001", "maxQty": "120"},
        {"filterType": "MIN_NOTIONAL", "notional": "100"},
    ]

    def bounds() -> OrderBounds:
        body = {"symbols": [{"symbol": "BTCUSDT", "status": "TRADING", "filters": filters}]}
        return USDM.decode_info(orjson.dumps(body)).instruments["btcusdt"].bounds

    numbers = map(Decimal, ("100", "0.001", "1000", "120", "556.80", "4529764"))
    assert bounds() == OrderBounds(*numbers)
    filters[0] |= {"minPrice": "0", "maxPrice": 7}
    del filters[3]
    assert bounds() == OrderBounds(None, Decimal("0.001"), Decimal(1000), Decimal(120))


def test_order_limits_that_can_not_be_used_cost_no_market_data() -> None:
    limits = [{"rateLimitType": "ORDERS", "interval": "EON", "intervalNum": 1, "limit": 5}]
    assert USDM.decode_info(orjson.dumps({**INFO, "rateLimits": limits})).order_limits == ()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"symbols": [INFO["symbols"][1]]},
        {**INFO, "rateLimits": {}},
        {**INFO, "rateLimits": [{"rateLimitType": "REQUEST_WEIGHT", "interval": "EON", "intervalNum": 1, "limit": 5}]},
        {
            **INFO,
            "rateLimits": [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 0, "limit": 5}],
        },
    ],
)
def test_info_that_can_not_be_used_is_refused(body: Any) -> None:
    with pytest.raises(MalformedMessage):
        USDM.decode_info(orjson.dumps(body))


def test_without_a_stated_limit_the_documented_one_holds() -> None:
    assert USDM.decode_info(orjson.dumps({"symbols": INFO["symbols"]})).weight_limit == WeightLimit(2400, 60)


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        (b'{"code":-1121,"msg":"Invalid symbol."}', Refusal(-1121, "Invalid symbol.")),
        (
            b'{"code":-1003,"msg":"Way too many requests; IP banned until 1700000060000. Please"}',
            Refusal(-1003, "Way too many requests; IP banned until 1700000060000. Please", 1700000060000_000_000),
        ),
        (b'{"code":200,"msg":"success"}', None),
        (b'{"lastUpdateId":1}', None),
        (b"<html>", None),
        (b"[]", None),
    ],
)
def test_an_error_answer_is_told_from_a_body(body: bytes, refusal: Refusal | None) -> None:
    assert USDM.refusal(body) == refusal


@pytest.mark.parametrize(
    ("url", "root"),
    [
        ("wss://fstream.binance.com", None),
        ("wss://fstream.binance.com/", None),
        ("ws://127.0.0.1:9000", None),
        ("ws://127.0.0.1:9000/mirror", None),
        ("wss://fstream.binance.com/ws", "wss://fstream.binance.com"),
        ("wss://fstream.binance.com/stream", "wss://fstream.binance.com"),
        ("wss://fstream.binance.com/stream?streams=btcusdt@trade", "wss://fstream.binance.com"),
        ("wss://fstream.binance.com/public", "wss://fstream.binance.com"),
        ("wss://fstream.binance.com/public/ws/", "wss://fstream.binance.com"),
        ("wss://fstream.binance.com/market/stream", "wss://fstream.binance.com"),
        ("ws://127.0.0.1:9000/mirror/ws", "ws://127.0.0.1:9000/mirror"),
    ],
)
def test_a_url_of_the_older_style_is_reduced_to_its_root(url: str, root: str | None) -> None:
    assert reduced_root(url) == USDM.reduced_root(url) == root
    assert USDM.stream_url(url) == f"{root or url.rstrip('/')}/public/stream"


def test_streams_and_requests_are_spelled_as_the_venue_reads_them() -> None:
    assert USDM.depth_stream("btcusdt") in {*USDM.live_streams("btcusdt")} & {*USDM.recorded_streams("btcusdt")}
    assert USDM.normal_symbol(" BTCUSDT ") == "btcusdt"
    assert USDM.live_streams("btcusdt") == ("btcusdt@trade", "btcusdt@depth@0ms")
    assert set(USDM.recorded_streams("btcusdt")) == {"btcusdt@trade", "btcusdt@depth@0ms", "btcusdt@bookTicker"}
    assert orjson.loads(USDM.subscribe(["a@trade"], 3)) == {"method": "SUBSCRIBE", "params": ["a@trade"], "id": 3}
    assert orjson.loads(USDM.unsubscribe(["a@trade"], 4)) == {"method": "UNSUBSCRIBE", "params": ["a@trade"], "id": 4}


def test_a_quicker_reader_is_asked_for_plain_depth_only_and_is_not_trusted_with_nonsense() -> None:
    asked: list[bytes] = []
    wrong = DepthUpdate(1, 2, 0, depth(combined(DEPTH_DATA)).update.events)

    def scan(frame: bytes, recv_ns: int) -> tuple[str, DepthUpdate] | None:
        asked.append(frame)
        return "btcusdt", wrong

    quick = replace(USDM, scan=scan)
    plain = combined(DEPTH_DATA)
    message = quick.decode(plain, RECV)
    assert isinstance(message, Depth)
    assert message.update is wrong
    assert asked == [plain]
    assert isinstance(quick.decode(combined({**DEPTH_DATA, "st": 1}), RECV), Depth)
    assert isinstance(quick.decode(bare(DEPTH_DATA), RECV), Depth)
    del asked[:]
    for frame in (
        combined({**DEPTH_DATA, "st": 2}),
        combined({"st": 3, **DEPTH_DATA}),
        combined(DEPTH_DATA, "btcusdt@depth20@100ms"),
        combined(DEPTH_DATA, "btcusdt@rpiDepth"),
        combined(TRADE_DATA),
    ):
        assert same(quick.decode(frame, RECV), USDM.decode(frame, RECV))
    assert asked == []
    for nonsense in (
        ("btcusdt", DepthUpdate(3, 2, 0)),
        ("btcusdt", DepthUpdate(1, 2, 0, np.zeros_like(wrong.events))),
        None,
    ):
        doubtful = replace(USDM, scan=lambda frame, recv_ns, found=nonsense: found)
        assert same(doubtful.decode(plain, RECV), USDM.decode(plain, RECV))


def shared(path: str) -> Path:
    if not (SHARED / path).exists():
        pytest.skip(f"the shared data is not at {SHARED}: set MARKETLINK_SHARED")
    return SHARED / path


def recorded(path: str, lines: int) -> Iterator[tuple[int, bytes]]:
    with gzip.open(shared(path)) as file:
        for _, line in zip(range(lines), file, strict=False):
            stamp, _, frame = line.rstrip(b"\n").partition(b" ")
            yield int(stamp), frame


def test_the_capture_decodes_whole_with_an_unbroken_chain_and_headings_that_agree() -> None:
    previous: int | None = None
    snapshots: list[Snapshot] = []
    counts = {"depth": 0, "trade": 0, "bookTicker": 0}
    for stamp, frame in recorded("captures/usdm_btcusdt_20240808.gz", 20_000):
        if frame.startswith(b'{"lastUpdateId"'):
            snapshots.append(USDM.decode_snapshot("btcusdt", frame, stamp))
            continue
        message, heading = USDM.decode(frame, stamp), USDM.heading(frame)
        assert isinstance(heading, Heading)
        counts[heading.stream] += 1
        if isinstance(message, Depth):
            update = message.update
            assert same(message, SLOW.decode(frame, stamp))
            assert heading == Heading("btcusdt", "depth", update.first_id, update.last_id, update.prev_id)
            assert previous is None or USDM.rule.follows(update, previous)
            previous = update.last_id
            raw = orjson.loads(frame)["data"]
            assert update.events["px"].tolist() == [float(price) for price, _ in raw["b"] + raw["a"]]
            assert update.events["qty"].tolist() == [float(qty) for _, qty in raw["b"] + raw["a"]]
        else:
            assert isinstance(message, Ticks)
            assert message.symbol == heading.symbol
            assert set(message.events["local_ts"].tolist()) <= {stamp}
        assert USDM.control(frame) is None
    assert [len(snapshot.events) for snapshot in snapshots] == [2000]
    assert min(counts.values()) > 1000


def test_a_capture_of_the_coin_margined_product_has_the_same_layout() -> None:
    for stamp, frame in recorded("slices/cm_btcusd_perp_20240808.head3000.gz", 300):
        if not frame.startswith(b'{"lastUpdateId"'):
            assert isinstance(USDM.decode(frame, stamp), (Depth, Ticks))


def official(path: str, endpoint: str) -> list[bytes]:
    items = json.loads(shared(path).read_text())["items"]
    found = [
        item.get("expected_response", item.get("response"))
        for item in items
        if endpoint in (item.get("endpoint"), (item.get("header") or ["", ""])[1])
    ]
    assert found
    return [orjson.dumps(body) for body in found]


@pytest.mark.parametrize("path", ["payloads/binance_official_connector_usdm.json", "payloads/binance_rest_jkorf.json"])
def test_published_order_books_decode(path: str) -> None:
    for body in official(path, "/fapi/v1/depth"):
        snapshot = USDM.decode_snapshot("btcusdt", body, RECV)
        assert snapshot.last_id == 1027024
        assert snapshot.events["px"].tolist() == [4.0, 4.000002]


def test_published_exchange_information_decodes() -> None:
    for body in official("payloads/binance_rest_jkorf.json", "/fapi/v1/exchangeInfo"):
        info = USDM.decode_info(body)
        assert info.weight_limit == WeightLimit(2400, 60)
        assert info.instruments["blzusdt"].tick_text == "0.0001"


def test_published_answers_and_pushes_are_read_without_error() -> None:
    kinds = set()
    for item in json.loads(shared("payloads/binance_ws_jkorf.json").read_text())["items"]:
        if "Subscriptions/UsdFutures" not in item["path"]:
            continue
        for message in item["messages"]:
            if message["dir"] != "sent":
                kinds.add(type(USDM.decode(orjson.dumps(message["msg"]), RECV)))
    assert {Answer, NotUsed} <= kinds


@pytest.mark.parametrize("odd", [b"", b"{", b'{"stream":"', b'{"stream":"a', b"\xff" * 99, b'{"e":"trade","s":"A"}'])
def test_the_stream_of_a_frame_of_any_form_is_looked_for_without_an_error(odd: bytes) -> None:
    assert USDM.stream_key(odd) != b"btcusdt@trade"
    assert USDM.stream_key(b'{"stream":"btcusdt@trade","data":{"e":"trade"}}') == b"btcusdt@trade"
