"""What spot pushes to the owner of an account (exchange.md section 3). What is not settled is marked [?]."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson

from venue_sim.market import Instrument
from venue_sim.matching import End
from venue_sim.orders import AccountPush, Did, OrderPush, Push
from venue_sim.trade_face import PushText
from venue_sim.venues.spot.private_answers import fee_asset, kind_of, tif_of
from venue_sim.venues.usdm import words

_DID = {Did.AMENDMENT: "REPLACED"}


def push(push: Push, instruments: Mapping[str, Instrument]) -> list[PushText]:
    """Write `executionReport` or `outboundAccountPosition`."""
    match push:
        case OrderPush():
            event = _execution_report(push, instruments[push.order.new.symbol])
            return [_text_of(push.order.new.symbol, event, event["x"])]
        case AccountPush():
            one, (base, quote) = instruments[push.symbol], push.locked
            held = ((one.base_asset, push.amount, base), (one.quote_asset, push.wallet, quote))
            rows = [{"a": asset, "f": words.money(all_ - kept), "l": words.money(kept)} for asset, all_, kept in held]
            event = {"e": "outboundAccountPosition", "E": push.at_ms, "u": push.at_ms, "B": rows}
            return [_text_of(push.symbol, event)]
        case _:
            return []


def _execution_report(push: OrderPush, instrument: Instrument) -> dict[str, Any]:
    state, new, execution = push.order, push.order.new, push.execution
    cancelled = push.did is Did.CANCELED and state.why is End.CANCELED
    did = (
        "TRADE_PREVENTION" if state.why is End.SELF_TRADE and execution is None else _DID.get(push.did, push.did.value)
    )
    last = Decimal(0) if execution is None else execution.price * execution.quantity
    return {
        "e": "executionReport",
        "E": push.at_ms,
        "s": new.symbol.upper(),
        "c": f"cancel{state.id}" if cancelled else new.client_id,
        "S": words.side(new.side),
        "o": kind_of(state),
        "f": tif_of(state),
        "q": words.plain(new.quantity),
        "p": "0.00000000" if new.price is None else words.plain(new.price),
        "P": "0.00000000",
        "F": "0.00000000",
        "g": -1,
        "C": new.client_id if cancelled or push.did is Did.AMENDMENT else "",
        "x": did,
        "X": state.status.value,
        "r": "NONE",
        "i": state.id,
        "l": "0.00000000" if execution is None else words.plain(execution.quantity),
        "z": words.plain(state.executed),
        "L": "0.00000000" if execution is None else words.plain(execution.price),
        "n": "0" if execution is None else words.money(execution.fee),
        "N": None if execution is None else fee_asset(new.side, instrument),
        "T": push.at_ms,
        "t": -1 if execution is None else execution.id,
        "I": state.id,
        "w": state.status.value in ("NEW", "PARTIALLY_FILLED"),
        "m": execution is not None and execution.maker,
        "M": execution is not None,
        "O": state.created_ms,
        "Z": words.money(state.notional),
        "Y": words.plain(last),
        "Q": "0.00000000",
        "W": state.created_ms,
        "V": new.self_trade.value,
    }


def quick(push: Push) -> PushText | None:
    """None: there is no short message."""
    return None


def again(text: PushText) -> PushText | None:
    """Write a fill again with an id of its own, as an exchange that counts it twice."""
    event = orjson.loads(text.data)
    if event.get("e") != "executionReport" or event["x"] != "TRADE":
        return None
    event["t"] += 1_000_000_000_000
    event["z"] = words.plain(Decimal(event["z"]) + Decimal(event["l"]))
    return PushText(text.symbol, text.event, text.words, orjson.dumps(event))


def liquidation_id(number: int, *, deleverage: bool) -> str:
    """There are no liquidations."""
    return f"autoclose-{number}"


def key_expired(key: str, now_ms: int) -> PushText:
    """Write `eventStreamTerminated`."""
    return _text_of("", {"e": "eventStreamTerminated", "E": now_ms})


def _text_of(symbol: str, event: dict[str, Any], kind: str = "") -> PushText:
    name = event["e"]
    words_ = (name, f"{name}.{kind}", "private") if kind else (name, "private")
    return PushText(symbol, name, words_, orjson.dumps(event))
