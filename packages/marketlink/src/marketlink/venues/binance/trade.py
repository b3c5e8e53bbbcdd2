"""Orders and account of Binance's futures, USD-M and COIN-M, directly and in a Portfolio Margin account: what is asked, signed, and what
the answers mean (docs/venues/binance.md, trading; docs/venues/coinm.md, papi.md).

Answers are read for what is needed only: acknowledgements lost `avgPrice`, `cumQuote` and `cumBase` in July 2026 and may lose more.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final, TypeVar
from urllib.parse import quote

import orjson

from marketlink.errors import MalformedMessage
from marketlink.orders import OrderType, Side, Status, TimeInForce
from marketlink.venues.binance.decisions import PAPI_DECISIONS, UNREADABLE, USDM_DECISIONS
from marketlink.venues.binance.info import read_order_limits
from marketlink.venues.binance.private import COINM_FORMS, FORMS, PAPI_FORMS, read_private, stream_url
from marketlink.venues.binance.words import (
    reason_of,
    side_of,
    status_of,
    time_in_force_of,
    type_of,
    word,
)
from marketlink.venues.fields import MAX_MS, MS_NS, Unusable, amount, exact, text, whole
from marketlink.venues.trading import (
    AccountReport,
    ApiAnswer,
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
    Refusal,
    Signer,
    TradingVenue,
    WeightLimit,
)

MOST_TRADES: Final = 1000
ELEMENT_STATUS: Final = 400  # an error within a list stands for an answer of its own
API_METHODS: Final = {
    Op.SUBMIT: "order.place",
    Op.MODIFY: "order.modify",
    Op.CANCEL: "order.cancel",
    Op.QUERY: "order.status",
    Op.POSITIONS: "v2/account.position",
    Op.BALANCES: "v2/account.balance",
}
SELF_TRADE_MODES: Final = ("NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH")
SIDE_WORDS: Final = {Side.BUY: "BUY", Side.SELL: "SELL"}
_CODE: Final = re.compile(r"-?[0-9]{1,9}")
_LIMIT_WORDS: Final = ((86400, "D"), (3600, "H"), (60, "M"), (1, "S"))

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Question:
    """Where something is asked for, and what that weighs."""

    path: str
    weight: int


@dataclass(frozen=True)
class BinanceUsdmTrading:
    """A row: constants and pure functions; by default USD-M's. Decoders raise MalformedMessage only."""

    name: str = "binancefutures"
    orders: str = "/fapi/v1"  # below it: order, openOrders, ...
    listen_key: str = "/fapi/v1/listenKey"
    ask_positions: Question = Question("/fapi/v3/positionRisk", 5)
    ask_balances: Question = Question("/fapi/v3/balance", 5)
    wallet: str = "balance"  # the field of what the wallet holds
    total: str = ""  # ... and of what all wallets hold, where there are several
    ask_account: Question | None = None
    ask_mode: Question = Question("/fapi/v1/positionSide/dual", 30)
    ask_limits: Question | None = None
    ask_time: Question = Question("/fapi/v1/time", 1)  # Portfolio Margin has none of its own
    trades_weight: int = 5
    countdowns: bool = True
    most_cancels: int = 10
    id_length: int = 36
    weight_limit: WeightLimit | None = None
    order_limits: Sequence[OrderLimit] = (OrderLimit(300, 10), OrderLimit(1200, 60))
    order_limit_codes: frozenset[int] = frozenset({-1015})
    decisions: Sequence[Decision] = USDM_DECISIONS
    forms: Mapping[str, str] = field(default_factory=lambda: FORMS)
    product: int = 1  # of the fields `st` and `fs`: 1 USD-M, 2 COIN-M
    api_messages_per_s: int = 10
    trade_api_url: str = "wss://ws-fapi.binance.com/ws-fapi/v1"
    self_trade: str = ""  # `selfTradePreventionMode` of orders; empty: the account's

    def with_self_trade(self, mode: str) -> TradingVenue:
        """The same with `selfTradePreventionMode`. Raises ValueError, which lists the known ones."""
        if mode not in SELF_TRADE_MODES:
            raise ValueError(f"{mode!r} is none of {', '.join(SELF_TRADE_MODES)}")
        return replace(self, self_trade=mode)

    def order_count_header(self, limit: OrderLimit) -> str:
        """The answer header that says how many orders count against a limit: `X-MBX-ORDER-COUNT-10S`, `-1M`."""
        unit, letter = next((unit, letter) for unit, letter in _LIMIT_WORDS if limit.per_s % unit == 0)
        return f"X-MBX-ORDER-COUNT-{limit.per_s // unit}{letter}"

    def limits_request(self) -> Call | None:
        """Ask for the account's order limits, where the list of instruments does not tell them."""
        asked = self.ask_limits
        return None if asked is None else Call(Op.ORDER_LIMITS, "GET", asked.path, weight=asked.weight)

    def read_order_limits(self, body: bytes) -> Sequence[OrderLimit]:
        """Read the account's order limits."""
        return self._decoded(body, "limits", lambda data: read_order_limits(_list(data)))

    def submit(self, order: Placement) -> Call:
        """Place an order, answered with its state after matching.

        `newOrderRespType` is RESULT for every order: an ACK always says NEW and nothing executed, so that an order which was filled at
        once, with its pushes lost, would look alive. The answer comes after the match instead of before it; what waits for it
        loses nothing, because the push NEW does not wait.
        """
        params = [
            ("symbol", order.symbol.upper()),
            ("side", SIDE_WORDS[order.side]),
            ("type", _of_known(order.order_type, OrderType.UNSUPPORTED)),
            ("quantity", _plain(order.qty)),
        ]
        if order.order_type is OrderType.LIMIT:
            if order.price is None:
                raise ValueError(f"a limit order without a price: {order}")
            tif = _of_known(order.time_in_force, TimeInForce.UNSUPPORTED)
            params += [("price", _plain(order.price)), ("timeInForce", tif)]
        params += [("newClientOrderId", order.client_id), ("newOrderRespType", "RESULT")]
        if order.reduce_only:
            params.append(("reduceOnly", "true"))
        if self.self_trade:
            params.append(("selfTradePreventionMode", self.self_trade))
        return Call(Op.SUBMIT, "POST", f"{self.orders}/order", tuple(params), weight=0, orders=1)

    def cancel(self, symbol: str, client_id: str) -> Call:
        """Cancel an order."""
        return Call(Op.CANCEL, "DELETE", f"{self.orders}/order", _named(symbol, client_id))

    def modify(self, change: Change) -> Call:
        """Give an order another price and total quantity; the exchange wants both, whichever changes."""
        params = (
            *_named(change.symbol, change.client_id),
            ("side", SIDE_WORDS[change.side]),
            ("price", _plain(change.price)),
            ("quantity", _plain(change.qty)),
        )
        return Call(Op.MODIFY, "PUT", f"{self.orders}/order", params, weight=0, orders=1)

    def cancel_many(self, symbol: str, client_ids: Sequence[str]) -> Call:
        """Cancel one to `most_cancels` orders. Raises ValueError for another number, and where no request cancels several."""
        if self.most_cancels == 1:
            raise ValueError(f"{self.name} has no request that cancels several orders")
        if not 0 < len(client_ids) <= self.most_cancels:
            raise ValueError(f"1 to {self.most_cancels} orders can be cancelled at once, not {len(client_ids)}")
        ids = orjson.dumps(list(client_ids)).decode()
        params = (("symbol", symbol.upper()), ("origClientOrderIdList", ids))
        return Call(Op.CANCEL_MANY, "DELETE", f"{self.orders}/batchOrders", params)

    def cancel_all(self, symbol: str) -> Call:
        """Cancel every order of the account on a symbol, whoever placed it."""
        return Call(Op.CANCEL_ALL, "DELETE", f"{self.orders}/allOpenOrders", (("symbol", symbol.upper()),))

    def query(self, symbol: str, client_id: str, exchange_id: str = "") -> Call:
        """Ask for an order."""
        params = (("symbol", symbol.upper()), ("orderId", exchange_id)) if exchange_id else _named(symbol, client_id)
        return Call(Op.QUERY, "GET", f"{self.orders}/order", params)

    @property
    def orders_left_headers(self) -> tuple[str, str] | None:
        """None: the exchange counts what was used."""
        return None

    def query_past(self, symbol: str, client_id: str, exchange_id: str = "") -> Call | None:
        """None: `query` tells of all that can be told."""
        return None

    def open_orders(self, symbol: str | None = None, page: str = "") -> Call:
        """Ask for the open orders; those of all symbols weigh forty times as much."""
        params = () if symbol is None else (("symbol", symbol.upper()),)
        return Call(Op.OPEN_ORDERS, "GET", f"{self.orders}/openOrders", params, weight=40 if symbol is None else 1)

    def trades(self, symbol: str, *, from_id: str = "", start_ms: int = 0) -> Call:
        """Ask for executions, oldest first: from a trade id on, else from a time on; the exchange takes only one of both."""
        params = [("symbol", symbol.upper()), ("limit", str(MOST_TRADES))]
        if from_id:
            params.append(("fromId", from_id))
        elif start_ms:
            params.append(("startTime", str(start_ms)))
        return Call(Op.TRADES, "GET", f"{self.orders}/userTrades", tuple(params), weight=self.trades_weight)

    def positions(self) -> Call:
        """Ask for the positions; USD-M's version 3 lists only symbols with a position or an open order."""
        return Call(Op.POSITIONS, "GET", self.ask_positions.path, weight=self.ask_positions.weight)

    def balances(self) -> Call:
        """Ask for the wallet."""
        return Call(Op.BALANCES, "GET", self.ask_balances.path, weight=self.ask_balances.weight)

    def account(self) -> Call | None:
        """Ask what the account as a whole is worth."""
        asked = self.ask_account
        return None if asked is None else Call(Op.ACCOUNT, "GET", asked.path, weight=asked.weight)

    def hedge_mode(self) -> Call | None:
        """Ask whether positions are kept in two ways."""
        return Call(Op.HEDGE_MODE, "GET", self.ask_mode.path, weight=self.ask_mode.weight)

    def stream_start(self) -> Call | None:
        """Ask for the key of the account's stream; the one there is, prolonged, if there is one."""
        return Call(Op.STREAM_START, "POST", self.listen_key, signed=False)

    def stream_keep(self, key: str) -> Call | None:
        """Prolong the key: the account has one, and it goes without saying which."""
        return Call(Op.STREAM_KEEP, "PUT", self.listen_key, signed=False)

    def stream_end(self, key: str) -> Call | None:
        """End it."""
        return Call(Op.STREAM_END, "DELETE", self.listen_key, signed=False)

    def stream_login(self, signer: Signer, time_ms: int, window_ms: int) -> Sequence[bytes]:
        """Nothing: the key in the address is enough."""
        return ()

    @property
    def stream_beat(self) -> tuple[float, bytes] | None:
        """None: the exchange pings."""
        return None

    def countdown(self, symbol: str, after_ms: int) -> Call | None:
        """Have every order of a symbol cancelled, whoever placed it, unless this is repeated in time; 0 stops it."""
        if not self.countdowns:
            return None
        params = (("symbol", symbol.upper()), ("countdownTime", str(after_ms)))
        return Call(Op.COUNTDOWN, "POST", f"{self.orders}/countdownCancelAll", params, weight=10)

    def protection(self) -> Call | None:
        """None: a countdown does it, which needs no permission."""
        return None

    def read_protection(self, body: bytes) -> bool:
        """There is none."""
        return False

    def with_protection(self) -> TradingVenue:
        """There is none."""
        return self

    def protect(self, after_s: int) -> Call | None:
        """There is none."""
        return None

    def api_login(self, signer: Signer, time_ms: int, window_ms: int) -> bytes | None:
        """None: each request is signed."""
        return None

    @property
    def api_beat(self) -> tuple[float, bytes] | None:
        """None: the exchange pings."""
        return None

    def server_time(self) -> Call:
        """Ask for the exchange's time."""
        return Call(Op.TIME, "GET", self.ask_time.path, weight=self.ask_time.weight, signed=False, keyed=False)

    def rest_request(
        self, call: Call, signer: Signer | None, time_ms: int, window_ms: int
    ) -> tuple[str, Mapping[str, str], bytes]:
        """Everything goes into the query, percent-encoded before it is signed, so that what is signed is what is sent.

        Raises ValueError where a signer is needed and none is given.
        """
        if signer is None and (call.signed or call.keyed):
            raise ValueError(f"{call.method} {call.path} needs a key")
        params = [*call.params]
        if call.signed:
            params += [("recvWindow", str(window_ms)), ("timestamp", str(time_ms))]
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in params)
        if call.signed and signer is not None:
            query += f"&signature={quote(signer.sign(query.encode()), safe='')}"
        headers = {"X-MBX-APIKEY": signer.api_key} if call.keyed and signer is not None else {}
        return f"{call.path}?{query}" if query else call.path, headers, b""

    @property
    def api_methods(self) -> Mapping[Op, str]:
        """What requests are called on the WebSocket API."""
        return API_METHODS

    def api_request(self, call: Call, request_id: str, signer: Signer, time_ms: int, window_ms: int) -> bytes | None:
        """The WebSocket API has no batch, no cancel-all and no trades; its signature covers the parameters sorted by name, unencoded."""
        if not self.trade_api_url or (method := self.api_methods.get(call.op)) is None:
            return None
        times = {"recvWindow": window_ms, "timestamp": time_ms}
        params: dict[str, str | int] = {**dict(call.params), "apiKey": signer.api_key, **times}
        payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
        params["signature"] = signer.sign(payload.encode())
        return orjson.dumps({"id": request_id, "method": method, "params": params})

    def read_api(self, frame: bytes) -> ApiAnswer:
        """Read an answer of the WebSocket API; its result, or its error, becomes the body of an answer of REST."""

        def read(data: object) -> ApiAnswer:
            message = _object(data)
            content = message.get("error") if message.get("error") is not None else message.get("result")
            if content is None:
                raise Unusable("result")
            named = message.get("id")
            request_id = str(named) if type(named) in (str, int) else ""
            try:
                body = orjson.dumps(content)
            except orjson.JSONEncodeError as error:  # it reads deeper than it writes
                raise Unusable("result") from error
            weight, orders = _used(message.get("rateLimits"))
            return ApiAnswer(request_id, whole(message, "status", 999), body, weight, orders, _retry_at(content))

        return self._decoded(frame, "api", read)

    def read_refusal(self, status: int, body: bytes) -> Refusal | None:
        """Read `{"code":..,"msg":..}`; what is no answer of the exchange at all is a refusal without a code."""
        try:
            data = orjson.loads(body)
        except orjson.JSONDecodeError:
            data = None
        if (told := _refusal(status, data)) is not None:
            return told
        if status == 200 and type(data) in (dict, list):
            return None
        return Refusal(status, None, UNREADABLE + body[:300].decode(errors="replace").strip())

    def read_order(self, body: bytes) -> OrderReport:
        """Read the answer to submit, cancel, modify or query, by whatever it says: only the client id must be there.

        A state that needs a quantity to be believed, and comes without it, is UNSUPPORTED: the exchange must be asked.
        """
        return self._decoded(body, "order", lambda data: _answered(_object(data)))

    def read_query(self, body: bytes) -> OrderReport | None:
        """Read the answer to query; an order that is not there is an error."""
        return self.read_order(body)

    def next_page(self, op: Op, body: bytes) -> str:
        """Executions come a thousand at a time, oldest first: the next begin behind the last trade id."""
        if op is not Op.TRADES:
            return ""
        rows = self.read_trades(body)
        return str(int(rows[-1].trade_id) + 1) if len(rows) >= MOST_TRADES else ""

    def read_many(self, body: bytes) -> Sequence[OrderReport | Refusal]:
        """Read the answer to cancel_many."""
        return self._decoded(
            body, "orders", lambda data: [_refusal(ELEMENT_STATUS, row) or _answered(row) for row in _list(data)]
        )

    def read_open_orders(self, body: bytes) -> Sequence[OrderReport]:
        """Read the open orders; one row that can't be used makes the list useless, because it would miss an order."""
        return self._decoded(body, "orders", lambda data: [_listed(row) for row in _list(data)])

    def read_trades(self, body: bytes) -> Sequence[Fill]:
        """Read executions; they name the exchange's order id and no client id."""
        return self._decoded(body, "trades", lambda data: [_trade(row) for row in _list(data)])

    def read_positions(self, body: bytes) -> Sequence[PositionReport | HoldingReport]:
        """Read positions of any version."""
        return self._decoded(body, "positions", lambda data: [_position(row) for row in _list(data)])

    def read_balances(self, body: bytes) -> Sequence[BalanceReport]:
        """Read the wallet."""
        return self._decoded(
            body, "balances", lambda data: [_balance(row, self.wallet, self.total) for row in _list(data)]
        )

    def read_account(self, body: bytes) -> AccountReport:
        """Read what the account as a whole is worth."""
        return self._decoded(body, "account", lambda data: _account(_object(data)))

    def read_hedge_mode(self, body: bytes) -> bool:
        """Read whether positions are kept in two ways."""

        def read(data: object) -> bool:
            on = _object(data).get("dualSidePosition")
            if type(on) is not bool:
                raise Unusable("dualSidePosition")
            return on

        return self._decoded(body, "mode", read)

    def read_stream_key(self, body: bytes) -> str:
        """Read the key of the account's stream."""
        return self._decoded(body, "key", lambda data: text(_object(data), "listenKey"))

    def read_time(self, body: bytes) -> int:
        """Read the exchange's time, ms."""
        return self._decoded(body, "time", lambda data: whole(_object(data), "serverTime", MAX_MS))

    @property
    def stream_forms(self) -> Sequence[str]:
        """The forms that the address of the account's stream may have, the default first."""
        return tuple(self.forms)

    def stream_url(self, root: str, key: str, form: str) -> str:
        """The address of the account's stream. Raises ValueError for a form that is none of `stream_forms`."""
        return stream_url(self.forms, root, key, form)

    def read_private(self, frame: bytes) -> Sequence[PrivateMessage]:
        """Read an event of the account's stream."""
        return read_private(self.name, self.product, frame)

    def _decoded(self, body: bytes, stream: str, read: Callable[[object], _T]) -> _T:
        try:
            return read(orjson.loads(body))
        except orjson.JSONDecodeError as error:
            raise MalformedMessage(self.name, "json", body, stream=stream) from error
        except Unusable as error:
            raise MalformedMessage(self.name, str(error), body, stream=stream) from error


def _plain(number: Decimal) -> str:
    """Every digit and never an exponent, which the exchange refuses (-1100). Raises ValueError for what is no number."""
    if not number.is_finite():
        raise ValueError(f"{number} is no price or quantity")
    return format(number, "f")


def _of_known(value: OrderType | TimeInForce, none: OrderType | TimeInForce) -> str:
    if value is none:
        raise ValueError(f"{value!r} can't be sent")
    return value.name


def _named(symbol: str, client_id: str) -> tuple[tuple[str, str], ...]:
    return ("symbol", symbol.upper()), ("origClientOrderId", client_id)


_UNITS: Final = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86400}


def _used(limits: object) -> tuple[int | None, tuple[tuple[int, int], ...]]:
    """What an answer of the WebSocket API says of the limits; what can't be read is left out: the answer itself is worth more."""
    weight, orders = None, []
    for row in limits if type(limits) is list else []:
        count, number = (row.get("count"), row.get("intervalNum")) if type(row) is dict else (None, None)
        if type(count) is not int or type(number) is not int or row.get("interval") not in _UNITS:
            continue
        if row.get("rateLimitType") == "REQUEST_WEIGHT":
            weight = count
        elif row.get("rateLimitType") == "ORDERS":
            orders.append((number * _UNITS[row["interval"]], count))
    return weight, tuple(orders)


def _retry_at(content: object) -> int | None:
    data = content.get("data") if type(content) is dict else None
    stated = data.get("retryAfter") if type(data) is dict else None
    return stated if type(stated) is int and 0 < stated <= MAX_MS else None


def _object(data: object) -> Mapping[str, object]:
    if type(data) is not dict:
        raise Unusable("json object")
    return data


def _list(data: object) -> Sequence[Mapping[str, object]]:
    if type(data) is not list:
        raise Unusable("json list")
    return [_object(row) for row in data]


def _refusal(status: int, data: object) -> Refusal | None:
    """An error in the exchange's form. `{"code":200,...}` is what a cancel-all that was accepted says."""
    if type(data) is not dict:
        return None
    code, words = data.get("code"), data.get("msg")
    if type(code) is str and _CODE.fullmatch(code):
        code = int(code)
    if type(code) is not int or type(words) is not str or code == 200:
        return None
    return Refusal(status, code, words)


def _stated(data: Mapping[str, object], name: str) -> Decimal | None:
    """A number of an answer; None where it is not said in a way that can be used."""
    try:
        return amount(data, name)
    except Unusable:
        return None


def _number(data: Mapping[str, object], name: str, most: int) -> int:
    """A whole number of an answer; 0 where it is not said."""
    value = data.get(name)
    return value if type(value) is int and 0 <= value <= most else 0


def _answered(row: Mapping[str, object]) -> OrderReport:
    client_id, status = text(row, "clientOrderId"), status_of(row, "status")
    price, qty, executed = (_stated(row, name) for name in ("price", "origQty", "executedQty"))
    if executed is None and status is not Status.NEW:
        status = Status.UNSUPPORTED
    exchange_id = row.get("orderId")
    return OrderReport(
        word(row, "symbol").lower(),
        client_id,
        str(exchange_id) if type(exchange_id) is int else "",
        status,
        side_of(row, "side"),
        type_of(row, "type"),
        time_in_force_of(row, "timeInForce"),
        price or Decimal(0),
        qty or Decimal(0),
        executed or Decimal(0),
        _number(row, "updateTime", MAX_MS) * MS_NS,
        reason=reason_of(client_id, status, word(row, "status"), None),
        reduce_only=row.get("reduceOnly") is True,
        terms=price is not None and qty is not None,
    )


def _listed(row: Mapping[str, object]) -> OrderReport:
    """An order in a list that nobody asked for by its id: what names and measures it must be there."""
    for name in ("symbol", "side", "status"):
        text(row, name)
    for name in ("price", "origQty", "executedQty"):
        amount(row, name)
    whole(row, "orderId")
    whole(row, "updateTime", MAX_MS)
    return _answered(row)


def _trade(row: Mapping[str, object]) -> Fill:
    side = side_of(row, "side")
    maker = row.get("maker")
    if side is Side.UNSUPPORTED or type(maker) is not bool:
        raise Unusable("side" if side is Side.UNSUPPORTED else "maker")
    return Fill(
        text(row, "symbol").lower(),
        str(whole(row, "id")),
        "",
        str(whole(row, "orderId")),
        side,
        amount(row, "price"),
        amount(row, "qty"),
        maker,
        whole(row, "time", MAX_MS) * MS_NS,
        exact(row, "commission") if row.get("commission") is not None else None,
        word(row, "commissionAsset"),
    )


def _position(row: Mapping[str, object]) -> PositionReport:
    time_ns, side = whole(row, "updateTime", MAX_MS) * MS_NS, word(row, "positionSide") or "BOTH"
    return PositionReport(
        text(row, "symbol").lower(), exact(row, "positionAmt"), time_ns, exact(row, "entryPrice"), side
    )


def _balance(row: Mapping[str, object], wallet: str, total: str) -> BalanceReport:
    whole_wallet = exact(row, total) if total else None
    return BalanceReport(text(row, "asset"), exact(row, wallet), whole(row, "updateTime", MAX_MS) * MS_NS, whole_wallet)


def _account(row: Mapping[str, object]) -> AccountReport:
    return AccountReport(
        exact(row, "uniMMR"),
        exact(row, "accountEquity"),
        exact(row, "accountMaintMargin"),
        text(row, "accountStatus"),
        whole(row, "updateTime", MAX_MS) * MS_NS,
        exact(row, "accountInitialMargin"),
    )


USDM_TRADING: Final = BinanceUsdmTrading()
PAPI_TRADING: Final = BinanceUsdmTrading(
    name="binancepapi",
    orders="/papi/v1/um",
    listen_key="/papi/v1/listenKey",
    ask_positions=Question("/papi/v1/um/positionRisk", 5),
    ask_balances=Question("/papi/v1/balance", 20),
    wallet="umWalletBalance",
    total="totalWalletBalance",
    ask_account=Question("/papi/v1/account", 20),
    ask_mode=Question("/papi/v1/um/accountConfig", 5),
    ask_limits=Question("/papi/v1/rateLimit/order", 1),
    countdowns=False,
    most_cancels=1,
    id_length=32,
    weight_limit=WeightLimit(6000, 60),
    order_limits=(OrderLimit(1200, 60),),
    decisions=PAPI_DECISIONS,
    forms=PAPI_FORMS,
    trade_api_url="",
)
COINM_TRADING: Final = BinanceUsdmTrading(
    name="binancefuturescm",
    orders="/dapi/v1",
    listen_key="/dapi/v1/listenKey",
    ask_positions=Question("/dapi/v1/positionRisk", 1),
    ask_balances=Question("/dapi/v1/balance", 1),
    ask_mode=Question("/dapi/v1/positionSide/dual", 30),
    ask_time=Question("/dapi/v1/time", 1),
    trades_weight=20,
    forms=COINM_FORMS,
    product=2,
    trade_api_url="wss://ws-dapi.binance.com/ws-dapi/v1",
)
_CONFORMS: tuple[TradingVenue, ...] = (USDM_TRADING, COINM_TRADING, PAPI_TRADING)  # checked by mypy
