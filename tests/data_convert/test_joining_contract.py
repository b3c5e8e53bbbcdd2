"""One joining rule: the converter's `chain.joins` and the live rules of marketlink, held together.

The rule is the exchange's text (`U <= lastUpdateId <= u`) and `pu == lastUpdateId`, seen live. Ids between `pu` and `U` belong to
other symbols: no book ticker of a capture bears one, which the last test counts.
"""

from __future__ import annotations

import gzip
import json

import pytest
from convert_feed import Exchange, line
from data_convert import convert_recording
from data_convert.messages.chain import joins
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marketlink.book.rules import ByNextId, ByPreviousId, DepthUpdate

T = 1_700_000_000_100_000_000
IDS = st.tuples(st.integers(1, 12), st.integers(0, 6), st.integers(0, 6), st.integers(0, 30))


@settings(max_examples=500)
@given(IDS)
def test_the_converter_joins_futures_as_the_live_book_does(ids):
    prev, room, span, snapshot = ids
    first, last = prev + 1 + room, prev + 1 + room + span
    live = ByPreviousId().joins(DepthUpdate(first, last, prev), snapshot)
    assert joins(first, last, prev, snapshot) == live


@settings(max_examples=500)
@given(IDS)
def test_the_converter_joins_spot_as_the_live_book_does_but_for_an_update_that_adds_nothing(ids):
    _, room, span, snapshot = ids
    first, last = 1 + room, 1 + room + span
    live = ByNextId().joins(DepthUpdate(first, last), snapshot)
    # An update that ends at the snapshot is contained in it: the live rule drops it, the converter takes nothing of it.
    assert (joins(first, last, first - 1, snapshot) and last > snapshot) == live


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), offset=st.integers(-4, 4))
def test_a_recording_is_anchored_by_exactly_the_snapshots_that_the_live_rule_joins(tmp_path, seed, offset):
    exchange = Exchange(seed)
    exchange.update()
    update, following = exchange.update(), exchange.update()
    at = update["pu"] + offset
    if at not in exchange.states:
        return
    messages = [update, exchange.snapshot(at), following]
    path = tmp_path / "a.gz"
    path.write_text("".join(line(T + i * 1_000_000, m) for i, m in enumerate(messages)))
    rule = ByPreviousId()
    newer = [
        DepthUpdate(m["U"], m["u"], m["pu"]) for m in (update, following) if not rule.is_old(DepthUpdate(0, m["u"]), at)
    ]
    report = convert_recording(path).report
    used = report.snapshots.get("snapshots used", 0) == 1
    # A snapshot newer than both updates is joined by none of them yet: it ends the recording and is used.
    assert used == (rule.joins(newer[0], at) if newer else True)


def test_a_snapshot_with_an_id_of_another_symbol_anchors_nothing(tmp_path):
    update = {
        "e": "depthUpdate",
        "E": 1,
        "T": 1,
        "s": "X",
        "U": 20,
        "u": 25,
        "pu": 10,
        "b": [["9", "1"]],
        "a": [["11", "1"]],
    }
    for at, used in ((10, 1), (11, 0), (19, 0), (20, 1), (25, 1)):
        snapshot = {"lastUpdateId": at, "E": 1, "T": 1, "bids": [["9", "2"]], "asks": [["11", "2"]]}
        after = {**update, "U": 26, "u": 27, "pu": 25}
        path = tmp_path / f"{at}.gz"
        path.write_text("".join(line(T + i, m) for i, m in enumerate([update, snapshot, after])))
        assert convert_recording(path).report.snapshots.get("snapshots used", 0) == used, at


@pytest.mark.parametrize("name", ["usdm_btcusdt_20240808", "cm_ethusd_perp_20240808"])
def test_no_id_of_a_capture_lies_between_two_updates(real_data, name):
    holes, ids = [], []
    with gzip.open(real_data / "captures" / f"{name}.gz", "rt") as file:
        for text in file:
            data = json.loads(text.split(" ", 1)[1]).get("data", {})
            if data.get("e") == "depthUpdate":
                holes.append((data["pu"], data["U"]))
            elif data.get("e") == "bookTicker":
                ids.append(data["u"])
    own, at = sorted(ids), 0
    for before, first in holes:
        while at < len(own) and own[at] <= before:
            at += 1
        assert at == len(own) or own[at] >= first
    assert sum(first > before + 1 for before, first in holes) > 6000
