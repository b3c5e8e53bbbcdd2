"""Portfolio Margin: requests that the simulated exchange reads as they were meant, published answers and events, what it has not."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import orjson
import pytest
from marketlink.errors import MalformedMessage
from marketlink.orders import OrderType, Side, Status, TimeInForce
from marketlink.venues.binance import PAPI, USDM
from marketlink.venues.binance import PAPI_TRADING as VENUE
from marketlink.venues.decisions import as_markdown
from marketlink.venues.registry import find
from marketlink.venues.signing import HmacSigner
from marketlink.venues.trading import (
    AccountReport,
    BalanceReport,
    Call,
    Change,
    Op,
    OrderLimit,
    OrderReport,
    Placement,
    PositionReport,
    Refusal,
    StreamKeyEnded,
    Unused,
    Verdict,
    judge,
)
from venue_sim.auth import Key, admit, payload_of
from venue_sim.face import Private, Route
from venue_sim.market import Instrument
from venue_sim.matching import BUY, SelfTrade, Tif
from venue_sim.orders import NewOrder
from venue_sim.trade_face import (
    Cancel,
    CancelAll,
    Modify,
    OrderRef,
    Place,
    QueryAccount,
    QueryBalance,
    QueryHedge,
    QueryOpen,
    QueryOrder,
    QueryPools,
    QueryPositions,
    QueryTrades,
    UserStream,
    What,
)
from venue_sim.venues.papi import PAPI_TRADE as judge_face
from venue_sim.venues.papi.streams import parse_target

from tests.conftest import ROOT

COINS = {"btcusdt": Instrument("btcusdt", "0.10", "0.001", "BTC", "USDT")}
SIGNER = HmacSigner("key", "secret")
NOW_MS = 1_700_000_000_000
LIMIT = Placement("btcusdt", "me", Side.BUY, OrderType.LIMIT, TimeInForce.GTX, Decimal("99.9"), Decimal("0.5"))
REF = OrderRef("btcusdt", None, "me")


def read_by_exchange(call: Call) -> What:
    """Let the exchange check key, signature, weight and number of orders of a request, and read it."""
    target, headers, body = VENUE.rest_request(call, SIGNER, NOW_MS, 2000)
    path, _, query = target.partition("?")
    assert body == b""
    parameters = dict(parse_qsl(query))
    if call.signed:
        payload, signature = payload_of(query, "")
        assert admit({"key": Key("mine", "secret")}, headers["X-MBX-APIKEY"], parameters, payload, signature, NOW_MS)
    ask = judge_face.parse(call.method, path, parameters, COINS)
    assert ask is not None, path
    assert (ask.weight, ask.orders) == (call.weight, call.orders)
    return ask.what


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (
            VENUE.submit(LIMIT),
            Place(
                NewOrder("btcusdt", BUY, Decimal("99.9"), Decimal("0.5"), "me", Tif("GTX"), False, SelfTrade.NONE), True
            ),
        ),
        (
            VENUE.modify(Change("btcusdt", "me", Side.BUY, Decimal(99), Decimal(2))),
            Modify(REF, BUY, Decimal(99), Decimal(2)),
        ),
        (VENUE.cancel("btcusdt", "me"), Cancel((REF,), False)),
        (VENUE.cancel_all("btcusdt"), CancelAll("btcusdt")),
        (VENUE.query("btcusdt", "me"), QueryOrder(REF)),
        (VENUE.query("btcusdt", "", "7"), QueryOrder(OrderRef("btcusdt", 7, None))),
        (VENUE.open_orders("btcusdt"), QueryOpen("btcusdt")),
        (VENUE.open_orders(), QueryOpen(None)),
        (VENUE.trades("btcusdt", start_ms=5), QueryTrades("btcusdt", None, 5, None, None, 1000)),
        (VENUE.positions(), QueryPositions(None, 1)),
        (VENUE.balances(), QueryBalance(1)),
        (VENUE.account(), QueryAccount(1)),
        (VENUE.hedge_mode(), QueryHedge(2)),
        (VENUE.limits_request(), QueryPools()),
        (VENUE.stream_start(), UserStream("start", "")),
        (VENUE.stream_keep("k"), UserStream("ping", "")),
        (VENUE.stream_end("k"), UserStream("stop", "")),
    ],
    ids=lambda one: f"{one.method} {one.path}" if isinstance(one, Call) else "",
)
def test_a_request_is_read_by_the_exchange_as_it_was_meant(call: Call, what: What) -> None:
    assert read_by_exchange(call) == what


def test_what_it_has_not_is_not_asked_for() -> None:
    assert VENUE.countdown("btcusdt", 1000) is None
    assert VENUE.most_cancels == 1
    with pytest.raises(ValueError, match="no request that cancels several"):
        VENUE.cancel_many("btcusdt", ["a", "b"])
    assert VENUE.trade_api_url == ""
    assert VENUE.api_request(VENUE.submit(LIMIT), "1", SIGNER, NOW_MS, 2000) is None
    assert VENUE.id_length == 32
    market = Placement("btcusdt", "me", Side.BUY, OrderType.MARKET, TimeInForce.GTC, None, Decimal(1))
    assert not {"price", "timeInForce"} & dict(VENUE.submit(market).params).keys()


def test_the_time_comes_from_the_futures_without_a_key() -> None:
    call = VENUE.server_time()
    assert (call.path, call.keyed, call.signed) == ("/fapi/v1/time", False, False)


def test_two_hosts_and_the_futures_market_data() -> None:
    exchange = find("binancepapi")
    assert (exchange.rest_root, exchange.trade_rest_root) == ("https://fapi.binance.com", "https://papi.binance.com")
    assert (exchange.public, exchange.trading) == (PAPI, VENUE)
    assert PAPI.live_streams("btcusdt") == USDM.live_streams("btcusdt")
    assert VENUE.weight_limit is not None


@pytest.mark.parametrize(
    "root",
    [
        "wss://fstream.binance.com",
        "wss://fstream.binance.com/ws",
        "wss://fstream.binance.com/pm/ws",
        "wss://fstream.binance.com/",
    ],
)
def test_the_accounts_stream_has_its_key_in_the_path(root: str) -> None:
    url = VENUE.stream_url(root, "K9", VENUE.stream_forms[0])
    assert url == "wss://fstream.binance.com/pm/ws/K9"
    route = parse_target(url.removeprefix("wss://fstream.binance.com"))
    assert isinstance(route, Route)
    assert route.private == Private(("K9",), None, "path")
    with pytest.raises(ValueError, match="path"):
        VENUE.stream_url(root, "K9", "query")


READERS: dict[tuple[str, str], Callable[[bytes], object]] = {
    ("POST", "um/order"): VENUE.read_order,
    ("PUT", "um/order"): VENUE.read_order,
    ("DELETE", "um/order"): VENUE.read_order,
    ("GET", "um/order"): VENUE.read_order,
    ("GET", "um/openOrder"): VENUE.read_order,
    ("GET", "um/openOrders"): VENUE.read_open_orders,
    ("GET", "um/userTrades"): VENUE.read_trades,
    ("GET", "um/positionRisk"): VENUE.read_positions,
    ("GET", "um/accountConfig"): VENUE.read_hedge_mode,
    ("GET", "um/positionSide/dual"): VENUE.read_hedge_mode,
    ("GET", "balance"): VENUE.read_balances,
    ("GET", "account"): VENUE.read_account,
    ("GET", "rateLimit/order"): VENUE.read_order_limits,
    ("POST", "listenKey"): VENUE.read_stream_key,
}


def published(shared_data: Path) -> dict[tuple[str, str], bytes]:
    items = json.loads((shared_data / "payloads" / "binance_official_connector_papi.json").read_text())["items"]
    return {
        (item["verb"], item["endpoint"].removeprefix("/papi/v1/")): orjson.dumps(item["expected_response"])
        for item in items
        if item.get("endpoint")
    }


def test_published_answers_are_read(shared_data: Path) -> None:
    answers = published(shared_data)
    for found, read in READERS.items():
        assert VENUE.read_refusal(200, answers[found]) is None
        assert read(answers[found]), found
    assert VENUE.read_refusal(200, answers["DELETE", "um/allOpenOrders"]) is None
    assert VENUE.read_order_limits(answers["GET", "rateLimit/order"]) == (OrderLimit(1200, 60),)
    new = VENUE.read_order(answers["POST", "um/order"])
    assert (new.client_id, new.status, new.qty) == ("testOrder", Status.NEW, Decimal(10))
    changed = VENUE.read_order(answers["PUT", "um/order"])
    assert (changed.price, changed.terms) == (Decimal(30005), True)
    (wallet,) = VENUE.read_balances(answers["GET", "balance"])
    assert wallet == BalanceReport("USDT", Decimal(0), 1_617_939_110_373_000_000, Decimal("122607.35137903"))
    account = VENUE.read_account(answers["GET", "account"])
    assert (account.ratio, account.equity) == (Decimal("5167.92171923"), Decimal("73.47428058"))
    assert (account.initial_margin, account.maintenance_margin) == (Decimal("23.72469206"),) * 2
    assert account.status == "NORMAL"


@pytest.mark.parametrize("found", READERS, ids=lambda found: " ".join(found))
def test_unknown_fields_are_no_trouble_and_a_missing_one_that_is_needed_is_named(
    shared_data: Path, found: tuple[str, str]
) -> None:
    body = orjson.loads(published(shared_data)[found])
    read = READERS[found]
    rows = body if isinstance(body, list) else [body]
    for row in rows:
        row["brandNew"] = {"a": [1]}
    assert read(orjson.dumps(body))

    def missing(field: str) -> str:
        """What is named when a field is not there; empty when that is no trouble."""
        less = [{name: value for name, value in row.items() if name != field} for row in rows]
        try:
            read(orjson.dumps(less if isinstance(body, list) else less[0]))
        except MalformedMessage as error:
            return error.field
        return ""

    named = {field: missing(field) for field in rows[0]}
    assert any(named.values())
    assert all(name in ("", field) for field, name in named.items())
    assert not {name for name in named.values() if name} & {
        "avgPrice",
        "cumQuote",
        "cumQty",
        "origType",
        "priceMatch",
        "goodTillDate",
        "notional",
    }


def events(shared_data: Path) -> dict[str, dict[str, Any]]:
    items = json.loads((shared_data / "payloads" / "binance_papi_and_um_user_data_openxapi.json").read_text())["items"]
    return {
        item["payload"]["e"]: item["payload"]
        for item in items
        if item["path"].endswith("pmargin-streams.yaml") and "e" in item["payload"]
    }


def test_published_events_are_read(shared_data: Path) -> None:
    told = {kind: VENUE.read_private(orjson.dumps(event)) for kind, event in events(shared_data).items()}
    assert len(told) == 11
    (report,) = told.pop("ORDER_TRADE_UPDATE")
    assert isinstance(report, OrderReport)
    assert (report.client_id, report.status, report.fill) == ("TEST", Status.NEW, None)
    position, balance = told.pop("ACCOUNT_UPDATE")
    assert isinstance(position, PositionReport)
    assert isinstance(balance, BalanceReport)
    assert told.pop("listenKeyExpired") == (StreamKeyEnded(),)
    (risk,) = told.pop("riskLevelChange")
    assert isinstance(risk, AccountReport)
    assert (risk.ratio, risk.equity, risk.status) == (Decimal("1.99999999"), Decimal("30.23416728"), "MARGIN_CALL")
    for kind, messages in told.items():
        assert messages == (Unused(kind, known=True),)


def test_what_is_of_another_product_is_not_used(shared_data: Path) -> None:
    for kind in ("ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE"):
        event = {**events(shared_data)[kind], "fs": "CM"}
        assert VENUE.read_private(orjson.dumps(event)) == (Unused(f"{kind} of product CM", known=True),)
        event["fs"] = "XM"
        assert VENUE.read_private(orjson.dumps(event)) == (Unused(f"{kind} of product XM", known=False),)


@pytest.mark.parametrize(
    ("status", "code", "text", "verdict"),
    [
        (503, -1, "Unknown error, please check your request or try again later.", Verdict.UNKNOWN),
        (503, -1, "Service Unavailable.", Verdict.REFUSED),
        (503, -1008, "Request throttled by system-level protection.", Verdict.RETRY_AFTER),
        (503, -1001, "Internal error; unable to process your request. Please try again.", Verdict.REFUSED),
        (400, -4116, "ClientOrderId is duplicated.", Verdict.UNKNOWN),
        (400, -2019, "Margin is insufficient.", Verdict.REFUSED),
        (401, -2015, "Invalid API-key, IP, or permissions for action.", Verdict.FATAL),
        (400, -4531, "x", Verdict.REFUSED),
    ],
)
def test_an_error_means_what_the_specification_says(status: int, code: int, text: str, verdict: Verdict) -> None:
    assert judge(VENUE.decisions, Op.SUBMIT, Refusal(status, code, text)).verdict is verdict


def test_the_documents_print_what_differs_from_usd_ms_table() -> None:
    differing = [row for row in VENUE.decisions if row not in find("binancefutures").trading.decisions]  # type: ignore[union-attr]
    assert as_markdown(differing) in (ROOT / "docs/venues/papi.md").read_text()
    assert len(VENUE.decisions) == len(find("binancefutures").trading.decisions)  # type: ignore[union-attr]
