"""Bybit's public half: the documented payloads, whole books and differences, and the quick reading against the slow one."""

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from marketlink.errors import MalformedMessage
from marketlink.events import BUY, DEPTH, LOCAL, SELL, TRADE
from marketlink.venues.base import BASE, Answer, Beat, Book, Depth, Heading, NotUsed, Ticks
from marketlink.venues.bybit import LINEAR_PUBLIC as BYBIT

MS = 1_000_000


def frame(
    kind: str = "delta",
    depth: int = 50,
    u: int = 7,
    bids: Any = (("99", "1"),),
    asks: Any = (("101", "2"),),
    **more: Any,
) -> bytes:
    data = {"s": "BTCUSDT", "b": bids, "a": asks, "u": u, "seq": 1000 + u}
    body = {"topic": f"orderbook.{depth}.BTCUSDT", "type": kind, "ts": 20, "data": data, "cts": 10}
    return orjson.dumps({**body, **more})


def facts(message: object) -> object:
    """What two readings must share, bit by bit."""
    match message:
        case Depth(symbol, update, window):
            return symbol, window, update.first_id, update.last_id, update.version, update.events.tobytes()
        case Book(symbol, snapshot, window):
            return symbol, window, snapshot.last_id, snapshot.version, snapshot.events.tobytes()
        case Ticks(symbol, events):
            return symbol, events.tobytes()
    return message


def read(reader: Any, raw: bytes) -> object:
    try:
        return facts(reader(raw, 5))
    except MalformedMessage as error:
        return (error.symbol, error.stream)


def test_every_documented_public_message_is_read(shared_data: Path) -> None:
    items = json.loads((shared_data / "payloads" / "bybit_ws_jkorf.json").read_text())["items"]
    public = [item for item in items if "/Subscriptions/V5/Linear/" in item["path"] or "Trades" in item["path"]]
    assert len(public) >= 3
    used = set()
    for item in items:
        if "/Private/" in item["path"]:
            continue
        for step in item["messages"]:
            raw = orjson.dumps(step["msg"])
            if step["dir"] == "received":
                answer = BYBIT.control(raw)
                assert isinstance(answer, Answer)
                assert answer.error is None
            elif step["dir"] == "pushed" and "/Spot/Concurrent" not in item["path"]:
                assert BYBIT.control(raw) is None
                message = BYBIT.decode(raw, 5)
                assert facts(message) == facts(BYBIT.decode_json(raw, 5))
                if isinstance(message, NotUsed):
                    assert message.known, message
                else:
                    used.add(type(message))
    assert used == {Ticks}  # the book among them is of an option's depth


def test_a_trade_is_dated_by_its_own_time_and_block_trades_are_none_of_the_book() -> None:
    trade = {"T": 3, "s": "BTCUSDT", "S": "Sell", "v": "0.5", "p": "100.5", "i": "x", "BT": False, "seq": 77}
    rows = [trade, {**trade, "S": "Buy", "BT": True}, {**trade, "S": "Buy", "T": 4}]
    message = BYBIT.decode(orjson.dumps({"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": 9, "data": rows}), 5)
    assert isinstance(message, Ticks)
    assert message.events.tolist() == [
        (LOCAL | TRADE | SELL, 3 * MS, 5, 100.5, 0.5, 0, 77, 0.0),
        (LOCAL | TRADE | BUY, 4 * MS, 5, 100.5, 0.5, 0, 77, 0.0),
    ]


@pytest.mark.parametrize(("depth", "window"), [(1, 1), (50, 50), (200, 200), (1000, BASE)])
def test_each_depth_is_a_window_and_the_deepest_the_book(depth: int, window: int) -> None:
    message = BYBIT.decode(frame(depth=depth), 5)
    assert isinstance(message, Depth)
    assert message.window == window
    assert (message.update.first_id, message.update.last_id, message.update.version) == (7, 7, 1007)
    assert message.update.events.tolist() == [
        (LOCAL | DEPTH | BUY, 10 * MS, 5, 99.0, 1.0, 0, 7, 0.0),
        (LOCAL | DEPTH | SELL, 10 * MS, 5, 101.0, 2.0, 0, 7, 0.0),
    ]
    assert BYBIT.depth_stream("BTCUSDT", window) == f"orderbook.{depth}.BTCUSDT"
    assert BYBIT.heading(frame(depth=depth)) == Heading("BTCUSDT", "depth", 7, 7, window=window)


@pytest.mark.parametrize("depth", [25, 100, 500])
def test_a_depth_that_linear_contracts_do_not_have_is_not_taken_for_another(depth: int) -> None:
    assert BYBIT.decode(frame(depth=depth), 5) == NotUsed(f"orderbook.{depth}", known=True)


@pytest.mark.parametrize(("kind", "u"), [("snapshot", 900), ("snapshot", 1), ("delta", 1)])
def test_a_snapshot_by_its_type_or_by_the_id_one_replaces_the_book(kind: str, u: int) -> None:
    raw = frame(kind, u=u, bids=[["98", "1"], ["99", "2"]], asks=[["101", "1"]])
    message = BYBIT.decode(raw, 5)
    assert isinstance(message, Book)
    assert (message.window, message.snapshot.last_id, message.snapshot.version) == (50, u, 1000 + u)
    assert message.snapshot.events["px"].tolist() == [99.0, 98.0, 101.0]
    heading = BYBIT.heading(raw)
    assert isinstance(heading, Heading)
    assert (heading.whole, heading.last_id) == (True, u)


def test_the_book_is_dated_by_the_matching_engine_and_by_the_frame_where_that_is_missing() -> None:
    body = orjson.loads(frame())
    del body["cts"]
    message = BYBIT.decode(orjson.dumps(body), 5)
    assert isinstance(message, Depth)
    assert set(message.update.events["exch_ts"].tolist()) == {20 * MS}


@pytest.mark.parametrize(
    "bad",
    [
        frame("snapshot", bids=[["102", "1"]]),  # crossed
        frame(bids=[["0", "1"]]),
        frame(bids=[["x", "1"]]),
        frame(kind="other"),
        frame(data={"s": "ETHUSDT", "b": [], "a": [], "u": 7, "seq": 1}),
        frame(data={"s": "BTCUSDT", "b": [], "a": [], "seq": 1}),
        frame()[:-20],
        b'{"topic":"orderbook.50.BTCUSDT","type":"delta","ts":1,"data":[]}',
    ],
)
def test_what_makes_no_sense_is_malformed_and_names_the_book_it_may_be_of(bad: bytes) -> None:
    for reader in (BYBIT.decode, BYBIT.decode_json):
        with pytest.raises(MalformedMessage) as error:
            reader(bad, 5)
        assert (error.value.symbol, error.value.stream) == ("BTCUSDT", "depth")


@pytest.mark.parametrize(
    "pong",
    [
        b'{"success":true,"ret_msg":"pong","conn_id":"c","req_id":"ping","op":"ping"}',
        b'{"req_id":"ping","op":"pong","args":["1675418560633"],"conn_id":"c"}',
    ],
)
def test_a_pong_of_either_form_is_the_answer_to_a_beat(pong: bytes) -> None:
    assert BYBIT.control(pong) == Beat()
    assert BYBIT.beat is not None
    assert json.loads(BYBIT.beat[1])["op"] == "ping"


def test_a_refused_subscription_names_its_number_and_its_reason() -> None:
    refusal = b'{"success":false,"ret_msg":"error:handler not found","conn_id":"c","req_id":"3","op":"subscribe"}'
    assert BYBIT.control(refusal) == Answer("3", "error:handler not found")
    assert json.loads(BYBIT.subscribe(["a", "b"], 3)) == {"req_id": "3", "op": "subscribe", "args": ["a", "b"]}


@pytest.mark.parametrize(
    ("url", "root"),
    [
        ("wss://stream.bybit.com/v5/public/linear", "wss://stream.bybit.com"),
        ("wss://stream.bybit.com/v5/private", "wss://stream.bybit.com"),
        ("wss://stream.bybit.com/", None),
        ("ws://127.0.0.1:9", None),
    ],
)
def test_the_source_s_addresses_are_reduced_to_their_root(url: str, root: str | None) -> None:
    assert BYBIT.reduced_root(url) == root
    assert BYBIT.stream_url(url) == f"{root or url.rstrip('/')}/v5/public/linear"


def test_the_documented_instruments_and_books_are_read(shared_data: Path) -> None:
    items = json.loads((shared_data / "payloads" / "bybit_rest_jkorf.json").read_text())["items"]
    answers = {item["path"].rpartition("/")[2][:-4]: orjson.dumps(item["response"]) for item in items}
    info = BYBIT.decode_info(answers["GetLinearInverseSymbols"])
    one = info.instruments["BTCUSDT"]
    assert (one.tick_text, one.lot_text, one.trading, info.next_page) == ("0.10", "0.001", True, "")
    assert str(one.bounds.min_notional) == "5"
    assert not BYBIT.decode_info(answers["GetLinearInverseSymbolsPreListing"]).instruments["PRE02ZROUSDT"].trading
    snapshot = BYBIT.decode_snapshot("BTCUSDT", answers["GetOrderbook"], 5)
    assert (snapshot.last_id, snapshot.version) == (243781, 3887177875)
    assert snapshot.events["px"].tolist() == [62710.2, 62710.3]
    refusal = BYBIT.refusal(b'{"retCode":10001,"retMsg":"params error","result":{},"time":1}')
    assert refusal is not None
    assert (refusal.code, refusal.text) == (10001, "params error")
    assert BYBIT.refusal(answers["GetOrderbook"]) is None


# -- the quick reading against the slow one ------------------------------------------------------------------------------

price = st.integers(1, 10**7).map(lambda number: f"{number / 100:.2f}")
size = st.sampled_from(["0", "0.000", "1", "0.001", "12345.6", "99999999999999999999"])
side = st.lists(st.tuples(price, size), max_size=4)


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    bids, asks = draw(side), draw(side)
    if draw(st.booleans()):
        bids, asks = (
            sorted(bids, reverse=True, key=lambda level: float(level[0])),
            sorted(asks, key=lambda level: float(level[0])),
        )
    data = {
        "s": draw(st.sampled_from(["BTCUSDT", "ETHUSDT"])),
        "b": bids,
        "a": asks,
        "u": draw(st.integers(0, 3)),
        "seq": 5,
    }
    body = {
        "topic": draw(
            st.sampled_from(["orderbook.1.BTCUSDT", "orderbook.50.BTCUSDT", "orderbook.500.BTCUSDT", "tickers.X"])
        ),
        "type": draw(st.sampled_from(["snapshot", "delta", "x"])),
        "ts": 20,
        "data": {name: data[name] for name in draw(st.permutations(list(data)))},
        "cts": draw(st.sampled_from([10, 10**13, None])),
        "more": [1, {"x": "y"}],
    }
    names = draw(st.permutations(list(body)))[: draw(st.integers(4, 6))]
    return orjson.dumps({name: body[name] for name in names})


@given(frames())
def test_the_quick_reading_says_what_the_slow_one_says(raw: bytes) -> None:
    assert read(BYBIT.decode, raw) == read(BYBIT.decode_json, raw)


marks = st.sampled_from(
    [bytes([c]) for c in b'{}[]",:\\0123456789.-+eEuT \n'] + [b"null", b"\xff", b'"data":', b'"u":1']
)


@given(st.integers(0, 200), st.integers(0, 3), st.lists(marks, max_size=3), st.sampled_from(["snapshot", "delta"]))
def test_a_damaged_frame_is_read_as_by_the_slow_twin(at: int, cut: int, put: list[bytes], kind: str) -> None:
    whole = frame(kind)
    raw = whole[:at] + b"".join(put) + whole[at + cut :]
    assert read(BYBIT.decode, raw) == read(BYBIT.decode_json, raw)
    BYBIT.control(raw)
    BYBIT.stream_key(raw)
