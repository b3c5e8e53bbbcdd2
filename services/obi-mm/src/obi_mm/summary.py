"""A run's figures from its records: money, risk, activity. Definitions are hftbacktest's where it has one."""

import math
from dataclasses import dataclass

import numpy as np

from obi_mm.layout import QUOTING, STOPPED, Log, Real, Whole
from obi_mm.models import Models

SAMPLE_NS = 10_000_000_000
"""Sharpe and Sortino are over equity every ten seconds, on the grid of hftbacktest's statistics."""
DAY_NS = 86_400_000_000_000
TRADING_DAYS = 252
FEE_SIGNS = {
    "linear": "fees paid are positive; a negative fee is a rebate received, and equity = balance + size * position * price - fee",
    "inverse": "all values are in the base asset, in which the contract settles; fees paid are positive, a negative fee is a rebate "
    "received, and equity = -balance - size * position / price - fee",
}
"""By contract; the signs of the balance are hftbacktest's."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What the loop counted."""

    submitted: int
    cancels: int
    closes: int
    refused: int
    filled_orders: int
    bid_touch: int
    ask_touch: int
    looks: int


def equity_of(records: Log, models: Models) -> Real:
    """Return the equity after fees, shape (n,); where the book has no mid, the last one known. Formulas: `FEE_SIGNS`."""
    price = np.array(records["price"], np.float64)
    known = np.isfinite(price)
    if not known.any():
        price[:] = 0.0
    else:
        index = np.where(known, np.arange(len(price)), -1)
        np.maximum.accumulate(index, out=index)
        price = price[np.where(index < 0, np.flatnonzero(known)[0], index)]
    held = models.contract_size * records["position"]
    if models.contract == "inverse":
        worth = np.divide(held, price, out=np.zeros(len(price)), where=price != 0)
        inverse: Real = 0.0 - records["balance"] - worth - records["fee"]
        return inverse
    equity: Real = records["balance"] + held * price - records["fee"]
    return equity


def sampled(records: Log) -> tuple[Whole, int]:
    """Return which records Sharpe and Sortino are over, the last of every ten seconds since the epoch, and the time between them, ns.

    That is the grid of hftbacktest's statistics (`resample("10s")`), which take the first two samples' distance for all.
    """
    windows = records["timestamp"] // SAMPLE_NS
    last_of = np.flatnonzero(np.append(np.diff(windows) != 0, True)) if len(windows) else np.zeros(0, np.int64)
    between_ns = int(windows[last_of[1]] - windows[last_of[0]]) * SAMPLE_NS if len(last_of) > 1 else SAMPLE_NS
    return last_of, between_ns


def summarize(records: Log, decisions: Log, counts: Counts, models: Models) -> dict[str, object]:
    """Return the figures, fit for JSON; None where there is nothing to compute one from."""
    equity, record_ns = equity_of(records, models), models.record_ns
    last_of, between_ns = sampled(records)
    changes = np.diff(equity[last_of])
    per_year = TRADING_DAYS * DAY_NS / between_ns
    spread = float(np.std(changes, ddof=1)) if len(changes) > 1 else 0.0
    downside = math.sqrt(float(np.mean(np.minimum(changes, 0.0) ** 2))) if len(changes) else 0.0
    mean = float(np.mean(changes)) if len(changes) else 0.0
    peak = np.maximum.accumulate(equity) if len(equity) else equity
    last = records[-1] if len(records) else None
    quoting = decisions["reason"] == QUOTING
    entered = np.diff(np.concatenate(([0], (decisions["stop_loss"] == 1).astype(np.int8)))) == 1
    return {
        "simulated_seconds": len(records) * record_ns / 1e9,
        "equity": float(equity[-1]) if len(equity) else 0.0,
        "equity_before_fees": float(equity[-1] + records["fee"][-1]) if len(equity) else 0.0,
        "balance": float(last["balance"]) if last is not None else 0.0,
        "fee": float(last["fee"]) if last is not None else 0.0,
        "fee_sign": FEE_SIGNS[models.contract],
        "max_drawdown": float(np.max(peak - equity)) if len(equity) else 0.0,
        "sharpe": mean / spread * math.sqrt(per_year) if spread > 0 else None,
        "sortino": mean / downside * math.sqrt(per_year) if downside > 0 else None,
        "trades": int(last["num_trades"]) if last is not None else 0,
        "trading_volume": float(last["trading_volume"]) if last is not None else 0.0,
        "trading_value": float(last["trading_value"]) if last is not None else 0.0,
        "position": float(last["position"]) if last is not None else 0.0,
        "position_mean": float(np.mean(records["position"])) if len(records) else 0.0,
        "position_abs_mean": float(np.mean(np.abs(records["position"]))) if len(records) else 0.0,
        "position_abs_max": float(np.max(np.abs(records["position"]))) if len(records) else 0.0,
        "orders_submitted": counts.submitted,
        "orders_cancelled": counts.cancels,
        "orders_filled": counts.filled_orders,
        "close_orders": counts.closes,
        "requests_refused": counts.refused,
        "fill_rate": counts.filled_orders / counts.submitted if counts.submitted else None,
        "bid_at_touch": counts.bid_touch / counts.looks if counts.looks else None,
        "ask_at_touch": counts.ask_touch / counts.looks if counts.looks else None,
        "decisions": len(decisions),
        "decisions_quoting": int(np.count_nonzero(quoting)),
        "decisions_stopped": int(np.count_nonzero(decisions["reason"] == STOPPED)),
        "stop_loss_triggers": int(np.count_nonzero(entered)),
    }
