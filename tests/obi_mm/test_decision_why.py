"""Where two logs differ, what they themselves say of it is said, and on whose side it lies."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from marketlink.events import Events
from obi_mm.backtest import Result, run_backtest
from obi_mm.cli import app
from obi_mm.config import Config, change_config
from obi_mm.days import day_of
from obi_mm.decision_compare import between, compare, of_one_symbol, settled_ns
from obi_mm.decision_why import Why, explain
from obi_mm.decisions import DecisionLog, Header, LoggedSymbol, read_log, write_log
from obi_mm.errors import LogError
from obi_mm.layout import DECISION_DTYPE, QUOTING, STOPPED, UNSYNCED, Log
from obi_mm.models import Models
from obi_mm.rows import ClearsSpelledOut
from obi_mm.strategy import Strategy
from typer.testing import CliRunner

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
CONFIG = {"params": {"window": 3, "volatility_window": 2, "volatility_interval_ns": 2 * SECOND, "longest_gap": 5}}


def decisions_of(count: int = 40, symbol: int = 0) -> Log:
    made: Log = np.zeros(count, DECISION_DTYPE)
    made["time_ns"] = START + np.arange(count) * SECOND
    made["reason"], made["sampled"], made["symbol"] = QUOTING, 1, symbol
    made["samples"], made["returns"] = 3, 2
    made["alpha"] = np.arange(count)
    return made


def log_of(
    decisions: Log, source: str = "backtest", names: tuple[str, ...] = ("btcusdt",), **more: object
) -> DecisionLog:
    header = Header(tuple(LoggedSymbol(name, 0.1, 0.001) for name in names), CONFIG, source, more)
    return DecisionLog(header, decisions, np.zeros(0, np.int64), np.zeros(len(decisions) + 1, np.int64))


def whys(left: DecisionLog, right: DecisionLog) -> list[Why]:
    return list(explain(left, right, list(compare(left, right))))


def test_equal_logs_have_nothing_to_explain() -> None:
    assert whys(log_of(decisions_of()), log_of(decisions_of())) == []


def test_a_time_without_a_book_is_said_with_its_side_and_what_the_windows_show_of_it() -> None:
    live = decisions_of()
    live["reason"][10:13], live["sampled"][10:13] = UNSYNCED, 0
    live["alpha"][13:18] += 0.5
    found = whys(log_of(live, "live dry run"), log_of(decisions_of()))
    assert [why.kind for why in found] == ["no book"] * 3 + ["windows"] * 5
    assert {why.side for why in found} == {"first"}
    assert found[0].text == (
        "the first log (live dry run) had no book from 2023-11-14 22:13:30.000 to 2023-11-14 22:13:32.000 (unsynced)"
    )
    assert found[-1].text.endswith("its windows show it until 2023-11-14 22:13:40.000")
    swapped = whys(log_of(decisions_of()), log_of(live))
    assert [(why.kind, why.side) for why in swapped] == [(why.kind, "second") for why in found]


def test_behind_the_windows_a_difference_is_no_longer_laid_to_the_book() -> None:
    live = decisions_of()
    live["reason"][10:13], live["sampled"][10:13] = UNSYNCED, 0
    live["alpha"][30] += 0.5
    assert whys(log_of(live), log_of(decisions_of()))[-1].kind == "windows"
    assert whys(log_of(live), log_of(decisions_of()))[-1].side == ""


def test_late_missing_begun_later_and_ended_sooner_are_said() -> None:
    live = decisions_of()
    live["missed"][5] = 1
    part = np.concatenate((live[2:20], live[25:35]))
    found = whys(log_of(part), log_of(decisions_of()))
    assert [(why.kind, why.side) for why in found] == (
        [("began", "first")] * 2 + [("late", "first")] + [("missing", "first")] * 5 + [("ended", "first")] * 5
    )
    assert "decided nothing between 2023-11-14 22:13:39.000 and 2023-11-14 22:13:45.000" in found[3].text


def test_a_log_that_went_on_from_a_kept_state_is_a_restart_until_its_windows_are_its_own() -> None:
    live = decisions_of()
    live["alpha"] += 1.0
    resumed = log_of(live, "live, bot 7", resumed={"btcusdt": START - 100 * SECOND})
    found = whys(resumed, log_of(decisions_of()))
    fresh = settled_ns(resumed)
    assert fresh == START + 8 * SECOND  # three returns of two seconds, and one interval
    assert [why.kind for why in found] == ["restart"] * 8 + ["windows"] * 32
    assert "went on from the state kept at 2023-11-14 22:11:40.000" in found[0].text
    assert settled_ns(log_of(live)) == START + 2 * SECOND  # full from its first decision on, as far as it says
    short = log_of(live[:4], resumed={"btcusdt": 1})
    assert settled_ns(short) is None
    assert [why.kind for why in whys(short, log_of(decisions_of()[:4]))] == ["restart"] * 4


def test_another_book_position_or_rule_is_told_apart() -> None:
    live = decisions_of(4)
    live["bids"][0], live["position_lots"][1], live["reason"][2], live["alpha"][3] = 5.0, 7, STOPPED, 9.0
    found = whys(log_of(live), log_of(decisions_of(4)))
    assert [why.kind for why in found] == ["book", "position", "other", "windows"]


def test_two_symbols_against_one_are_that_symbols_part() -> None:
    both = log_of(np.concatenate((decisions_of(), decisions_of(symbol=1))), names=("btcusdt", "ethusdt"))
    both.decisions["bids"][40:] = 3.0
    eth = decisions_of()
    eth["bids"] = 3.0
    for name in ("ethusdt", "ethusdt_20231114", "ETHUSDT_20231114"):
        pair = of_one_symbol([both, log_of(eth, names=(name,))], "")
        assert [len(one.decisions) for one in pair] == [40, 40]
        assert not list(compare(*pair))
        with pytest.raises(LogError, match="not of 'btcusdt'"):
            of_one_symbol([log_of(eth, names=(name,)), both], "btcusdt")
    unnamed = log_of(eth, names=("golden",))
    with pytest.raises(LogError, match="has no 'golden': say with --symbol"):
        of_one_symbol([unnamed, both], "")
    assert not list(compare(*of_one_symbol([unnamed, both], "ethusdt")))
    assert of_one_symbol([both, both], "")[0] is both


def test_each_symbol_of_two_logs_has_its_own_causes() -> None:
    live = np.concatenate((decisions_of(), decisions_of(symbol=1)))
    live["reason"][50:52] = UNSYNCED
    left, right = (
        log_of(rows, names=("btcusdt", "ethusdt"))
        for rows in (live, np.concatenate((decisions_of(), decisions_of(symbol=1))))
    )
    left.decisions["bids"][5] = 1.0
    found = {one.symbol: why.kind for one, why in zip(compare(left, right), whys(left, right), strict=True)}
    assert found == {"btcusdt": "book", "ethusdt": "no book"}


def test_diff_prints_why_and_counts(tmp_path: Path) -> None:
    live = decisions_of()
    live["reason"][10:13] = UNSYNCED
    for name, rows in (("a", live), ("b", decisions_of())):
        log = log_of(rows)
        write_log(tmp_path / name, log.header, rows, np.zeros((0, 5), np.int64))
    said = CliRunner().invoke(app, ["diff", str(tmp_path / "a"), str(tmp_path / "b")])
    assert said.exit_code == 1
    lines = said.output.splitlines()
    assert lines[0] == "3 of 40 decisions differ:"
    assert lines[1].startswith("  3 times: the first log (backtest) had no book from 2023-11-14 22:13:30.000 to")
    assert lines[3].endswith("<- no book, first")
    told = CliRunner().invoke(app, ["diff", str(tmp_path / "a"), str(tmp_path / "b"), "--json"]).output
    assert [json.loads(line)["why"]["side"] for line in told.splitlines()] == ["first"] * 3


def test_a_run_that_went_on_settles_where_one_that_saw_all_agrees_with_it(
    market: Events, golden_config: Config, tmp_path: Path
) -> None:
    config = change_config(
        golden_config, {"stop_loss.volatility_threshold": 1e6, "stop_loss.change_threshold": 1e6}, "test"
    )
    market = market[:450_000]
    cut = [int(np.searchsorted(market["exch_ts"], START + seconds * SECOND)) for seconds in (700, 790)]
    strategy = Strategy(config, 0.1, 0.001)

    def run(rows: Events, strategy: Strategy | None) -> Result:
        day = day_of(rows.copy(), ClearsSpelledOut(0.1, 0.001), "exchange", "x")
        return run_backtest([day], config, 0.1, 0.001, Models(), dry=True, strategy=strategy)

    whole = run(market, None)
    run(market[: cut[0]], strategy)
    gone_on = run(market[cut[1] :], strategy)  # 90 s are missing
    logs = []
    for name, result, more in (("whole", whole, {}), ("on", gone_on, {"resumed": {"x": START + 700 * SECOND}})):
        header = Header((LoggedSymbol("x", 0.1, 0.001),), {"params": config.params.model_dump()}, name, more)
        write_log(tmp_path / name, header, result.decisions, result.actions)
        logs.append(read_log(tmp_path / name))
    settled, last = settled_ns(logs[1]), int(logs[1].decisions["time_ns"][-1])
    assert settled is not None
    assert settled < last - 300 * SECOND
    assert not list(compare(*(between(log, settled, last) for log in logs), 1e-7))
    first = int(logs[1].decisions["time_ns"][0])
    early = list(compare(*(between(log, first, settled) for log in logs), 1e-7))
    assert len(early) > 20  # full windows, and yet other ones
    assert {why.kind for why in explain(*logs, early)} == {"restart"}
    unsaid = replace(logs[1], header=replace(logs[1].header, more={}))
    assert (settled_ns(unsaid) or last) < settled
