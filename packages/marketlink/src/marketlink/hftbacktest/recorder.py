"""A record of the account over time, in hftbacktest's record format, so that its statistics read it."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

RECORD_DTYPE: Final = np.dtype(
    [
        ("timestamp", "i8"),
        ("price", "f8"),
        ("position", "f8"),
        ("balance", "f8"),
        ("fee", "f8"),
        ("num_trades", "i8"),
        ("trading_volume", "f8"),
        ("trading_value", "f8"),
    ],
    align=True,
)


class RowRecorder:
    """What a strategy is handed: `record(hbt)` adds one row an asset.

    A live strategy has no last row: the room doubles where hftbacktest's recorder raises an IndexError.
    """

    def __init__(self, num_assets: int, record_size: int) -> None:
        self._rows: NDArray[np.void] = np.zeros((max(1, int(record_size)), int(num_assets)), RECORD_DTYPE)
        self._count = 0

    def record(self, hbt: Any) -> None:
        """Add a row for each asset: the time, the mid price (NaN without one) and the state's values."""
        if self._count == len(self._rows):
            self._rows = np.concatenate((self._rows, np.zeros_like(self._rows)))
        timestamp = hbt.current_timestamp
        for asset_no in range(self._rows.shape[1]):
            depth, values = hbt.depth(asset_no), hbt.state_values(asset_no)
            self._rows[self._count, asset_no] = (
                timestamp,
                (depth.best_bid + depth.best_ask) / 2.0,
                values.position,
                values.balance,
                values.fee,
                values.num_trades,
                values.trading_volume,
                values.trading_value,
            )
        self._count += 1

    @property
    def rows(self) -> NDArray[np.void]:
        """The rows so far, shape (n, assets)."""
        return self._rows[: self._count]


class Recorder:
    """hftbacktest's recorder: hand `recorder.recorder` to the strategy, read `get(asset_no)` or write `to_npz(file)` afterwards."""

    def __init__(self, num_assets: int, record_size: int) -> None:
        self._recorder = RowRecorder(num_assets, record_size)

    @property
    def recorder(self) -> RowRecorder:
        """What the strategy is handed."""
        return self._recorder

    def to_npz(self, file: str) -> None:
        """Write the records, one array an asset, named by its number."""
        rows = self._recorder.rows
        by_number: dict[str, Any] = {str(asset_no): rows[:, asset_no] for asset_no in range(rows.shape[1])}
        np.savez_compressed(file, **by_number)

    def get(self, asset_no: int) -> NDArray[np.void]:
        """The records of an asset."""
        return self._recorder.rows[:, asset_no]
