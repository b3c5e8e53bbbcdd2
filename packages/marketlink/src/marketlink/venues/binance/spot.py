"""Binance spot's orders and account: what is asked, and what the answers mean, where it differs from futures (docs/venues/spot.md).

No positions, no hedge mode, no countdown, no request that cancels several orders: what the account holds of a symbol's base asset is the
position. Its stream is a connection to the WebSocket API that subscribes with a signature.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final

import orjson

from marketlink.errors import MalformedMessage
from marketlink.orders import OrderType, Side, Status, TimeInForce
from marketlink.venues.binance.decisions import SPOT_DECISIONS
from marketlink.venues.binance.spot_private import read_private, stream_login
from marketlink.venues.binance.trade import MOST_TRADES, SIDE_WORDS, BinanceUsdmTrading
from marketlink.venues.binance.words import (
    SELF_TRADE,
    exchange_id_of,
    side_of,
    spot_kind_of,
    status_of,
    word,
)
from marketlink.venues.fields import MAX_MS, MS_NS, Unusable, amount, exact, text, whole
from marketlink.venues.trading import (
    BalanceReport,
    Call,
    Change,
    Decision,
    Fill,
    HoldingReport,
    Op,
    OrderLimit,
    OrderReport,
    Placement,
    PositionReport,
    PrivateMessage,
    Signer,
    TradingVenue,
    Unmodifiable,
)

ORDER: Final = "/api/v3/order"
API_METHODS: Final = {
    Op.SUBMIT: "order.place",
    Op.MODIFY: "order.amend.keepPriority",
    Op.CANCEL: "order.cancel",
    Op.QUERY: "order.status",
}
API_PATH: Final = "/ws-api/v3"
SELF_TRADE_MODES: Final = ("NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT", "TRANSFER")
TIMES_IN_FORCE: Final = {TimeInForce.GTC: "GTC", TimeInForce.IOC: "IOC", TimeInForce.FOK: "FOK"}
_ENDS: Final = (Status.CANCELED, Status.EXPIRED, Status.REJECTED)


@dataclass(frozen=True)
class BinanceSpotTrading(BinanceUsdmTrading):
    """The spot row. Signing, the WebSocket API's form and the reading of errors are the exchange's own, common to all its products."""

    name: str = "binancespot"
    order_limits: Sequence[OrderLimit] = (OrderLimit(100, 10), OrderLimit(200_000, 86_400))
    decisions: Sequence[Decision] = SPOT_DECISIONS
    forms: Mapping[str, str] = field(default_factory=lambda: {"ws_api": "{root}" + API_PATH})
    trade_api_url: str = "wss://ws-api.binance.com:443/ws-api/v3"
    most_cancels: int = 1

    def with_self_trade(self, mode: str) -> TradingVenue:
        """The same with `selfTradePreventionMode`. Raises ValueError, which lists the known ones."""
        if mode not in SELF_TRADE_MODES:
            raise ValueError(f"{mode!r} is none of {', '.join(SELF_TRADE_MODES)}")
        return replace(self, self_trade=mode)

    @property
    def api_methods(self) -> Mapping[Op, str]:
        """What requests are called on the WebSocket API."""
        return API_METHODS

    def submit(self, order: Placement) -> Call:
        """Place an order, answered with its state after matching. Post-only is a type of its own, LIMIT_MAKER.

        There is no reduce-only: what is not held can't be sold anyway.
        """
        params = [("symbol", order.symbol.upper()), ("side", SIDE_WORDS[order.side])]
        if order.order_type is OrderType.LIMIT:
            if order.price is None:
                raise ValueError(f"a limit order without a price: {order}")
            if order.time_in_force is TimeInForce.GTX:
                params.append(("type", "LIMIT_MAKER"))
            elif order.time_in_force in TIMES_IN_FORCE:
                params += [("type", "LIMIT"), ("timeInForce", TIMES_IN_FORCE[order.time_in_force])]
            else:
                raise ValueError(f"{order.time_in_force!r} can't be sent")
            params.append(("price", _plain(order.price)))
        elif order.order_type is OrderType.MARKET:
            params.append(("type", "MARKET"))
        else:
            raise ValueError(f"{order.order_type!r} can't be sent")
        params += [
            ("quantity", _plain(order.qty)),
            ("newClientOrderId", order.client_id),
            ("newOrderRespType", "RESULT"),
        ]
        if self.self_trade:
            params.append(("selfTradePreventionMode", self.self_trade))
        return Call(Op.SUBMIT, "POST", ORDER, tuple(params), weight=1, orders=1)

    def cancel(self, symbol: str, client_id: str) -> Call:
        """Cancel an order."""
        return Call(Op.CANCEL, "DELETE", ORDER, _named(symbol, client_id))

    def modify(self, change: Change) -> Call:
        """Lower an order's quantity; it keeps its place in the queue and, because we say so, its client id.

        Raises Unmodifiable for everything else: cancel and replace would be another order.
        """
        if change.old_price is not None and change.price != change.old_price:
            what = f"spot orders keep their price ({change.old_price:f}, not {change.price:f})"
            raise Unmodifiable(f"{what}: cancel this one and place another")
        if change.old_qty is not None and change.qty >= change.old_qty:
            what = f"the quantity of a spot order can only be lowered (from {change.old_qty:f}, not to {change.qty:f})"
            raise Unmodifiable(f"{what}: cancel this one and place another")
        named = (*_named(change.symbol, change.client_id), ("newClientOrderId", change.client_id))
        params = (*named, ("newQty", _plain(change.qty)))
        return Call(Op.MODIFY, "PUT", f"{ORDER}/amend/keepPriority", params, weight=4)

    def cancel_all(self, symbol: str) -> Call:
        """Cancel every order of the account on a symbol, whoever placed it."""
        return Call(Op.CANCEL_ALL, "DELETE", "/api/v3/openOrders", (("symbol", symbol.upper()),))

    def query(self, symbol: str, client_id: str, exchange_id: str = "") -> Call:
        """Ask for an order."""
        params = (("symbol", symbol.upper()), ("orderId", exchange_id)) if exchange_id else _named(symbol, client_id)
        return Call(Op.QUERY, "GET", ORDER, params, weight=4)

    def open_orders(self, symbol: str | None = None, page: str = "") -> Call:
        """Ask for the open orders; those of all symbols weigh more than ten times as much."""
        params = () if symbol is None else (("symbol", symbol.upper()),)
        return Call(Op.OPEN_ORDERS, "GET", "/api/v3/openOrders", params, weight=80 if symbol is None else 6)

    def trades(self, symbol: str, *, from_id: str = "", start_ms: int = 0) -> Call:
        """Ask for executions, oldest first: from a trade id on, else from a time on."""
        params = [("symbol", symbol.upper()), ("limit", str(MOST_TRADES))]
        if from_id:
            params.append(("fromId", from_id))
        elif start_ms:
            params.append(("startTime", str(start_ms)))
        return Call(Op.TRADES, "GET", "/api/v3/myTrades", tuple(params), weight=20)

    def positions(self) -> Call:
        """Ask for what the account holds."""
        return replace(self.balances(), op=Op.POSITIONS)

    def balances(self) -> Call:
        """Ask for what the account holds."""
        return Call(Op.BALANCES, "GET", "/api/v3/account", (("omitZeroBalances", "true"),), weight=20)

    def hedge_mode(self) -> Call | None:
        """None: there are no positions."""
        return None

    def stream_start(self) -> Call | None:
        """None: it is opened with a signature."""
        return None

    def stream_keep(self, key: str) -> Call | None:
        """None: there is no key."""
        return None

    def stream_end(self, key: str) -> Call | None:
        """None: there is no key."""
        return None

    def stream_login(self, signer: Signer, time_ms: int, window_ms: int) -> Sequence[bytes]:
        """Subscribe by a signature; with an Ed25519 key log on, and then subscribe."""
        return stream_login(signer, time_ms, window_ms)

    def countdown(self, symbol: str, after_ms: int) -> Call | None:
        """None: the exchange has none."""
        return None

    def server_time(self) -> Call:
        """Ask for the exchange's time."""
        return Call(Op.TIME, "GET", "/api/v3/time", signed=False, keyed=False)

    def read_order(self, body: bytes) -> OrderReport:
        """Read the answer to submit, cancel, modify or query: an order, one under `amendedOrder`, or one of a list that it belonged to."""
        return self._decoded(body, "order", lambda data: _answered(_one(_object(data))))

    def read_open_orders(self, body: bytes) -> Sequence[OrderReport]:
        """Read the open orders; one row that can't be used makes the list useless, because it would miss an order."""
        return self._decoded(body, "orders", lambda data: [_listed(row) for row in _rows(data)])

    def read_trades(self, body: bytes) -> Sequence[Fill]:
        """Read executions; they name the exchange's order id and no client id."""
        return self._decoded(body, "trades", lambda data: [_trade(row) for row in _rows(data)])

    def read_positions(self, body: bytes) -> Sequence[PositionReport | HoldingReport]:
        """Read what the account holds, free and locked."""
        return self._decoded(body, "positions", lambda data: [HoldingReport(*held) for held in _held(_object(data))])

    def read_balances(self, body: bytes) -> Sequence[BalanceReport]:
        """Read the wallet: free and locked."""
        return self._decoded(body, "balances", lambda data: [BalanceReport(*held) for held in _held(_object(data))])

    def stream_url(self, root: str, key: str, form: str) -> str:
        """The WebSocket API, below a root or as a whole address. Raises ValueError for a form that is none of `stream_forms`."""
        if form not in self.stream_forms:
            raise ValueError(f"{form!r} is no form of the account stream's address: {', '.join(self.stream_forms)}")
        root = root.rstrip("/")
        return root if root.endswith(API_PATH) else root + API_PATH

    def read_private(self, frame: bytes) -> Sequence[PrivateMessage]:
        """Read an event of the account's stream, or the answer to a message of its login."""
        try:
            return read_private(orjson.loads(frame))
        except orjson.JSONDecodeError as error:
            raise MalformedMessage(self.name, "json", frame, stream="account") from error
        except Unusable as error:
            raise MalformedMessage(self.name, str(error), frame, stream="account") from error


def _plain(number: Decimal) -> str:
    """Every digit and never an exponent. Raises ValueError for what is no number."""
    if not number.is_finite():
        raise ValueError(f"{number} is no price or quantity")
    return format(number, "f")


def _named(symbol: str, client_id: str) -> tuple[tuple[str, str], ...]:
    return ("symbol", symbol.upper()), ("origClientOrderId", client_id)


def _object(data: object) -> Mapping[str, object]:
    if type(data) is not dict:
        raise Unusable("json object")
    return data


def _rows(data: object) -> Sequence[Mapping[str, object]]:
    if type(data) is not list:
        raise Unusable("json list")
    return [_object(row) for row in data]


def _one(data: Mapping[str, object]) -> Mapping[str, object]:
    """The order of an answer, with the answer's time where it has none of its own."""
    found = data.get("amendedOrder")
    if found is None and "clientOrderId" not in data and type(reports := data.get("orderReports")) is list and reports:
        found = reports[0]
    if found is None:
        return data
    row = dict(_object(found))
    row.setdefault("origQty", row.get("qty"))
    row.setdefault("transactTime", data.get("transactTime"))
    return row


def _time_ns(row: Mapping[str, object]) -> int:
    for name in ("updateTime", "transactTime", "time"):
        value = row.get(name)
        if type(value) is int and 0 < value <= MAX_MS:
            return value * MS_NS
    return 0


def _stated(row: Mapping[str, object], name: str) -> Decimal | None:
    try:
        return amount(row, name)
    except Unusable:
        return None


def _answered(row: Mapping[str, object]) -> OrderReport:
    """An order by whatever an answer says; a cancel and an amendment may have given it another name, and tell the one before."""
    client_id = word(row, "origClientOrderId") or text(row, "clientOrderId")
    status = status_of(row, "status")
    price, qty, executed = (_stated(row, name) for name in ("price", "origQty", "executedQty"))
    if executed is None and status is not Status.NEW:
        status = Status.UNSUPPORTED
    order_type, time_in_force = spot_kind_of(word(row, "type"), word(row, "timeInForce"))
    return OrderReport(
        word(row, "symbol").lower(),
        client_id,
        exchange_id_of(row, "orderId"),
        status,
        side_of(row, "side"),
        order_type,
        time_in_force,
        price or Decimal(0),
        qty or Decimal(0),
        executed or Decimal(0),
        _time_ns(row),
        reason=_reason(row, status),
        terms=price is not None and qty is not None,
    )


def _reason(row: Mapping[str, object], status: Status) -> str:
    if word(row, "status") == "EXPIRED_IN_MATCH":
        return SELF_TRADE
    return word(row, "expiryReason").lower().replace("_", " ") if status in _ENDS else ""


def _listed(row: Mapping[str, object]) -> OrderReport:
    """An order in a list that nobody asked for by its id: what names and measures it must be there."""
    for name in ("symbol", "side", "status"):
        text(row, name)
    for name in ("price", "origQty", "executedQty"):
        amount(row, name)
    whole(row, "orderId")
    if not _time_ns(row):
        raise Unusable("updateTime")
    return _answered(row)


def _trade(row: Mapping[str, object]) -> Fill:
    buyer, maker = row.get("isBuyer"), row.get("isMaker")
    if type(buyer) is not bool or type(maker) is not bool:
        raise Unusable("isBuyer" if type(buyer) is not bool else "isMaker")
    return Fill(
        text(row, "symbol").lower(),
        str(whole(row, "id")),
        "",
        str(whole(row, "orderId")),
        Side.BUY if buyer else Side.SELL,
        amount(row, "price"),
        amount(row, "qty"),
        maker,
        whole(row, "time", MAX_MS) * MS_NS,
        exact(row, "commission") if row.get("commission") is not None else None,
        word(row, "commissionAsset"),
    )


def _held(data: Mapping[str, object]) -> list[tuple[str, Decimal, int]]:
    """Each asset with free and locked together, as of the account's last change."""
    time_ns = whole(data, "updateTime", MAX_MS) * MS_NS
    return [
        (text(row, "asset"), amount(row, "free") + amount(row, "locked"), time_ns)
        for row in _rows(data.get("balances"))
    ]


SPOT_TRADING: Final = BinanceSpotTrading()
_CONFORMS: TradingVenue = SPOT_TRADING  # checked by mypy
