"""Rows of units: what is emitted at one time of each clock."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from data_convert.events import Ints


@dataclass(frozen=True, slots=True)
class UnitRows:
    """Units in the order of a plan: `begin[i]:end[i]` are unit i's rows in `ev` (kind and side), `px`, `qty`.

    `unit` numbers them as the plan does; a book that was carried over stands under the number of the unit behind it.
    `extras` holds (order_id, ival, fval) of the few rows that have them.
    """

    unit: Ints
    exch_ns: Ints
    local_ns: Ints
    begin: Ints
    end: Ints
    ev: npt.NDArray[np.uint32]
    px: npt.NDArray[np.float64]
    qty: npt.NDArray[np.float64]
    extras: dict[int, tuple[int, int, float]]

    def __len__(self) -> int:
        return len(self.unit)

    def taken(self, units: Ints | slice) -> UnitRows:
        """Return some of the units; all rows stay where they are."""
        return replace(
            self,
            unit=self.unit[units],
            exch_ns=self.exch_ns[units],
            local_ns=self.local_ns[units],
            begin=self.begin[units],
            end=self.end[units],
        )

    @property
    def counts(self) -> Ints:
        """Rows of each unit."""
        counts: Ints = self.end - self.begin
        return counts
