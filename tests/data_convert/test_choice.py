"""Small inputs need no compiled code, and lead to the bytes that it would make."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from convert_feed import record
from data_convert import choice
from data_convert.tardis.sample import write_sample

T = 1_700_000_000_000


def test_python_spends_its_budget_once_and_nothing_where_kernels_are_loaded(monkeypatch):
    monkeypatch.setattr(choice, "_spent_ns", 0)
    assert not choice.few(1, 1)
    monkeypatch.setattr(choice, "KERNELS", "no module")
    assert choice.affordable(choice.BUDGET_NS // 10, 10)
    assert choice.few(choice.BUDGET_NS // 10, 9)
    assert not choice.few(choice.BUDGET_NS // 10, 9)
    assert choice.few(1, choice.BUDGET_NS // 10)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("few")
    (folder / "btcusdt_20231114.jsonl").write_text(record(["update", "snapshot", "update", "trade"] * 9, 3)[0])
    trades = "".join(f"{i},{10 + i},1,1,{T + 37 * i},true\n" for i in range(99))
    (folder / "BTCUSDT-trades-2023-11-14.csv").write_text("id,price,qty,quote_qty,time,is_buyer_maker\n" + trades)
    names = "update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time\n"
    quotes = "".join(f"{i},{10 + i % 7},1,{11 + i % 7},2,{T + 11 * i},{T}\n" for i in range(99))
    (folder / "BTCUSDT-bookTicker-2023-11-14.csv").write_text(names + quotes)
    write_sample(folder)
    return folder


@pytest.mark.parametrize(
    ("command", "names", "more"),
    [
        ("collector", "btcusdt_*.jsonl", ()),
        ("tardis", "binance-futures_*.csv.gz", ()),
        ("history", "BTCUSDT-*.csv", ("--latency-ns", "1000")),
    ],
)
def test_a_small_file_is_converted_without_numba_to_the_same_bytes(tmp_path, run, inputs, command, names, more):
    files = sorted(map(str, inputs.glob(names)))
    program = (
        "import sys; from data_convert.cli import main\n"
        "try:\n    main()\nfinally:\n    assert 'numba' not in sys.modules, 'numba was loaded'\n"
    )
    arguments = [command, *files, "-o", str(tmp_path / "small.npz"), *more]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    arguments[arguments.index("-o") + 1] = str(tmp_path / "kernels.npz")
    assert run(*arguments)[0] == 0
    assert (tmp_path / "small.npz").read_bytes() == (tmp_path / "kernels.npz").read_bytes()
    assert run("validate", tmp_path / "small.npz")[0] == 0


def test_checks_and_books_of_a_small_array_need_no_numba(tmp_path, run, inputs):
    array = tmp_path / "x.npz"
    assert run("tardis", *inputs.glob("binance-futures_*.csv.gz"), "-o", array)[0] == 0
    program = (
        "import sys, numpy as np, data_convert as dc\n"
        "events = dc.load(sys.argv[1])[:20_000]\n"
        "dc.validate(events); dc.replay_book(events); dc.end_snapshot([events])\n"
        "assert 'numba' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(array)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.soak
def test_warm_converts_something_of_every_kind(run):
    code, out, err = run("warm")
    assert (code, out) == (0, "")
    assert [line.partition(":")[0] for line in err.splitlines()] == [
        "tardis",
        "validate",
        "fuse",
        "collector",
        "history",
    ]


@pytest.mark.soak
def test_behind_warm_nothing_is_compiled_any_more(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-m", "data_convert", "warm"], env=environment, check=True, capture_output=True)
    kept = sorted(tmp_path.rglob("*.nbc"))
    subprocess.run([sys.executable, "-m", "data_convert", "warm"], env=environment, check=True, capture_output=True)
    assert kept
    assert sorted(tmp_path.rglob("*.nbc")) == kept
