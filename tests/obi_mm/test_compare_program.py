"""`obi-mm compare` on a session that real processes traded: exchange, connector, recorder, strategy."""

import json
import math
from pathlib import Path

import pytest
from data_convert.cli import app as convert
from obi_mm.cli import app
from obi_mm.decisions import read_log
from obi_mm.layout import DECIDED, FILL
from typer.testing import CliRunner

from tests.obi_mm.test_trading_program import CONFIG, Market


@pytest.mark.soak
@pytest.mark.timeout(400)
def test_a_traded_session_is_compared_and_its_money_adds_up(tmp_path: Path) -> None:
    with Market() as market:
        market.begin()
        market.link_collector(tmp_path, ["btcusdt"])
        log = tmp_path / "session.obilog"
        market.until(lambda: any(one.stat().st_size for one in tmp_path.glob("btcusdt_*.gz")), 60, "the recording")
        market.trade("live", CONFIG, "--output", log)
        market.quoting()
        market.until(lambda: (read_log(log).events["what"] == FILL).sum() >= 10, 120, "ten fills")
        market.ended_well()
        for _ in market.polls(1.5):
            pass
        market.end("ipc")
    told = read_log(log)
    assert len(told.states) == 1
    assert (told.events["what"] == DECIDED).sum() == len(told.decisions)
    recordings = [str(path) for path in sorted(tmp_path.glob("btcusdt_*.gz"))]
    day = tmp_path / "day.npz"
    done = CliRunner().invoke(convert, ["collector", *recordings, str(day)])
    assert done.exit_code == 0, done.output
    out = tmp_path / "out"
    said = CliRunner().invoke(app, ["compare", str(log), "--data", str(day), "--output", str(out)])
    assert said.exit_code == 0, said.output
    print(said.output)
    content = json.loads((out / "compare.json").read_text())
    assert content["fills"]["live"] >= 10
    assert content["orders"]["live"] > 0
    money = content["profit"]
    assert math.fsum(one["profit"] for one in content["classes"].values()) == pytest.approx(
        money["difference"], abs=1e-9
    )
    decisions = [one for one in content["differences"] if one["what"] == "decision" and not one["follows"]]
    assert len(decisions) < 0.2 * content["decisions"], said.output
