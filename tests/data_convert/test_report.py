"""Reports: figures, text, JSON, HTML and its plots."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from convert_feed import record
from data_convert import convert_recording, render_html, render_json, render_text, svg, validate
from data_convert.events import BUY, DEPTH, EVENT_DTYPE, EXCH, LOCAL, SELL
from data_convert.report import Report
from data_convert.report.measure import quantiles
from data_convert.report.wording import duration, size, when
from hypothesis import given
from hypothesis import strategies as st

BOTH = EXCH | LOCAL


@pytest.fixture
def result(tmp_path):
    operations = ["update", "snapshot", *["update", "trade"] * 5, "drop", "update", "snapshot", "update"]
    text, _, _ = record(operations, 3)
    path = tmp_path / "<b>_[red].gz"
    path.write_text(text + "bad&<script>\n")
    return convert_recording(path)


def test_text_names_the_figures_and_escapes_nothing_away(result):
    text = render_text(result.report, width=200)
    parts = ("<b>_[red].gz", "gaps: 1", "never crossed", "right on both clocks", "no space between time and JSON")
    for part in (*parts, "bad&<script>"):
        assert part in text


def test_json_holds_every_field(result):
    value = json.loads(render_json(result.report))
    assert value["rows"] == len(result.events)
    assert value["bad_lines"] == 1
    assert value["gaps"][0]["length_ns"] == result.report.gaps[0].length_ns
    assert "series" not in value
    assert "mid" in json.loads(render_json(result.report, series=True))["series"]


def test_html_is_one_well_formed_page_that_fetches_nothing(result):
    page = render_html(result.report)
    body = page[page.index("<main>") : page.index("</body>")]
    ElementTree.fromstring(body)
    assert "<script" not in page
    assert "http" not in page
    assert "bad&amp;&lt;script&gt;" in page
    assert page.count("<svg") == 4
    assert page == render_html(result.report)


def test_reports_of_nothing_render(tmp_path):
    for report in (Report(title="x"), validate(np.zeros(0, EVENT_DTYPE))):
        assert report.title in render_text(report)
        assert report.title in render_html(report)
        assert json.loads(render_json(report))["rows"] == 0


def test_kinds_are_counted_by_value_not_by_bits(result):
    counted = result.report.kinds
    for name, kind in (("depth", 1), ("trade", 2), ("depth clear", 3), ("depth snapshot", 4)):
        assert counted.get(name, 0) == int(((result.events["ev"] & 0xFF) == kind).sum())


def crossed_events():
    events = np.zeros(3, EVENT_DTYPE)
    for i, (side, price) in enumerate(((BUY, 100.0), (SELL, 101.0), (BUY, 101.0))):
        events[i] = (1 | side | EXCH | LOCAL, i, i + 1, price, 1.0, 0, 0, 0.0)
    return events


def test_a_crossed_book_is_a_fault_of_an_array():
    report = validate(crossed_events())
    assert report.books["local"].crossed == 1
    assert len(report.faults) == 2


def test_a_cross_inside_one_message_is_none():
    events = crossed_events()
    events["local_ts"] = events["exch_ts"] = [0, 1, 2]
    events = np.append(events, events[1:2])
    events["qty"][3], events["local_ts"][3], events["exch_ts"][3] = 0.0, 2, 2
    assert validate(events).faults == ()


def test_rows_out_of_order_are_a_fault_of_an_array():
    events = crossed_events()[::-1].copy()
    assert "goes back" in validate(events).order_error


def test_validation_agrees_with_the_conversion(result):
    report = validate(result.events)
    assert report.faults == ()
    assert report.kinds == result.report.kinds
    assert report.books["exchange"] == result.report.books["exchange"]


def test_another_array_is_refused():
    with pytest.raises(TypeError, match="EVENT_DTYPE"):
        validate(np.zeros(3))


def test_latency_quantiles_are_observed_values():
    found = quantiles(np.arange(1000, dtype=np.int64) + 1_700_000_000_000_000_001)
    assert found.min == 1_700_000_000_000_000_001
    assert (found.p50 - found.min, found.p99 - found.min, found.max - found.min) == (499, 989, 999)
    assert quantiles(np.empty(0, np.int64)) is None


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e9))
def test_ticks_are_round_and_inside(low, width):
    ticks = svg.nice_ticks(low, low + width)
    assert len(ticks) <= 12
    assert all(low - width * 1e-6 <= tick <= low + width * (1 + 1e-6) for tick in ticks)


@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=1, max_size=20), st.booleans(), st.booleans())
def test_any_curve_is_drawn_inside_its_frame(ys, steps, zero):
    drawn = ElementTree.fromstring(svg.line(list(range(len(ys))), ys, label="a < b", steps=steps, zero=zero))
    for path in drawn.iter("path"):
        for point in path.get("d").replace("M", "L").split("L")[1:]:
            x, y = map(float, point.split())
            assert -1 <= x <= svg.WIDTH + 1
            assert -1 <= y <= svg.HEIGHT + 1


def test_words_for_figures():
    assert when(1_723_161_256_302_471_518) == "2024-08-08 23:54:16.302471"
    assert "ns" in when(10**28)
    assert duration(None) == "to the end"
    assert duration(1_500_000_000) == "1.500 s"
    assert size(3_637_062) == "3.6 MB"
    assert math.isclose(float(duration(61 * 60 * 10**9).split()[0]), 1.017)


def test_a_hole_breaks_the_curves_and_is_shaded_however_much_they_are_thinned():
    """5,000 messages a millisecond apart; after 2,000 of them the book is cleared and 9 s later it is there again."""
    events = np.zeros(2 * 5000 + 3, EVENT_DTYPE)
    events["ev"][0::2], events["ev"][1::2] = DEPTH | BUY | BOTH, DEPTH | SELL | BOTH
    events["px"][0::2], events["px"][1::2], events["qty"] = 99, 101, np.arange(len(events)) % 7 + 1
    events["exch_ts"] = events["local_ts"] = np.arange(len(events)) // 2 * 1_000_000
    events["local_ts"][4002:] += 9_000_000_000
    events["exch_ts"] = events["local_ts"]
    events["ev"][4000], events["local_ts"][4000:4002], events["exch_ts"][4000:4002] = (
        3 | BOTH,
        2_000_000_000,
        2_000_000_000,
    )
    events["ev"][4001], events["qty"][4001], events["px"][4000] = DEPTH | SELL | BOTH, 0, 0
    report = validate(events)
    assert report.faults == ()
    assert report.series.gaps == ((2.0, 11.001),)
    assert len(report.series.seconds) < 2000
    known = [
        (x, mid) for x, mid in zip(report.series.seconds, report.series.mid, strict=True) if 1.9995 <= x <= 11.0015
    ]
    assert known == [(2.0, None), (11.001, 100.0)]
    page = render_html(report)
    for name in ("mid price over time", "spread over time"):
        plot = page[page.index(name) :]
        assert "no book for 9.001 s" in plot[: plot.index("</svg>")]
        assert plot[plot.index('d="') : plot.index('" fill="none"')].count("M") == 2, "a line in two pieces"


def test_gaps_of_a_recording_are_shaded_from_the_last_message_that_was_right(result):
    (gap,) = result.report.gaps
    assert f"no book for {gap.length_ns / 1e9:.3f} s" in render_html(result.report)


def test_a_line_is_not_drawn_through_a_gap_between_two_points():
    whole = svg.line([0, 1, 2, 3], [1, 2, 3, 4], label="x")
    broken = svg.line([0, 1, 2, 3], [1, 2, 3, 4], label="x", gaps=[(1, 2)])
    assert (whole.count("M"), broken.count("M")) == (1, 2)
    assert "<rect" in broken
    assert svg.line([0, 1, 2, 3], [1, 2, 3, 4], label="x", gaps=[(0.5, 2.5)]).count("L") == 0


def test_gaps_whose_updates_were_emitted_are_shaded_and_the_curve_goes_on(result):
    (gap,) = result.report.gaps
    series = replace(result.report.series, mid=(1.0,) * len(result.report.series.seconds), gaps=())
    page = render_html(replace(result.report, gaps=(replace(gap, emitted=True),), series=series))
    plot = page[page.index("mid price over time") :]
    plot = plot[: plot.index("</svg>")]
    assert f"the book may be wrong for {gap.length_ns / 1e9:.3f} s" in plot
    assert "no book" not in plot
    assert plot[plot.index('d="') : plot.index('" fill="none"')].count("M") == 1, "a line in one piece"
