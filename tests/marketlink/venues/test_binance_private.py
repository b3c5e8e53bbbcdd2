"""Events of the account's stream: captured ones, published ones, and those that the simulated exchange writes."""

import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from marketlink.errors import MalformedMessage
from marketlink.orders import OrderType, Side, Status, TimeInForce
from marketlink.venues.binance import USDM_TRADING as VENUE
from marketlink.venues.trading import (
    AccountReport,
    BalanceReport,
    Fill,
    HedgeModeChanged,
    OrderReport,
    PositionReport,
    StreamKeyEnded,
    Unused,
)
from venue_sim.accounts import Account
from venue_sim.face import Route
from venue_sim.market import BookState, Instrument
from venue_sim.matching import BUY, SELL, Tif
from venue_sim.trading import NewOrder, Push, Trading
from venue_sim.venues.usdm import USDM_TRADE as judge
from venue_sim.venues.usdm.streams import parse_target

COINS = {"btcusdt": Instrument("btcusdt", "0.10", "0.001", "BTC", "USDT")}
ORDER: dict[str, Any] = {
    "s": "BTCUSDT",
    "c": "mine",
    "S": "BUY",
    "o": "LIMIT",
    "f": "GTC",
    "q": "0.800",
    "p": "100",
    "x": "TRADE",
    "X": "PARTIALLY_FILLED",
    "i": 5,
    "l": "0.300",
    "z": "0.300",
    "L": "99.9",
    "n": "0.01",
    "N": "USDT",
    "T": 7,
    "t": 11,
    "m": True,
    "R": False,
    "er": "0",
}
FILL = Fill(
    "btcusdt", "11", "mine", "5", Side.BUY, Decimal("99.9"), Decimal("0.3"), True, 7_000_000, Decimal("0.01"), "USDT"
)


def event(**order: Any) -> bytes:
    return orjson.dumps({"e": "ORDER_TRADE_UPDATE", "T": 7, "E": 8, "o": {**ORDER, **order}})


def read_order(**order: Any) -> OrderReport:
    (report,) = VENUE.read_private(event(**order))
    assert isinstance(report, OrderReport)
    return report


def test_an_execution_is_told_with_price_fee_and_trade_id() -> None:
    assert read_order() == OrderReport(
        "btcusdt",
        "mine",
        "5",
        Status.PARTIALLY_FILLED,
        Side.BUY,
        OrderType.LIMIT,
        TimeInForce.GTC,
        Decimal(100),
        Decimal("0.8"),
        Decimal("0.3"),
        7_000_000,
        FILL,
    )


@pytest.mark.parametrize("kind", ["NEW", "CANCELED", "EXPIRED", "AMENDMENT", "TRADE_PREVENTION", "SOMETHING"])
def test_only_an_execution_is_a_fill_whatever_the_last_quantity_says(kind: str) -> None:
    assert read_order(x=kind).fill is None


def test_an_execution_of_nothing_is_no_fill_and_one_without_its_trade_id_is_malformed() -> None:
    assert read_order(l="0", t=0).fill is None
    for wrong in ({"t": 0}, {"S": "SIDEWAYS"}, {"m": None}, {"L": "x"}, {"l": "-1"}):
        with pytest.raises(MalformedMessage):
            VENUE.read_private(event(**wrong))


def test_a_liquidation_is_a_fill_also_without_a_trade_id() -> None:
    fill = read_order(x="CALCULATED", c="autoclose-1", o="LIQUIDATION").fill
    assert fill is not None
    assert fill.trade_id == "11"
    bare = read_order(x="CALCULATED", c="autoclose-1", t=0)
    assert bare.fill is not None
    assert (bare.fill.trade_id, bare.reason) == ("5/0.300", "liquidation")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"X": "EXPIRED", "x": "EXPIRED", "er": "1"}, "self-trade"),
        ({"X": "EXPIRED_IN_MATCH", "x": "EXPIRED"}, "self-trade"),
        ({"X": "EXPIRED", "er": "2"}, "ioc"),
        ({"X": "CANCELED", "er": "4"}, "reduce-only"),
        ({"X": "EXPIRED", "er": "5"}, "liquidation"),
        ({"X": "EXPIRED", "er": "7"}, "delisted"),
        ({"X": "EXPIRED", "er": "9"}, "market"),
        ({"X": "EXPIRED", "er": "10"}, "fok"),
        ({"X": "EXPIRED", "er": "11"}, "post-only"),
        ({"X": "EXPIRED", "er": 11}, "post-only"),
        ({"X": "EXPIRED", "er": "99"}, "er 99"),
        ({"X": "EXPIRED", "er": None}, ""),
        ({"X": "CANCELED", "er": "0"}, ""),
        ({"X": "NEW", "er": "1"}, ""),
        ({"c": "adl_autoclose"}, "adl"),
        ({"c": "settlement_autoclose-7"}, "settlement"),
    ],
)
def test_why_the_exchange_ended_an_order_is_told(changes: dict[str, Any], reason: str) -> None:
    assert read_order(**changes).reason == reason


def test_a_word_that_is_not_known_is_no_error() -> None:
    report = read_order(X="PENDING_X", o="TRAILING", f="GTD", S="BOTH", x="NEW")
    assert (report.status, report.order_type) == (Status.UNSUPPORTED, OrderType.UNSUPPORTED)
    assert (report.time_in_force, report.side) == (TimeInForce.UNSUPPORTED, Side.UNSUPPORTED)


def test_the_quick_form_is_the_same_fill_without_its_fee() -> None:
    lite = {"e": "TRADE_LITE", "E": 8, "T": 7, "q": "0.8", "p": "100"}
    lite |= {name: ORDER[name] for name in ("s", "c", "S", "L", "l", "t", "i", "m")}
    (fill,) = VENUE.read_private(orjson.dumps(lite))
    assert isinstance(fill, Fill)
    assert (fill.fee, fill.fee_asset) == (None, "")
    assert Fill(*(getattr(fill, name) for name in Fill.__slots__[:9]), FILL.fee, FILL.fee_asset) == FILL


def test_an_account_s_change_is_told_side_by_side() -> None:
    rows = [
        {"s": "BTCUSDT", "pa": "20", "ep": "6563.6", "ps": "LONG"},
        {"s": "BTCUSDT", "pa": "-10", "ep": "1", "ps": "SHORT"},
    ]
    body = {"e": "ACCOUNT_UPDATE", "E": 9, "T": 8, "a": {"m": "ORDER", "B": [{"a": "USDT", "wb": "-1.5"}], "P": rows}}
    assert VENUE.read_private(orjson.dumps(body)) == (
        PositionReport("btcusdt", Decimal(20), 8_000_000, Decimal("6563.6"), "LONG"),
        PositionReport("btcusdt", Decimal(-10), 8_000_000, Decimal(1), "SHORT"),
        BalanceReport("USDT", Decimal("-1.5"), 8_000_000),
    )
    assert VENUE.read_private(b'{"e":"ACCOUNT_UPDATE","T":1,"a":{"m":"X"}}') == (Unused("ACCOUNT_UPDATE", True),)


@pytest.mark.parametrize("where", [{"st": 2}, {"fs": "CM"}])
def test_another_product_s_event_changes_nothing_even_with_our_ids(where: dict[str, Any]) -> None:
    frame = orjson.dumps({"e": "ORDER_TRADE_UPDATE", **where, "T": 7, "E": 8, "o": ORDER})
    (unused,) = VENUE.read_private(frame)
    assert isinstance(unused, Unused)
    assert unused.known


@pytest.mark.parametrize("where", [{"st": 1}, {"fs": "UM"}, {}])
def test_our_product_s_event_counts_bare_and_wrapped(where: dict[str, Any]) -> None:
    data = {"e": "ORDER_TRADE_UPDATE", **where, "T": 7, "E": 8, "o": ORDER}
    wrapped = orjson.dumps({"stream": "the-key", "data": data})
    assert VENUE.read_private(orjson.dumps(data)) == VENUE.read_private(wrapped) == (read_order(),)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"e": "listenKeyExpired", "E": 1, "listenKey": "k"}, StreamKeyEnded("k")),
        ({"e": "listenKeyExpired", "E": 1}, StreamKeyEnded("")),
        ({"e": "ACCOUNT_CONFIG_UPDATE", "ac": {"s": "BTCUSDT", "l": 25}}, Unused("ACCOUNT_CONFIG_UPDATE", True)),
        ({"e": "ACCOUNT_CONFIG_UPDATE", "ai": {"j": True}}, Unused("ACCOUNT_CONFIG_UPDATE", True)),
        ({"e": "ACCOUNT_CONFIG_UPDATE", "ac": {"dualSidePosition": True}}, HedgeModeChanged(True)),
        ({"e": "MARGIN_CALL"}, Unused("MARGIN_CALL", True)),
        ({"e": "NEVER_HEARD_OF"}, Unused("NEVER_HEARD_OF", False)),
        ({"result": None, "id": 1}, Unused("answer", True)),
        ({"error": {"code": 2, "msg": "x"}, "id": 1}, Unused("error", True)),
        ({"x": 1}, Unused("?", False)),
    ],
)
def test_other_events_are_told_by_their_kind(body: dict[str, Any], told: object) -> None:
    assert VENUE.read_private(orjson.dumps(body)) == (told,)


@pytest.mark.parametrize("form", VENUE.stream_forms)
@pytest.mark.parametrize("root", ["wss://x.test", "wss://x.test/", "wss://x.test/ws", "wss://x.test/private/ws"])
def test_the_address_of_the_stream_is_read_by_the_exchange_in_each_form(root: str, form: str) -> None:
    url = VENUE.stream_url(root, "K9", form)
    assert url.startswith("wss://x.test/private/ws")
    route = parse_target(url.removeprefix("wss://x.test"))
    assert isinstance(route, Route)
    assert "K9" in str(route)
    assert ("ORDER_TRADE_UPDATE" in str(route)) is (form == "query_events")


def test_the_default_form_names_its_events_and_another_form_is_refused() -> None:
    assert VENUE.stream_forms[0] == "query_events"
    with pytest.raises(ValueError, match="query_events, query, path"):
        VENUE.stream_url("wss://x.test", "k", "tree")


def pushes() -> list[Push]:
    """A taker filled in part, a resting order cancelled, a self-trade and a liquidation."""
    core = Trading(COINS, {"mine": Account("mine", Fraction(10_000))})
    out = core.on_book("btcusdt", BookState(1, 0, 0, [("99.90", "1.000")], [("100.00", "0.300")]), 1)
    for number, (side, price, tif) in enumerate(
        [
            (BUY, "100.00", Tif("GTC")),
            (SELL, "120.00", Tif("GTX")),
            (SELL, "100.00", Tif("IOC")),
            (BUY, "99.00", Tif("GTC")),
        ]
    ):
        _, more = core.place(
            "mine", NewOrder("btcusdt", side, Decimal(price), Decimal("0.800"), f"o{number}", tif), 5 + number
        )
        out += more
    out += core.cancel("mine", "btcusdt", None, "o3", 20)[1]
    out += core.liquidate("mine", "btcusdt", judge.liquidation_id(1, deleverage=False), 21)
    return out


def test_what_the_simulated_exchange_pushes_is_read_as_it_was_meant() -> None:
    told = [one for push in pushes() for text in judge.push(push, COINS) for one in VENUE.read_private(text.data)]
    reports = [one for one in told if isinstance(one, OrderReport)]
    fills = [one.fill for one in reports if one.fill is not None]
    ended = {one.client_id: (one.status, one.reason) for one in reports}
    assert fills
    assert ended["o3"] == (Status.CANCELED, "")
    assert ended["o0"] == (Status.EXPIRED, "self-trade")
    assert any(client_id.startswith("autoclose-") for client_id in ended)
    for client_id in ended:
        mine = [one for one in reports if one.client_id == client_id]
        total = sum((one.fill.qty for one in mine if one.fill is not None), Decimal(0))
        assert total == mine[-1].executed, "the fills add up to what the exchange says is executed"
    positions = [one for one in told if isinstance(one, PositionReport)]
    sign = {Side.BUY: 1, Side.SELL: -1}
    assert positions[-1].qty == sum(sign[fill.side] * fill.qty for fill in fills)
    assert any(isinstance(one, BalanceReport) for one in told)
    expired = judge.key_expired("k", 5)
    assert VENUE.read_private(judge.wrap("k", expired.data)) == (StreamKeyEnded("k"),)


def test_captured_sequences_read_as_orders_that_were_filled(shared_data: Path) -> None:
    path = shared_data / "payloads" / "binance_user_data_real_sequences.json"
    seen = 0
    for item in json.loads(path.read_text())["items"]:
        told = [VENUE.read_private(orjson.dumps(frame)) for frame in item["sequence"] if "e" in frame]
        if not told:
            continue
        (new,), (filled,) = told
        assert isinstance(new, OrderReport)
        assert isinstance(filled, OrderReport)
        assert (new.status, new.fill, new.time_ns) == (Status.NEW, None, filled.time_ns)
        assert filled.status is Status.FILLED
        assert filled.fill is not None
        assert filled.fill.qty == filled.executed == filled.qty == Decimal(800)
        assert filled.fill.fee_asset == "USDT"
        seen += 1
    assert seen == 2


def test_published_events_are_read(shared_data: Path) -> None:
    payloads = shared_data / "payloads"
    frames = [
        orjson.dumps(message["msg"])
        for item in json.loads((payloads / "binance_ws_jkorf.json").read_text())["items"]
        if "Subscriptions/UsdFutures" in item["path"]
        for message in item["messages"]
        if message["dir"] == "pushed" and type(message["msg"].get("data")) is dict
    ]
    frames += [
        orjson.dumps(item["payload"])
        for item in json.loads((payloads / "binance_papi_and_um_user_data_openxapi.json").read_text())["items"]
        if item["path"].endswith(("umfutures-streams.yaml", "pmargin-streams.yaml")) and type(item["payload"]) is dict
    ]
    told = [one for frame in frames for one in VENUE.read_private(frame)]
    assert {type(one) for one in told} == {
        OrderReport, Fill, PositionReport, BalanceReport, AccountReport, StreamKeyEnded, Unused,
    }  # fmt: skip
    unknown = {one.kind for one in told if isinstance(one, Unused) and not one.known}
    assert not {kind for kind in unknown if kind.isupper()}, "every private event is of a known kind"


KEYS = [
    *"escSofqpxXilzLnNTtmRaBP",
    "er",
    "st",
    "fs",
    "a",
    "ac",
    "ai",
    "listenKey",
    "pa",
    "ep",
    "wb",
    "ps",
    "stream",
    "data",
    "error",
]
TEXTS = st.sampled_from(["", "BUY", "1", "TRADE", "CM"]) | st.text()
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.sampled_from(["", "BUY", "1", "TRADE", "CM"])
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner, max_size=8),
    max_leaves=20,
)
KINDS = st.sampled_from(
    ["ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE", "TRADE_LITE", "ACCOUNT_CONFIG_UPDATE", "listenKeyExpired", "X"]
)


@given(
    st.one_of(
        st.binary(),
        JSON.map(orjson.dumps),
        st.builds(
            lambda kind, rest: orjson.dumps({**rest, "e": kind}),
            KINDS,
            st.dictionaries(st.sampled_from(KEYS), JSON, max_size=8),
        ),
        st.builds(lambda changes: event(**changes), st.dictionaries(st.sampled_from([*ORDER]), JSON, max_size=4)),
    )
)
def test_whatever_comes_is_read_or_malformed(frame: bytes) -> None:
    try:
        told = VENUE.read_private(frame)
    except MalformedMessage:
        return
    assert told
