"""Market by order: actions, sides, integer times, the snapshot behind a clear."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data_convert.archives.databento import UNDEFINED_PRICE, load_records, records_to_rows
from data_convert.errors import FormatError, InputError

DTYPE = np.dtype(
    [
        *(("length", "u1"), ("rtype", "u1"), ("publisher_id", "<u2"), ("instrument_id", "<u4"), ("ts_event", "<u8")),
        *(("order_id", "<u8"), ("price", "<i8"), ("size", "<u4"), ("flags", "u1"), ("channel_id", "u1")),
        *(("action", "S1"), ("side", "S1"), ("ts_recv", "<u8"), ("ts_in_delta", "<i4"), ("sequence", "<u4")),
    ]
)
T = 1_654_473_600_070_314_217
PATH = Path("x.dbn")


def records(*rows):
    found = np.zeros(len(rows), DTYPE)
    for i, (action, side, event, recv, price, size, order, flags) in enumerate(rows):
        found[i]["action"], found[i]["side"], found[i]["ts_event"], found[i]["ts_recv"] = action, side, event, recv
        found[i]["price"], found[i]["size"], found[i]["order_id"], found[i]["flags"] = price, size, order, flags
    return found


def test_actions_and_sides_have_their_kinds_and_times_are_exact():
    rows, left_out = records_to_rows(
        records(
            *((a, b"B", T, T + 1, 4108500000000, 3, 2**63 + 5, 130) for a in (b"A", b"C", b"M", b"T", b"F")),
            (b"A", b"A", T, T + 3, 1, 1, 1, 0),
            (b"T", b"N", T, T + 3, 1, 1, 1, 0),
            (b"N", b"N", T, T + 3, 1, 1, 1, 0),
        ),
        PATH,
    )
    assert (rows["ev"] & np.uint64(0xFF)).tolist() == [10, 11, 12, 2, 13, 10, 2]
    assert (rows["ev"] >> np.uint64(28)).tolist() == [2, 2, 2, 2, 2, 1, 0]
    assert rows["exch_ts"][0] == T
    assert rows["local_ts"][0] == T + 1
    assert rows["px"][0] == 4108.5
    assert (int(rows["order_id"][0]), int(rows["ival"][0]), left_out) == (2**63 + 5, 130, 1)


def test_the_snapshot_that_shares_a_clears_receive_time_takes_it_for_both_times():
    rows, _ = records_to_rows(
        records(
            (b"R", b"N", T - 99, T, UNDEFINED_PRICE, 0, 0, 0),
            (b"A", b"B", T - 10**15, T, 10**9, 1, 1, 0),
            (b"A", b"B", T + 1, T + 2, 10**9, 1, 2, 0),
        ),
        PATH,
    )
    assert rows["exch_ts"].tolist() == [T, T, T + 1]
    assert rows["px"].tolist() == [0.0, 1.0, 1.0]


@pytest.mark.parametrize(("action", "side"), [(b"X", b"B"), (b"A", b"Z")])
def test_an_unknown_action_or_side_is_refused(action, side):
    with pytest.raises(FormatError, match="record 0"):
        records_to_rows(records((action, side, 1, 1, 1, 1, 1, 0)), PATH)


def test_without_the_package_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "databento", None)
    (tmp_path / "a.dbn").write_bytes(b"DBN")
    with pytest.raises(InputError, match=r"data-convert\[databento\]"):
        load_records(tmp_path / "a.dbn")
