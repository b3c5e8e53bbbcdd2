"""What a manifest says of lines: against naive counts, in one go and in parts, and for every way a gap can stand."""

import json
import random
from zlib import crc32

import orjson
import pytest
from collector.rotation import DAY_NS
from collector.seen import see
from collector.tally import IDS_MISSING, NOT_RUNNING, Tally, goes_on
from hypothesis import given
from hypothesis import strategies as st

from tests.collector.market import DAY, START_NS, STEP_NS, Line, book, depth, gap, recorded, text_of, ticker, trade


def tally_of(lines: list[Line], each: int = 5) -> Tally:
    tally = Tally(DAY)
    for at in range(0, len(lines), each):
        feed(tally, text_of(lines[at : at + each]))
    return tally


def feed(tally: Tally, text: bytes) -> None:
    tally.feed(text)
    tally.end_member([text])


def ids(number: int) -> int:
    return 1000 + 10 * number


def test_a_run_without_a_gap_is_counted_by_stream() -> None:
    tally = tally_of(recorded(range(20)))
    assert {name: (each.messages, each.events) for name, each in tally.streams.items()} == {
        "depth": (20, 20),
        "trade": (20, 20),
        "bookTicker": (20, 40),
        "snapshot": (1, 1),
    }
    one = tally.streams["depth"]
    assert (one.first_id, one.last_id, one.prev_id) == (ids(0) - 5, ids(19), ids(0) - 10)
    assert (tally.streams["trade"].first_id, tally.streams["trade"].last_id) == (5, 24)
    (hole,) = tally.gaps
    assert (hole.cause, hole.from_ns, hole.length_ns) == ("recorder started", None, None)
    assert (hole.before_id, hole.book_id, tally.anchors) == (ids(0) - 5, ids(0), [(hole.book_ns, ids(0))])
    assert tally.book_known
    assert not tally.continued
    assert tally.lag_ms()["min"] == 5.0


def test_a_gap_has_cause_length_and_ids_and_ends_with_a_book() -> None:
    tally = tally_of(recorded([*range(10), *range(15, 20)]))
    _, hole = tally.gaps
    assert (hole.cause, hole.after_id, hole.before_id, hole.after_trade, hole.before_trade) == (
        "connection lost",
        ids(9),
        ids(15) - 5,
        14,
        20,
    )
    assert hole.length_ns == 6 * STEP_NS - 2
    assert hole.book_ns == START_NS + 15 * STEP_NS + 5_000_003
    assert tally.reconnects == 1


def test_between_two_runs_the_recorder_was_not_running() -> None:
    lines = recorded(range(5))
    later = [
        gap(START_NS + 100 * STEP_NS),
        *(line for line in recorded(range(101, 104), begins=False) if line[1] != book(101)),
    ]
    tally = tally_of([*lines, *later])
    hole = tally.gaps[1]
    assert (hole.cause, hole.from_ns, hole.to_ns) == (NOT_RUNNING, lines[-1][0], later[1][0])
    assert hole.book_ns is None, "no snapshot came in the second run"
    assert not tally.book_known


def test_an_unstated_hole_in_the_ids_is_found() -> None:
    lines = [line for line in recorded(range(10)) if line[1] != depth(4)]
    tally = tally_of(lines)
    hole = tally.gaps[1]
    assert (hole.cause, hole.stated, hole.after_id, hole.before_id) == (IDS_MISSING, False, ids(3), ids(5) - 5)
    assert not tally.book_known


def test_spots_ids_are_followed_by_spots_rule() -> None:
    assert len(tally_of(recorded(range(10), spot=True)).gaps) == 1
    lines = [line for line in recorded(range(10), spot=True) if line[1] != depth(4, spot=True)]
    assert [hole.stated for hole in tally_of(lines).gaps] == [True, False]


@pytest.mark.parametrize(("first", "of", "joins"), [(5, 5, True), (5, 7, True), (5, 4, True), (5, 3, False)])
def test_a_snapshot_joins_updates_that_reach_it(first: int, of: int, joins: bool) -> None:
    """`of` 4: the first update follows it directly (`pu == lastUpdateId`)."""
    at_ns = START_NS + first * STEP_NS
    lines = [gap(at_ns), *((at_ns + n, depth(first + n)) for n in range(5))]
    behind, before = [*lines, (at_ns + 9, book(of))], [lines[0], (at_ns, book(of)), *lines[1:]]
    assert tally_of(behind).book_known is joins
    assert tally_of(before).book_known is joins


def test_a_file_that_goes_on_from_the_day_before_says_so() -> None:
    yesterday, today = tally_of(recorded(range(10))), tally_of(recorded(range(10, 20), begins=False)[:-1])
    assert today.continued
    assert goes_on(yesterday, today)
    assert not goes_on(tally_of(recorded(range(9))), today)
    assert not goes_on(None, today)
    assert not goes_on(yesterday, tally_of(recorded(range(10, 20))))


def test_what_can_not_be_read_or_is_of_another_day_is_counted() -> None:
    tally = tally_of([(START_NS, b"{"), (START_NS - 1, b"[]"), (START_NS + DAY_NS, trade(1))])
    assert (tally.unreadable, tally.foreign_day, tally.stamps_back, tally.lines) == (2, 1, 1, 3)
    assert Tally(DAY).lag_ms() == {"min": None, "p50": None, "p99": None, "max": None}


def test_the_index_covers_the_file_and_its_checksums_are_of_its_bytes() -> None:
    tally, texts = Tally(DAY), []
    for number in range(200):
        texts.append(text_of(recorded(range(number * 5, number * 5 + 5), begins=not number)))
        feed(tally, texts[-1])
    data = b"".join(texts)
    assert 1 < len(tally.index) < 20
    end = 0
    for entry in tally.index:
        assert entry.offset == end
        end += entry.file_bytes
        stretch = data[entry.offset : end]
        assert entry.crc32 == crc32(stretch)
        assert entry.lines == stretch.count(b"\n")
        stamps = [int(line.split()[0]) for line in stretch.splitlines()]
        assert (entry.first_ns, entry.last_ns) == (stamps[0], stamps[-1])
    assert end == len(data) == tally.file_bytes


LINES = st.lists(
    st.one_of(
        st.integers(0, 40).map(depth),
        st.integers(0, 40).map(trade),
        st.integers(0, 40).map(ticker),
        st.integers(0, 40).map(book),
        st.sampled_from(["recorder started", "connection lost", "stream silent"]).map(
            lambda reason: gap(START_NS, reason)[1]
        ),
        st.sampled_from(
            [
                b"{",
                b'{"topic":"orderbook.50.BTCUSDT","type":"snapshot","ts":9,"data":{"b":[],"a":[],"u":7}}',
                b'{"topic":"orderbook.1000.BTCUSDT","type":"delta","ts":9,"data":{"b":[],"a":[],"u":8}}',
                b'{"channel":"l2Book","data":{"coin":"BTC","time":5,"levels":[[],[]]}}',
                b'{"e":"depthClear","E":1,"s":"BTCUSDT","ns":5,"u":3,"more":1}',
            ]
        ),
    ),
    max_size=60,
)


@given(LINES, st.data())
def test_counting_in_parts_over_dumps_is_counting_in_one_go(bodies: list[bytes], data: st.DataObject) -> None:
    rng = random.Random(len(bodies))
    lines = [(START_NS + rng.randrange(-5, 50) * STEP_NS, body) for body in bodies]
    whole = tally_of(lines, 4)
    parts = Tally(DAY)
    for at in range(0, len(lines), 4):
        if data.draw(st.booleans()):
            parts = Tally.load(DAY, json.loads(orjson.dumps(parts.dump())))
        feed(parts, text_of(lines[at : at + 4]))
    assert parts.dump() == whole.dump()
    assert whole.lines == len(lines)
    assert whole.unreadable == sum(see(body) is None for body in bodies)


@pytest.mark.parametrize("wrong", [{}, {"streams": []}, {"streams": {"depth": {"x": 1}}}])
def test_what_is_no_tally_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not a tally"):
        Tally.load(DAY, {**Tally(DAY).dump(), **wrong} if wrong else wrong)
