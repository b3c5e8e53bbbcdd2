"""The by-id policy against a small exchange: nothing wrong is shown, it gets there, trouble costs what it must."""

from __future__ import annotations

import pytest
from convert_feed import EMPTY, Exchange, line, record
from convert_naive import states
from data_convert import convert_recording
from data_convert.messages.chain import IdChain
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

QUIET = ("update", "trade", "twice")
TROUBLE = (*QUIET, "drop", "late", "snapshot", "old snapshot", "early snapshot")
RELAXED = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def convert(tmp_path, text, **options):
    path = tmp_path / "testusdt_20231114.gz"
    path.write_text(text)
    return convert_recording(path, **options)


def known_at_end(exchange, messages):
    """The newest id the book can be followed to, by trying every snapshot; None when it is lost behind it."""
    updates = sorted((m for m in messages if "pu" in m), key=lambda m: m["u"])
    best = None
    for snapshot in (m for m in messages if "lastUpdateId" in m):
        reached = snapshot["lastUpdateId"]
        for update in updates:
            if update["pu"] <= reached < update["u"]:
                reached = update["u"]
        best = reached if best is None else max(best, reached)
    return None if best is None or any(u["u"] > best for u in updates) else best


@RELAXED
@given(operations=st.lists(st.sampled_from(TROUBLE), max_size=25), seed=st.integers(0, 10**6))
def test_no_book_is_shown_that_the_exchange_never_had(tmp_path, operations, seed):
    text, exchange, messages = record(["update", *operations], seed)
    result = convert(tmp_path, text)
    if not result.report.snapshots.get("snapshots used"):
        assert any("no snapshot" in w for w in result.report.warnings) or not any("pu" in m for m in messages)
        return
    allowed = {*exchange.states.values(), EMPTY}
    for side in ("local", "exchange"):
        for _, state in states(result.events, side):
            assert state in allowed


@RELAXED
@given(
    operations=st.lists(st.sampled_from([o for o in TROUBLE if o != "late"]), max_size=25), seed=st.integers(0, 10**6)
)
def test_the_book_at_the_end_is_the_newest_one_that_can_be_known(tmp_path, operations, seed):
    text, exchange, messages = record(["update", *operations], seed)
    result = convert(tmp_path, text)
    if not result.report.snapshots.get("snapshots used"):
        return
    known = known_at_end(exchange, messages)
    expected = EMPTY if known is None else exchange.states[known]
    for side in ("local", "exchange"):
        assert states(result.events, side)[-1][1] == expected


@RELAXED
@given(
    before=st.lists(st.sampled_from(QUIET), max_size=6),
    after=st.lists(st.sampled_from((*QUIET, "snapshot", "early snapshot")), max_size=12),
    seed=st.integers(0, 10**6),
)
def test_a_lossless_stream_needs_one_snapshot_and_follows_every_update(tmp_path, before, after, seed):
    text, exchange, _ = record([*before, "snapshot", *after, "update"], seed)
    result = convert(tmp_path, text)
    assert result.report.gaps == ()
    assert result.report.snapshots["snapshots used"] == 1
    assert result.report.kinds["depth clear"] <= 2
    for side in ("local", "exchange"):
        assert states(result.events, side)[-1][1] == exchange.states[exchange.last_u]


@RELAXED
@given(lost=st.lists(st.integers(1, 4), min_size=1, max_size=4), seed=st.integers(0, 10**6))
def test_every_loss_costs_one_gap_and_one_clear_until_the_next_snapshot(tmp_path, lost, seed):
    operations = ["snapshot", "update"]
    for count in lost:
        operations += ["drop"] * count + ["update", "update", "snapshot", "update"]
    text, _, _ = record(operations, seed)
    report = convert(tmp_path, text).report
    assert len(report.gaps) == len(lost)
    assert report.snapshots["snapshots used"] == 1 + len(lost)
    assert all(gap.length_ns is not None and gap.length_ns >= 0 for gap in report.gaps)
    assert all(gap.prev_id > gap.after_id for gap in report.gaps)


@RELAXED
@given(operations=st.lists(st.sampled_from(TROUBLE), max_size=20), seed=st.integers(0, 10**6))
def test_every_update_is_accounted_for(tmp_path, operations, seed):
    text, _, messages = record(["update", *operations], seed)
    result = convert(tmp_path, text)
    counts = result.report.snapshots
    ends = ("applied", "stale", "duplicate", "reordered, too late", "unanchored")
    assert sum(counts.get(f"updates {end}", 0) for end in ends) == sum("pu" in m for m in messages)


def scenario(tmp_path, *messages, step_ns=10_000_000, **options):
    text = "".join(line(1_700_000_000_100_000_000 + i * step_ns, m) for i, m in enumerate(messages))
    return convert(tmp_path, text, **options)


@pytest.fixture
def exchange():
    return Exchange(7)


def last_states(result):
    return {side: states(result.events, side)[-1][1] for side in ("local", "exchange")}


def both(state):
    return {"local": state, "exchange": state}


def test_updates_newer_than_a_snapshot_but_received_before_it_come_behind_it(tmp_path, exchange):
    first, second = exchange.update(), exchange.update()
    result = scenario(tmp_path, first, second, exchange.snapshot(first["u"] - 1))
    assert last_states(result) == both(exchange.states[second["u"]])
    local = result.events[(result.events["ev"] & 0xFF) != 2]["local_ts"]
    assert len(set(local.tolist())) == 1, "all of it becomes known with the snapshot"


@pytest.mark.parametrize("offset", ["u", "pu"])
def test_a_snapshot_at_either_end_of_an_update_joins(tmp_path, exchange, offset):
    first, second = exchange.update(), exchange.update()
    result = scenario(tmp_path, first, exchange.snapshot(first[offset]), second)
    assert result.report.gaps == ()
    assert result.report.snapshots["snapshots used"] == 1
    assert last_states(result) == both(exchange.states[second["u"]])


def test_the_same_snapshot_twice_changes_nothing(tmp_path, exchange):
    first, snapshot, second = exchange.update(), exchange.snapshot(), exchange.update()
    once = scenario(tmp_path, first, snapshot, second)
    twice = scenario(tmp_path, first, snapshot, snapshot, second, step_ns=0)
    assert last_states(twice) == last_states(once)
    assert twice.report.snapshots["snapshots used"] == 1
    assert twice.report.snapshots["snapshots redundant"] == 1
    assert twice.report.rows == once.report.rows or twice.report.kinds == once.report.kinds


def test_a_snapshot_older_than_all_held_updates_is_stale_and_the_next_one_is_used(tmp_path, exchange):
    old = exchange.snapshot()
    exchange.update()
    second, fresh, third = exchange.update(), exchange.snapshot(), exchange.update()
    result = scenario(tmp_path, second, old, fresh, third)
    assert result.report.snapshots["snapshots stale"] == 1
    assert result.report.snapshots["snapshots used"] == 1
    assert last_states(result) == both(exchange.states[third["u"]])


def test_a_recording_whose_only_snapshot_is_stale_keeps_its_updates_and_says_so(tmp_path, exchange):
    old = exchange.snapshot()
    exchange.update()
    second, third = exchange.update(), exchange.update()
    result = scenario(tmp_path, old, second, third)
    assert result.report.snapshots["updates kept without anchor"] == 2
    assert any("no snapshot" in warning for warning in result.report.warnings)
    assert "depth snapshot" not in result.report.kinds


def test_a_recording_without_any_snapshot_keeps_its_updates_and_clears_at_a_hole(tmp_path, exchange):
    first = exchange.update()
    exchange.update()
    third = exchange.update()
    result = scenario(tmp_path, first, third)
    assert len(result.report.gaps) == 1
    levels = len(third["b"]) + len(third["a"])
    assert sum(result.report.kinds.values()) >= levels
    shown = last_states(result)["local"]
    assert shown <= exchange.states[third["u"]]


def test_updates_behind_a_hole_are_left_out_until_a_snapshot_or_kept_on_request(tmp_path, exchange):
    snapshot, first = exchange.snapshot(), exchange.update()
    exchange.update()
    third = exchange.update()
    dropped = scenario(tmp_path, snapshot, first, third)
    assert dropped.report.snapshots["updates unanchored"] == 1
    assert last_states(dropped) == both(EMPTY)
    assert dropped.report.gaps[0].until_line is None
    kept = scenario(tmp_path, snapshot, first, third, unanchored="keep")
    assert last_states(kept)["local"] <= exchange.states[third["u"]]
    assert kept.report.snapshots["updates kept without anchor"] == 1


def test_a_gap_names_ids_lines_and_length(tmp_path, exchange):
    snapshot, first = exchange.snapshot(), exchange.update()
    lost, third = exchange.update(), exchange.update()
    result = scenario(tmp_path, snapshot, first, third, exchange.snapshot())
    (gap,) = result.report.gaps
    assert (gap.after_id, gap.prev_id, gap.first_id, gap.last_id) == (first["u"], lost["u"], third["U"], third["u"])
    assert (gap.found_line, gap.until_line) == (3, 4)
    assert gap.length_ns == 20_000_000
    assert last_states(result) == both(exchange.states[third["u"]])


def test_a_late_update_closes_its_hole_without_a_gap(tmp_path, exchange):
    snapshot = exchange.snapshot()
    first, second, third = exchange.update(), exchange.update(), exchange.update()
    result = scenario(tmp_path, snapshot, first, third, second)
    assert result.report.gaps == ()
    assert result.report.snapshots["updates reordered, put back"] == 1
    assert last_states(result) == both(exchange.states[third["u"]])


def test_an_update_that_comes_too_late_leaves_the_gap(tmp_path, exchange):
    snapshot = exchange.snapshot()
    first, second, third = exchange.update(), exchange.update(), exchange.update()
    result = scenario(tmp_path, snapshot, first, third, second, step_ns=2_000_000_000)
    assert len(result.report.gaps) == 1
    assert last_states(result) == both(EMPTY)


def test_a_snapshot_that_ends_the_recording_is_used(tmp_path, exchange):
    first = exchange.update()
    exchange.update()
    result = scenario(tmp_path, first, exchange.snapshot())
    assert last_states(result) == both(exchange.states[exchange.id])


def test_a_redundant_snapshot_adds_levels_the_book_did_not_know(tmp_path, exchange):
    first, shallow = exchange.update(), exchange.snapshot()
    deep = exchange.snapshot()
    shallow["bids"] = shallow["bids"][:1]
    second, third = exchange.update(), exchange.update()
    deep = exchange.snapshot(second["u"])
    result = scenario(tmp_path, first, shallow, second, third, deep)
    assert result.report.snapshots["snapshots redundant"] == 1
    assert last_states(result) == both(exchange.states[third["u"]])


def test_a_clock_that_steps_back_does_not_turn_the_book_around(tmp_path, exchange):
    snapshot = exchange.snapshot()
    updates = [exchange.update() for _ in range(6)]
    start = 1_700_000_000_100_000_000
    stamps = [0, 10, 20, 30, 15, 25, 35]
    text = "".join(line(start + s * 1_000_000, m) for s, m in zip(stamps, [snapshot, *updates], strict=True))
    result = convert(tmp_path, text)
    assert last_states(result) == both(exchange.states[updates[-1]["u"]])
    assert result.report.snapshots["depth messages moved in local time to keep the order of ids"] >= 1


def test_one_absurd_exchange_time_moves_only_its_own_message(tmp_path, exchange):
    snapshot = exchange.snapshot()
    updates = [exchange.update() for _ in range(5)]
    updates[2]["T"] += 3_600_000
    result = scenario(tmp_path, snapshot, *updates)
    assert last_states(result) == both(exchange.states[updates[-1]["u"]])
    assert result.report.snapshots["depth messages moved in exchange time to keep the order of ids"] == 1


def test_the_book_is_unknown_from_the_hole_to_the_next_snapshot(tmp_path, exchange):
    snapshot, first = exchange.snapshot(), exchange.update()
    exchange.update()
    third = exchange.update()
    result = scenario(tmp_path, snapshot, first, third, exchange.snapshot())
    shown = [state for _, state in states(result.events, "local")]
    assert shown == [exchange.states[1000], exchange.states[first["u"]], EMPTY, exchange.states[third["u"]]]


def test_a_snapshot_received_before_the_hole_shows_ends_it_without_moving_what_came_before(tmp_path, exchange):
    snapshot, first, second = exchange.snapshot(), exchange.update(), exchange.update()
    third = exchange.update()
    ahead, fourth = exchange.snapshot(third["u"]), exchange.update()
    result = scenario(tmp_path, snapshot, first, ahead, second, fourth)
    assert last_states(result) == both(exchange.states[fourth["u"]])
    assert [at for at, _ in states(result.events, "local")] == [
        1_700_000_000_100_000_000 + i * 10_000_000 for i in (0, 1, 3, 4)
    ]
    assert len(result.report.gaps) == 1
    assert not any("moved" in name for name in result.report.snapshots)


def test_an_update_received_twice_is_emitted_once(tmp_path, exchange):
    snapshot, first = exchange.snapshot(), exchange.update()
    result = scenario(tmp_path, snapshot, first, first)
    assert result.report.snapshots["updates duplicate"] == 1
    assert result.report.snapshots["updates applied"] == 1
    assert result.report.kinds["depth"] == len(first["b"]) + len(first["a"])


def test_a_partial_book_of_kept_updates_never_survives_a_hole(tmp_path, exchange):
    first = exchange.update()
    exchange.update()
    third, snapshot = exchange.update(), exchange.snapshot()
    result = scenario(tmp_path, first, third, snapshot, unanchored="keep")
    assert last_states(result) == both(exchange.states[third["u"]])
    for side in ("local", "exchange"):
        shown = [state for _, state in states(result.events, side)]
        assert all(any(state <= truth for truth in exchange.states.values()) for state in shown)


@RELAXED
@given(
    operations=st.lists(st.sampled_from((*TROUBLE, "update", "update")), max_size=40),
    seed=st.integers(0, 10**6),
    unanchored=st.sampled_from(["drop", "keep"]),
    snapshots=st.sampled_from(["by-id", "as-recorded"]),
)
def test_runs_of_updates_are_taken_as_one_by_one(tmp_path, operations, seed, unanchored, snapshots):
    text, *_ = record(["update", *operations], seed)
    at_once = convert(tmp_path, text, unanchored=unanchored, snapshots=snapshots)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(IdChain, "awaits_next", lambda self, message: False)
        one_by_one = convert(tmp_path, text, unanchored=unanchored, snapshots=snapshots)
    assert at_once.events.tobytes() == one_by_one.events.tobytes()
    assert repr(at_once.report) == repr(one_by_one.report)
