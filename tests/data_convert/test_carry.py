"""A day that begins where the day before ended: no snapshot at midnight, no hole either."""

from __future__ import annotations

import pytest
from convert_feed import Exchange, line
from convert_naive import states
from data_convert import convert_recording, replay_book
from data_convert.errors import InputError
from data_convert.events import LOCAL, has_flag

T = 1_700_000_000_100_000_000
MS = 1_000_000


def days(tmp_path, seed, *, second_snapshot=False, lose=False):
    exchange = Exchange(seed)
    first = [exchange.update(), exchange.snapshot(), *(exchange.update() for _ in range(12)), exchange.trade()]
    if lose:
        exchange.update()
    second = [exchange.trade(), *(exchange.update() for _ in range(8))]
    if second_snapshot:
        second += [exchange.snapshot(), exchange.update()]
    paths = []
    for name, messages, start in (("x_1.gz", first, T), ("x_2.gz", second, T + 10**9)):
        path = tmp_path / name
        path.write_text("".join(line(start + i * MS, m) for i, m in enumerate(messages)))
        paths.append(path)
    return exchange, *paths


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("second_snapshot", [False, True])
def test_the_day_shows_the_same_books_as_both_days_in_one(tmp_path, seed, second_snapshot):
    _, one, two = days(tmp_path, seed, second_snapshot=second_snapshot)
    whole, carried = convert_recording([one, two]), convert_recording(two, before=one)
    shift = carried.report.latency.shift_ns - whole.report.latency.shift_ns
    begin = int(carried.events["local_ts"].min())
    expected = [(time + shift, book) for time, book in states(whole.events, "local") if time + shift >= begin]
    found = states(carried.events, "local")
    assert found[0][0] == begin
    assert [entry for entry in found if entry[0] > begin] == [entry for entry in expected if entry[0] > begin]
    assert carried.report.faults == ()
    assert carried.report.gaps == ()


def test_without_the_day_before_a_late_snapshot_costs_the_book_until_then(tmp_path):
    _, one, two = days(tmp_path, 1, second_snapshot=True)
    alone, carried = convert_recording(two), convert_recording(two, before=one)
    assert alone.report.snapshots["updates applied"] == 1
    assert carried.report.snapshots["updates applied"] == 9
    assert carried.report.snapshots["updates of the files before"] > 0
    assert carried.report.kinds["trade"] == 1, "trades of the day before are not of this one"


def test_a_hole_between_the_days_is_a_gap_of_the_second(tmp_path):
    _, one, two = days(tmp_path, 1, lose=True)
    result = convert_recording(two, before=one)
    assert len(result.report.gaps) == 1
    assert len(replay_book(result.events).bids) == 0


def test_the_carried_book_stands_before_everything_else_on_both_clocks(tmp_path):
    _, one, two = days(tmp_path, 2)
    events = convert_recording(two, before=one).events
    rows = events[has_flag(events, LOCAL)]
    assert int(rows["ev"][0]) & 0xFF == 3
    assert rows["local_ts"][0] == rows["local_ts"].min()
    assert rows["exch_ts"][0] == rows["exch_ts"].min()


def test_what_is_not_before_is_refused(tmp_path):
    _, one, two = days(tmp_path, 2)
    with pytest.raises(InputError, match="day before"):
        convert_recording(one, before=two)


def test_an_empty_day_before_or_day_changes_nothing(tmp_path):
    _, one, two = days(tmp_path, 2)
    empty = tmp_path / "x_0.gz"
    empty.write_bytes(b"")
    assert len(convert_recording(empty, before=one).events) == 0
    alone = convert_recording(two)
    empty.write_text("junk\n")
    assert convert_recording(two, before=empty).events.tobytes() == alone.events.tobytes()
