"""End-of-day snapshots: the peer's golden, chained days, what a backtest begins with."""

from __future__ import annotations

import hashlib
import json

import numpy as np
from convert_feed import Exchange, line
from convert_naive import freeze, play
from data_convert import convert_recording
from data_convert.arrays.last_snapshot import end_snapshot
from data_convert.events import EVENT_DTYPE

T = 1_700_000_000_100_000_000


def test_it_is_byte_for_byte_what_hftbacktest_makes_of_the_same_array(real_data):
    truth = json.loads((real_data / "golden" / "snapshot.usdm_btcusdt_20240808.json").read_text())["result"]
    events = convert_recording(real_data / "captures" / "usdm_btcusdt_20240808.gz", snapshots="as-recorded").events
    rows = end_snapshot([events], tick_size=0.1)
    assert hashlib.sha256(rows.tobytes()).hexdigest() == truth["sha256"]


def book_of(rows):
    book = {"b": {}, "a": {}}
    for row in rows:
        play(book, row)
    return freeze(book)


def test_days_one_after_the_other_and_with_an_initial_snapshot_end_in_the_same_book(tmp_path):
    exchange = Exchange(3)
    first = [exchange.update(), exchange.snapshot(), *(exchange.update() for _ in range(9))]
    second = [exchange.update() for _ in range(9)]
    arrays = []
    for name, messages in (("a", first), ("b", second)):
        path = tmp_path / f"{name}.gz"
        path.write_text("".join(line(T + i, m) for i, m in enumerate(messages)))
        arrays.append(convert_recording(path).events)
    whole = end_snapshot(arrays)
    by_days = end_snapshot(arrays[1:], initial=end_snapshot(arrays[:1]))
    assert whole.tobytes() == by_days.tobytes()
    assert book_of(whole) == exchange.states[exchange.last_u] or exchange.id != exchange.last_u
    assert set((whole["ev"] & np.uint64(0xFF)).tolist()) <= {4}
    assert not whole["exch_ts"].any()


def test_bids_stand_from_the_best_down_and_asks_from_the_best_up():
    rows = np.zeros(4, EVENT_DTYPE)
    rows["ev"] = [0xE0000001, 0xE0000001, 0xD0000001, 0xD0000001]
    rows["px"], rows["qty"] = [1.0, 2.0, 4.0, 3.0], 1.0
    assert end_snapshot([rows])["px"].tolist() == [2.0, 1.0, 3.0, 4.0]


def test_no_arrays_give_no_rows():
    assert len(end_snapshot([])) == 0
