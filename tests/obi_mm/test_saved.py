"""A kept state: a restart goes on to the bit, anything unfit changes nothing, a kill costs no more than the last while."""

import json
import signal
import time
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from obi_mm.config import Config, change_config
from obi_mm.decisions import read_log
from obi_mm.errors import DataError
from obi_mm.layout import QUOTING, W_NEXT_ID, WARMING, Log
from obi_mm.live import Shell, make_strategies
from obi_mm.saved import Saved, load_state, save_state, state_path
from obi_mm.strategy import Strategy
from obi_mm.watch import Keeping

from tests.rig import Rig

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
MOST = 600 * SECOND


def decide_some(strategy: Strategy, first: int, count: int) -> list[Log]:
    rng = np.random.default_rng(first)
    made = []
    for number in range(first, first + count):
        bid = 500_000 + int(rng.integers(-3, 4))
        bids, asks = rng.random(2) * 10
        made.append(strategy.decide(START + number * 10 * SECOND, bid, bid + 1, float(bids), float(asks))[0])
    return made


def load(path: Path, strategy: Strategy, after_ns: int = SECOND, **changed: str) -> Saved | None:
    last_ns = START + 99 * 10 * SECOND
    names = {"symbol": "btcusdt", "connector": "bf", **changed}
    return load_state(path, strategy, now_ns=last_ns + after_ns, max_age_ns=MOST, **names)


@pytest.fixture
def kept(golden_config: Config, tmp_path: Path) -> tuple[Path, Strategy]:
    strategy = Strategy(golden_config, 0.1, 0.001)
    decide_some(strategy, 0, 100)
    path = state_path(tmp_path / "states", "btcusdt")
    save_state(path, strategy, symbol="btcusdt", connector="bf", last_ns=START + 99 * 10 * SECOND)
    return path, strategy


def test_a_restart_decides_to_the_bit_what_the_run_would_have(
    kept: tuple[Path, Strategy], golden_config: Config
) -> None:
    path, strategy = kept
    again = Strategy(golden_config, 0.1, 0.001)
    assert load(path, again) == Saved(START + 99 * 10 * SECOND, 30, 5)
    mine, theirs = decide_some(again, 100, 50), decide_some(strategy, 100, 50)
    assert [one.tobytes() for one in mine] == [one.tobytes() for one in theirs]
    assert QUOTING in [int(one["reason"][0]) for one in mine]


def test_ids_of_the_new_run_stay_above_both(kept: tuple[Path, Strategy], golden_config: Config) -> None:
    path, strategy = kept
    assert strategy.own[W_NEXT_ID] > 1
    for first in (1, 10**9):
        again = Strategy(golden_config, 0.1, 0.001, first_id=first)
        load(path, again)
        assert again.own[W_NEXT_ID] == max(first, strategy.own[W_NEXT_ID])


def test_what_can_not_be_used_is_said_and_changes_nothing(kept: tuple[Path, Strategy], golden_config: Config) -> None:
    path, _ = kept
    whole = path.read_bytes()
    cold = Strategy(golden_config, 0.1, 0.001)
    before = json.dumps(cold.state(), default=lambda array: array.tolist())
    with pytest.raises(DataError, match="601 s ago, too long"):
        load(path, cold, MOST + SECOND)
    with pytest.raises(DataError, match="ahead of the clock"):
        load(path, cold, -100 * SECOND)
    with pytest.raises(DataError, match="symbol is 'btcusdt', not 'ethusdt'"):
        load(path, cold, symbol="ethusdt")
    with pytest.raises(DataError, match="connector is 'bf', not 'test'"):
        load(path, cold, connector="test")
    for torn in (b"", whole[:100], whole[:-40], b"PK" + whole[20:]):
        path.write_bytes(torn)
        with pytest.raises(DataError, match="holds no state"):
            load(path, cold)
    assert json.dumps(cold.state(), default=lambda array: array.tolist()) == before
    assert load(path.with_name("none"), cold) is None


@pytest.mark.parametrize("change", [{"params.window": 31}, {"params.volatility_window": 6}, {"stop_loss.release": 0.4}])
def test_other_parameters_leave_every_factor_as_it_was(
    kept: tuple[Path, Strategy], golden_config: Config, change: dict[str, object]
) -> None:
    other = Strategy(change_config(golden_config, change, "test"), 0.1, 0.001)
    decide_some(other, 0, 3)
    before = json.dumps(other.state(), default=lambda array: array.tolist())
    with pytest.raises(DataError):
        load(kept[0], other)
    assert json.dumps(other.state(), default=lambda array: array.tolist()) == before


def test_quoting_settings_may_change_between_runs(kept: tuple[Path, Strategy], golden_config: Config) -> None:
    other = Strategy(change_config(golden_config, {"params.half_spread": 1e-3}, "test"), 0.1, 0.001)
    assert load(kept[0], other) is not None


def test_symbols_of_any_name_have_files_of_their_own(tmp_path: Path) -> None:
    names = {state_path(tmp_path, symbol).name for symbol in ("a/b", "a_b", "..", "A/B")}
    assert len(names) == 4
    assert all(state_path(tmp_path, symbol).parent == tmp_path for symbol in ("a/b", ".."))


def test_a_place_that_can_not_be_written_is_said_and_the_run_goes_on(golden_config: Config, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    notes: list[str] = []
    strategies = make_strategies({"btcusdt": (0.1, 0.001)}, golden_config, 1)
    keeping = Keeping(tmp_path / "file", "bf", 1.0, 1.0)

    last = decide_some(strategies["btcusdt"], 0, 1)[0]
    asset = SimpleNamespace(symbol="btcusdt", strategy=strategies["btcusdt"], last=last)
    shell = cast(Shell, SimpleNamespace(assets=[asset]))
    keeping.put(shell, notes.append)
    assert len(notes) == 1
    assert "can't be written" in notes[0]
    keeping.directory = tmp_path / "states"
    keeping.put(shell, notes.append)
    written = state_path(keeping.directory, "btcusdt")
    stamp = written.stat().st_mtime_ns
    keeping.put(shell, notes.append)  # nothing was decided since
    assert (len(notes), written.stat().st_mtime_ns) == (1, stamp)


CONFIG = """[params]
window = 20
volatility_window = 4
update_interval_ns = 100000000
volatility_interval_ns = 500000000
"""


def test_a_killed_run_keeps_its_warmth(tmp_path: Path) -> None:
    config, states = tmp_path / "c.toml", tmp_path / "states"
    config.write_text(CONFIG)
    with Rig() as rig:
        rig.exchange("--symbols", "btcusdt", "--rate", 100)
        rig.connector()

        def live(label: str) -> Path:
            log = tmp_path / f"{label}.obilog"
            rig.start(
                label, "obi_mm", "live", "-s", "btcusdt", "-c", config, "--dry-run", "--plain", "-o", log,
                "--state", states, "--state-every", 0.2,
            )  # fmt: skip
            return log

        def warm(log: Path) -> bool:
            return log.exists() and QUOTING in read_log(log).decisions["reason"][-3:]

        first = live("first")
        rig.until(lambda: warm(first), 90, "the first run to quote")
        kept_ns = state_path(states, "btcusdt").stat().st_mtime_ns
        rig.until(lambda: state_path(states, "btcusdt").stat().st_mtime_ns > kept_ns, 20, "a state of the warm run")
        rig.end("first", signal.SIGKILL)
        killed = time.monotonic()
        second = live("second")
        rig.until(lambda: second.exists() and len(read_log(second).decisions) > 3, 90, "decisions of the second run")
        assert rig.end("second") == 0
        away_s = time.monotonic() - killed
        begun, ended = read_log(first).decisions, read_log(second).decisions
        assert begun["reason"][0] == WARMING
        assert ended["samples"][0] == begun["samples"][-1] == 20
        # A gap of more than `longest_gap` intervals gives no return, and loses none.
        assert ended["returns"][0] == 4, away_s
        assert QUOTING in ended["reason"]
        assert WARMING not in ended["reason"]
        assert "goes on from" in rig.log("second")
