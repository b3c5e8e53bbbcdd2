"""Order book imbalance: what is bid less what is offered near the middle, as a z-score of its own past."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from factor_engine import kernels as k
from factor_engine.depth import Depth
from factor_engine.errors import LengthMismatch
from factor_engine.parameters import real_number, reals, whole_number, wholes
from factor_engine.rolling import ZERO_SPREAD, moments_array, moments_fault
from factor_engine.states import Real, Stateful, Whole, differing


@dataclass(frozen=True, slots=True)
class ImbalanceSeries:
    """What the imbalance was after every book of an array."""

    raw: NDArray[np.float64]
    zscore: NDArray[np.float64]


class OrderBookImbalance(Stateful):
    """Sum of bid quantity minus sum of ask quantity within a fraction of the mid price, z-scored over `window` samples.

    Bids count at ticks above ceil(mid * (1 - looking_depth) / tick_size), asks below
    floor(mid * (1 + looking_depth) / tick_size), both within the region of interest `roi_lb_tick..roi_ub_tick`; the
    outer tick itself is left out as in the source (`outer_tick=True` counts it). A sample is part of the window it is
    scored in. All arguments are keywords: the source's own test passes the depth where it means the tick size.

    A book with a side missing, crossed, locked, outside the region, or with a quantity or mid that is NaN, infinite or
    negative, is refused and counted; the value stays. Looking costs O(ticks or levels in the view): every one of them
    may have changed. The rest is O(1).
    """

    KIND = "order_book_imbalance"

    def __init__(
        self,
        *,
        looking_depth: float,
        tick_size: float,
        roi_lb_tick: int,
        roi_ub_tick: int,
        window: int,
        outer_tick: bool = False,
        zero_spread: float = ZERO_SPREAD,
        recompute: bool = True,
    ) -> None:
        real = moments_array(window, zero_spread, recompute, header=k.BOOK)
        real[k.O_DEPTH] = real_number("looking_depth", looking_depth, above=0.0, most=1.0)
        real[k.O_TICK] = real_number("tick_size", tick_size, above=0.0)
        real[k.O_LOWER] = whole_number("roi_lb_tick", roi_lb_tick, 0)
        real[k.O_UPPER] = whole_number("roi_ub_tick", roi_ub_tick, roi_lb_tick + 1)
        real[k.O_OUTER] = 1.0 if outer_tick else 0.0
        super().__init__(real, k.BOOK + k.MOMENTS)

    def update(
        self,
        bid_qty: ArrayLike,
        ask_qty: ArrayLike,
        best_bid_tick: int,
        best_ask_tick: int,
        mid: float | None = None,
        *,
        first_tick: int | None = None,
    ) -> float:
        """Look at quantities per tick and return the z-score.

        `bid_qty` and `ask_qty` hold one tick's quantity at index tick - first_tick (default: roi_lb_tick); float64
        arrays are read in place, ticks beyond them hold nothing. The mid is by default half way between the bests.
        """
        first = int(self._real[k.O_LOWER]) if first_tick is None else int(first_tick)
        bids, asks = np.asarray(bid_qty, dtype=np.float64), np.asarray(ask_qty, dtype=np.float64)
        bests = int(best_bid_tick), int(best_ask_tick)
        return float(k.book_update_vectors(self._real, bids, asks, first, *bests, _mid(mid)))

    def update_levels(
        self,
        bid_ticks: ArrayLike,
        bid_qtys: ArrayLike,
        ask_ticks: ArrayLike,
        ask_qtys: ArrayLike,
        mid: float | None = None,
    ) -> float:
        """Look at levels, each side best first (bids falling, asks rising), and return the z-score.

        A tick of 0 or less ends its side. Levels out of order within the view make the book unusable.
        """
        bids, asks = wholes("bid_ticks", bid_ticks), wholes("ask_ticks", ask_ticks)
        bid_sizes = reals("bid_qtys", bid_qtys, bids.size)
        ask_sizes = reals("ask_qtys", ask_qtys, asks.size)
        return float(k.book_update_levels(self._real, bids, bid_sizes, asks, ask_sizes, _mid(mid)))

    def update_depth(self, depth: Depth, mid: float | None = None) -> float:
        """Look at a book object, one call a tick, and return the z-score."""
        return float(k.book_update_depth(self._real, depth, _mid(mid)))

    def update_with(
        self,
        bid_qty_at: Callable[[int], float],
        ask_qty_at: Callable[[int], float],
        best_bid_tick: int,
        best_ask_tick: int,
        mid: float | None = None,
    ) -> float:
        """Look at a book through two functions of the tick, one call a tick, and return the z-score."""
        return self.update_depth(_Accessors(int(best_bid_tick), int(best_ask_tick), bid_qty_at, ask_qty_at), mid)

    def update_sums(self, bids: float, asks: float) -> float:
        """Take the two sums of quantity from a caller that has them and return the z-score."""
        return float(k.book_take(self._real, float(bids), float(asks)))

    def update_raw(self, raw: float) -> float:
        """Take bids - asks from a caller that has only the difference and return the z-score."""
        return float(k.book_take_raw(self._real, float(raw)))

    def update_many_sums(self, bids: ArrayLike, asks: ArrayLike) -> ImbalanceSeries:
        """Take arrays of sums, shape (n,) each; return what stood after each pair."""
        bid_sums = reals("bids", bids)
        ask_sums = reals("asks", asks, bid_sums.size)
        series = ImbalanceSeries(np.empty(bid_sums.size), np.empty(bid_sums.size))
        k.book_sums_sweep(self._real, bid_sums, ask_sums, series.raw, series.zscore)
        return series

    def update_many_levels(
        self,
        bid_ticks: ArrayLike,
        bid_qtys: ArrayLike,
        ask_ticks: ArrayLike,
        ask_qtys: ArrayLike,
        mids: ArrayLike | None = None,
    ) -> ImbalanceSeries:
        """Look at n books, shape (n, levels) a side, padded with tick 0; return what stood after each."""
        bids = wholes("bid_ticks", bid_ticks, dimensions=2)
        asks = wholes("ask_ticks", ask_ticks, bids.shape[0], dimensions=2)
        bid_sizes = reals("bid_qtys", bid_qtys, bids.shape[0], dimensions=2)
        ask_sizes = reals("ask_qtys", ask_qtys, bids.shape[0], dimensions=2)
        for name, sizes, ticks in (("bid_qtys", bid_sizes, bids), ("ask_qtys", ask_sizes, asks)):
            if sizes.shape != ticks.shape:
                raise LengthMismatch(name, ticks.shape[1], sizes.shape[1])
        middle = np.zeros(bids.shape[0])
        if mids is not None:
            given = reals("mids", mids, bids.shape[0])
            middle[:] = np.where(given == 0.0, np.nan, given)
        series = ImbalanceSeries(np.empty(bids.shape[0]), np.empty(bids.shape[0]))
        k.book_levels_sweep(self._real, bids, bid_sizes, asks, ask_sizes, middle, series.raw, series.zscore)
        return series

    @property
    def value(self) -> float:
        """The z-score of the last good sample; 0 before there is a spread."""
        return float(self._real[k.O_ZSCORE])

    @property
    def raw(self) -> float:
        """Bids - asks of the last good sample."""
        return float(self._real[k.O_RAW])

    @property
    def bids(self) -> float:
        """The quantity bid in the last good view; NaN after `update_raw`."""
        return float(self._real[k.O_BIDS])

    @property
    def asks(self) -> float:
        """The quantity offered in the last good view; NaN after `update_raw`."""
        return float(self._real[k.O_ASKS])

    @property
    def mean(self) -> float:
        """The mean of the raw samples in the window."""
        return float(k.moments_mean(self._real[k.BOOK :]))

    @property
    def std(self) -> float:
        """The sample standard deviation of the raw samples in the window."""
        return float(k.moments_std(self._real[k.BOOK :]))

    @property
    def count(self) -> int:
        """How many samples are in the window."""
        return int(self._real[k.BOOK + k.M_COUNT])

    @property
    def ready(self) -> bool:
        """Whether the window is full."""
        return self.count == self._real.size - k.BOOK - k.MOMENTS

    @property
    def rejected(self) -> int:
        """How many books or samples were refused."""
        return int(self._real[k.O_REJECTED])

    def _fault(self, real: Real, whole: Whole) -> str | None:
        fault = differing(self._real, real, (k.O_DEPTH, k.O_TICK, k.O_LOWER, k.O_UPPER, k.O_OUTER))
        if fault is None and not np.isfinite(real[[k.O_RAW, k.O_ZSCORE, k.O_REJECTED]]).all():
            fault = "not finite"
        return fault or moments_fault(self._real[k.BOOK :], real[k.BOOK :])


@dataclass(frozen=True, slots=True)
class _Accessors:
    best_bid_tick: int
    best_ask_tick: int
    bid_qty_at_tick: Callable[[int], float]
    ask_qty_at_tick: Callable[[int], float]


def _mid(mid: float | None) -> float:
    """Translate for the kernels, where 0 asks for half way; a caller's own 0 is a bad book."""
    if mid is None:
        return 0.0
    return float(mid) or np.nan
