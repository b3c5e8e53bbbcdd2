"""Binance spot and COIN-M, market data: where they differ from USD-M, and the shared captures and payloads where they are present."""

import gzip
import hashlib
import json
import os
import random
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marketlink.book.fused import FusedBook
from marketlink.book.rules import ByNextId, ByPreviousId, DepthUpdate
from marketlink.book.sync import Apply, AskSnapshot, DepthSync, Effect, OutOfSync, Replace
from marketlink.errors import MalformedMessage
from marketlink.events import BUY, DEPTH, DEPTH_BBO, LOCAL, SELL, TRADE
from marketlink.times import MonoNs
from marketlink.venues.base import (
    Answer,
    Depth,
    Heading,
    NotUsed,
    OrderBounds,
    ShuttingDown,
    Ticks,
    VenueMessage,
    WeightLimit,
)
from marketlink.venues.binance import COINM, SPOT_PUBLIC, SPOT_PUBLIC_US, USDM, BinancePublic
from marketlink.venues.registry import find
from marketlink.venues.trading import OrderLimit

SHARED = Path(os.environ.get("MARKETLINK_SHARED") or Path(__file__).parents[4] / "shared" / "data")
RECV = 1_723_161_254_340_863_867
SPOT_SLOW, SPOT_US_SLOW = replace(SPOT_PUBLIC, scan=None), replace(SPOT_PUBLIC_US, scan=None)

DEPTH_DATA: dict[str, Any] = {
    "e": "depthUpdate",
    "E": 1723161255308,
    "s": "ETHUSDT",
    "U": 35346513499,
    "u": 35346513505,
    "b": [["2683.80000000", "3.02920000"], ["2679.00000000", "0.00000000"]],
    "a": [["2733.70000000", "1.50000000"]],
}
TRADE_DATA: dict[str, Any] = {
    "e": "trade",
    "E": 1723161255612,
    "s": "ETHUSDT",
    "t": 1520538925,
    "p": "2683.80000000",
    "q": "0.00200000",
    "T": 1723161255611,
    "m": True,
    "M": True,
}
QUOTE_DATA: dict[str, Any] = {
    "u": 35346513501,
    "s": "ETHUSDT",
    "b": "2683.80000000",
    "B": "3.02920000",
    "a": "2683.81000000",
    "A": "31.43950000",
}
STREAMS = {"depthUpdate": "ethusdt@depth@100ms", "trade": "ethusdt@trade", None: "ethusdt@bookTicker"}
ALL = [DEPTH_DATA, TRADE_DATA, QUOTE_DATA]


def combined(data: dict[str, Any]) -> bytes:
    return orjson.dumps({"stream": STREAMS[data.get("e")], "data": data})


SHAPES = [combined, orjson.dumps]


def same(one: VenueMessage, other: VenueMessage) -> bool:
    if isinstance(one, Depth) and isinstance(other, Depth):
        ids = [(x.symbol, x.update.first_id, x.update.last_id, x.update.prev_id) for x in (one, other)]
        return ids[0] == ids[1] and np.array_equal(one.update.events, other.update.events)
    if isinstance(one, Ticks) and isinstance(other, Ticks):
        return one.symbol == other.symbol and np.array_equal(one.events, other.events)
    return one == other


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("venue", [SPOT_PUBLIC, SPOT_SLOW])
def test_spot_depth_has_the_event_s_time_and_names_no_update_before_it(shape: Any, venue: BinancePublic) -> None:
    message = venue.decode(shape(DEPTH_DATA), RECV)
    assert isinstance(message, Depth)
    update = message.update
    assert (message.symbol, update.first_id, update.last_id, update.prev_id) == (
        "ethusdt",
        35346513499,
        35346513505,
        None,
    )
    exch, last = 1723161255308_000_000, 35346513505
    assert update.events.tolist() == [
        (LOCAL | DEPTH | BUY, exch, RECV, 2683.8, 3.0292, 0, last, 0.0),
        (LOCAL | DEPTH | BUY, exch, RECV, 2679.0, 0.0, 0, last, 0.0),
        (LOCAL | DEPTH | SELL, exch, RECV, 2733.7, 1.5, 0, last, 0.0),
    ]
    assert venue.heading(shape(DEPTH_DATA)) == Heading("ethusdt", "depth", 35346513499, 35346513505, None)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("meaningless", [True, False])
def test_a_spot_trade_counts_whatever_its_field_without_a_meaning_says(shape: Any, meaningless: bool) -> None:
    message = SPOT_PUBLIC.decode(shape({**TRADE_DATA, "M": meaningless}), RECV)
    assert isinstance(message, Ticks)
    assert message.events.tolist() == [
        (LOCAL | TRADE | SELL, 1723161255611_000_000, RECV, 2683.8, 0.002, 0, 1520538925, 0.0)
    ]


@pytest.mark.parametrize("shape", SHAPES)
def test_spot_s_best_quotes_name_no_kind_and_no_time_so_they_have_that_of_receipt(shape: Any) -> None:
    message = SPOT_PUBLIC.decode(shape(QUOTE_DATA), RECV)
    assert isinstance(message, Ticks)
    assert message.events.tolist() == [
        (LOCAL | DEPTH_BBO | BUY, RECV, RECV, 2683.8, 3.0292, 0, 35346513501, 0.0),
        (LOCAL | DEPTH_BBO | SELL, RECV, RECV, 2683.81, 31.4395, 0, 35346513501, 0.0),
    ]
    assert SPOT_PUBLIC.heading(shape(QUOTE_DATA)) == Heading("ethusdt", "bookTicker")
    assert SPOT_PUBLIC.control(shape(QUOTE_DATA)) is None


def test_quotes_without_a_kind_are_no_message_of_futures() -> None:
    with pytest.raises(MalformedMessage):
        USDM.decode(combined(QUOTE_DATA), RECV)
    assert USDM.decode(orjson.dumps(QUOTE_DATA), RECV) == NotUsed("?", known=False)


@pytest.mark.parametrize(("data", "missing"), [(data, name) for data in ALL for name in data if name not in "eEM"])
def test_a_spot_message_without_a_field_it_needs_is_unusable_and_says_whose_it_is(
    data: dict[str, Any], missing: str
) -> None:
    if missing == "T":
        return  # a trade's time; depth's is E
    frame = combined({key: value for key, value in data.items() if key != missing})
    with pytest.raises(MalformedMessage) as caught:
        SPOT_PUBLIC.decode(frame, RECV)
    assert (caught.value.field, caught.value.symbol) == (missing, "ethusdt")


def test_a_spot_depth_without_its_time_is_unusable() -> None:
    for data in (DEPTH_DATA, TRADE_DATA):
        name = "E" if data is DEPTH_DATA else "T"
        with pytest.raises(MalformedMessage) as caught:
            SPOT_PUBLIC.decode(combined({key: value for key, value in data.items() if key != name}), RECV)
        assert caught.value.field == name


@pytest.mark.parametrize("data", ALL)
def test_unknown_fields_and_another_order_of_fields_change_nothing(data: dict[str, Any]) -> None:
    more = {"zz": {"deep": [1]}, **dict(reversed(data.items())), "T2": 5, "ps": "X", "st": 7}
    plain, decorated = combined(data), orjson.dumps({"stream": STREAMS[data.get("e")], "data": more})
    assert same(SPOT_PUBLIC.decode(plain, RECV), SPOT_PUBLIC.decode(decorated, RECV))
    assert SPOT_PUBLIC.heading(plain) == SPOT_PUBLIC.heading(decorated)


@pytest.mark.parametrize("extra", [{"T": 5}, {"pu": 7}, {"T": 5, "pu": 7}])
def test_spot_depth_with_fields_of_futures_is_read_as_spot_s(extra: dict[str, int]) -> None:
    assert same(
        SPOT_PUBLIC.decode(combined({**DEPTH_DATA, **extra}), RECV), SPOT_SLOW.decode(combined(DEPTH_DATA), RECV)
    )


def test_times_in_microseconds_are_an_option_of_the_address() -> None:
    assert SPOT_PUBLIC_US.stream_url("wss://x") == "wss://x/stream?timeUnit=MICROSECOND"
    assert SPOT_PUBLIC_US.reduced_root("wss://x/stream?timeUnit=MICROSECOND") == "wss://x"
    assert find("binancespot").time_units == {"microsecond": SPOT_PUBLIC_US}
    for data, field in ((DEPTH_DATA, "E"), (TRADE_DATA, "T")):
        frame = combined({**data, "E": 1723161255308123, field: 1723161255308123})
        message = SPOT_PUBLIC_US.decode(frame, RECV)
        assert isinstance(message, (Depth, Ticks))
        events = message.update.events if isinstance(message, Depth) else message.events
        assert set(events["exch_ts"].tolist()) == {1723161255308123_000}
        assert same(message, SPOT_US_SLOW.decode(frame, RECV))


decimal = st.decimals(0, 10**5, places=8, allow_nan=False).map(lambda d: f"{d:f}") | st.from_regex(
    r"\A[0-9]{1,12}(\.[0-9]{1,12})?\Z"
)
whole = st.integers(0, 10**15) | st.integers(0, 2**64 - 1)
EDITS = st.lists(
    st.tuples(st.sampled_from("=-+"), st.integers(0, 400), st.sampled_from(b'0123456789."[]{},:-eEsUuptT\\ ')),
    max_size=3,
)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([(SPOT_PUBLIC, SPOT_SLOW), (SPOT_PUBLIC_US, SPOT_US_SLOW), (COINM, replace(COINM, scan=None))]),
    st.fixed_dictionaries(
        {name: whole for name in "EUu"},
        optional={"T": whole, "pu": whole, "ps": st.just("BTCUSD"), "st": st.sampled_from([1, 2])},
    ),
    st.lists(st.tuples(decimal, decimal), max_size=4),
    st.booleans(),
    EDITS,
)
def test_the_quick_reader_says_what_the_slow_one_says_or_nothing(
    venues: tuple[BinancePublic, BinancePublic],
    numbers: dict[str, Any],
    levels: list[tuple[str, str]],
    wrapped: bool,
    edits: list[tuple[str, int, int]],
) -> None:
    quick, slow = venues
    data = {"e": "depthUpdate", "s": "ETHUSDT", **numbers, "b": levels, "a": levels[:2]}
    frame = bytearray(combined(data) if wrapped else orjson.dumps(data))
    for edit, place, byte in edits:
        at = place % len(frame)
        frame[at : at + (edit != "+")] = b"" if edit == "-" else bytes([byte])
    try:
        expected = slow.decode(bytes(frame), RECV)
    except MalformedMessage:
        with pytest.raises(MalformedMessage):
            quick.decode(bytes(frame), RECV)
        return
    assert same(quick.decode(bytes(frame), RECV), expected)


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        (b'{"result":null,"id":7}', Answer(7, None)),
        (b'{"error":{"code":2,"msg":"Invalid request"},"id":7}', Answer(7, "2: Invalid request")),
        (b'{"e":"serverShutdown","E":1}', ShuttingDown()),
        (b'{"stream":"x","data":{"e":"serverShutdown"}}', ShuttingDown()),
        (b'{"subscriptionId":0,"event":{"e":"serverShutdown","E":1}}', ShuttingDown()),
    ],
)
@pytest.mark.parametrize("venue", [SPOT_PUBLIC, COINM])
def test_what_concerns_the_connection_is_told_from_data(venue: BinancePublic, frame: bytes, told: VenueMessage) -> None:
    assert venue.control(frame) == venue.decode(frame, RECV) == told


def test_the_rows_state_their_venues_limits_and_addresses() -> None:
    assert (SPOT_PUBLIC.max_streams, SPOT_PUBLIC.max_messages_per_s) == (1024, 5)
    assert SPOT_PUBLIC.weight_limit == WeightLimit(6000, 60)
    assert isinstance(SPOT_PUBLIC.rule, ByNextId)
    assert isinstance(COINM.rule, ByPreviousId)
    assert SPOT_PUBLIC.live_streams("ethusdt") == ("ethusdt@trade", "ethusdt@depth@100ms")
    assert SPOT_PUBLIC.recorded_streams("ethusdt") == ("ethusdt@trade", "ethusdt@bookTicker", "ethusdt@depth@100ms")
    assert COINM.recorded_streams("btcusd_perp") == (
        "btcusd_perp@trade",
        "btcusd_perp@bookTicker",
        "btcusd_perp@depth@0ms",
    )
    asked = SPOT_PUBLIC.snapshot_request("ethusdt")
    assert (asked.path, dict(asked.query), asked.weight) == (
        "/api/v3/depth",
        {"symbol": "ETHUSDT", "limit": "5000"},
        250,
    )
    asked = COINM.snapshot_request("btcusd_perp")
    assert (asked.path, dict(asked.query), asked.weight) == (
        "/dapi/v1/depth",
        {"symbol": "BTCUSD_PERP", "limit": "1000"},
        20,
    )
    assert (SPOT_PUBLIC.info_request().path, SPOT_PUBLIC.info_request().weight) == ("/api/v3/exchangeInfo", 20)
    limit = {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100}
    assert SPOT_PUBLIC.decode_info(orjson.dumps({"symbols": [], "rateLimits": [limit]})).order_limits == (
        OrderLimit(100, 10),
    )
    assert SPOT_PUBLIC.info_request().query == {"showPermissionSets": "false"}


@pytest.mark.parametrize(
    ("venue", "url", "made"),
    [
        (SPOT_PUBLIC, "wss://stream.binance.com:9443", "wss://stream.binance.com:9443/stream"),
        (SPOT_PUBLIC, "wss://stream.binance.com:9443/ws", "wss://stream.binance.com:9443/stream"),
        (SPOT_PUBLIC, "wss://data-stream.binance.vision", "wss://data-stream.binance.vision/stream"),
        (
            SPOT_PUBLIC_US,
            "wss://stream.binance.com:9443/ws",
            "wss://stream.binance.com:9443/stream?timeUnit=MICROSECOND",
        ),
        (COINM, "wss://dstream.binance.com/ws", "wss://dstream.binance.com/stream"),
    ],
)
def test_addresses_have_no_categories_but_on_usd_m(venue: BinancePublic, url: str, made: str) -> None:
    assert venue.stream_url(url) == made


@pytest.mark.parametrize("shape", SHAPES)
def test_coin_m_has_the_shape_of_usd_m_with_its_own_product_number(shape: Any) -> None:
    data = {**DEPTH_DATA, "s": "BTCUSD_PERP", "T": 1723161255300, "pu": 35346513400, "ps": "BTCUSD"}
    for more in ({}, {"st": 2}):
        message = COINM.decode(shape({**data, **more}), RECV)
        assert isinstance(message, Depth)
        assert (message.symbol, message.update.prev_id) == ("btcusd_perp", 35346513400)
        assert set(message.update.events["exch_ts"].tolist()) == {1723161255300_000_000}
    assert COINM.decode(shape({**data, "st": 1}), RECV) == NotUsed("depthUpdate st=1", known=True)
    assert COINM.decode(shape({**data, "st": 3}), RECV) == NotUsed("depthUpdate st=3", known=False)


def test_instruments_of_spot_and_coin_m_are_read_with_their_own_words() -> None:
    steps = [{"filterType": "PRICE_FILTER", "tickSize": "0.10"}, {"filterType": "LOT_SIZE", "stepSize": "1"}]
    row = {"symbol": "BTCUSD_PERP", "contractStatus": "TRADING", "contractSize": 100, "filters": steps}
    body = orjson.dumps({"symbols": [row, {**row, "symbol": "OLD_PERP", "contractStatus": "DELIVERING"}]})
    info = COINM.decode_info(body)
    assert [(one.symbol, one.trading) for one in info.instruments.values()] == [
        ("btcusd_perp", True),
        ("old_perp", False),
    ]
    for kind in ("NOTIONAL", "MIN_NOTIONAL"):
        row = {
            "symbol": "ETHUSDT",
            "status": "TRADING",
            "filters": [
                *steps,
                {"filterType": kind, "minNotional": "5.00"},
                {"filterType": "MARKET_LOT_SIZE", "maxQty": "9"},
            ],
        }
        bounds = SPOT_PUBLIC.decode_info(orjson.dumps({"symbols": [row]})).instruments["ethusdt"].bounds
        assert bounds == OrderBounds(min_notional=Decimal(5), max_market_qty=Decimal(9))


def shared(path: str) -> Path:
    if not (SHARED / path).exists():
        pytest.skip(f"no recorded data at {SHARED / path}: set MARKETLINK_SHARED")
    return SHARED / path


def recorded(name: str) -> Iterator[tuple[int, int, bytes]]:
    """Line number, stamp and body of a capture's lines."""
    with gzip.open(shared(f"captures/{name}.gz")) as file:
        for number, line in enumerate(file, 1):
            stamp, _, body = line.rstrip(b"\n").partition(b" ")
            yield number, int(stamp), body


@pytest.mark.parametrize(
    ("venue", "name", "symbol"),
    [(SPOT_PUBLIC, "spot_ethusdt_20240808", "ethusdt"), (COINM, "cm_ethusd_perp_20240808", "ethusd_perp")],
)
def test_a_capture_through_decoder_and_synchroniser_is_the_true_book_after_every_update(
    venue: BinancePublic, name: str, symbol: str
) -> None:
    """Every frame: quick and slow reading agree, headings too; the book, by one snapshot, is the golden's at each step."""
    truth = json.loads(shared(f"golden/ob_sync/{name}.json").read_text())
    slow, sync, book = replace(venue, scan=None), DepthSync(venue.rule, random.Random(1)), FusedBook(0.01, 0.00001)
    touches: list[str] = []
    counts = {"depth": 0, "trade": 0, "bookTicker": 0}
    line_of: dict[int, int] = {}

    def carry_out(effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Replace(snapshot, updates):
                    book.fuse(snapshot.events, sequenced=True)
                    for update in updates:
                        show(update)
                case Apply(update):
                    show(update)
                case AskSnapshot(ticket):
                    tickets.append(ticket)
                case OutOfSync():
                    raise AssertionError(effect)

    def show(update: DepthUpdate) -> None:
        book.fuse(update.events, sequenced=True)
        best = (book.best_bid, book.best_bid_qty, book.best_ask, book.best_ask_qty)
        touches.append(" ".join(map(str, (line_of[update.last_id], update.last_id, *best))))

    tickets: list[int] = []
    for number, stamp, body in recorded(name):
        now = MonoNs(stamp)
        if body.startswith(b'{"lastUpdateId"'):
            snapshot = venue.decode_snapshot(symbol, body, stamp)
            assert snapshot.last_id == truth["lastUpdateId"]
            carry_out(sync.on_snapshot(tickets[-1], snapshot, now))
            continue
        message, heading = venue.decode(body, stamp), venue.heading(body)
        assert venue.control(body) is None
        assert isinstance(heading, Heading)
        assert heading.symbol == symbol
        counts[heading.stream] += 1
        if isinstance(message, Depth):
            update = message.update
            assert same(message, slow.decode(body, stamp))
            assert heading == Heading(symbol, "depth", update.first_id, update.last_id, update.prev_id)
            line_of[update.last_id] = number
            carry_out(sync.on_update(update, now))
        else:
            assert isinstance(message, Ticks)
            assert len(message.events) == (1 if heading.stream == "trade" else 2)
    assert (len(tickets), sync.counts.out_of_sync) == (1, 0)
    assert counts["depth"] == truth["depth_events"]
    assert min(counts.values()) > 1000
    assert len(touches) == truth["applied"]
    assert hashlib.sha256("\n".join(touches).encode()).hexdigest() == truth["bbo_sequence_sha256"]
    assert [book.bid_count, book.ask_count] == truth["levels_end"]


def published(path: str, endpoint: str) -> list[bytes]:
    items = json.loads(shared(path).read_text())["items"]
    found = [
        item.get("expected_response", item.get("response"))
        for item in items
        if endpoint in (item.get("endpoint"), (item.get("header") or ["", ""])[1])
    ]
    return [orjson.dumps(body) for body in found]


@pytest.mark.parametrize(
    ("venue", "endpoint"), [(SPOT_PUBLIC, "/api/v3/depth"), (COINM, "/dapi/v1/depth")], ids=["spot", "coinm"]
)
def test_published_order_books_decode(venue: BinancePublic, endpoint: str) -> None:
    files = ("binance_official_connector_spot.json", "binance_rest_jkorf.json")
    bodies = [body for file in files for body in published(f"payloads/{file}", endpoint)]
    for body in bodies:
        snapshot = venue.decode_snapshot("x", body, RECV)
        assert snapshot.last_id > 0
        if venue is SPOT_PUBLIC:
            assert set(snapshot.events["exch_ts"].tolist()) == {RECV}
    if venue is SPOT_PUBLIC:
        assert bodies


def test_published_answers_and_pushes_are_read_without_error() -> None:
    kinds = set()
    for item in json.loads(shared("payloads/binance_ws_jkorf.json").read_text())["items"]:
        venue = {"Subscriptions/Spot/ExchangeData": SPOT_PUBLIC, "Subscriptions/CoinFutures": COINM}
        for part, row in venue.items():
            if part in item["path"]:
                for message in item["messages"]:
                    if message["dir"] != "sent":
                        kinds.add(type(row.decode(orjson.dumps(message["msg"]), RECV)))
    assert {Answer, NotUsed, Ticks} <= kinds
