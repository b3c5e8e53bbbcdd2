"""Stop loss: whether volatility or a price change is too far from its usual size.

    NORMAL ──hot──▶ TRIGGERED ──calm, cooldown over──▶ NORMAL
                     │    ▲
                calm │    │ hot
                     ▼    │
                    COOLDOWN ──calm, cooldown over──▶ NORMAL

Hot: a z-score strictly above its threshold (times `release` while TRIGGERED). Calm: neither, and both numbers known.
With the defaults, no cooldown and release 1, COOLDOWN is never entered and every check stands alone, as in the source.
"""

from enum import IntEnum, IntFlag

import numpy as np
from numpy.typing import ArrayLike, NDArray

from factor_engine import kernels as k
from factor_engine.parameters import LONGEST_NS, real_number, reals, whole_number, wholes
from factor_engine.states import Real, Stateful, Whole, differing


class StopLossStatus(IntEnum):
    """Where the machine stands; the source's numbers."""

    NORMAL = k.NORMAL
    TRIGGERED = k.TRIGGERED
    COOLDOWN = k.COOLDOWN


_STATUSES = tuple(StopLossStatus)


class StopLossCause(IntFlag):
    """What triggered it."""

    NONE = 0
    VOLATILITY = k.BY_VOLATILITY
    CHANGE = k.BY_CHANGE


class StopLossChecker(Stateful):
    """Triggered while (volatility - mean) / std or (|change| - mean) / std is strictly above its threshold.

    A std of at most 1e-10 switches its half off (z = 0). A NaN triggers nothing and, other than in the source, also
    releases nothing; it is counted. `cooldown_ns` after the last hot check the status stays COOLDOWN; `release` below 1
    makes it stay TRIGGERED until the z-scores are down to that share of their thresholds.
    """

    KIND = "stop_loss"

    def __init__(
        self,
        *,
        volatility_mean: float = 0.005,
        volatility_std: float = 0.002,
        change_mean: float = 0.001,
        change_std: float = 0.003,
        volatility_threshold: float = 3.0,
        change_threshold: float = 3.0,
        cooldown_ns: int = 0,
        release: float = 1.0,
    ) -> None:
        real = np.zeros(k.STOP)
        real[k.S_VOLATILITY_MEAN] = real_number("volatility_mean", volatility_mean)
        real[k.S_VOLATILITY_STD] = real_number("volatility_std", volatility_std, above=-5e-324)
        real[k.S_CHANGE_MEAN] = real_number("change_mean", change_mean)
        real[k.S_CHANGE_STD] = real_number("change_std", change_std, above=-5e-324)
        real[k.S_VOLATILITY_LIMIT] = real_number("volatility_threshold", volatility_threshold)
        real[k.S_CHANGE_LIMIT] = real_number("change_threshold", change_threshold)
        real[k.S_RELEASE] = real_number("release", release, above=0.0, most=1.0)
        whole = np.zeros(k.STOP_CLOCK, dtype=np.int64)
        whole[k.L_COOLDOWN] = whole_number("cooldown_ns", cooldown_ns, 0, LONGEST_NS)
        super().__init__(real, k.STOP, whole, k.STOP_CLOCK)

    def check(self, volatility: float, change: float, now_ns: int = 0) -> StopLossStatus:
        """Judge the present volatility and price change (a fraction, signed); the time matters for a cooldown only."""
        status = k.stop_loss_check(self._real, self._whole, float(volatility), float(change), int(now_ns))
        return _STATUSES[status]

    def check_many(
        self, volatilities: ArrayLike, changes: ArrayLike, now_ns: ArrayLike | None = None
    ) -> NDArray[np.int8]:
        """Judge arrays, shape (n,) each; return the status after each pair as int8."""
        array = reals("volatilities", volatilities)
        moves = reals("changes", changes, array.size)
        times = np.zeros(array.size, dtype=np.int64) if now_ns is None else wholes("now_ns", now_ns, array.size)
        out = np.empty(array.size, dtype=np.int8)
        k.stop_loss_sweep(self._real, self._whole, array, moves, times, out)
        return out

    @property
    def status(self) -> StopLossStatus:
        """The status after the last check."""
        return StopLossStatus(int(self._whole[k.L_STATUS]))

    @property
    def cause(self) -> StopLossCause:
        """What triggered last, until the status is NORMAL again."""
        return StopLossCause(int(self._whole[k.L_CAUSE]))

    @property
    def volatility_z(self) -> float:
        """The volatility's z-score in the last check."""
        return float(self._real[k.S_VOLATILITY_Z])

    @property
    def change_z(self) -> float:
        """The price change's z-score in the last check."""
        return float(self._real[k.S_CHANGE_Z])

    @property
    def rejected(self) -> int:
        """How many checks had a NaN."""
        return int(self._whole[k.L_REJECTED])

    def _fault(self, real: Real, whole: Whole) -> str | None:
        if not 0 <= whole[k.L_STATUS] <= k.COOLDOWN or not 0 <= whole[k.L_CAUSE] <= k.BY_VOLATILITY | k.BY_CHANGE:
            return "an unknown status"
        parameters = tuple(range(k.S_RELEASE + 1))
        return differing(self._real, real, parameters) or differing(self._whole, whole, (k.L_COOLDOWN,))
