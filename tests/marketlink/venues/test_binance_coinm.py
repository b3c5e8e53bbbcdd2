"""COIN-M's orders: a row of USD-M's trading half, with its own paths, product and account stream; notional of contracts."""

from decimal import Decimal

import orjson
import pytest
from marketlink.orders import OrderType, Side, TimeInForce
from marketlink.venues.binance import COINM, COINM_TRADING, USDM_TRADING
from marketlink.venues.registry import find
from marketlink.venues.signing import HmacSigner
from marketlink.venues.trading import Call, Change, Placement, PositionReport, Unused

ORDER = Placement(
    "btcusd_perp", "mm-1", Side.BUY, OrderType.LIMIT, TimeInForce.GTX, Decimal("61800.1"), Decimal(3), reduce_only=True
)
CHANGE = Change("btcusd_perp", "mm-1", Side.BUY, Decimal("61800.2"), Decimal(4))


def calls(venue: object) -> list[Call | None]:
    row = venue if venue is COINM_TRADING else USDM_TRADING
    return [
        row.submit(ORDER),
        row.modify(CHANGE),
        row.cancel("btcusd_perp", "mm-1"),
        row.cancel_many("btcusd_perp", ["a", "b"]),
        row.cancel_all("btcusd_perp"),
        row.query("btcusd_perp", "mm-1"),
        row.open_orders(),
        row.open_orders("btcusd_perp"),
        row.trades("btcusd_perp", from_id="7"),
        row.countdown("btcusd_perp", 5),
        row.stream_start(),
        row.stream_keep("k"),
        row.stream_end("k"),
        row.hedge_mode(),
        row.server_time(),
    ]


def test_every_request_is_usd_m_s_below_its_own_path() -> None:
    for mine, other in zip(calls(COINM_TRADING), calls(USDM_TRADING), strict=True):
        assert mine is not None
        assert other is not None
        assert (mine.path, mine.params) == (other.path.replace("/fapi/", "/dapi/"), other.params)
        assert (mine.op, mine.method, mine.orders) == (other.op, other.method, other.orders)
    assert (COINM_TRADING.positions().path, COINM_TRADING.balances().path) == (
        "/dapi/v1/positionRisk",
        "/dapi/v1/balance",
    )


def test_the_row_is_found_with_its_addresses() -> None:
    exchange = find("binancefuturescm")
    assert exchange.trading is COINM_TRADING
    assert exchange.trade_api_url == "wss://ws-dapi.binance.com/ws-dapi/v1"
    assert COINM_TRADING.stream_forms == ("path",)
    assert COINM_TRADING.stream_url("wss://dstream.binance.com/ws", "K", "path") == "wss://dstream.binance.com/ws/K"
    with pytest.raises(ValueError, match="no form"):
        COINM_TRADING.stream_url("wss://x", "K", "query")
    frame = COINM_TRADING.api_request(COINM_TRADING.submit(ORDER), "1", HmacSigner("key", "secret"), 1, 2)
    assert frame is not None
    assert orjson.loads(frame)["method"] == "order.place"


def test_events_of_its_own_product_count_and_usd_m_s_do_not() -> None:
    part = {"B": [], "P": [{"s": "BTCUSD_PERP", "pa": "3", "ep": "61800", "ps": "BOTH"}]}
    event = {"e": "ACCOUNT_UPDATE", "E": 2, "T": 1, "i": "alias", "a": part}
    position = PositionReport("btcusd_perp", Decimal(3), 1_000_000, Decimal(61800))
    for more in ({}, {"st": 2}):
        assert COINM_TRADING.read_private(orjson.dumps({**event, **more})) == (position,)
    assert COINM_TRADING.read_private(orjson.dumps({**event, "st": 1})) == (
        Unused("ACCOUNT_UPDATE of product 1", known=True),
    )


def test_contracts_are_worth_what_the_exchange_says_whatever_the_price() -> None:
    filters = [{"filterType": "PRICE_FILTER", "tickSize": "0.1"}, {"filterType": "LOT_SIZE", "stepSize": "1"}]
    row = {
        "symbol": "BTCUSD_PERP",
        "contractStatus": "TRADING",
        "contractSize": 100,
        "baseAsset": "BTC",
        "filters": filters,
    }
    one = COINM.decode_info(orjson.dumps({"symbols": [row]})).instruments["btcusd_perp"]
    assert (one.contract, one.base) == (Decimal(100), "BTC")
    assert one.notional(Decimal(3), Decimal(61800)) == 300
