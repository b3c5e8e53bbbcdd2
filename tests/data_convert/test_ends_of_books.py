"""Where a book ends for good: another dialect, a recorder's start, ids that begin lower again."""

from __future__ import annotations

import json
import random

import pytest
from convert_feed import EMPTY, Exchange, line
from convert_naive import states
from data_convert import convert_recording
from data_convert.messages.chain import IDS_WENT_BACK, OLD_IN_A_ROW
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marketlink.book.rules import ByPreviousId, DepthUpdate
from marketlink.book.rules import Snapshot as LiveSnapshot
from marketlink.book.sync import AskSnapshot, DepthSync, OutOfSync, SyncLimits, Trouble

T = 1_700_000_000_100_000_000
MS = 1_000_000
RELAXED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def gap_line(stamp, reason="recorder started", symbol="TESTUSDT"):
    return {"e": "gap", "E": stamp // MS, "s": symbol, "ns": stamp, "reason": reason}


def link_lines(price="99", quantity="1"):
    level = {"E": T // MS, "s": "TESTUSDT", "ns": T}
    return [
        {"e": "depthClear", **level, "u": 5, "more": 1},
        {
            "e": "depthSnapshot",
            "E": T // MS,
            "s": "TESTUSDT",
            "b": [[price, quantity]],
            "a": [],
            "ns": T,
            "u": 5,
            "more": 0,
        },
        {"e": "trade", "E": T // MS, "s": "TESTUSDT", "p": "100", "q": "7", "m": True, "ns": T, "t": 1},
    ]


def write(path, messages, start=T, step=MS):
    path.write_text("".join(line(start + i * step, m) for i, m in enumerate(messages)))
    return path


def direct_lines(seed=3, updates=3):
    exchange = Exchange(seed)
    return exchange, [exchange.update(), exchange.snapshot(), *(exchange.update() for _ in range(updates))]


def ends(result):
    return {side: states(result.events, side)[-1][1] for side in ("local", "exchange")}


def test_the_book_ends_where_a_connectors_lines_follow_the_exchanges_frames(tmp_path, run):
    _, frames = direct_lines()
    path = write(tmp_path / "testusdt_20231114.gz", [*frames, *link_lines(), *link_lines()])
    result = convert_recording(path)
    assert ends(result) == {"local": EMPTY, "exchange": EMPTY}
    assert result.report.kinds.get("trade") is None, "no line of the other dialect is taken"
    (told,) = result.report.broken
    assert f"{path}:6: the dialect changes from the exchange's own frames to lines of a connector" in told
    assert "lines 6 to 11 (6) are left out" in told
    assert [gap.reason for gap in result.report.gaps] == ["dialect changes to link"]
    code, text, error = run("collector", path, tmp_path / "out.npz")
    assert code == 3
    assert "6: the dialect changes" in error
    assert "the dialect changes" in " ".join(text.split())


def test_the_book_ends_where_the_exchanges_frames_follow_a_connectors_lines(tmp_path, run):
    _, frames = direct_lines()
    bare = [{key: value for key, value in frames[0].items()}]
    path = write(tmp_path / "testusdt_20231114.gz", [*link_lines(), *bare, *frames])
    result = convert_recording(path)
    assert ends(result)["local"] == EMPTY
    assert (
        f"{path}:4: the dialect changes from lines of a connector to the exchange's own frames"
        in result.report.broken[0]
    )
    assert run("collector", path, tmp_path / "out.npz", "--max-lost", 1, "--allow-empty")[0] == 3


def test_frames_behind_a_connectors_lines_are_a_new_book_that_needs_a_snapshot(tmp_path):
    exchange, frames = direct_lines()
    again = [exchange.update(), exchange.update()]
    path = write(tmp_path / "a.gz", [*frames, *link_lines(), *again])
    assert ends(convert_recording(path))["local"] == EMPTY
    path = write(tmp_path / "b.gz", [*frames, *link_lines(), *again, exchange.snapshot(), exchange.update()])
    result = convert_recording(path)
    assert ends(result)["local"] == exchange.states[exchange.last_u]
    assert result.report.gaps[0].until_line == len(frames) + len(link_lines()) + 3


def test_wrapped_frames_in_a_link_recording_end_its_book(tmp_path):
    wrapped = {"stream": "testusdt@trade", "data": Exchange(1).trade()}
    result = convert_recording(write(tmp_path / "a.gz", [*link_lines(), wrapped]))
    assert len(result.report.broken) == 1
    assert ends(result)["local"] == EMPTY


def test_the_day_decides_whose_lines_are_read_not_the_day_before(tmp_path):
    _, frames = direct_lines()
    day = write(tmp_path / "b.gz", frames, T + 10**10)
    result = convert_recording(day, before=write(tmp_path / "a.gz", link_lines()))
    assert result.report.snapshots["updates applied"] == 3
    assert result.report.broken, "the day before is told to be of another dialect"


def test_a_recorders_start_ends_the_book_of_a_direct_recording(tmp_path):
    exchange, frames = direct_lines()
    frames.insert(0, gap_line(T))
    last = exchange.update()
    path = write(tmp_path / "a.gz", [*frames, gap_line(T + 50 * MS), last])
    result = convert_recording(path)
    assert ends(result)["local"] == EMPTY, "the update that would follow by its ids is of another run"
    (gap,) = result.report.gaps
    assert (gap.reason, gap.found_line, gap.until_line) == ("recorder started", 7, None)
    assert result.report.snapshots["gap lines before the first book"] == 1
    assert result.report.bad == ()
    path = write(tmp_path / "b.gz", [*frames, gap_line(T + 50 * MS), last, exchange.snapshot(), exchange.update()])
    result = convert_recording(path)
    assert ends(result)["local"] == exchange.states[exchange.last_u]
    assert result.report.gaps[0].until_line == 9


def test_a_recorders_start_ends_the_book_of_a_link_recording(tmp_path):
    update = {
        "e": "depthUpdate",
        "E": T // MS,
        "s": "TESTUSDT",
        "b": [["98", "5"]],
        "a": [],
        "ns": T,
        "u": 6,
        "more": 0,
    }
    path = write(tmp_path / "a.gz", [gap_line(T), *link_lines(), gap_line(T), update, *link_lines("97", "2")])
    result = convert_recording(path)
    assert ends(result)["local"] == {("b", 97.0, 2.0)}
    (gap,) = result.report.gaps
    assert (gap.reason, gap.found_line) == ("recorder started", 5)


@pytest.mark.parametrize("dialect", ["direct", "link"])
def test_a_gap_line_at_the_begin_does_not_decide_the_dialect(tmp_path, dialect):
    lines = direct_lines()[1] if dialect == "direct" else link_lines()
    report = convert_recording(write(tmp_path / "a.gz", [gap_line(T), *lines])).report
    assert report.settings["dialect"] == dialect
    assert report.broken == ()


def test_as_recorded_clears_at_a_recorders_start(tmp_path):
    _, frames = direct_lines()
    result = convert_recording(write(tmp_path / "a.gz", [*frames, gap_line(T + 50 * MS)]), snapshots="as-recorded")
    assert ends(result)["local"] == EMPTY


def later(messages, by_ms):
    return [{**m, **{key: m[key] + by_ms for key in ("E", "T") if key in m}} for m in messages]


def test_an_exchange_that_begins_its_ids_lower_again_is_a_new_book(tmp_path):
    first, frames = direct_lines(seed=3, updates=400)
    second, again = direct_lines(seed=4, updates=300)
    again = later(again, first.now_ms - second.random.randint(0, 5) - 1_700_000_000_000 + 60_000)
    result = convert_recording(write(tmp_path / "a.gz", [*frames, *again]))
    assert ends(result)["local"] == second.states[second.last_u]
    (gap,) = result.report.gaps
    assert (gap.reason, gap.found_line, gap.until_line) == (IDS_WENT_BACK, len(frames) + 1, len(frames) + 2)
    assert result.report.snapshots["snapshots used"] == 2
    assert "updates duplicate" not in result.report.snapshots


def test_the_same_ids_again_at_a_later_time_are_a_new_book(tmp_path):
    exchange, frames = direct_lines(seed=3, updates=300)
    again = later(frames, 120_000)
    text = "".join(line(T + i * MS, m) for i, m in enumerate(frames))
    text += "".join(line(T + 120_000 * MS + i * MS, m) for i, m in enumerate(again))
    path = tmp_path / "a.gz"
    path.write_text(text)
    result = convert_recording(path)
    assert len(result.report.gaps) == 1
    assert ends(result)["local"] == exchange.states[exchange.last_u]
    assert result.report.snapshots["updates applied"] == 600


def test_ids_that_begin_anew_without_a_snapshot_leave_no_frozen_book(tmp_path, run):
    _, frames = direct_lines(seed=3, updates=400)
    second = Exchange(4)
    again = later([second.update() for _ in range(100)], 60_000)
    path = write(tmp_path / "a.gz", [*frames, *again])
    result = convert_recording(path)
    assert ends(result) == {"local": EMPTY, "exchange": EMPTY}
    assert [gap.reason for gap in result.report.gaps] == [IDS_WENT_BACK]
    assert run("collector", path, tmp_path / "o.npz")[0] == 3, "a fifth of the updates is lost"


def test_a_recording_given_twice_is_no_new_book(tmp_path):
    exchange, frames = direct_lines(updates=400)
    one = write(tmp_path / "a.gz", frames)
    two = write(tmp_path / "b.gz", frames)
    result = convert_recording([one, two])
    assert result.report.gaps == ()
    assert result.report.snapshots["updates duplicate"] == 400
    assert ends(result)["local"] == exchange.states[exchange.last_u]


@RELAXED
@given(seed=st.integers(0, 10**6), lengths=st.lists(st.integers(2, 40), min_size=2, max_size=4))
def test_every_run_of_an_exchange_ends_in_its_own_book(tmp_path, seed, lengths):
    messages, begin_ms, runs = [], 0, []
    for number, length in enumerate(lengths):
        exchange = Exchange(seed + number)
        run = [exchange.update(), exchange.snapshot(), *(exchange.update() for _ in range(length))]
        messages += later(run, begin_ms)
        begin_ms += 5_000 + exchange.now_ms - 1_700_000_000_000
        runs.append(exchange)
    result = convert_recording(write(tmp_path / "a.gz", messages))
    shown = [state for _, state in states(result.events, "local")]
    allowed = {EMPTY}.union(*(exchange.states.values() for exchange in runs))
    assert set(shown) <= allowed
    assert shown[-1] == runs[-1].states[runs[-1].last_u]


def test_ids_that_passed_the_old_ones_before_their_snapshot_came_are_no_part_of_the_old_book(tmp_path):
    first, frames = direct_lines(seed=3, updates=6)
    second = Exchange(4)
    again = [second.update() for _ in range(20)]
    assert again[-1]["u"] > first.last_u > again[0]["u"]
    again = later([*again, second.snapshot(), second.update()], 60_000)
    result = convert_recording(write(tmp_path / "a.gz", [*frames, *again]))
    shown = {state for _, state in states(result.events, "local")}
    assert shown <= {EMPTY, *first.states.values(), *second.states.values()}
    assert ends(result)["local"] == second.states[second.last_u]
    assert [gap.reason for gap in result.report.gaps] == [IDS_WENT_BACK]


def live(messages):
    """What the live synchroniser says of the same updates when every snapshot is there at once."""
    sync = DepthSync(ByPreviousId(), random.Random(1), SyncLimits())
    troubles, ticket = [], None
    for message in messages:
        effects = []
        if "lastUpdateId" in message:
            if ticket is not None:
                effects = sync.on_snapshot(ticket, LiveSnapshot(message["lastUpdateId"]), 0)
                ticket = None
        else:
            effects = sync.on_update(DepthUpdate(message["U"], message["u"], message["pu"]), 0)
        for effect in effects:
            if isinstance(effect, AskSnapshot):
                ticket = effect.ticket
            if isinstance(effect, OutOfSync):
                troubles.append(effect.trouble)
    return troubles


def test_the_live_synchroniser_and_the_converter_lose_the_book_by_the_same_bytes(tmp_path):
    assert SyncLimits().max_old_in_a_row == OLD_IN_A_ROW
    _, frames = direct_lines(seed=3, updates=900)
    old = [{**m} for m in frames[2 : 3 + OLD_IN_A_ROW]]
    for count, expected in ((OLD_IN_A_ROW, []), (OLD_IN_A_ROW + 1, [Trouble.IDS_WENT_BACK])):
        text = "".join(line(T + i * MS, m) for i, m in enumerate(frames))
        text += "".join(line(T + 200_000 * MS + i * MS, m) for i, m in enumerate(old[:count]))
        path = tmp_path / f"{count}.gz"
        path.write_text(text)
        assert live([*frames, *old[:count]]) == expected
        assert [gap.reason for gap in convert_recording(path).report.gaps] == [IDS_WENT_BACK] * len(expected)


def test_a_gap_line_of_one_recorder_is_no_gap_of_a_merge(tmp_path, run):
    exchange, frames = direct_lines(updates=20)
    one = write(tmp_path / "a.gz", [gap_line(T), *frames])
    two = write(tmp_path / "b.gz", [*frames[:10], gap_line(T + 10 * MS), *frames[12:]])
    code, text, _ = run("merge", one, two, tmp_path / "m.gz")
    assert (code, text.count("1 gap lines left out")) == (0, 2)
    result = convert_recording(tmp_path / "m.gz")
    assert result.report.gaps == ()
    assert ends(result)["local"] == exchange.states[exchange.last_u]


def test_what_the_day_before_lost_is_no_loss_of_the_day(tmp_path):
    exchange = Exchange(3)
    before = [
        *(exchange.update() for _ in range(50)),
        exchange.snapshot(),
        {**exchange.trade(), "t": 1},
        exchange.update(),
    ]
    day = [*(exchange.update() for _ in range(20)), {**exchange.trade(), "t": 500}, {**exchange.trade(), "t": 501}]
    one = write(tmp_path / "a.gz", [before[-2] | {"t": 0}, *before], step=10**9)
    report = convert_recording(write(tmp_path / "b.gz", day, T + 10**12), before=one).report
    assert {loss.what: (loss.lost, loss.of) for loss in report.losses} == {"updates": (0, 20), "trades": (498, 500)}
    assert {loss.what: loss.lost for loss in convert_recording(one).report.losses} == {"updates": 40}


def test_json_of_a_broken_recording_says_so(tmp_path, run):
    _, frames = direct_lines()
    path = write(tmp_path / "a.gz", [*frames, *link_lines()])
    _, text, _ = run("collector", path, tmp_path / "out.npz", "--json")
    assert "the dialect changes" in json.loads(text)["broken"][0]
