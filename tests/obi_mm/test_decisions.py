"""The decision log: what was written is read, a torn end costs one decision, differences are all found."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from marketlink.events import Events
from obi_mm.backtest import run_backtest
from obi_mm.cli import app
from obi_mm.config import Config, change_config
from obi_mm.days import day_of
from obi_mm.decision_compare import between, compare, of_symbol, settled_ns
from obi_mm.decision_rows import event_row, row_of
from obi_mm.decisions import Header, LoggedSymbol, Writer, decode_log, encode_decision, read_log, write_log
from obi_mm.errors import LogError
from obi_mm.layout import DECISION_DTYPE, EVENT_DTYPE, FILL, NO_BID_TICK, PROBLEM, REASONS
from obi_mm.models import Models
from obi_mm.outputs import write_results
from obi_mm.rows import ClearsSpelledOut
from typer.testing import CliRunner

HEADER = Header((LoggedSymbol("btcusdt", 0.1, 0.001), LoggedSymbol("ethusdt", 0.01, 0.01)), {"params": {}}, "test")

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
    one = Header((LoggedSymbol("a", 0.1, 0.001),), {}, "x")
    other = Header((LoggedSymbol("b", 0.1, 0.001),), {}, "y")
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


def test_one_symbols_part_of_a_log_keeps_its_own_actions() -> None:
    rows = [
        (1, 0, 0, 0.5, [(2, 1, 5, 6, 7)]),
        (1, 0, 1, 0.5, [(2, 1, 8, 9, 70), (2, -1, 8, 9, 71)]),
        (2, 0, 1, 0.5, []),
    ]
    log = decode_log(HEADER.encode() + b"".join(encode_decision(*part) for part in parts_of(rows)))
    mine = of_symbol(log, "ethusdt")
    assert mine.decisions["time_ns"].tolist() == [1, 2]
    assert [mine.actions_of(number)["order_id"].tolist() for number in range(2)] == [[70, 71], []]
    with pytest.raises(LogError, match="has no 'solusdt', but btcusdt, ethusdt"):
        of_symbol(log, "solusdt")
    assert [len(between(log, 2, 2).decisions), len(between(log, 3, 2).decisions)] == [1, 0]


def test_a_log_that_began_later_settles_where_an_earlier_one_agrees_with_it(
    market: Events, golden_config: Config, tmp_path: Path
) -> None:
    market = market[:400_000]
    config = change_config(
        golden_config, {"stop_loss.volatility_threshold": 1e6, "stop_loss.change_threshold": 1e6}, "test"
    )
    # The second begins 10 s into an interval, whose return is another one then.
    late = market[np.searchsorted(market["exch_ts"], int(market["exch_ts"][0]) + 45_000_000_000) :]
    paths = []
    for name, rows in (("early", market), ("late", late)):
        (tmp_path / name).mkdir()
        day = day_of(rows.copy(), ClearsSpelledOut(0.1, 0.001), "exchange", name)
        write_results(
            tmp_path / name, run_backtest([day], config, 0.1, 0.001, Models(), dry=True), {"config": config.sections()}, "x"
        )  # fmt: skip
        paths.append(tmp_path / name / "decisions.obilog")
    settled = settled_ns(read_log(paths[1]))
    assert settled is not None
    last = int(read_log(paths[1]).decisions["time_ns"][-1])
    logs = [between(read_log(path), settled, last) for path in paths]
    assert not list(compare(*logs, 1e-7))
    assert len(logs[0].decisions) > 100
    # It says so no later than it must: one decision before, the two still differ.
    before = [between(read_log(path), settled - 10_000_000_000, last) for path in paths]
    assert [one.time_ns for one in compare(*before, 1e-7)] == [settled - 10_000_000_000]
    diff = ["diff", *map(str, paths), "--tolerance", "1e-7"]
    assert CliRunner().invoke(app, [*diff, "--common"]).exit_code == 1
    warm = CliRunner().invoke(app, [*diff, "--warm"])
    assert (warm.exit_code, warm.output) == (0, f"equal: {len(logs[0].decisions):,} decisions\n")
    short = tmp_path / "short"
    short.write_bytes(paths[1].read_bytes()[:3000])
    assert CliRunner().invoke(app, ["diff", str(paths[0]), str(short), "--warm"]).output == "no decision to compare\n"


def test_orders_stand_between_decisions_and_version_one_is_still_read() -> None:
    parts = [encode_decision(*part) for part in parts_of([(1, 0, 0, 0.5, [(2, 1, 5, 6, 7)]), (2, 0, 1, 0.5, [])])]
    event = np.zeros(1, EVENT_DTYPE)
    event["time_ns"], event["what"], event["side"], event["order_id"] = (
        1_700_000_000_000_000_000,
        FILL,
        -1,
        (1 << 63) + 5,
    )
    event["tick"], event["lots"], event["status"], event["text"] = 500_003, 4, 3, b"why"
    content = HEADER.encode() + parts[0] + b"E" + event.tobytes() + parts[1]
    log = decode_log(content)
    assert (len(log.decisions), len(log.events), log.torn_bytes) == (2, 1, 0)
    row = event_row(log, 0)
    assert row["time"] == "2023-11-14T22:13:20.000000000Z"
    assert (row["what"], row["side"], row["price"], row["qty"], row["status"], row["text"], row["id"]) == (
        "fill", "sell", 50000.3, 0.004, "filled", "why", (1 << 63) + 5,
    )  # fmt: skip
    assert [len(of_symbol(log, name).events) for name in ("btcusdt", "ethusdt")] == [1, 0]
    torn = decode_log(content[: -len(parts[1]) - 1])
    assert (len(torn.decisions), len(torn.events)) == (1, 0)
    assert torn.torn_bytes == event.itemsize
    first = decode_log(HEADER.encode().replace(b"OBIDEC2", b"OBIDEC1") + b"".join(part[1:] for part in parts))
    assert first.decisions.tobytes() == log.decisions.tobytes()
    assert first.actions.tobytes() == log.actions.tobytes()
    with pytest.raises(LogError, match="unknown kind"):
        decode_log(HEADER.encode() + b"X" + parts[0][1:])
    event["what"] = 99
    with pytest.raises(LogError, match="event 0 is damaged"):
        decode_log(HEADER.encode() + b"E" + event.tobytes())


def test_what_happened_to_orders_is_printed(tmp_path: Path) -> None:
    events = np.zeros(2, EVENT_DTYPE)
    events["what"], events["lots"], events["side"] = [FILL, PROBLEM], [4, 0], [1, 0]
    with Writer(tmp_path / "log", HEADER) as writer:
        for at in range(2):
            writer.happened(events[at : at + 1])
    command = ["decisions", str(tmp_path / "log"), "--orders", "--format"]
    table, lines = (CliRunner().invoke(app, [*command, form]).output.splitlines() for form in ("table", "csv"))
    assert len(table) == len(lines) == 3
    assert "fill" in table[1]
    assert "problem" in lines[2]
    only = CliRunner().invoke(app, [*command, "json", "--reason", "fill"]).output.splitlines()
    assert len(only) == 1
