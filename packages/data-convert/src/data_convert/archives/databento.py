"""Databento's market-by-order files (schema `mbo`, https://databento.com/docs/schemas-and-data-formats/mbo).

Needs the extra: pip install 'data-convert[databento]'. Times and prices stay integers until the one division by 1e9.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from data_convert.errors import FormatError, InputError
from data_convert.events import (
    ADD_ORDER,
    BUY,
    CANCEL_ORDER,
    DEPTH_CLEAR,
    EVENT_DTYPE,
    FILL,
    MODIFY_ORDER,
    SELL,
    TRADE,
    Events,
)
from data_convert.files.readers import open_check

ACTIONS: Final = {
    b"A": ADD_ORDER,
    b"C": CANCEL_ORDER,
    b"M": MODIFY_ORDER,
    b"R": DEPTH_CLEAR,
    b"T": TRADE,
    b"F": FILL,
}
SIDES: Final = {b"B": BUY, b"A": SELL, b"N": 0}
NO_ACTION: Final = b"N"
UNDEFINED_PRICE: Final = (1 << 63) - 1
_SCALE: Final = 1_000_000_000

Records = npt.NDArray[np.void]


def load_records(path: Path) -> tuple[Records, dict[int, str]]:
    """Read a DBN file through databento: (records of schema mbo, symbols by instrument id). Raises InputError."""
    open_check(path)
    try:
        databento: Any = import_module("databento")
        refused = (databento.BentoError, import_module("databento_dbn").DBNError)
    except ImportError:
        raise InputError(path, "needs the databento package", "pip install 'data-convert[databento]'") from None
    try:
        store = databento.DBNStore.from_bytes(path.read_bytes())  # from_file leaves the file open on errors
        if store.schema is not None and str(store.schema) != "mbo":
            raise FormatError(path, f"holds schema {store.schema}, not mbo", "download market by order")
        records: Records = store.to_ndarray(schema="mbo")
        return records, _symbols(store.mappings)
    except (ValueError, RuntimeError, OSError, KeyError, TypeError, *refused) as error:
        raise InputError(path, f"is no readable DBN file ({error})", "download it again") from error


def _symbols(mappings: dict[str, list[dict[str, Any]]]) -> dict[int, str]:
    found = {}
    for name, intervals in mappings.items():
        for interval in intervals:
            text = str(interval.get("symbol", ""))
            if text.isdecimal():
                found[int(text)] = name
    return found


def records_to_rows(records: Records, path: Path) -> tuple[Events, int]:
    """Turn MBO records into raw rows: (rows, records without an action left out).

    exch = ts_event, local = ts_recv, ival = flags. Records that share the receive time of a clear are the snapshot that
    follows it, with times of their own long past: both their times become that one. Raises FormatError for an action
    or a side that is not in the tables.
    """
    used = records[records["action"] != NO_ACTION]
    rows = np.zeros(len(used), EVENT_DTYPE)
    for column, table in (("action", ACTIONS), ("side", SIDES)):
        known = np.zeros(len(used), np.bool_)
        for letter, value in table.items():
            marked = used[column] == letter
            rows["ev"][marked] |= np.uint64(value)
            known |= marked
        if not known.all():
            at = int(np.flatnonzero(~known)[0])
            raise FormatError(
                path, f"has {column} {used[column][at]!r} in record {at}", "report it: it is not documented"
            )
    rows["exch_ts"], rows["local_ts"] = used["ts_event"].astype(np.int64), used["ts_recv"].astype(np.int64)
    clears = np.unique(rows["local_ts"][used["action"] == b"R"])
    together = np.isin(rows["local_ts"], clears)
    rows["exch_ts"][together] = rows["local_ts"][together]
    priced = used["price"] != UNDEFINED_PRICE
    rows["px"][priced] = used["price"][priced] / _SCALE
    rows["qty"], rows["order_id"], rows["ival"] = used["size"], used["order_id"], used["flags"]
    return rows, len(records) - len(used)
