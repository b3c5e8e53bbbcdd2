"""A quick look at a file: the same figures as text, as JSON and on a page."""

from __future__ import annotations

import json

import numpy as np
import pytest
from data_convert import save
from data_convert.events import BUY, DEPTH, EVENT_DTYPE, EXCH, LOCAL, SELL, TRADE
from data_convert.inspection.look import look_at, parse_instant
from data_convert.inspection.text import look_json, look_text

T = 1_700_000_000_000_000_000
BOTH = EXCH | LOCAL


@pytest.fixture
def day(tmp_path):
    rows = [
        (BOTH | DEPTH | BUY, 0, 100.5, 2.0),
        (BOTH | DEPTH | SELL, 1, 101.0, 3.0),
        (BOTH | DEPTH | BUY, 2, 100.0, 7.0),
        (BOTH | TRADE | SELL, 3, 100.5, 1.0),
        (BOTH | DEPTH | BUY, 9, 100.5, 0.0),
    ]
    events = np.zeros(len(rows), EVENT_DTYPE)
    for at, (ev, second, px, qty) in enumerate(rows):
        ns = T + second * 10**9
        events[at] = (ev, ns, ns + 1_000_000 * (at + 1), px, qty, 0, 0, 0.0)
    save(events, tmp_path / "day.npz")
    return tmp_path / "day.npz"


def test_json_holds_head_counts_span_latencies_and_the_book_of_an_instant(run, day):
    code, text, _ = run("inspect", day, "-n", 2, "--at", T + 5 * 10**9, "--levels", 1, "--json")
    assert code == 0
    look = json.loads(text)
    assert (look["rows"], look["kinds"]) == (5, {"depth": 4, "trade": 1})
    assert look["exch_span_ns"] == [T, T + 9 * 10**9]
    assert look["local_span_ns"] == [T + 1_000_000, T + 9 * 10**9 + 5_000_000]
    assert (look["latency"]["min"], look["latency"]["p50"], look["latency"]["max"]) == (1_000_000, 3_000_000, 5_000_000)
    assert sum(look["latency_ms"]["counts"]) in (4, 5)  # the bars end at the 99.9th percentile
    assert len(look["latency_ms"]["edges"]) == len(look["latency_ms"]["counts"]) + 1
    assert [row["px"] for row in look["head"]] == [100.5, 101.0]
    assert look["head"][0]["flags"] == ["exchange", "local", "buy"]
    assert look["book"] == {
        "at_ns": T + 5 * 10**9, "clock": "local", "bids": [[100.5, 2.0]], "asks": [[101.0, 3.0]],
        "bid_levels": 2, "ask_levels": 1,
    }  # fmt: skip


def test_text_and_page_say_the_same(run, day, tmp_path):
    code, text, _ = run("inspect", day, "-n", 3, "--at", T + 60 * 10**9, "--html", tmp_path / "page.html")
    assert code == 0
    assert "exch_ts: 2023-11-14 22:13:20.000000 to 2023-11-14 22:13:29.000000 UTC (9.000 s)" in text
    assert "latency in ms: min 1.000, p50 3.000, p99 4.000, max 5.000" in text
    assert text.count("#") > 10
    assert "elb- depth           1700000000000000000 1700000000001000000 100.5 x 2.0" in text
    assert "spread 1, mid 100.5" in text
    page = (tmp_path / "page.html").read_text()
    for shown in ("<h1>day.npz</h1>", "First rows", "latency histogram", "2023-11-14 22:13:29", "1700000001002000000"):
        assert shown in page
    book = page[page.index("book at 2023-11-14 22:14:20") :]
    assert "<td>7</td><td>100</td><td>101</td><td>3</td>" in book
    assert "100.5" not in book[: book.index("</section>")]


def test_an_empty_file_is_looked_at_too(run, tmp_path):
    save(np.zeros(0, EVENT_DTYPE), tmp_path / "none.npz")
    code, text, _ = run("inspect", tmp_path / "none.npz", "--json", "--at", "5", "--html", tmp_path / "p.html")
    look = json.loads(text)
    assert (code, look["rows"], look["local_span_ns"], look["latency"], look["head"]) == (0, 0, None, None, [])
    assert look["book"]["bids"] == look["book"]["asks"] == []
    assert "no rows" in (tmp_path / "p.html").read_text()


def test_a_recording_is_looked_at_line_by_line(run, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(f'{T} {{"e":"depthUpdate","E":1,"s":"X","b":[["1","1"]],"a":[],"ns":1,"more":0}}\nnothing\n')
    code, text, _ = run("inspect", path, "--json", "-n", 1)
    look = json.loads(text)
    assert (code, look["lines"], look["local_span_ns"], len(look["head"])) == (0, 2, [T, T], 1)
    assert look["dialects"]["no recording line"] == 1
    seen = look_at(path, 1)
    assert "2 lines" in look_text(seen)
    assert json.loads(look_json(seen)) == look


@pytest.mark.parametrize(
    ("text", "ns"), [("12", 12), ("1970-01-01T00:00:01", 10**9), ("1970-01-01T01:00:01.5+01:00", 15 * 10**8)]
)
def test_instants_are_digits_or_iso_times(text, ns):
    assert parse_instant(text) == ns
