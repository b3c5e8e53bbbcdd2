"""Link recordings, this project's and the source's older ones."""

from __future__ import annotations

import json

import pytest
from convert_naive import states
from data_convert import convert_recording
from data_convert.events import BUY, DEPTH, DEPTH_CLEAR, LOCAL, SELL

T = 1_700_000_000_000_000_000
MS = 1_000_000


def head(word, exch_ns):
    return {"e": word, "E": exch_ns // MS, "s": "BTCUSDT"}


def level(word, side, price, quantity, exch_ns, u=None, more=None):
    pair = [[price, quantity]]
    keys = {"b": pair if side == "b" else [], "a": pair if side == "a" else [], "ns": exch_ns, "u": u, "more": more}
    return head(word, exch_ns) | {key: value for key, value in keys.items() if value is not None}


def clear(exch_ns, u=None, more=None, **side):
    keys = {"ns": exch_ns, "u": u, **side, "more": more}
    return head("depthClear", exch_ns) | {key: value for key, value in keys.items() if value is not None}


def trade(exch_ns, price="100", maker=True):
    return head("trade", exch_ns) | {"p": price, "q": "1", "m": maker, "ns": exch_ns, "t": 5}


def gap(exch_ns, reason="samples lost", **more):
    return head("gap", exch_ns) | {"ns": exch_ns, "reason": reason, **more}


def convert(tmp_path, *lines, **options):
    path = tmp_path / "btcusdt_20231114.gz"
    path.write_text("".join(f"{stamp} {json.dumps(value, separators=(',', ':'))}\n" for stamp, value in lines))
    return convert_recording(path, **options)


def replacement(stamp, exch_ns, levels, u, old_ns=None):
    lines = [(stamp, clear(exch_ns, u, len(levels)))]
    for left, (side, price, quantity) in zip(range(len(levels) - 1, -1, -1), levels, strict=True):
        lines.append((stamp, level("depthSnapshot", side, price, quantity, old_ns or exch_ns, u, left)))
    return lines


BOOK = [("b", "99", "1"), ("b", "98", "2"), ("a", "101", "3")]
SHOWN = frozenset({("b", 99.0, 1.0), ("b", 98.0, 2.0), ("a", 101.0, 3.0)})


def ends(result):
    return {side: states(result.events, side)[-1][1] for side in ("local", "exchange")}


def both(state):
    return {"local": state, "exchange": state}


def test_a_replacement_wipes_what_was_there_and_is_one_step(tmp_path):
    lines = [
        *replacement(T + 5 * MS, T, [("b", "97", "9"), ("a", "105", "9")], 10),
        *replacement(T + 9 * MS, T + 3 * MS, BOOK, 12),
    ]
    result = convert(tmp_path, *lines)
    assert [state for _, state in states(result.events, "local")] == [{("b", 97.0, 9.0), ("a", 105.0, 9.0)}, SHOWN]
    assert ends(result) == both(SHOWN)
    assert result.report.snapshots["snapshots used"] == 2


def test_levels_with_their_own_old_times_stay_behind_their_clear(tmp_path):
    lines = [
        *replacement(T + 5 * MS, T, BOOK, 10),
        (T + 6 * MS, level("depthUpdate", "b", "97", "5", T + MS, 11, 0)),
        *replacement(T + 9 * MS, T + 3 * MS, [*BOOK, ("b", "97", "5")], 11, old_ns=T - 1000 * MS),
    ]
    result = convert(tmp_path, *lines)
    assert ends(result) == both(SHOWN | {("b", 97.0, 5.0)})
    snapshot_rows = result.events[(result.events["ev"] & 0xFF) == 4]
    assert snapshot_rows["exch_ts"].min() == T


def test_lines_of_one_batch_are_one_message_for_the_crossed_check(tmp_path):
    lines = [
        *replacement(T + 5 * MS, T, BOOK, 10),
        (T + 6 * MS, level("depthUpdate", "b", "102", "1", T + MS, 12, 1)),
        (T + 6 * MS, level("depthUpdate", "a", "101", "0", T + MS, 12, 0)),
    ]
    report = convert(tmp_path, *lines).report
    assert report.books["local"].crossed == 0
    apart = [(stamp, {k: v for k, v in value.items() if k != "more"}) for stamp, value in lines]
    assert convert(tmp_path, *apart).report.books["local"].crossed == 1


@pytest.mark.parametrize("missing", [1, 2, 3])
def test_a_torn_batch_at_the_end_is_kept_and_told(tmp_path, missing):
    result = convert(tmp_path, *replacement(T + 5 * MS, T, BOOK, 10)[:-missing])
    assert len(ends(result)["local"] if missing < 3 else ()) == 3 - missing
    assert any("torn" in note for note in result.report.notes)


def test_a_gap_line_clears_the_book_until_the_next_replacement(tmp_path):
    lines = [
        *replacement(T + 5 * MS, T, BOOK, 10),
        (T + 7 * MS, level("depthUpdate", "b", "97", "5", T + MS, 11, 0)),
        (T + 20 * MS, gap(T + 20 * MS, lost=3)),
        (T + 25 * MS, level("depthUpdate", "b", "96", "5", T + 20 * MS, 15, 0)),
        *replacement(T + 30 * MS, T + 25 * MS, BOOK, 16),
    ]
    result = convert(tmp_path, *lines)
    (found,) = result.report.gaps
    assert found.reason == "samples lost (3)"
    assert found.length_ns == 23 * MS
    assert (found.found_line, found.until_line) == (6, 8)
    assert result.report.snapshots["updates unanchored"] == 1
    shown = dict(states(result.events, "local"))
    assert shown[T + 20 * MS] == frozenset()
    assert ends(result) == both(SHOWN)


def test_updates_behind_a_gap_are_kept_on_request(tmp_path):
    lines = [
        *replacement(T + 5 * MS, T, BOOK, 10),
        (T + 20 * MS, gap(T + 10 * MS)),
        (T + 25 * MS, level("depthUpdate", "b", "96", "5", T + 20 * MS, 15, 0)),
    ]
    assert ends(convert(tmp_path, *lines)) == both(frozenset())
    assert ends(convert(tmp_path, *lines, unanchored="keep")) == both(frozenset({("b", 96.0, 5.0)}))


def test_a_gap_without_an_exchange_time_clears_both_clocks_in_place(tmp_path):
    lines = [
        *replacement(T + 5 * MS, T, BOOK, 10),
        (T + 20 * MS, gap(0, "connector silent")),
        *replacement(T + 30 * MS, T + 25 * MS, BOOK[:1], 16),
    ]
    for snapshots in ("by-id", "as-recorded"):
        result = convert(tmp_path, *lines, snapshots=snapshots)
        assert ends(result) == both(frozenset({("b", 99.0, 1.0)}))
        assert result.events["exch_ts"].min() == T


def test_a_registration_in_sync_leaves_the_book_as_it_was(tmp_path):
    lines = [
        *replacement(T + 5 * MS, T, BOOK, 10),
        *replacement(T + 8 * MS, T, BOOK, 10),
        (T + 9 * MS, level("depthUpdate", "b", "99", "0", T + 5 * MS, 11, 0)),
    ]
    result = convert(tmp_path, *lines)
    assert ends(result) == both(SHOWN - {("b", 99.0, 1.0)})


def test_a_clear_of_one_side_reaches_to_its_price(tmp_path):
    lines = [
        *replacement(T + 5 * MS, T, [*BOOK, ("b", "90", "1")], 10),
        (T + 8 * MS, clear(T + 5 * MS, 11, side="b", p="98")),
        (T + 9 * MS, clear(T + 6 * MS, 11, side="a")),
    ]
    result = convert(tmp_path, *lines)
    assert ends(result) == both(frozenset({("b", 90.0, 1.0)}))
    clears = result.events[(result.events["ev"] & 0xFF) == DEPTH_CLEAR]
    assert {int(ev) & (BUY | SELL) for ev in clears["ev"]} == {0, BUY, SELL}


def test_trades_and_best_quotes(tmp_path):
    quote = {"e": "bookTicker", "s": "BTCUSDT", "b": "99", "B": "1", "a": "0", "A": "0", "E": T // MS, "ns": T}
    result = convert(tmp_path, (T + MS, trade(T)), (T + MS, quote), (T + 2 * MS, trade(T + MS, maker=False)))
    assert result.events["ev"].tolist() == [0xD0000002, 0xE0000002]
    assert result.report.streams == {"trade": 2, "bookTicker": 1}


def test_an_ev_key_overrules_the_word(tmp_path):
    sideless = trade(T) | {"ev": 2 | LOCAL}
    side = level("depthUpdate", "b", "99", "1", T, 5, 0) | {"ev": DEPTH | SELL | LOCAL}
    result = convert(tmp_path, (T + MS, sideless), (T + MS, side))
    assert {int(ev) & 0x3FFFFFFF for ev in result.events["ev"]} == {2, DEPTH | SELL}


def test_other_kinds_are_taken_field_by_field(tmp_path):
    event = head("event", T) | {"ns": T, "ev": 10 | BUY | LOCAL, "p": "99.5", "q": "2", "id": 77, "i": -3, "f": "0.5"}
    (row,) = convert(tmp_path, (T + MS, event)).events
    assert (int(row["ev"]) & 0xFF, float(row["px"]), float(row["qty"])) == (10, 99.5, 2.0)
    assert (int(row["order_id"]), int(row["ival"]), float(row["fval"])) == (77, -3, 0.5)


OLD = [
    ("depthSnapshot", "b", "99", "1"), ("depthSnapshot", "b", "98", "2"), ("depthSnapshot", "a", "101", "3"),
    ("depthUpdate", "b", "99", "0"), ("depthSnapshot", "b", "95", "1"), ("depthSnapshot", "a", "102", "1"),
    ("depthSnapshot", "b", "95", "4"), ("depthSnapshot", "a", "103", "1"),
]  # fmt: skip


def test_the_sources_older_files_convert_with_an_implied_clear_before_every_run(tmp_path):
    lines = [
        (
            T + (5 + i) * MS,
            {**head(word, T + i * MS), "b": [[p, q]] if s == "b" else [], "a": [[p, q]] if s == "a" else []},
        )
        for i, (word, s, p, q) in enumerate(OLD)
    ]
    result = convert(tmp_path, *lines)
    assert result.report.settings["dialect"] == "link"
    assert ends(result) == both(frozenset({("b", 95.0, 4.0), ("a", 103.0, 1.0)}))
    assert result.report.snapshots["snapshots used"] == 3, "a level that comes again begins a new book"


def test_updates_before_the_first_book_are_left_out_and_without_any_book_kept(tmp_path):
    update = (T + 2 * MS, level("depthUpdate", "b", "97", "5", T, 9, 0))
    result = convert(tmp_path, update, *replacement(T + 5 * MS, T, BOOK, 10))
    assert ends(result) == both(SHOWN)
    alone = convert(tmp_path, update)
    assert ends(alone) == both(frozenset({("b", 97.0, 5.0)}))
    assert any("no snapshot" in warning for warning in alone.report.warnings)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"e": "depthUpdate", "E": 1, "s": "BTCUSDT", "b": [], "a": []}, "a depth line holds exactly one level"),
        ({"e": "what", "E": 1, "s": "BTCUSDT"}, "no event word of a link recording"),
        ({"e": "gap", "E": 1, "s": "BTCUSDT"}, "field 'reason' is no text"),
        ({"e": "depthClear", "E": 1, "s": "BTCUSDT", "side": "x"}, "field 'side' is neither 'b' nor 'a'"),
    ],
)
def test_bad_link_lines_are_counted(tmp_path, value, reason):
    report = convert(tmp_path, (T + MS, trade(T)), (T + MS, value)).report
    assert [bad.reason for bad in report.bad] == [reason]
