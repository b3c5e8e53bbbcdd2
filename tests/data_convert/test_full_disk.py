"""A disk that is full: every command says so and what to do, leaves no partial file, and keeps what was there."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import tardis_naive
from convert_feed import Exchange, line
from data_convert import load, save
from data_convert.events import BUY, DEPTH, EVENT_DTYPE, EXCH, LOCAL, SELL

WORKER = Path(__file__).parent / "support" / "full_disk.py"
ROOM = 16 << 10  # bytes that can be written; what the commands below write is larger
OLD = b"what was there before"
T = 1_700_000_000_000
OUTPUTS = {
    "tardis": "tardis.npz",
    "collector": "collector.npz",
    "history": "history.npz",
    "snapshot": "snapshot.npz",
    "merge": "merge.gz",
}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Inputs of every command by its name."""
    folder = tmp_path_factory.mktemp("inputs")
    generator = np.random.default_rng(2)
    exchange = Exchange(1)
    messages = [exchange.update(), exchange.snapshot(), *(exchange.update() for _ in range(4_000))]
    for name, late_ns in (("a.gz", 0), ("b.gz", 999)):
        stamps = T * 10**6 + 10**6 * np.arange(len(messages)) + generator.integers(0, 10**6, len(messages)) + late_ns
        (folder / name).write_text("".join(map(line, stamps.tolist(), messages)))
    prices, amounts = generator.integers(10_000, 99_999, 6_000).tolist(), generator.integers(1, 99_999, 6_000).tolist()
    pairs = list(zip(range(6_000), prices, amounts, strict=True))
    rows = [f"x,AB,{T * 1000 + i},{T * 1000 + i + p % 90},{i},buy,{p / 10},{a / 1000}" for i, p, a in pairs]
    (folder / "trades.csv").write_text("\n".join([tardis_naive.TRADES, *rows]))
    rows = [f"{i},{p / 10},{a / 1000},1,{T + i},true" for i, p, a in pairs]
    (folder / "AB-trades.csv").write_text("\n".join(["id,price,qty,quote_qty,time,is_buyer_maker", *rows]))
    events = np.zeros(6_000, EVENT_DTYPE)
    events["ev"] = np.uint64(DEPTH | EXCH | LOCAL) | np.where(np.arange(6_000) < 3_000, BUY, SELL).astype(np.uint64)
    events["px"], events["qty"] = (
        generator.random(6_000) + (events["ev"] & np.uint64(SELL) > 0),
        generator.random(6_000),
    )
    save(events, folder / "day.npz")
    return {
        "tardis": [folder / "trades.csv"],
        "collector": [folder / "a.gz"],
        "history": [folder / "AB-trades.csv"],
        "snapshot": [folder / "day.npz"],
        "merge": [folder / "a.gz", folder / "b.gz"],
    }


def commands(inputs, folder):
    out = []
    for name, output in OUTPUTS.items():
        files, target = list(map(str, inputs[name])), str(folder / output)
        at_end = name in ("collector", "merge")
        more = ["--latency-ns", "5"] if name == "history" else []
        out.append([name, *files, *([target] if at_end else ["-o", target]), *more, "--force"])
    return out


def run(program, arguments):
    done = subprocess.run(
        program, input=json.dumps(arguments), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def room_enough(inputs, tmp_path_factory):
    """Every command does its work where it has room; this also compiles what there is to compile."""
    folder = tmp_path_factory.mktemp("room")
    found = run([sys.executable, str(WORKER), "0"], commands(inputs, folder))
    assert [code for code, _ in found] == [0] * len(OUTPUTS)
    for output in OUTPUTS.values():
        assert (folder / output).stat().st_size > 2 * ROOM
    assert len(load(folder / "snapshot.npz")) == 6_000


@cache
def can_mount():
    """Whether this user may mount a file system that nobody else sees."""
    tried = ["unshare", "-rm", "mount", "-t", "tmpfs", "-o", "size=4k", "none", "/mnt"]
    return (
        shutil.which("unshare") is not None and not subprocess.run(tried, capture_output=True, check=False).returncode
    )


def told(found, folder, reason):
    for (code, errors), output in zip(found, OUTPUTS.values(), strict=True):
        assert code == 1
        assert errors == (
            f"data-convert: {folder / output}: cannot be written ({reason}); check space and permissions\n"
        )


@pytest.mark.usefixtures("room_enough")
@pytest.mark.parametrize("exists", [True, False])
def test_what_grows_beyond_a_limit_is_not_there_at_all(tmp_path, inputs, exists):
    before = {output: OLD for output in OUTPUTS.values()} if exists else {}
    for name, data in before.items():
        (tmp_path / name).write_bytes(data)
    told(run([sys.executable, str(WORKER), str(ROOM)], commands(inputs, tmp_path)), tmp_path, "File too large")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.usefixtures("room_enough")
def test_a_full_file_system_keeps_what_was_there_and_nothing_else(tmp_path, inputs):
    """On a tmpfs of a few pages where one can be mounted; the limit above is the same trouble everywhere else."""
    if not can_mount():
        (tmp_path / "tardis.npz").write_bytes(OLD)
        found = run([sys.executable, str(WORKER), "1"], commands(inputs, tmp_path))
        told(found, tmp_path, "File too large")
        assert [path.name for path in tmp_path.iterdir()] == ["tardis.npz"]
        return
    worker, folder = shlex.join([sys.executable, str(WORKER), "0"]), shlex.quote(str(tmp_path))
    script = (
        f"mount -t tmpfs -o size={ROOM} none {folder} && printf '{OLD.decode()}' > {folder}/tardis.npz && "
        f'found=$({worker}) && test "$(ls -A {folder})" = tardis.npz && '
        f'test "$(cat {folder}/tardis.npz)" = \'{OLD.decode()}\' && printf %s "$found"'
    )
    told(run(["unshare", "-rm", "sh", "-c", script], commands(inputs, tmp_path)), tmp_path, "No space left on device")
