"""Sums over a span of time: of values, and of what buyers and sellers took."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from factor_engine import kernels as k
from factor_engine.parameters import LONGEST_NS, reals, whole_number, wholes
from factor_engine.states import Real, Stateful, Whole, cursor_fault, differing

CAPACITY = 65_536
"""Entries held at once unless told otherwise: 1 MB."""


class TimeSpan(Stateful):
    """The entries of the last `window_ns`; one exactly that old still counts.

    Memory is fixed: where more than `capacity` entries fall into the span the oldest give way (`dropped`, `complete`).
    An update costs O(1) amortised: what it removes was added once.
    """

    def __init__(self, window_ns: int, capacity: int = CAPACITY) -> None:
        capacity = whole_number("capacity", capacity, 1)
        whole = np.zeros(k.CLOCK + capacity, dtype=np.int64)
        whole[k.C_SPAN] = whole_number("window_ns", window_ns, 1, LONGEST_NS)
        whole[[k.C_NEWEST, k.C_FIRST, k.C_DROPPED_AT]] = -1
        real = np.zeros(k.WINDOW + capacity)
        real[k.W_CREDIT] = k.BURST * capacity
        super().__init__(real, k.WINDOW, whole, k.CLOCK)

    @property
    def count(self) -> int:
        """How many entries are in the span."""
        return int(self._whole[k.C_COUNT])

    @property
    def ready(self) -> bool:
        """Whether a whole span has passed since the first entry."""
        return bool(0 <= self._whole[k.C_FIRST] <= self._whole[k.C_NEWEST] - self._whole[k.C_SPAN])

    @property
    def rejected(self) -> int:
        """How many entries were refused: not usable, stamped before 1970, or already older than the span."""
        return int(self._whole[k.C_REJECTED])

    @property
    def late(self) -> int:
        """How many entries came stamped behind the newest and were taken as of the newest."""
        return int(self._whole[k.C_LATE])

    @property
    def dropped(self) -> int:
        """How many entries gave way before their time because the ring was full."""
        return int(self._whole[k.C_DROPPED])

    @property
    def complete(self) -> bool:
        """Whether all entries of the present span are in the sum (no dropped one would still count)."""
        dropped_at = self._whole[k.C_DROPPED_AT]
        return bool(dropped_at < 0 or self._whole[k.C_NEWEST] - dropped_at > self._whole[k.C_SPAN])

    def _fault(self, real: Real, whole: Whole) -> str | None:
        fault = cursor_fault(whole[k.C_HEAD], whole[k.C_COUNT], whole.size - k.CLOCK)
        if fault is None and not np.isfinite(real).all():
            fault = "not finite"
        if fault is None and (whole < -1).any():
            fault = "a negative time or count"
        return fault or differing(self._whole, whole, (k.C_SPAN,))


class TimeWindowSum(TimeSpan):
    """The sum of the values of the last `window_ns`."""

    KIND = "time_window_sum"

    def update(self, ts_ns: int, value: float) -> float:
        """Take a value at its time, drop what is too old and return the sum."""
        k.window_push(self._real, self._whole, int(ts_ns), float(value))
        return self.sum

    def advance(self, now_ns: int) -> float:
        """Let time pass without a value and return the sum; a time behind the newest changes nothing."""
        k.window_advance(self._real, self._whole, int(now_ns))
        return self.sum

    def update_many(self, ts_ns: ArrayLike, values: ArrayLike) -> NDArray[np.float64]:
        """Take arrays of times and values, shape (n,) each; return the sum after each."""
        stamps = wholes("ts_ns", ts_ns)
        array = reals("values", values, stamps.size)
        out = np.empty(array.size)
        k.window_sweep(self._real, self._whole, stamps, array, out)
        return out

    def clear(self) -> None:
        """Forget all entries."""
        self.reset()

    @property
    def sum(self) -> float:
        """The sum; exactly 0 while empty."""
        return float(self._real[k.W_SUM])

    @property
    def mean(self) -> float:
        """The sum by the number of entries; 0 while empty."""
        return self.sum / self.count if self.count else 0.0


class TradeImbalance(TimeSpan):
    """(bought - sold) / (bought + sold) by quantity over the last `window_ns`, in [-1, 1]; 0 without trades.

    Bought is what buyers took (the aggressor's side), sold what sellers took.
    """

    KIND = "trade_imbalance"

    def update(self, ts_ns: int, side: int, qty: float) -> float:
        """Take a trade and return the imbalance; side is 1 where the buyer took, -1 where the seller did.

        Another side, or a quantity that is not positive, is refused and counted.
        """
        return float(k.trades_push(self._real, self._whole, int(ts_ns), int(side), float(qty)))

    def advance(self, now_ns: int) -> float:
        """Let time pass without a trade and return the imbalance."""
        k.window_advance(self._real, self._whole, int(now_ns))
        return self.value

    def update_many(self, ts_ns: ArrayLike, sides: ArrayLike, qtys: ArrayLike) -> NDArray[np.float64]:
        """Take arrays of trades, shape (n,) each; return the imbalance after each."""
        stamps = wholes("ts_ns", ts_ns)
        side, qty = wholes("sides", sides, stamps.size), reals("qtys", qtys, stamps.size)
        out = np.empty(qty.size)
        k.trades_sweep(self._real, self._whole, stamps, side, qty, out)
        return out

    @property
    def value(self) -> float:
        """The imbalance as of the newest time seen."""
        return float(k.window_share(self._real))

    @property
    def bought(self) -> float:
        """The quantity buyers took within the span."""
        return float(self._real[k.W_SIZE] + self._real[k.W_SUM]) / 2.0

    @property
    def sold(self) -> float:
        """The quantity sellers took within the span."""
        return float(self._real[k.W_SIZE] - self._real[k.W_SUM]) / 2.0
