"""Charts: marks of the clock, a busy stretch shown whole, no measured volatility before there is one."""

from dataclasses import replace

import numpy as np
import pytest
from obi_mm.backtest import Result
from obi_mm.plots import Chart, Line, draw
from obi_mm.report import charts_of, zoomed

MINUTE = 60_000_000_000
START = 1_704_067_200_000_000_000


@pytest.mark.parametrize(
    ("first", "minutes", "expected"),
    [
        (0, 480, ["00:00", "01:00", "02:00", "03:00", "04:00", "05:00", "06:00", "07:00", "08:00"]),
        (7, 6, ["00:07", "00:08", "00:09", "00:10", "00:11", "00:12", "00:13"]),
        (0.5, 0.5, ["00:00:30", "00:00:35", "00:00:40", "00:00:45", "00:00:50", "00:00:55", "00:01:00"]),
        (30, 3 * 1440, ["01-01 12:00", "01-02 00:00", "01-02 12:00", "01-03 00:00", "01-03 12:00", "01-04 00:00"]),
    ],
)
def test_times_are_marked_where_the_clock_is_round(first: float, minutes: float, expected: list[str]) -> None:
    begin, end = START + round(first * MINUTE), START + round((first + minutes) * MINUTE)
    drawn = draw(Chart("x", "", [Line("y", np.array([begin, end]), np.array([0.0, 1.0]), "red")]), begin, end)
    assert [text for text in expected if f">{text}</text>" in drawn] == expected
    assert drawn.count("</text>") <= len(expected) + 8


def test_the_stretch_with_the_most_fills_is_shown_with_each_of_them(golden_result: Result) -> None:
    (chart,) = zoomed(golden_result)
    assert chart.within is not None
    first, last = chart.within
    assert (last - first, "10 minutes" in chart.title) == (10 * MINUTE, True)
    times = golden_result.fills["time_ns"]
    shown = sum(len(marks.time_ns) for marks in chart.marks)
    assert shown == ((times >= first) & (times < last)).sum()
    assert shown >= len(times) * 10 / 120
    short = replace(golden_result, records=golden_result.records[:1800])
    assert "the minute" in zoomed(short)[0].title
    assert zoomed(replace(golden_result, fills=golden_result.fills[:0])) == []


def test_volatility_is_drawn_only_where_it_was_measured(golden_result: Result) -> None:
    chart = next(one for one in charts_of(golden_result) if one.title.startswith("Volatility"))
    known = np.isfinite(chart.lines[0].values)
    assert known.tolist() == (golden_result.decisions["returns"] >= 2).tolist()
    assert not known[0]
