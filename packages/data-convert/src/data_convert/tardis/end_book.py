"""The book at the end of a stream of rows, in memory that grows with its prices only: to see whether it ends crossed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.int64]


class EndBook:
    """Takes rows of eight words (data_convert.events) in their order; others than depth are passed over."""

    def __init__(self) -> None:
        self._keys: Words = np.full(1 << 12, -1, np.int64)
        self._quantities = np.zeros((1 << 12, 2))
        self._state: Words = np.zeros(1, np.int64)

    def take(self, rows: Words) -> None:
        """Play rows."""
        from data_convert.tardis.end_book_kernels import play

        at = 0
        while at < len(rows):
            at = play(rows, at, self._keys, self._quantities, self._state)
            if at < len(rows):
                self._grow()

    def _grow(self) -> None:
        from data_convert.tardis.end_book_kernels import put

        held = (self._keys >= 0) & (self._quantities > 0).any(axis=1)
        keys, quantities = self._keys[held], self._quantities[held]
        room = max(len(self._keys), 4 * len(keys))
        room = 1 << (room - 1).bit_length() if len(keys) * 4 < len(self._keys) else 2 * len(self._keys)
        self._keys, self._quantities = np.full(room, -1, np.int64), np.zeros((room, 2))
        put(keys, quantities, self._keys, self._quantities, self._state)

    def best(self) -> tuple[float, float]:
        """Return the best bid and ask, NaN for an empty side."""
        prices = self._keys.view(np.float64)
        bids, asks = (prices[(self._keys >= 0) & (self._quantities[:, side] > 0)] for side in (0, 1))
        return float(max(bids, default=np.nan)), float(min(asks, default=np.nan))


def crossed(bid: float, ask: float) -> str:
    """Say so if a book is crossed, else nothing."""
    return f"bid {bid:.12g} at or above ask {ask:.12g}" if bid >= ask else ""
