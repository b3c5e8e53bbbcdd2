"""The decision log: what was written is read, a torn end costs one decision, differences are all found."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from obi_mm.decisions import (
    Header,
    Instrument,
    Writer,
    compare,
    decode_log,
    encode_decision,
    read_log,
    row_of,
    write_log,
)
from obi_mm.errors import LogError
from obi_mm.layout import DECISION_DTYPE, NO_BID_TICK, REASONS

HEADER = Header((Instrument("btcusdt", 0.1, 0.001), Instrument("ethusdt", 0.01, 0.01)), {"params": {}}, "test")

whole = st.integers(-(2**62), 2**62)
made = st.lists(
    st.tuples(
        st.integers(0, 2**61), st.integers(0, len(REASONS) - 1), st.integers(0, 1), st.floats(),
        st.lists(st.tuples(st.integers(1, 3), st.sampled_from([1, -1]), whole, whole, whole), max_size=4),
    ),
    max_size=8,
)  # fmt: skip


def parts_of(rows: list[tuple[int, int, int, float, list[tuple[int, ...]]]]) -> list[tuple[np.ndarray, np.ndarray]]:
    parts = []
    for time_ns, reason, symbol, alpha, actions in rows:
        decision = np.zeros(1, DECISION_DTYPE)
        decision["time_ns"], decision["reason"], decision["symbol"] = time_ns, reason, symbol
        decision["alpha"], decision["actions"] = alpha, len(actions)
        parts.append((decision, np.array(actions, np.int64).reshape(-1, 5)))
    return parts


@given(made, st.integers(0, 300))
def test_a_log_is_read_as_it_was_written_up_to_the_last_whole_decision(rows: list, torn: int) -> None:
    parts = parts_of(rows)
    encoded = [encode_decision(*part) for part in parts]
    content = HEADER.encode() + b"".join(encoded)
    cut = min(torn, sum(map(len, encoded)))
    log = decode_log(content[: len(content) - cut])
    assert log.header == HEADER
    kept = len(log.decisions)
    assert sum(map(len, encoded[:kept])) + log.torn_bytes == sum(map(len, encoded)) - cut
    assert kept == len(encoded) or log.torn_bytes < len(encoded[kept])
    for number in range(kept):
        assert log.decisions[number : number + 1].tobytes() == parts[number][0].tobytes()
        assert log.actions_of(number).tobytes() == parts[number][1].tobytes()


def test_written_at_once_or_one_by_one_is_the_same(tmp_path: Path) -> None:
    parts = parts_of([(1, 0, 0, 0.5, [(2, 1, 5, 6, 7)]), (2, 3, 0, 0.5, []), (3, 0, 0, 1.5, [(1, -1, 5, 6, 7)] * 2)])
    decisions = np.concatenate([decision for decision, _ in parts])
    write_log(tmp_path / "a", HEADER, decisions, np.concatenate([actions for _, actions in parts]))
    with Writer(tmp_path / "b", HEADER) as writer:
        for part in parts:
            writer.put(*part)
            assert len(read_log(tmp_path / "b").decisions) > 0  # readable while it is written
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    "content", [b"", b"OBIDEC1\n", b"PK\x03\x04" * 9, b"OBIDEC1\n\x02\x00\x00\x00{}", b"OBIDEC1\n\xff\x00\x00\x00{"]
)
def test_what_is_no_log_is_refused(content: bytes) -> None:
    with pytest.raises(LogError):
        decode_log(content)


def test_a_damaged_decision_is_named() -> None:
    parts = parts_of([(1, 0, 0, 0.5, []), (2, 0, 0, 0.5, [])])
    parts[1][0]["reason"] = 99
    with pytest.raises(LogError, match="decision 1 is damaged"):
        decode_log(HEADER.encode() + b"".join(encode_decision(*part) for part in parts))


def test_prices_are_shown_as_prices_and_nothing_as_nothing() -> None:
    ((decision, actions),) = parts_of([(1_700_000_000_123_456_789, 0, 0, np.nan, [(2, 1, 500_003, 10, 7)])])
    decision["best_bid_tick"], decision["best_ask_tick"], decision["bid_tick"] = NO_BID_TICK, 500_003, 0
    row = row_of(decode_log(HEADER.encode() + encode_decision(decision, actions)), 0)
    assert row["time"] == "2023-11-14T22:13:20.123456789Z"
    assert (row["best_bid"], row["best_ask"], row["bid"], row["alpha"]) == (None, 50000.3, None, None)
    assert row["actions"] == [{"do": "submit", "side": "buy", "price": 50000.3, "qty": 0.01, "id": 7}]


def test_every_difference_is_found_and_ids_count_from_the_first() -> None:
    one = Header((Instrument("a", 0.1, 0.001),), {}, "x")
    other = Header((Instrument("b", 0.1, 0.001),), {}, "y")
    mine = parts_of([(1, 0, 0, 0.5, [(2, 1, 5, 6, 1)]), (2, 0, 0, 0.5, []), (3, 0, 0, 0.5, [])])
    yours = parts_of([(1, 0, 0, 0.5, [(2, 1, 5, 6, 901)]), (2, 0, 0, 0.75, []), (4, 0, 0, 0.5, [])])
    logs = [
        decode_log(header.encode() + b"".join(encode_decision(*part) for part in parts))
        for header, parts in ((one, mine), (other, yours))
    ]
    found = list(compare(*logs))
    assert [(one.time_ns, sorted(one.fields)) for one in found] == [
        (2, ["alpha"]),
        (3, ["decision"]),
        (4, ["decision"]),
    ]
    assert not list(compare(logs[0], logs[0]))
    assert [one.time_ns for one in compare(*logs, 0.5)] == [3, 4]
