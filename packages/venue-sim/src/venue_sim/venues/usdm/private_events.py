"""What USD-M pushes to the owner of an account (exchange.md section 1, trading.md section 5). What is not settled is
marked [?]."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

import orjson

from venue_sim.market import Instrument
from venue_sim.matching import End
from venue_sim.orders import AccountPush, ConfigPush, Did, OrderPush, Push
from venue_sim.trade_face import PushText
from venue_sim.venues.usdm import words

_REASONS = {End.REDUCE_ONLY: "4", End.SELF_TRADE: "1", End.IOC: "2", End.MARKET: "9", End.FOK: "10", End.POST: "11"}
_MOVES = {"ORDER": "ORDER", "FUNDING": "FUNDING_FEE"}


def push(push: Push, instruments: Mapping[str, Instrument]) -> list[PushText]:
    """Write `ORDER_TRADE_UPDATE`, `ACCOUNT_UPDATE` or `ACCOUNT_CONFIG_UPDATE`."""
    match push:
        case OrderPush():
            asset = instruments[push.order.new.symbol].quote_asset
            return [
                _text_of(
                    push.order.new.symbol,
                    "ORDER_TRADE_UPDATE",
                    {"o": _order_event(push, asset)},
                    push.at_ms,
                    push.did.value,
                )
            ]
        case AccountPush():
            instrument = instruments[push.symbol]
            content = {
                "m": _MOVES[push.reason],
                "B": [
                    {
                        "a": instrument.quote_asset,
                        "wb": words.money(push.wallet),
                        "cw": words.money(push.wallet),
                        "bc": "0",
                    }
                ],
                "P": [
                    {
                        "s": push.symbol.upper(),
                        "pa": words.amount(push.amount, instrument),
                        "ep": words.money(push.entry),
                        "cr": words.money(push.realized),
                        "up": words.money(push.unrealized),
                        "mt": "cross",
                        "iw": "0",
                        "ps": "BOTH",
                        "ma": instrument.quote_asset,
                        "bep": words.money(push.entry),
                    }
                ],
            }
            return [_text_of(push.symbol, "ACCOUNT_UPDATE", {"a": content}, push.at_ms, _MOVES[push.reason])]
        case ConfigPush():
            # [?] no field for a position mode is documented: the event only says that something was configured
            return [_text_of("", "ACCOUNT_CONFIG_UPDATE", {"ai": {"j": False}}, push.at_ms)]


def quick(push: Push) -> PushText | None:
    """Write `TRADE_LITE`, the short message of a fill; None when the push is no trade."""
    if not isinstance(push, OrderPush) or push.execution is None or push.did is not Did.TRADE:
        return None
    new, execution = push.order.new, push.execution
    content = {
        "s": new.symbol.upper(),
        "q": words.plain(new.quantity),
        "p": "0" if new.price is None else words.plain(new.price),
        "m": execution.maker,
        "c": new.client_id,
        "S": words.side(new.side),
        "L": words.plain(execution.price),
        "l": words.plain(execution.quantity),
        "t": execution.id,
        "i": push.order.id,
    }
    return _text_of(new.symbol, "TRADE_LITE", content, push.at_ms)


def again(text: PushText) -> PushText | None:
    """Write an order's fill again as if it were another: what an exchange sends whose cumulative quantity then exceeds
    the order's. None when the event is no fill."""
    event = orjson.loads(text.data)
    order = event.get("o")
    if order is None or not order["t"]:
        return None
    order["t"] += 1_000_000_000_000
    order["z"] = words.plain(Decimal(order["z"]) + Decimal(order["l"]))
    return PushText(text.symbol, text.event, text.words, orjson.dumps(event))


def _order_event(push: OrderPush, asset: str) -> dict[str, Any]:
    state, new, execution = push.order, push.order.new, push.execution
    kind = "MARKET" if new.price is None else "LIMIT"
    fee = Fraction(0) if execution is None else execution.fee
    return {
        "s": new.symbol.upper(),
        "c": new.client_id,
        "S": words.side(new.side),
        "o": kind,
        "f": new.tif.value,
        "q": words.plain(new.quantity),
        "p": "0" if new.price is None else words.plain(new.price),
        "ap": words.money(state.average) if state.executed else "0",
        "sp": "0",
        "x": push.did.value,
        "X": state.status.value,
        "i": state.id,
        "l": "0" if execution is None else words.plain(execution.quantity),
        "z": words.plain(state.executed),
        "L": "0" if execution is None else words.plain(execution.price),
        "n": words.money(fee) if fee else "0",
        "N": asset,
        "T": push.at_ms,
        "t": 0 if execution is None else execution.id,
        "b": "0",
        "a": "0",
        "m": execution is not None and execution.maker,
        "R": new.reduce_only,
        "wt": "CONTRACT_PRICE",
        "ot": kind,
        "ps": "BOTH",
        "cp": False,
        "rp": "0" if execution is None else words.money(execution.realized),
        "pP": False,
        "si": 0,
        "ss": 0,
        "V": new.self_trade.value,
        "pm": "NONE",
        "gtd": 0,
        "er": _REASONS.get(state.why, "0")
        if state.why is not None and push.did not in (Did.TRADE, Did.CALCULATED)
        else "0",
    }


def liquidation_id(number: int, *, deleverage: bool) -> str:
    """The client id of an order of the exchange's own."""
    return "adl_autoclose" if deleverage else f"autoclose-{number}"


def key_expired(key: str, now_ms: int) -> PushText:
    """Write `listenKeyExpired`."""
    data = orjson.dumps({"e": "listenKeyExpired", "E": now_ms, "listenKey": key})
    return PushText("", "listenKeyExpired", ("listenKeyExpired", "private"), data)


def _text_of(symbol: str, event: str, content: dict[str, Any], at_ms: int, kind: str = "") -> PushText:
    words = (event, f"{event}.{kind}", "private") if kind else (event, "private")
    return PushText(symbol, event, words, orjson.dumps({"e": event, "T": at_ms, "E": at_ms, **content}))
