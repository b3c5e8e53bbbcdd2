"""Two recorders of one market: what either heard is in the result, in order, and only what neither heard is a gap."""

import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from collector.errors import Refused
from collector.examine import examine
from collector.manifest_file import make_manifest, manifest_path, read_manifest
from collector.merge_files import merge, pairs
from collector.merging import Merged, Merging
from collector.record import RECORDER_STARTED
from collector.rotation import Day
from collector.seen import Gap, Seen, see
from collector.tally import Tally
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.collector.market import DAY, START_NS, STEP_NS, SYMBOL, Line, depth, recorded, text_of, trade, write

MS = 1_000_000


def tally_of(lines: Sequence[Line]) -> Tally:
    tally = Tally(DAY)
    tally.feed(text_of(lines))
    tally.end_member([text_of(lines)])
    return tally


def merged(a: Sequence[Line], b: Sequence[Line]) -> tuple[list[Line], Merged]:
    merging = Merging(SYMBOL, tally_of(a), tally_of(b))

    def texts(lines: Sequence[Line]) -> Iterator[bytes]:
        for at in range(0, len(lines), 10):
            yield text_of(lines[at : at + 10])

    text = b"".join(merging.run(texts(a), texts(b)))
    lines = [(int(stamp), body) for stamp, _, body in (line.partition(b" ") for line in text.splitlines())]
    return lines, merging.result


def data_of(lines: Sequence[Line]) -> set[bytes]:
    return {body for _, body in lines if not isinstance(see(body), Gap)}


def gaps_of(lines: Sequence[Line]) -> list[str]:
    return [seen.reason for _, body in lines if isinstance(seen := see(body), Gap)]


def ids_of(lines: Sequence[Line], stream: str) -> list[int]:
    return [seen.last_id for _, body in lines if isinstance(seen := see(body), Seen) and seen.stream == stream]


def test_what_one_lacks_is_taken_from_the_other_with_the_earlier_stamp() -> None:
    a = recorded([*range(10), *range(15, 30)], late_ns=5 * MS)
    b = recorded([*range(20), *range(25, 30)], late_ns=3 * MS)
    lines, result = merged(a, b)
    assert data_of(lines) == data_of(a) | data_of(b)
    assert gaps_of(lines) == [RECORDER_STARTED]
    assert lines[0][1].startswith(b'{"e":"gap"')
    stamps = dict((body, stamp) for stamp, body in lines)
    assert stamps[depth(5)] == START_NS + 5 * STEP_NS + 3 * MS
    assert stamps[depth(22)] == START_NS + 22 * STEP_NS + 5 * MS
    assert [len(result.filled[side]) for side in "ab"] == [1, 1]
    assert (result.only["a"], result.only["b"]) == (16, 16)
    assert result.b_behind_ns == -2 * MS
    assert result.left == 1


def test_only_what_both_lack_stays_a_gap_and_stands_where_the_data_stop() -> None:
    a = recorded([*range(10), *range(16, 30)])
    b = recorded([*range(13), *range(19, 30)], late_ns=8 * MS)
    lines, result = merged(a, b)
    assert gaps_of(lines) == [RECORDER_STARTED, "connection lost"]
    at = [n for n, (_, body) in enumerate(lines) if body.startswith(b'{"e":"gap"')][1]
    assert ids_of(lines[:at], "depth") == [1000 + 10 * n for n in range(13)]
    assert ids_of(lines[at:], "depth") == [1000 + 10 * n for n in range(16, 30)]
    assert result.left == 2
    hole = tally_of(lines).gaps[1]
    assert (hole.after_id, hole.before_id) == (1120, 1155)


@settings(max_examples=60, deadline=None)
@given(
    st.sets(st.integers(0, 39)),
    st.sets(st.integers(0, 39)),
    st.integers(-40, 400),
    st.booleans(),
)
def test_nothing_is_lost_ids_are_in_order_and_every_hole_is_stated(
    away_a: set[int], away_b: set[int], later_ms: int, spot: bool
) -> None:
    a = recorded([n for n in range(40) if n not in away_a], spot=spot)
    b = recorded([n for n in range(40) if n not in away_b], late_ns=(50 + later_ms) * MS, spot=spot)
    lines, result = merged(a, b)
    assert data_of(lines) == data_of(a) | data_of(b)
    assert result.late == result.differ == 0
    stamps = [stamp for stamp, _ in lines]
    assert stamps == sorted(stamps)
    for stream in ("depth", "trade", "bookTicker"):
        ids = ids_of(lines, stream)
        assert ids == sorted(set(ids))
    tally = tally_of(lines)
    assert all(hole.stated for hole in tally.gaps)
    blind = away_a & away_b
    heard = sorted(set(range(40)) - blind)
    holes = sum(later != earlier + 1 for earlier, later in itertools.pairwise(heard))
    if heard:
        assert len(gaps_of(lines)) == 1 + holes
    own = {"a": data_of(a) - data_of(b), "b": data_of(b) - data_of(a)}
    assert {side: result.only[side] for side in "ab"} == {side: len(own[side]) for side in "ab"}


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 39), st.integers(0, 39))
def test_merging_is_the_same_either_way_round(away_a: int, away_b: int) -> None:
    a = recorded([n for n in range(40) if n != away_a])
    b = recorded([n for n in range(40) if not away_b <= n < away_b + 3], late_ns=7 * MS)
    assert sorted(merged(a, b)[0]) == sorted(merged(b, a)[0])


def link(number: int, *, whole: bool = False) -> list[Line]:
    """A connector's batch: two lines; the stamps are the connector's, so both recorders have the same."""
    at_ns, last_id = START_NS + number * STEP_NS, 1000 + 10 * number
    words = ["depthClear", "depthUpdate"] if whole else ["depthUpdate", "depthUpdate"]
    level = b'"b":[["1","2"]],"a":[],'
    return [
        (
            at_ns,
            b'{"e":"%b","E":5,"s":"BTCUSDT",%b"ns":5,"u":%d,"more":%d}'
            % (word.encode(), level if word == "depthUpdate" else b"", last_id, 1 - n),
        )
        for n, word in enumerate(words)
    ]


def from_link(numbers: Sequence[int]) -> list[Line]:
    lines: list[Line] = []
    before: int | None = None
    for number in numbers:
        if before is None or number != before + 1:
            stamp_ns = START_NS + number * STEP_NS - 1
            lines.append((stamp_ns, b'{"e":"gap","E":1,"s":"BTCUSDT","ns":%d,"reason":"samples lost"}' % stamp_ns))
        lines += link(number, whole=before is None or number != before + 1)
        before = number
    return lines


def test_batches_of_a_connector_stay_whole() -> None:
    a, b = from_link([*range(10), *range(14, 20)]), from_link(range(20))
    lines, result = merged(a, b)
    assert gaps_of(lines) == ["samples lost"]
    assert [n for n in ids_of(lines, "depth") if n != 1140] == [
        n for i in range(20) if i != 14 for n in [1000 + 10 * i] * 2
    ]
    mores = [see(body).more for _, body in lines if isinstance(see(body), Seen)]  # type: ignore[union-attr]
    assert mores == [1, 0] * (len(mores) // 2)
    assert [len(result.filled[side]) for side in "ab"] == [1, 0]


def test_files_are_merged_and_the_result_is_verified(tmp_path: Path) -> None:
    a = write(tmp_path / "a", recorded([*range(100), *range(120, 300)]))
    b = write(tmp_path / "b", recorded([*range(200), *range(220, 300)], late_ns=9 * MS))
    write(tmp_path / "b", recorded(range(5)), day=Day(DAY + 1))
    (tmp_path / "into").mkdir()
    before = a.read_bytes(), b.read_bytes()
    found = pairs(tmp_path / "a", tmp_path / "b")
    assert [len(each) for each in found] == [2, 1]
    outcomes = [merge(sources, tmp_path / "into") for sources in found]
    assert outcomes[1].merged is None
    assert "copied" in outcomes[1].lines()[0]
    text = "\n".join(outcomes[0].lines())
    assert "lacked 61 lines" in text.splitlines()[1]
    assert "1 of its gaps" in text.splitlines()[1]
    examined = examine(outcomes[0].path)
    assert examined.faults == examined.notes == []
    assert [hole.cause for hole in examined.tally.gaps] == ["recorder started"]
    assert (a.read_bytes(), b.read_bytes()) == before
    assert read_manifest(outcomes[0].path) is not None
    assert not [path for path in (tmp_path / "into").iterdir() if path.name.endswith(".tmp")]
    with pytest.raises(Refused, match="is there already"):
        merge(found[0], tmp_path / "into")
    with pytest.raises(Refused, match="one of the sources"):
        merge(found[0], tmp_path / "a")


def other_market(numbers: Sequence[int]) -> list[Line]:
    """The same symbol on a market whose ids lie elsewhere."""
    return [
        (
            stamp_ns,
            body.replace(b'"U":1', b'"U":7001')
            .replace(b'"u":1', b'"u":7001')
            .replace(b'"pu":', b'"pu":7000')
            .replace(b'"t":', b'"t":9'),
        )
        for stamp_ns, body in recorded(numbers)
    ]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (recorded(range(150), spot=True), "futures"),
        (other_market(range(150)), "of the same time"),
        (
            [
                (stamp_ns, body.replace(b'"p":"1"', b'"p":"9"').replace(b'["1.0"', b'["7.0"'))
                for stamp_ns, body in recorded(range(150))
            ],
            "differ",
        ),
        (from_link(range(150)), "recorded from a connector"),
    ],
)
def test_two_markets_of_one_symbol_are_refused_and_nothing_is_left(
    tmp_path: Path, lines: list[Line], words: str
) -> None:
    a, b = write(tmp_path / "a", recorded(range(150))), write(tmp_path / "b", lines)
    (tmp_path / "into").mkdir()
    with pytest.raises(Refused, match=f"not the same market.*{words}"):
        merge((a, b), tmp_path / "into")
    assert list((tmp_path / "into").iterdir()) == []


def test_sources_of_two_exchanges_are_refused(tmp_path: Path) -> None:
    a, b = write(tmp_path / "a", recorded(range(20))), write(tmp_path / "b", recorded(range(20)))
    for path, source in ((a, "binancefutures"), (b, "binancefuturescm")):
        manifest_path(path).write_text(json.dumps({**make_manifest(path)[2], "runs": [{"source": source}]}))
    (tmp_path / "into").mkdir()
    with pytest.raises(Refused, match="one was recorded from binancefutures, the other from binancefuturescm"):
        merge((a, b), tmp_path / "into")


def test_recordings_of_different_hours_are_the_same_market(tmp_path: Path) -> None:
    """One was away while the other ran: nothing is in both, and nothing contradicts."""
    a, b = (
        write(tmp_path / "a", recorded([*range(200), *range(600, 800)])),
        write(tmp_path / "b", recorded(range(300, 500))),
    )
    (tmp_path / "into").mkdir()
    outcome = merge((a, b), tmp_path / "into")
    assert outcome.merged is not None
    assert (outcome.merged.both, outcome.merged.left) == (0, 3)
    assert examine(outcome.path).faults == []


def test_a_torn_source_is_refused(tmp_path: Path) -> None:
    a, b = write(tmp_path / "a", recorded(range(50))), write(tmp_path / "b", recorded(range(50)))
    a.write_bytes(a.read_bytes()[:-9])
    (tmp_path / "into").mkdir()
    with pytest.raises(Refused, match="the end is torn"):
        merge((a, b), tmp_path / "into")
    assert trade(1) != trade(2)
