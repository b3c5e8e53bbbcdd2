"""Every gap is reported whatever the mode, nothing is left out without a word, and a trade stands once."""

from __future__ import annotations

import numpy as np
import pytest
from convert_feed import Exchange, line
from data_convert import convert_recording
from data_convert.events import TRADE
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from two_ways import way  # noqa: F401

T = 1_700_000_000_100_000_000
MS = 1_000_000


def write(path, messages, step_ns=MS):
    path.write_text("".join(line(T + i * step_ns, m) for i, m in enumerate(messages)))
    return path


def with_holes(count=3, between=100):
    """A snapshot, and `count` holes behind it that no snapshot follows."""
    exchange = Exchange(3)
    messages = [exchange.snapshot(), exchange.update()]
    for _ in range(count):
        messages += [exchange.update() for _ in range(between)]
        exchange.update()
    return [*messages, *(exchange.update() for _ in range(between))]


@pytest.mark.parametrize("unanchored", ["drop", "keep"])
@pytest.mark.parametrize("snapshots", ["by-id", "as-recorded", "ignore"])
def test_three_holes_are_three_gaps_whatever_the_mode(tmp_path, snapshots, unanchored):
    path = write(tmp_path / "a.gz", with_holes())
    gaps = convert_recording(path, snapshots=snapshots, unanchored=unanchored).report.gaps
    assert [gap.found_line for gap in gaps] == [103, 203, 303]
    assert {gap.emitted for gap in gaps} == {snapshots != "by-id" or unanchored == "keep"}
    assert all(gap.prev_id > gap.after_id for gap in gaps)


def test_a_gap_over_which_rows_are_emitted_is_not_called_unknown_only(tmp_path, run):
    path = write(tmp_path / "a.gz", with_holes(1))
    told = [
        " ".join(run("collector", path, tmp_path / f"{mode}.npz", "--snapshots", mode)[1].split())
        for mode in ("by-id", "as-recorded")
    ]
    assert ["(emitted)" in text and "may be wrong" in text for text in told] == [False, True]


def test_every_hole_ends_with_the_next_snapshot(tmp_path):
    exchange = Exchange(3)
    messages = [exchange.snapshot(), exchange.update()]
    for _ in range(3):
        exchange.update()
        messages += [exchange.update(), exchange.update()]
    messages += [exchange.snapshot(), exchange.update()]
    gaps = convert_recording(write(tmp_path / "a.gz", messages)).report.gaps
    assert [(gap.found_line, gap.until_line) for gap in gaps] == [(3, 9), (5, 9), (7, 9)]


def test_updates_are_never_left_out_without_a_warning(tmp_path):
    report = convert_recording(write(tmp_path / "a.gz", with_holes())).report
    assert report.snapshots["updates unanchored"] == 300
    assert any("300 of 401 updates are left out" in warning for warning in report.warnings)
    assert any("--unanchored keep" in warning for warning in report.warnings)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(holes=st.lists(st.integers(1, 3), max_size=6), seed=st.integers(0, 10**6), anchored=st.booleans())
def test_as_many_gaps_are_reported_as_holes_were_made(tmp_path, holes, seed, anchored):
    exchange = Exchange(seed)
    messages = [exchange.snapshot(), exchange.update()]
    for lost in holes:
        for _ in range(lost):
            exchange.update()
        messages += [exchange.update() for _ in range(2)]
    messages += [exchange.snapshot(), exchange.update()] if anchored else []
    path = write(tmp_path / "a.gz", messages)
    for mode in ("by-id", "as-recorded"):
        assert len(convert_recording(path, snapshots=mode).report.gaps) == len(holes)


def trades(numbers):
    exchange = Exchange(1)
    return [{**exchange.trade(), "t": number, "T": exchange.now_ms + number} for number in numbers]


def test_missing_trade_ids_are_counted_and_their_share_decides(tmp_path, run):
    path = write(tmp_path / "a.gz", trades([1, 2, 3, 5, 6, 9, 10]))
    report = convert_recording(path).report
    assert f"3 trade ids are missing in 2 holes, the first before {path}:4" in report.warnings
    assert [(loss.lost, loss.of) for loss in report.losses if loss.what == "trades"] == [(3, 10)]
    code, _, error = run("collector", path, tmp_path / "o.npz")
    assert (code, "3 of 10 trades (30.0%) are lost" in error) == (3, True)
    assert run("collector", path, tmp_path / "p.npz", "--max-lost", 0.3)[0] == 0


def test_ids_of_trades_left_out_by_rule_are_not_missing(tmp_path):
    messages = trades(range(1, 8))
    messages[2] |= {"X": "INSURANCE_FUND"}
    messages[4] |= {"X": "NA", "p": "0", "q": "0"}
    report = convert_recording(write(tmp_path / "a.gz", messages)).report
    assert report.losses[1:] == ()
    assert not any("missing" in warning for warning in report.warnings)


def test_trades_that_come_late_leave_no_hole(tmp_path):
    report = convert_recording(write(tmp_path / "a.gz", trades([1, 2, 4, 3, 5]))).report
    assert report.losses[1:] == ()


def test_trades_of_an_exchange_that_begins_its_ids_anew_are_counted_by_themselves(tmp_path):
    numbers = [*range(5000, 5010), *range(1, 10), 12]
    report = convert_recording(write(tmp_path / "a.gz", trades(numbers))).report
    assert "2 trade ids are missing in 1 holes" in " ".join(report.warnings)


def test_a_trade_that_came_twice_is_kept_once_unless_all_are_asked_for(tmp_path, run):
    path = write(tmp_path / "a.gz", trades([1, 2, 3, 2, 3, 4]))
    result = convert_recording(path)
    assert np.count_nonzero((result.events["ev"] & 0xFF) == TRADE) == 4
    assert "2 trades came twice (same id, time, price, quantity) and are left out" in result.report.warnings
    kept = convert_recording(path, duplicate_trades="keep")
    assert len(kept.events) > len(result.events)
    assert "2 trades came twice (same id, time, price, quantity) and are kept" in kept.report.warnings
    assert run("collector", path, tmp_path / "o.npz", "--duplicate-trades", "keep")[0] == 0


def test_another_trade_with_an_id_that_was_used_before_is_kept(tmp_path):
    messages = trades([1, 2, 3])
    messages.append({**messages[2], "q": "9.000"})
    assert convert_recording(write(tmp_path / "a.gz", messages)).report.kinds["trade"] == 4


@pytest.mark.parametrize("name", ["usdm_btcusdt_20240808", "cm_ethusd_perp_20240808", "spot_ethusdt_20240808"])
def test_no_trade_is_missing_or_double_in_a_good_capture(real_data, name):
    report = convert_recording(real_data / "captures" / f"{name}.gz").report
    assert report.warnings == ()
    assert all(loss.lost == 0 for loss in report.losses)
