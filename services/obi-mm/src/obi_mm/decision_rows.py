"""Decisions and order events in words: names for codes, prices for ticks, fit for JSON, CSV and tables."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import numpy as np
from marketlink.orders import Status

from obi_mm.decisions import DecisionLog
from obi_mm.layout import (
    CANCEL,
    CLOSE,
    EVENT_NAMES,
    NO_ASK_TICK,
    NO_BID_TICK,
    REASONS,
    SUBMIT,
)

ACTION_NAMES: Final = {CANCEL: "cancel", SUBMIT: "submit", CLOSE: "close"}
STATUS_NAMES: Final = ("normal", "triggered", "cooldown")
SIDE_NAMES: Final = {1: "buy", -1: "sell"}


def row_of(log: DecisionLog, number: int) -> dict[str, object]:
    """Return one decision with names instead of codes and prices instead of ticks, fit for JSON (None: none)."""
    decision = log.decisions[number]
    instrument = log.header.instruments[int(decision["symbol"])]
    tick, lot = instrument.tick_size, instrument.lot_size
    time_ns = int(decision["time_ns"])
    actions = [
        {
            "do": ACTION_NAMES.get(int(action["kind"]), str(int(action["kind"]))),
            "side": SIDE_NAMES.get(int(action["side"]), "?"),
            "price": _clean(int(action["tick"]) * tick),
            "qty": _clean(int(action["lots"]) * lot),
            "id": int(action["order_id"]),
        }
        for action in log.actions_of(number)
    ]
    return {
        "time_ns": time_ns,
        "time": _clock(time_ns),
        "symbol": instrument.symbol,
        "reason": REASONS[int(decision["reason"])],
        "stop_loss": STATUS_NAMES[int(decision["stop_loss"])],
        "best_bid": _price(int(decision["best_bid_tick"]), tick),
        "best_ask": _price(int(decision["best_ask_tick"]), tick),
        "bids": _number(decision["bids"]),
        "asks": _number(decision["asks"]),
        "alpha": _number(decision["alpha"]),
        "volatility": _number(decision["volatility"]),
        "change": _number(decision["change"]),
        "fair": _clean(float(decision["fair_ticks"]) * tick),
        "reservation": _clean(float(decision["reservation_ticks"]) * tick),
        "bid": _price(int(decision["bid_tick"]), tick),
        "ask": _price(int(decision["ask_tick"]), tick),
        "position": _clean(int(decision["position_lots"]) * lot),
        "samples": int(decision["samples"]),
        "returns": int(decision["returns"]),
        "sampled": bool(decision["sampled"]),
        "missed": bool(decision["missed"]),
        "actions": actions,
    }


def event_row(log: DecisionLog, number: int) -> dict[str, object]:
    """Return what happened to an order likewise."""
    event = log.events[number]
    instrument = log.header.instruments[int(event["symbol"])]
    tick, lot = instrument.tick_size, instrument.lot_size
    time_ns, exch_ns = int(event["time_ns"]), int(event["exch_ns"])
    return {
        "time_ns": time_ns,
        "time": _clock(time_ns),
        "exchange_time": _clock(exch_ns) if exch_ns else None,
        "symbol": instrument.symbol,
        "what": EVENT_NAMES[int(event["what"])],
        "side": SIDE_NAMES.get(int(event["side"])),
        "price": _price(int(event["tick"]), tick),
        "qty": _clean(int(event["lots"]) * lot),
        "left": _clean(int(event["leaves_lots"]) * lot),
        "status": _status(int(event["status"])),
        "maker": bool(event["maker"]),
        "position": _clean(int(event["position_lots"]) * lot),
        "id": int(event["order_id"]),
        "code": int(event["code"]),
        "text": bytes(event["text"]).decode(errors="replace"),
    }


def _clock(time_ns: int) -> str:
    second, ns = divmod(time_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}.{ns:09d}Z"


def _status(code: int) -> str | None:
    known = {int(status): status.name.lower() for status in Status}
    return known.get(code) if code else None


def _number(value: object) -> float | None:
    number = float(value)  # type: ignore[arg-type]
    return number if np.isfinite(number) else None


def _price(tick: int, tick_size: float) -> float | None:
    return None if tick in (0, NO_BID_TICK, NO_ASK_TICK) else _clean(tick * tick_size)


def _clean(value: float) -> float:
    """Take the rounding of tick * size off, for eyes."""
    return float(f"{value:.12g}")


COLUMNS: Final[Sequence[str]] = (
    "time",
    "symbol",
    "reason",
    "stop_loss",
    "best_bid",
    "best_ask",
    "alpha",
    "volatility",
    "bid",
    "ask",
    "position",
    "actions",
)
"""What the printed table shows; JSON and CSV have all fields."""

EVENT_COLUMNS: Final[Sequence[str]] = (
    "time", "symbol", "what", "side", "qty", "price", "left", "status", "position", "id", "code", "text",
)  # fmt: skip
"""What the printed table of order events shows."""


def words_of(actions: object) -> str:
    """Write a row's actions in one line."""
    assert isinstance(actions, list)
    return "; ".join(f"{one['do']} {one['side']} {one['qty']:g} @ {one['price']:.12g}" for one in actions)
