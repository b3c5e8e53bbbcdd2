"""The windowed merge against the table of words, however late rows come, and what a second pass repairs."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
import tardis_naive as naive
from convert_naive import merged
from data_convert import convert_tardis, convert_tardis_file, load
from data_convert.arrays.timeline import check_order
from data_convert.errors import ClockError
from data_convert.events import EVENT_DTYPE, EXCH, LOCAL, has_flag
from data_convert.tardis import passes
from data_convert.tardis.convert import join_known
from data_convert.tardis.merge import Merge
from hypothesis import given, settings
from hypothesis import strategies as st

DEPTH, TRADES = naive.DEPTH, naive.TRADES
NONE = np.empty((0, 8), np.int64)


def words(rows, kind=1):
    out = np.zeros((len(rows), 8), np.int64)
    for i, (exch, local) in enumerate(rows):
        out[i, :4] = kind | 1 << 29, exch, local, 1000 * kind + i
    return out


def run_merge(blocks, known=(NONE, NONE), window_ns=0):
    """Feed (stream, rows) blocks as a pass does; return what left and what was late."""
    merge = Merge(known, window_ns)
    left, late = [], [[NONE], [NONE]]

    def take():
        while True:
            out = np.empty((5, 8), np.int64)
            count = merge.merge_into(out, 0, 0)
            left.extend(out[:count])
            if count < len(out):
                return

    waiting = [[rows for stream, rows in blocks if stream == i] for i in range(2)]
    while (which := merge.behind) is not None:
        if waiting[which]:
            late[which].append(merge.add(which, waiting[which].pop(0)))
        else:
            merge.finish(which)
        take()
    take()
    return np.array(left, np.int64).reshape(-1).view(EVENT_DTYPE), tuple(np.concatenate(rows) for rows in late)


def expected(blocks):
    rows = np.concatenate([NONE, *(rows for stream in range(2) for which, rows in blocks if which == stream)])
    return merged(rows.reshape(-1).view(EVENT_DTYPE))


TIMES = st.integers(0, 12)
BLOCKS = st.lists(
    st.tuples(st.integers(0, 1), st.lists(st.tuples(TIMES, TIMES), max_size=6)), max_size=8
).map(lambda blocks: [(stream, words(rows, 2 - stream)) for stream, rows in blocks])  # fmt: skip


@settings(max_examples=300)
@given(blocks=BLOCKS)
def test_a_window_that_holds_everything_gives_the_table_of_words(blocks):
    events, late = run_merge(blocks, window_ns=100)
    assert not any(map(len, late))
    assert events.tobytes() == expected(blocks).tobytes()


@settings(max_examples=300)
@given(blocks=BLOCKS, window_ns=st.integers(0, 12))
def test_rows_later_than_the_window_are_right_once_they_are_known(blocks, window_ns):
    known, rows = (NONE, NONE), sum(len(rows) for _, rows in blocks)
    for _ in range(rows + 1):
        events, late = run_merge(blocks, known, window_ns)
        if not any(map(len, late)):
            break
        known = join_known(known, late)
    assert not any(map(len, late))
    assert events.tobytes() == expected(blocks).tobytes()


def test_rows_with_equal_exchange_time_and_reversed_local_times_are_ordered():
    events, _ = run_merge([(1, words([(1000, 1100), (1000, 1050)]))])
    assert events["local_ts"][has_flag(events, LOCAL)].tolist() == [1050, 1100]
    assert events["local_ts"][has_flag(events, EXCH)].tolist() == [1100, 1050]


@pytest.mark.parametrize("rows", [[], [(5, 7)]])
def test_no_row_and_one_row(rows):
    blocks = [(0, words(rows, 2))]
    assert run_merge(blocks)[0].tobytes() == expected(blocks).tobytes()


def test_a_long_reversed_block_is_sorted_without_moving_row_by_row():
    blocks = [(1, words([(10**6 - i, 10**6 - i) for i in range(20_000)]))]
    events, late = run_merge(blocks, window_ns=10**7)
    assert not any(map(len, late))
    check_order(events)
    assert len(events) == 20_000


def test_held_rows_survive_making_room():
    """A row far ahead of its time stays while a hundred thousand others pass."""
    ahead = [(10**15, 1)]
    rest = [(10 * i, 10 * i + 3) for i in range(2, 100_000)]
    blocks = [(1, words(ahead)), *((1, words(rest[i : i + 9000])) for i in range(0, len(rest), 9000))]
    events, late = run_merge(blocks, window_ns=1000)
    known = run_merge(blocks, late, 1000)[0] if any(map(len, late)) else events
    rows = np.concatenate([rows for _, rows in blocks]).reshape(-1).view(EVENT_DTYPE)
    from data_convert.arrays.timeline import order_events

    assert known.tobytes() == order_events(rows).tobytes()


def row(exch_us, local_us, price=1, kind="false"):
    return f"x,AB,{exch_us},{local_us},{kind},bid,{price},1"


def write(path, header, lines):
    path.write_bytes(gzip.compress("\n".join([header, *lines, ""]).encode()))
    return path


@pytest.mark.parametrize("order", ["reversed", "shuffled", "one early", "one ahead"])
def test_rows_in_any_order_give_the_array_of_all_of_them_sorted(tmp_path, order):
    times = [1_000_000 * i for i in range(1, 400)]
    if order == "reversed":
        times.reverse()
    elif order == "shuffled":
        times = [times[i * 163 % len(times)] for i in range(len(times))]
    elif order == "one early":
        times.insert(300, 5)
    else:
        times.insert(100, 10**12)
    lines = [row(t, t + 7 * (i % 3), i) for i, t in enumerate(times)]
    path = write(tmp_path / "d.csv.gz", DEPTH, lines)
    trades = write(
        tmp_path / "t.csv.gz", TRADES, [f"x,AB,{10**6 * i},{10**6 * i},i,buy,{i},1" for i in range(0, 400, 5)]
    )
    want = naive.convert(
        [(DEPTH, lines), (TRADES, [f"x,AB,{10**6 * i},{10**6 * i},i,buy,{i},1" for i in range(0, 400, 5)])]
    )
    assert convert_tardis([path, trades]).events.tobytes() == want.tobytes()
    convert_tardis_file([path, trades], tmp_path / "o.npz")
    assert load(tmp_path / "o.npz").tobytes() == want.tobytes()


def test_too_many_late_rows_are_sorted_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(passes, "LATE_LIMIT", 3)
    lines = [row(10**9 - 10**7 * (i // 2), 10**9 + 10**7 * i, i) for i in range(60)]
    monkeypatch.setattr("data_convert.tardis.rows._ROWS", 7)
    path = write(tmp_path / "d.csv.gz", DEPTH, lines)
    want = naive.convert([(DEPTH, lines)])
    result = convert_tardis(path, window_ns=10)
    assert result.events.tobytes() == want.tobytes()
    assert any("sorted at once" in warning for warning in result.report.warnings)
    convert_tardis_file(path, tmp_path / "o.npz", window_ns=10)
    assert load(tmp_path / "o.npz").tobytes() == want.tobytes()


def test_a_negative_latency_met_late_moves_every_row(tmp_path, monkeypatch):
    monkeypatch.setattr("data_convert.tardis.rows._ROWS", 5)
    lines = [row(10**7 * i, 10**7 * i + 50 - (90 if i == 55 else 0), i) for i in range(1, 60)]
    path = write(tmp_path / "d.csv.gz", DEPTH, lines)
    want = naive.convert([(DEPTH, lines)], base_latency_ns=3)
    result = convert_tardis(path, base_latency_ns=3)
    assert result.events.tobytes() == want.tobytes()
    assert (result.report.latency.smallest_ns, result.report.latency.smallest_at) == (-40_000, f"{path}:56")
    assert convert_tardis_file(path, tmp_path / "o.npz", base_latency_ns=3) == result.report
    assert load(tmp_path / "o.npz").tobytes() == want.tobytes()


@pytest.mark.parametrize(("shift", "moved"), [("auto", 0), ("always", 5)])
def test_the_base_latency_is_added_without_need_only_when_asked(tmp_path, shift, moved):
    path = write(tmp_path / "d.csv.gz", DEPTH, [row(1, 3), row(2, 3)])
    for result in (
        convert_tardis(path, base_latency_ns=5, latency_shift=shift),
        convert_tardis_file(path, tmp_path / "o.npz", base_latency_ns=5, latency_shift=shift, force=True),
    ):
        report = getattr(result, "report", result)
        assert report.latency.shift_ns == moved
    assert load(tmp_path / "o.npz")["local_ts"].tolist() == [3000 + moved, 3000 + moved]


@pytest.mark.parametrize(("exch_us", "local_us", "clock"), [(10**9, 500, "exchange"), (500, 0, "local")])
def test_one_absurd_stamp_is_named_and_need_not_move_the_day(tmp_path, exch_us, local_us, clock):
    gap = 2 * 10**9
    lines = [row(gap + i, gap + i + 20, i) for i in range(1000)]
    lines[500] = row(gap + exch_us, gap + local_us if local_us else 5, 500)
    path = write(tmp_path / "d.csv.gz", DEPTH, lines)
    result = convert_tardis(path)
    assert result.report.latency.shift_ns > 10**9
    assert any(f"{path}:502" in warning and "--outlier-ns" in warning for warning in result.report.warnings)
    mended = convert_tardis(path, outlier_ns=10**9)
    assert mended.report.latency.shift_ns == 0
    assert any(f"{path}:502 ({clock} time" in warning for warning in mended.report.warnings)
    assert int((mended.events["local_ts"] - mended.events["exch_ts"]).min()) == 20_000
    check_order(mended.events)
    assert convert_tardis_file(path, tmp_path / "o.npz", outlier_ns=10**9) == mended.report
    assert load(tmp_path / "o.npz").tobytes() == mended.events.tobytes()


def test_clocks_too_far_apart_are_an_error_and_leave_no_file(tmp_path):
    path = write(tmp_path / "d.csv.gz", DEPTH, [row(9 * 10**15, 0), row(0, 9 * 10**15)])
    with pytest.raises(ClockError):
        convert_tardis(path)
    with pytest.raises(ClockError):
        convert_tardis_file(path, tmp_path / "o.npz")
    assert [p.name for p in tmp_path.iterdir()] == ["d.csv.gz"]


@pytest.mark.parametrize("options", [{"snapshot_mode": "x"}, {"latency_shift": "x"}])
def test_unknown_options_are_refused(tmp_path, options):
    with pytest.raises(ValueError, match="is one of"):
        convert_tardis(tmp_path / "x", **options)
    with pytest.raises(TypeError, match="integer"):
        convert_tardis(tmp_path / "x", base_latency_ns=1.0)
