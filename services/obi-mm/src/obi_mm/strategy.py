"""The strategy as an object over the compiled decision: a view of the market in, a decision and its actions out.

Pure: time, book, position and orders are arguments. Backtest, warm-up and live hand it what they see and send what
it says; the arrays behind it are shared with compiled callers by `arrays`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from factor_engine import OrderBookImbalance, StateMismatch, StopLossChecker, Volatility

from obi_mm import kernels
from obi_mm.config import SECOND_NS, Config, check_instrument
from obi_mm.layout import (
    ACTION_COLUMNS,
    DECISION_DTYPE,
    FINE,
    NO_ASK_TICK,
    ORDER_COLUMNS,
    OWN_WHOLE,
    W_NEXT_ID,
    W_WAKE,
    Log,
    Real,
    Rules,
    Table,
    Whole,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_ORDERS = 512
"""Working orders and actions that one decision has room for."""


def rules_of(config: Config, tick_size: float, lot_size: float, where: str = "configuration") -> Rules:
    """Translate a configuration to ticks, lots and ns; raises ConfigError where it does not fit the instrument."""
    check_instrument(config, tick_size, lot_size, where)
    everything, params, stop = config.global_, config.params, config.stop_loss
    return Rules(
        tick_size=float(tick_size),
        lot_size=float(lot_size),
        order_lots=round(everything.order_qty / lot_size),
        max_lots=int(everything.max_position / lot_size + 1e-6),
        grid_num=everything.grid_num,
        interval_ticks=round(everything.grid_interval / tick_size),
        low_tick=round(everything.roi_lb / tick_size),
        high_tick=round(everything.roi_ub / tick_size),
        half_spread=params.half_spread,
        skew=params.skew,
        max_shift=params.max_shift,
        c1=params.c1,
        power=params.power,
        usual_volatility=stop.volatility_mean,
        live_ns=round(params.live_seconds * SECOND_NS),
        update_ns=params.update_interval_ns,
        retry_ns=round(stop.retry_seconds * SECOND_NS),
        slippage_ticks=stop.slippage_ticks,
        stale_ns=round(params.stale_seconds * SECOND_NS),
    )


@dataclass(frozen=True, slots=True)
class Lack:
    """What factors still need before the first quote, and how long it takes at best."""

    samples: int
    returns: int
    nanoseconds: int


class Strategy:
    """One instrument's strategy: its rules, its factors and its own memory.

    `first_id` begins its order ids; give one that was never used (the time in ns, live).
    """

    def __init__(self, config: Config, tick_size: float, lot_size: float, *, first_id: int = 1) -> None:
        self.config = config
        self.rules = rules_of(config, tick_size, lot_size)
        params, stop = config.params, config.stop_loss
        self.imbalance = OrderBookImbalance(
            looking_depth=params.looking_depth,
            tick_size=tick_size,
            roi_lb_tick=self.rules.low_tick,
            roi_ub_tick=self.rules.high_tick,
            window=params.window,
        )
        self.volatility = Volatility(
            params.volatility_interval_ns, params.volatility_window, longest_gap=params.longest_gap
        )
        self.stop_loss = StopLossChecker(
            volatility_mean=stop.volatility_mean,
            volatility_std=stop.volatility_std,
            change_mean=stop.change_mean,
            change_std=stop.change_std,
            volatility_threshold=stop.volatility_threshold,
            change_threshold=stop.change_threshold,
            cooldown_ns=round(stop.cooldown_seconds * SECOND_NS),
            release=stop.release,
        )
        self.own: Whole = np.zeros(OWN_WHOLE, np.int64)
        self.own[W_NEXT_ID] = first_id
        self.actions: Table = np.zeros((MOST_ORDERS, ACTION_COLUMNS), np.int64)
        self.log: Log = cast("NDArray[np.void]", np.zeros(1, DECISION_DTYPE))

    @property
    def arrays(self) -> tuple[Real, Real, Whole, Real, Whole, Whole]:
        """The live arrays in the order in which `kernels.decide` takes them, behind the rules."""
        volatility, points = self.volatility.arrays
        stop, stop_clock = self.stop_loss.arrays
        return self.imbalance.arrays[0], volatility, points, stop, stop_clock, self.own

    @property
    def wake_ns(self) -> int:
        """When the next decision is due, 0 before the first."""
        return int(self.own[W_WAKE])

    @wake_ns.setter
    def wake_ns(self, value: int) -> None:
        self.own[W_WAKE] = value

    @property
    def ready(self) -> bool:
        """Whether every window is full."""
        return self.imbalance.ready and self.volatility.ready

    def lack(self) -> Lack:
        """Return what is missing before the first quote."""
        params = self.config.params
        samples = params.window - self.imbalance.count
        returns = params.volatility_window - self.volatility.count
        if returns and self.volatility.last_ts_ns is None:
            returns += 1  # the first point gives no return
        wait = max(samples * params.update_interval_ns, returns * params.volatility_interval_ns)
        return Lack(samples, min(returns, params.volatility_window), wait)

    def most_levels(self, best_bid_tick: int, best_ask_tick: int) -> int:
        """Return how many levels a side the view has at most, at least 1: what `sums` need be given of a larger book."""
        if not 0 < best_bid_tick < best_ask_tick < NO_ASK_TICK:
            return 1
        return int((best_bid_tick + best_ask_tick) / 2 * self.config.params.looking_depth) + 3

    def sums(self, bid_ticks: Whole, bid_qtys: Real, ask_ticks: Whole, ask_qtys: Real) -> tuple[float, float]:
        """Sum up the view of a book, levels best first; NaN where it can't be looked at."""
        bids, asks = kernels.level_sums(self.imbalance.arrays[0], bid_ticks, bid_qtys, ask_ticks, ask_qtys)
        return float(bids), float(asks)

    def observe(self, now_ns: int, best_bid_tick: int, best_ask_tick: int, bids: float, asks: float) -> None:
        """Feed the factors one sample of the past, decide nothing; the book must be sound and `now_ns` a boundary."""
        imbalance, volatility, points, *_ = self.arrays
        kernels.observe(self.rules, imbalance, volatility, points, now_ns, best_bid_tick, best_ask_tick, bids, asks)

    def decide(
        self,
        now_ns: int,
        best_bid_tick: int,
        best_ask_tick: int,
        bids: float,
        asks: float,
        *,
        position_lots: int = 0,
        orders: Table | None = None,
        trouble: int = FINE,
    ) -> tuple[Log, Table]:
        """Make one decision; returns its record, shape (1,), and its actions, shape (k, ACTION_COLUMNS), as copies."""
        table = np.zeros((0, ORDER_COLUMNS), np.int64) if orders is None else orders
        count = kernels.decide(
            self.rules,
            *self.arrays,
            now_ns,
            trouble,
            best_bid_tick,
            best_ask_tick,
            bids,
            asks,
            position_lots,
            table,
            len(table),
            self.actions,
            self.log,
            0,
        )
        return self.log.copy(), self.actions[:count].copy()

    def state(self) -> dict[str, object]:
        """Return a copy of all that the strategy knows."""
        return {
            "imbalance": self.imbalance.state(),
            "volatility": self.volatility.state(),
            "stop_loss": self.stop_loss.state(),
            "own": self.own.copy(),
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go on from a saved state; raises factor_engine.StateMismatch where the parameters differ, and changes nothing."""
        before = self.state()
        try:
            self._take(saved)
        except StateMismatch:
            self._take(before)
            raise

    def _take(self, saved: Mapping[str, Any]) -> None:
        self.imbalance.restore(saved["imbalance"])
        self.volatility.restore(saved["volatility"])
        self.stop_loss.restore(saved["stop_loss"])
        self.own[:] = np.asarray(saved["own"])
