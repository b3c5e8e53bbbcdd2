"""The demonstration's trading run: obi-mm with orders beside the dry one, and what the exchange says of it at the end.

Only on the synthetic market: a recording's exchange can be traded on too, but its clock is another day's and stands still at times.
"""

import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from obi_mm.decision_compare import of_symbol
from obi_mm.decisions import DecisionLog, read_log
from obi_mm.layout import BUY, FILL

from tests.demo.checks import Found
from tests.rig import Rig

LABEL = "trading"
CONNECTOR, CONNECTOR_LABEL = "bt", "trader"
"""A connector of its own: the dry run beside it would take the account's position for its own, and decide otherwise than its backtest."""
LOG, CONFIG = "trading.obilog", "trading.toml"
OPEN = ("NEW", "PARTIALLY_FILLED")
BOT_ID = 101


@dataclass(frozen=True)
class Truth:
    """What the exchange knew when the strategy had ended."""

    orders: list[dict[str, Any]]
    decisions: list[dict[str, Any]]
    trades: list[dict[str, Any]]


@dataclass(frozen=True)
class Traded:
    """One symbol's trading run."""

    log: DecisionLog
    said: Mapping[str, float]
    fee: float

    @property
    def fills(self) -> np.ndarray[Any, Any]:
        """Its fills, in order."""
        return self.log.events[self.log.events["what"] == FILL]


def accounts(rig: Rig) -> tuple[Path, dict[str, str]]:
    """Make an account with keys of its own; its file, and the settings of the connector, whose file is this user's alone."""
    keys = {"api_key": secrets.token_hex(16), "secret": secrets.token_hex(32)}
    path = rig.folder / "accounts.toml"
    for each in (path, rig.folder / f"{CONNECTOR_LABEL}.toml"):
        os.close(os.open(each, os.O_CREAT | os.O_WRONLY, 0o600))
    rows = {"name": "main", **keys, "balance": "1000000"}
    path.write_text("[[account]]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in rows.items()))
    return path, {**keys, "order_prefix": "demo"}


def start(rig: Rig, command: Path, sizes: Mapping[str, tuple[float, float]], settings: str, folder: Path) -> None:
    """Start the installed command on the connector, with orders, a section for each instrument."""
    sections = "".join(
        f"[symbol.{symbol}]\ntick_size = {tick}\nlot_size = {lot}\n" for symbol, (tick, lot) in sizes.items()
    )
    (folder / CONFIG).write_text(f"{settings}[live]\nbot_id = {BOT_ID}\n{sections}")
    options = ("-n", CONNECTOR, "--config", folder / CONFIG, "--output", folder / LOG, "--force")
    rig.command(LABEL, command, "live", "--trade", *options, "--plain", "--json")


def end(rig: Rig) -> tuple[int, Truth]:
    """End it while the market goes on, and read what the exchange says."""
    code = rig.end(LABEL, timeout_s=40)
    return code, Truth(rig.ask("orders"), rig.ask("truth"), rig.ask("trades"))


def judge(
    found: Found, said: Mapping[str, Any], truth: Truth, symbols: Sequence[str], folder: Path, most: float
) -> dict[str, Traded]:
    """Hold what the run says of itself against the exchange; returns what to show, by symbol."""
    if not said:
        found.add("the trading run ended by itself", False, "it said nothing at its end")
        return {}
    left = [order for order in truth.orders if order["status"] in OPEN]
    found.add(
        "when the strategy has ended, nothing is open at the exchange",
        not left and not said["open"],
        f"{len(truth.orders):,} orders, {len(left)} open there, {len(said['open'])} by the strategy's account",
    )
    log = read_log(folder / LOG)
    traded: dict[str, Traded] = {}
    for symbol in symbols:
        mine = said["orders"][symbol]
        there = sum(
            (int(one["side"]) * Decimal(str(one["quantity"])) for one in truth.trades if one["symbol"] == symbol),
            Decimal(0),
        )
        count = sum(one["symbol"] == symbol for one in truth.trades)
        found.add(
            f"{symbol}: the strategy's position and fills are the exchange's",
            Decimal(str(mine["position"])) == there and mine["fills"] == count > 0,
            f"position {mine['position']:g} and {there:g}, fills {mine['fills']:,} and {count:,}, of {mine['submitted']:,} orders",
        )
        worst = worst_lots(truth, symbol)
        limit = most / float(log.header.instruments[symbols.index(symbol)].lot_size)
        found.add(
            f"{symbol}: position and open orders never exceed max_position, by the exchange's own log",
            0 < worst <= limit + 1e-6,
            f"{worst:,} lots at most, of {limit:,.0f}",
        )
        fee = sum(_number(one["fee"]) for one in truth.trades if one["symbol"] == symbol)
        traded[symbol] = Traded(of_symbol(log, symbol), mine, fee)
    return traded


def worst_lots(truth: Truth, symbol: str) -> int:
    """Return the most lots that a side's position and open orders, filled together, ever came to."""
    sides = {order["id"]: int(order["new"]["side"]) for order in truth.orders if order["new"]["symbol"] == symbol}
    position, working, worst = 0, dict.fromkeys(sides, 0), 0
    for row in truth.decisions:
        order, lots = row["order_id"], int(row["lots"])
        if row["symbol"] != symbol or row["what"] not in ("rested", "filled", "ended"):
            continue
        if row["what"] == "filled":
            position += sides[order] * lots
        working[order] = {"rested": lots, "filled": max(0, working[order] - lots), "ended": 0}[row["what"]]
        for side in (1, -1):
            worst = max(worst, side * position + sum(left for one, left in working.items() if sides[one] == side))
    return worst


def equity_of(traded: Traded, size: tuple[float, float], mid: float) -> float:
    """What the fills made, before fees, with what is held at the last middle price."""
    fills = traded.fills
    signs = np.where(fills["side"] == BUY, 1.0, -1.0)
    qtys = fills["lots"] * size[1]
    return float((signs * qtys * (mid - fills["tick"] * size[0])).sum())


def _number(text: object) -> float:
    """Read one of the exchange's exact numbers, which may be a fraction."""
    above, _, below = str(text).partition("/")
    return float(above) / float(below or 1)
