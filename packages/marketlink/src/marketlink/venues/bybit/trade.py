"""Bybit's orders and account, linear contracts: what is asked, signed, and what the answers mean (docs/venues/bybit.md, trading).

An answer to an order request says that it was taken, no more; what came of it, the account's stream or a question tells.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar
from urllib.parse import quote, unquote

import orjson

from marketlink.errors import MalformedMessage
from marketlink.orders import OrderType
from marketlink.venues.bybit.decisions import LINEAR_DECISIONS, UNREADABLE
from marketlink.venues.bybit.private import balances_of, fill_of, is_linear, order_of, position_of, read_message
from marketlink.venues.bybit.public import reduced_root
from marketlink.venues.bybit.words import (
    LINEAR,
    SIDE_WORDS,
    TIME_WORDS,
    TYPE_WORDS,
    result_of,
    rows_of,
    word,
)
from marketlink.venues.fields import MAX_MS, MS_NS, Unusable, json_object, text, whole
from marketlink.venues.trading import (
    API_LOGIN,
    Accepted,
    AccountReport,
    ApiAnswer,
    BalanceReport,
    Call,
    Change,
    Decision,
    Fill,
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

MOST_LISTED: Final = 50
MOST_TRADES: Final = 100
MOST_POSITIONS: Final = 200
BEAT_S: Final = 20.0
LOGIN_MS: Final = 10_000
"""For how long a login is good, at least."""
API_OPS: Final = {Op.SUBMIT: "order.create", Op.MODIFY: "order.amend", Op.CANCEL: "order.cancel"}
COUNTED_OPS: Final = ("order.create", "order.amend")
SELF_TRADE_MODES: Final = ("CancelMaker", "CancelTaker", "CancelBoth")
TOPICS: Final = ("order", "execution", "position", "wallet")
_BARE: Final = frozenset({"positionIdx", "reduceOnly", "timeWindow", "request"})
"""Parameters of a JSON body that are no texts."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class BybitLinearTrading:
    """The linear row: constants and pure functions. Decoders raise MalformedMessage only."""

    name: str = "bybit"
    category: str = LINEAR
    id_length: int = 36
    most_cancels: int = 10
    weight_limit: WeightLimit | None = None
    order_limits: Sequence[OrderLimit] = (OrderLimit(10, 1),)
    order_limit_codes: frozenset[int] = frozenset({10006})
    orders_left_headers: tuple[str, str] | None = ("X-Bapi-Limit", "X-Bapi-Limit-Status")
    decisions: Sequence[Decision] = LINEAR_DECISIONS
    stream_forms: Sequence[str] = ("login",)
    trade_api_url: str = "wss://stream.bybit.com/v5/trade"
    api_messages_per_s: int = 100
    settle_coin: str = "USDT"  # of lists of all symbols, which the exchange gives only coin by coin
    self_trade: str = ""  # `smpType` of orders; empty: the account's
    fast: bool = True  # the quick form of executions, too
    protected: bool = False  # the topic by which disconnect protection watches this stream

    def with_self_trade(self, mode: str) -> TradingVenue:
        """The same with `smpType`. Raises ValueError, which lists the known ones."""
        if mode not in SELF_TRADE_MODES:
            raise ValueError(f"{mode!r} is none of {', '.join(SELF_TRADE_MODES)}")
        return replace(self, self_trade=mode)

    def order_count_header(self, limit: OrderLimit) -> str:
        """None: what is left is told."""
        return ""

    def limits_request(self) -> Call | None:
        """None: the limits are those documented, and every answer says what is left."""
        return None

    def read_order_limits(self, body: bytes) -> Sequence[OrderLimit]:
        """They are not told by themselves."""
        return self.order_limits

    def submit(self, order: Placement) -> Call:
        """Place an order; a market order has no price and nothing of it rests."""
        params = [
            *self._of(order.symbol),
            ("side", SIDE_WORDS[order.side]),
            ("orderType", TYPE_WORDS[order.order_type]),
            ("qty", f"{order.qty:f}"),
        ]
        if order.order_type is OrderType.LIMIT:
            if order.price is None:
                raise ValueError(f"a limit order without a price: {order}")
            params += [("price", f"{order.price:f}"), ("timeInForce", TIME_WORDS[order.time_in_force])]
        params += [("orderLinkId", order.client_id), ("positionIdx", "0")]
        if order.reduce_only:
            params.append(("reduceOnly", "true"))
        if self.self_trade:
            params.append(("smpType", self.self_trade))
        return Call(Op.SUBMIT, "POST", "/v5/order/create", tuple(params), orders=1)

    def cancel(self, symbol: str, client_id: str) -> Call:
        """Cancel an order."""
        return Call(Op.CANCEL, "POST", "/v5/order/cancel", (*self._of(symbol), ("orderLinkId", client_id)))

    def modify(self, change: Change) -> Call:
        """Give an order another price and total quantity; it keeps its place where only the quantity falls [?]."""
        params = (
            *self._of(change.symbol),
            ("orderLinkId", change.client_id),
            ("qty", f"{change.qty:f}"),
            ("price", f"{change.price:f}"),
        )
        return Call(Op.MODIFY, "POST", "/v5/order/amend", params, orders=1)

    def cancel_many(self, symbol: str, client_ids: Sequence[str]) -> Call:
        """Cancel one to ten orders. Raises ValueError for another number."""
        if not 0 < len(client_ids) <= self.most_cancels:
            raise ValueError(f"1 to {self.most_cancels} orders can be cancelled at once, not {len(client_ids)}")
        request = orjson.dumps([{"symbol": symbol, "orderLinkId": one} for one in client_ids]).decode()
        params = (("category", self.category), ("request", request))
        return Call(Op.CANCEL_MANY, "POST", "/v5/order/cancel-batch", params)

    def cancel_all(self, symbol: str) -> Call:
        """Cancel every order of the account on a symbol, whoever placed it."""
        return Call(Op.CANCEL_ALL, "POST", "/v5/order/cancel-all", self._of(symbol))

    def query(self, symbol: str, client_id: str, exchange_id: str = "") -> Call:
        """Ask for an order among those that are open or ended lately."""
        return Call(Op.QUERY, "GET", "/v5/order/realtime", self._named(symbol, client_id, exchange_id))

    def query_past(self, symbol: str, client_id: str, exchange_id: str = "") -> Call | None:
        """Ask for an order among those that ended: the other list is cut at 500 and emptied by a restart."""
        return Call(Op.QUERY, "GET", "/v5/order/history", self._named(symbol, client_id, exchange_id))

    def open_orders(self, symbol: str | None = None, page: str = "") -> Call:
        """Ask for a page of the open orders; those of all symbols are of one settle coin."""
        of = self._of(symbol) if symbol is not None else (("category", self.category), ("settleCoin", self.settle_coin))
        params = (*of, ("openOnly", "0"), ("limit", str(MOST_LISTED)), *_page(page))
        return Call(Op.OPEN_ORDERS, "GET", "/v5/order/realtime", params)

    def trades(self, symbol: str, *, from_id: str = "", start_ms: int = 0) -> Call:
        """Ask for a page of the executions since a time, newest first; without one the exchange gives those of seven days."""
        params = [*self._of(symbol), ("limit", str(MOST_TRADES))]
        if start_ms:
            params.append(("startTime", str(start_ms)))
        return Call(Op.TRADES, "GET", "/v5/execution/list", (*params, *_page(from_id)))

    def positions(self) -> Call:
        """Ask for the positions of the settle coin."""
        params = (("category", self.category), ("settleCoin", self.settle_coin), ("limit", str(MOST_POSITIONS)))
        return Call(Op.POSITIONS, "GET", "/v5/position/list", params)

    def balances(self) -> Call:
        """Ask for the wallet."""
        return Call(Op.BALANCES, "GET", "/v5/account/wallet-balance", (("accountType", "UNIFIED"),))

    def account(self) -> Call | None:
        """Not asked for: what the account is worth is in the wallet."""
        return None

    def hedge_mode(self) -> Call | None:
        """Ask whether positions are kept in two ways: the list of them tells."""
        return replace(self.positions(), op=Op.HEDGE_MODE)

    def stream_start(self) -> Call | None:
        """None: the stream is opened by a login."""
        return None

    def stream_keep(self, key: str) -> Call | None:
        """None: there is no key."""
        return None

    def stream_end(self, key: str) -> Call | None:
        """None: there is no key."""
        return None

    def stream_login(self, signer: Signer, time_ms: int, window_ms: int) -> Sequence[bytes]:
        """The login, signed with the time at which it ends, and the subscription."""
        topics = [*TOPICS, *(["execution.fast"] if self.fast else []), *(["dcp"] if self.protected else [])]
        login = {"req_id": "auth", "op": "auth", "args": _login(signer, time_ms, window_ms)}
        return orjson.dumps(login), orjson.dumps({"req_id": "subscribe", "op": "subscribe", "args": topics})

    @property
    def stream_beat(self) -> tuple[float, bytes] | None:
        """A ping as JSON."""
        return BEAT_S, b'{"req_id":"ping","op":"ping"}'

    def countdown(self, symbol: str, after_ms: int) -> Call | None:
        """None: there is only the protection of a whole account (see `protection`)."""
        return None

    def protection(self) -> Call | None:
        """Ask whether disconnect protection is there for this account."""
        return Call(Op.PROTECTION, "GET", "/v5/account/query-dcp-info")

    def read_protection(self, body: bytes) -> bool:
        """Read it: the exchange's staff switch it on for an account; until then the list is empty."""

        def read(result: Mapping[str, object]) -> bool:
            rows = rows_of(result, "dcpInfos")
            return any(row.get("product") == "DERIVATIVES" and row.get("dcpStatus") == "ON" for row in rows)

        return self._result(body, "protection", read)

    def protect(self, after_s: int) -> Call:
        """Have every order cancelled when the account's stream is gone for so long, 3 to 300 s. Its default would be options."""
        params = (("product", "DERIVATIVES"), ("timeWindow", str(min(300, max(3, after_s)))))
        return Call(Op.PROTECTION, "POST", "/v5/order/disconnected-cancel-all", params)

    def with_protection(self) -> TradingVenue:
        """The same with the topic that protection watches."""
        return replace(self, protected=True)

    def server_time(self) -> Call:
        """Ask for the exchange's time."""
        return Call(Op.TIME, "GET", "/v5/market/time", signed=False, keyed=False)

    def rest_request(
        self, call: Call, signer: Signer | None, time_ms: int, window_ms: int
    ) -> tuple[str, Mapping[str, str], bytes]:
        """A GET has its parameters in the query, a POST in a JSON body; either is signed as the very bytes that are sent.

        Raises ValueError where a signer is needed and none is given.
        """
        if signer is None and (call.signed or call.keyed):
            raise ValueError(f"{call.method} {call.path} needs a key")
        query = (
            "&".join(f"{name}={quote(value, safe='')}" for name, value in call.params) if call.method == "GET" else ""
        )
        body = b"" if call.method == "GET" else orjson.dumps(_json(call))
        headers = {"Content-Type": "application/json"} if body else {}
        if signer is not None and call.signed:
            payload = f"{time_ms}{signer.api_key}{window_ms}".encode() + (body or query.encode())
            headers |= {
                "X-BAPI-API-KEY": signer.api_key,
                "X-BAPI-TIMESTAMP": str(time_ms),
                "X-BAPI-RECV-WINDOW": str(window_ms),
                "X-BAPI-SIGN": signer.sign(payload),
            }
        return f"{call.path}?{query}" if query else call.path, headers, body

    def api_login(self, signer: Signer, time_ms: int, window_ms: int) -> bytes | None:
        """One login opens the connection; requests are not signed."""
        return orjson.dumps({"reqId": API_LOGIN, "op": "auth", "args": _login(signer, time_ms, window_ms)})

    @property
    def api_beat(self) -> tuple[float, bytes] | None:
        """A ping as JSON."""
        return BEAT_S, b'{"op":"ping"}'

    def api_request(self, call: Call, request_id: str, signer: Signer, time_ms: int, window_ms: int) -> bytes | None:
        """The order socket takes single orders. Its numbers must not repeat, so they begin with the time."""
        if (op := API_OPS.get(call.op)) is None:
            return None
        header = {"X-BAPI-TIMESTAMP": str(time_ms), "X-BAPI-RECV-WINDOW": str(window_ms)}
        return orjson.dumps({"reqId": f"{time_ms}-{request_id}", "header": header, "op": op, "args": [_json(call)]})

    def read_api(self, frame: bytes) -> ApiAnswer | None:
        """Read an answer of the order socket; the same as REST's body is made of it. A pong answers no request."""

        def read(message: Mapping[str, object]) -> ApiAnswer | None:
            op, code = word(message, "op"), message.get("retCode")
            if op in ("ping", "pong"):
                return None
            if type(code) is not int:
                raise Unusable("retCode")
            words = word(message, "retMsg")
            if op == "auth":
                return ApiAnswer(API_LOGIN, 200 if code in (0, 20001) else 401, words.encode())
            number = word(message, "reqId").rpartition("-")[2]
            body = orjson.dumps({"retCode": code, "retMsg": words, "result": message.get("data")})
            header = message.get("header")
            used = _used(header) if type(header) is dict and op in COUNTED_OPS else None
            return ApiAnswer(number, 200, body, None, ((1, used),) if used is not None else ())

        return self._decoded(frame, "api", lambda raw: read(json_object(raw)))

    def read_refusal(self, status: int, body: bytes) -> Refusal | None:
        """Read a `retCode` that is not 0; what is no answer of the exchange at all is a refusal without a code."""
        try:
            data = json_object(body)
        except Unusable:
            data = {}
        code = data.get("retCode")
        if type(code) is int:
            return None if code == 0 and status == 200 else Refusal(status, code, word(data, "retMsg"))
        return Refusal(status, None, UNREADABLE + body[:300].decode(errors="replace").strip())

    def read_order(self, body: bytes) -> OrderReport | Accepted:
        """Read the answer to submit, cancel or modify: the order was named, no more."""
        return self._result(body, "order", _accepted)

    def read_query(self, body: bytes) -> OrderReport | None:
        """Read the answer to query: a list of one order or none."""

        def read(result: Mapping[str, object]) -> OrderReport | None:
            rows = rows_of(result)
            return order_of(rows[0]) if rows else None

        return self._result(body, "order", read)

    def next_page(self, op: Op, body: bytes) -> str:
        """The cursor, as it was before it was percent-encoded; a page without rows was the last."""

        def read(result: Mapping[str, object]) -> str:
            rows, full = rows_of(result), MOST_TRADES if op is Op.TRADES else MOST_LISTED
            return unquote(word(result, "nextPageCursor")) if len(rows) >= full else ""

        return self._result(body, "page", read)

    def read_many(self, body: bytes) -> Sequence[OrderReport | Accepted | Refusal]:
        """Read the answer to cancel_many: the orders stand in one list, what became of each in another."""

        def read(raw: bytes) -> Sequence[OrderReport | Accepted | Refusal]:
            rows = rows_of(result_of(raw))
            told = json_object(raw).get("retExtInfo")
            codes = rows_of(told) if type(told) is dict else []
            if len(codes) != len(rows):
                raise Unusable("retExtInfo")
            answers: list[OrderReport | Accepted | Refusal] = []
            for row, one in zip(rows, codes, strict=True):
                code = one.get("code")
                if type(code) is not int:
                    raise Unusable("code")
                answers.append(_accepted(row) if code == 0 else Refusal(200, code, word(one, "msg")))
            return answers

        return self._decoded(body, "orders", read)

    def read_open_orders(self, body: bytes) -> Sequence[OrderReport]:
        """Read a page of the open orders; one row that can't be used makes the list useless, because it would miss an order."""
        return self._result(body, "orders", lambda result: [order_of(row) for row in rows_of(result)])

    def read_trades(self, body: bytes) -> Sequence[Fill]:
        """Read a page of executions, which come newest first; what is no trade, funding above all, is left out."""

        def read(result: Mapping[str, object]) -> Sequence[Fill]:
            return [fill for row in reversed(rows_of(result)) if (fill := fill_of(row)) is not None]

        return self._result(body, "trades", read)

    def read_positions(self, body: bytes) -> Sequence[PositionReport]:
        """Read positions; one of nothing that was never there has no time and is left out."""
        return self._result(
            body, "positions", lambda result: [position_of(row) for row in rows_of(result) if _is_there(row)]
        )

    def read_balances(self, body: bytes) -> Sequence[BalanceReport]:
        """Read the wallet, as of the answer's own time."""

        def read(raw: bytes) -> Sequence[BalanceReport]:
            time_ns = whole(json_object(raw), "time", MAX_MS) * MS_NS
            return [one for row in rows_of(result_of(raw)) for one in balances_of(row, time_ns)]

        return self._decoded(body, "balances", read)

    def read_account(self, body: bytes) -> AccountReport:
        """It is not asked for."""
        raise MalformedMessage(self.name, "not asked for", body, stream="account")

    def read_hedge_mode(self, body: bytes) -> bool:
        """Read whether any position is of one side of two."""
        rows: Callable[[Mapping[str, object]], bool] = lambda result: any(  # noqa: E731
            row.get("positionIdx") not in (0, None) for row in rows_of(result) if is_linear(row)
        )
        return self._result(body, "mode", rows)

    def read_stream_key(self, body: bytes) -> str:
        """There is none."""
        return ""

    def read_time(self, body: bytes) -> int:
        """Read the exchange's time, ms."""

        def read(result: Mapping[str, object]) -> int:
            nano = text(result, "timeNano")
            if not (nano.isdecimal() and nano.isascii()):
                raise Unusable("timeNano")
            return int(nano) // MS_NS

        return self._result(body, "time", read)

    def stream_url(self, root: str, key: str, form: str) -> str:
        """The address of the account's stream; a URL of one of the v5 websockets is reduced to its root first."""
        return f"{(reduced_root(root) or root).rstrip('/')}/v5/private"

    def read_private(self, frame: bytes) -> Sequence[PrivateMessage]:
        """Read an event of the account's stream."""
        return self._decoded(frame, "event", lambda raw: read_message(json_object(raw)))

    def _of(self, symbol: str) -> tuple[tuple[str, str], ...]:
        return (("category", self.category), ("symbol", symbol.upper()))

    def _named(self, symbol: str, client_id: str, exchange_id: str) -> tuple[tuple[str, str], ...]:
        named = ("orderId", exchange_id) if exchange_id else ("orderLinkId", client_id)
        return (*self._of(symbol), named)

    def _result(self, body: bytes, what: str, read: Callable[[Mapping[str, object]], _T]) -> _T:
        return self._decoded(body, what, lambda raw: read(result_of(raw)))

    def _decoded(self, body: bytes, what: str, read: Callable[[bytes], _T]) -> _T:
        try:
            return read(body)
        except Unusable as error:
            raise MalformedMessage(self.name, str(error), body, stream=what) from error


def _page(page: str) -> tuple[tuple[str, str], ...]:
    return (("cursor", page),) if page else ()


def _json(call: Call) -> dict[str, object]:
    """A request's parameters as a JSON body."""
    return {name: orjson.loads(value) if name in _BARE else value for name, value in call.params}


def _login(signer: Signer, time_ms: int, window_ms: int) -> list[object]:
    expires = time_ms + max(window_ms, LOGIN_MS)
    return [signer.api_key, expires, signer.sign(f"GET/realtime{expires}".encode())]


def _accepted(result: Mapping[str, object]) -> Accepted:
    client_id, exchange_id = word(result, "orderLinkId"), word(result, "orderId")
    if not client_id and not exchange_id:
        raise Unusable("orderLinkId")
    return Accepted(client_id, exchange_id)


def _used(header: Mapping[str, object]) -> int | None:
    most, left = word(header, "X-Bapi-Limit"), word(header, "X-Bapi-Limit-Status")
    if not (most.isdecimal() and left.isdecimal()):
        return None
    return max(0, int(most) - int(left))


def _is_there(row: Mapping[str, object]) -> bool:
    return row.get("size") not in (None, "", "0") or row.get("updatedTime") not in (None, "", "0")


LINEAR_TRADING: Final = BybitLinearTrading()
_CONFORMS: TradingVenue = LINEAR_TRADING  # checked by mypy
