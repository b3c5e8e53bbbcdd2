"""The control port's answers, as values: state, true books, faults, pausing and stepping. Nothing here knows HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

import orjson

from venue_sim.config import parse_fault
from venue_sim.desk import Desk
from venue_sim.errors import BadFault, VenueSimError
from venue_sim.exchange import Exchange
from venue_sim.faults import describe
from venue_sim.filters import parse_decimal
from venue_sim.sockets import Sockets
from venue_sim.timeline import Phase

_MOST_STEPS = 1_000_000


class Refused(VenueSimError):
    """A control request that cannot be done; `status` is the HTTP status that says so."""

    def __init__(self, status: int, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.field = status, message, field


class Control:
    """What an operator or a test may ask of a running exchange."""

    def __init__(self, exchange: Exchange, desk: Desk, sockets: Sockets) -> None:
        self._exchange = exchange
        self._desk = desk
        self._sockets = sockets

    def state(self) -> dict[str, Any]:
        """Everything there is to know, as JSON values."""
        exchange, now_ns = self._exchange, time.monotonic_ns()
        market = exchange.market
        return {
            "market": market.name,
            "phase": exchange.timeline.phase.value,
            "speed": exchange.timeline.speed,
            "market_s": exchange.market_s(now_ns),
            "exchange_ms": exchange.exchange_ms(now_ns),
            "position": exchange.position,
            "total": market.total,
            "done": exchange.done,
            "symbols": {
                symbol: {
                    "last_u_sent": exchange.last_sent_id.get(symbol),
                    "book_u": book.last_id,
                    "depth_requests": [
                        {"at_s": seen.at_s, "limit": seen.limit, "status": seen.status, "last_id": seen.last_id}
                        for seen in self._desk.depth_requests.get(symbol, ())
                    ],
                }
                for symbol, book in market.books.items()
            },
            "frames_sent": dict(exchange.sent),
            "connections": [
                {
                    "id": link.id,
                    "category": link.category.value,
                    "combined": link.combined,
                    "streams": list(link.streams),
                    "state": link.state.value,
                    "open_s": (now_ns - link.opened_ns) / 1e9,
                    "messages_sent": link.sent,
                    "buffered_bytes": self._sockets.buffered.get(link.id, 0),
                }
                for link in exchange.links.values()
            ],
            "connections_opened": exchange.opened,
            "connections_refused": self._sockets.refused,
            "connections_too_slow": self._sockets.too_slow,
            "rest_requests": dict(self._desk.requests),
            "weight_peak_1m": self._desk.peak_weight,
            "faults_waiting": [describe(fault) for fault in exchange.script.waiting],
            "faults_fired": [
                {"at_s": fired.at_s, "number": fired.number, "kind": fired.kind, "hit": fired.hit}
                for fired in exchange.script.fired
            ],
        }

    def book(self, query: Mapping[str, str]) -> bytes:
        """The true book, now or right after update `u`, in the shape of the depth endpoint. Raises `Refused`."""
        symbol = query.get("symbol", "").lower()
        history = self._exchange.market.books.get(symbol)
        if history is None:
            raise Refused(404, f"no such symbol: {symbol!r}", "symbol")
        last_id = _integer(query, "u", None)
        book = history.at(last_id)
        if book is None:
            raise Refused(
                404, "the book is not known yet" if last_id is None else f"no update kept ends with id {last_id}", "u"
            )
        return self._exchange.face.rest.depth_body(book, _integer(query, "limit", None) or 1 << 40)

    def private(self, what: str) -> bytes:
        """The truth of the private side: every order, execution or account, or the engine's decisions. Raises
        `Refused`."""
        desk = self._desk.trade
        if desk is None:
            raise Refused(404, "no accounts: start with --accounts")
        trading = desk.trading
        rows: Iterable[object]
        match what:
            case "orders":
                rows = trading.orders.values()
            case "trades":
                rows = trading.executions
            case "truth":
                rows = trading.truth
            case _:
                rows = trading.accounts.values()
        return orjson.dumps(list(rows), default=_plain, option=orjson.OPT_PASSTHROUGH_SUBCLASS)

    def happen(self, what: str, query: Mapping[str, str]) -> dict[str, Any]:
        """Let something happen to accounts: funding of a symbol, a liquidation, positions kept in two ways. Raises
        `Refused` naming the field."""
        desk = self._desk.trade
        if desk is None:
            raise Refused(404, "no accounts: start with --accounts")
        trading, now_ns = desk.trading, time.monotonic_ns()
        account, symbol = query.get("account", ""), query.get("symbol", "").lower()
        if what != "funding" and account not in trading.accounts:
            raise Refused(400, f"must be one of {', '.join(trading.accounts)}, not {account!r}", "account")
        if what != "hedge" and symbol not in trading.instruments:
            raise Refused(400, f"must be one of {', '.join(trading.instruments)}, not {symbol!r}", "symbol")
        match what:
            case "funding":
                rate = parse_decimal(query.get("rate", ""))
                if rate is None:
                    raise Refused(400, f"must be a number like 0.0001, not {query.get('rate')!r}", "rate")
                desk.funding(symbol, Fraction(rate), now_ns)
            case "liquidate":
                desk.liquidate(account, symbol, now_ns, deleverage=_flag(query, "deleverage", False))
            case _:
                desk.set_hedge(account, _flag(query, "on", True), now_ns)
        self._sockets.apply(self._exchange.flush())
        return {"done": what}

    def add_fault(self, body: bytes) -> dict[str, Any]:
        """Take one fault and answer its number. Raises `Refused` naming the field."""
        try:
            entry = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise Refused(400, f"not JSON: {error}", "(body)") from error
        if not isinstance(entry, dict):
            raise Refused(400, "one fault as an object is needed", "(body)")
        try:
            fault = parse_fault(entry)
        except BadFault as error:
            raise Refused(400, str(error), error.field) from error
        return {"number": self._exchange.script.add(fault)}

    def clear_faults(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Forget the faults still waiting, or only that of a `number`."""
        return {"cleared": self._exchange.script.clear(_integer(query, "number", None))}

    def order(self, method: str, query: Mapping[str, str]) -> dict[str, Any]:
        """Place (POST), change (PUT) or cancel (DELETE) an order as the owner of an `account` does elsewhere: no
        signature, no counting; the other parameters are the exchange's own. Raises `Refused`."""
        desk = self._desk.trade
        if desk is None:
            raise Refused(404, "no accounts: start with --accounts")
        account = query.get("account", "")
        if account not in desk.trading.accounts:
            raise Refused(400, f"must be one of {', '.join(desk.trading.accounts)}, not {account!r}", "account")
        ask = desk.parse(method, desk.face.order_path, query)
        if ask is None:
            raise Refused(404, f"no such control request: {method} /sim/order")
        body = desk.act(ask.what, account, time.monotonic_ns())
        self._sockets.apply(self._exchange.flush())
        answer: dict[str, Any] = orjson.loads(body.body)
        if body.status != 200:
            raise Refused(400, body.body.decode(), "order")
        return answer

    def set_clock(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Let the exchange's time be off by `offset_ms`, which may be negative. Raises `Refused`."""
        text = query.get("offset_ms", "")
        if not text.removeprefix("-").isdecimal() or len(text) > 12:
            raise Refused(400, f"must be a whole number of ms, not {text!r}", "offset_ms")
        self._exchange.clock_offset_ms = int(text)
        return {"exchange_ms": self._exchange.exchange_ms(time.monotonic_ns())}

    def pause(self) -> dict[str, Any]:
        """Let the market stand still."""
        self._exchange.timeline.pause(time.monotonic_ns())
        return self._where()

    def resume(self) -> dict[str, Any]:
        """Let the market go on."""
        self._exchange.timeline.resume(time.monotonic_ns())
        return self._where()

    def start(self) -> dict[str, Any]:
        """Begin without waiting for a subscription."""
        self._exchange.timeline.start(time.monotonic_ns())
        return self._where()

    def advance(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Step a paused market by `frames`. Raises `Refused` when it is not paused."""
        frames = _integer(query, "frames", 1)
        if frames is None or not 0 < frames <= _MOST_STEPS:
            raise Refused(400, f"must be within 1 and {_MOST_STEPS}", "frames")
        exchange = self._exchange
        if exchange.timeline.phase is Phase.WAITING:
            exchange.timeline.start(time.monotonic_ns())
        if exchange.timeline.phase is not Phase.PAUSED:
            raise Refused(409, "only a paused market can be stepped")
        self._sockets.apply(exchange.advance(frames, time.monotonic_ns()))
        return self._where()

    def _where(self) -> dict[str, Any]:
        exchange = self._exchange
        return {
            "phase": exchange.timeline.phase.value,
            "position": exchange.position,
            "market_s": exchange.market_s(time.monotonic_ns()),
            "done": exchange.done,
        }


def _plain(value: object) -> object:
    """Exact numbers as text; what an order ends by as its words."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Fraction):
        return str(value)
    raise TypeError(f"no JSON for {value!r}")


def _flag(query: Mapping[str, str], name: str, default: bool) -> bool:
    text = query.get(name, "true" if default else "false")
    if text not in ("true", "false"):
        raise Refused(400, f"must be true or false, not {text!r}", name)
    return text == "true"


def _integer(query: Mapping[str, str], name: str, default: int | None) -> int | None:
    text = query.get(name)
    if text is None:
        return default
    if not text.isdecimal():
        raise Refused(400, f"must be a whole number, not {text!r}", name)
    return int(text)
