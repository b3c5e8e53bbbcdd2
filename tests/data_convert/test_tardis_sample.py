"""The generated sample: its known arrays, through the command, and the command's other ways out."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys

import pytest
from data_convert import load
from data_convert.tardis.sample import write_sample
from two_ways import way  # noqa: F401


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return [str(path) for path in write_sample(tmp_path_factory.mktemp("sample"))]


@pytest.mark.parametrize(
    ("mode", "rows", "digest"),
    [
        ("process", 73_602, "e6d6854e396878b0aceff470fa05506c4000f52113a1baa98920e8afe7c73043"),
        ("ignore_sod", 73_400, "d2fefa1ec34f2208d6f539b4ea8fe6ba6d2fff7f0f713bc0459cc8faf7c9ffdc"),
        ("ignore", 73_400, "d2fefa1ec34f2208d6f539b4ea8fe6ba6d2fff7f0f713bc0459cc8faf7c9ffdc"),
    ],
)
@pytest.mark.parametrize("compress", ["fast", "none"])
def test_the_sample_gives_its_known_array(run, sample, tmp_path, mode, rows, digest, compress):
    out = tmp_path / "out.npz"
    code, text, _ = run("tardis", *sample, "-o", out, "--snapshot-mode", mode, "--compress", compress, "--json")
    assert code == 0
    report = json.loads(text)
    assert (report["rows"], report["sides"]["exchange only"], report["sides"]["local only"]) == (rows, 13_400, 13_400)
    assert report["local_span_ns"] == [1700000000000050000, 1700000002501029000]
    events = load(out)
    assert (len(events), hashlib.sha256(events.tobytes()).hexdigest()) == (rows, digest)


def test_the_sample_is_the_same_every_time_and_not_written_over(run, sample, tmp_path):
    assert run("generate-sample", tmp_path / "new")[0] == 0
    for path in sample:
        with open(path, "rb") as before, open(tmp_path / "new" / os.path.basename(path), "rb") as after:
            assert before.read() == after.read()
    code, _, error = run("generate-sample", tmp_path / "new")
    assert (code, "--force" in error) == (1, True)


def test_wrong_use_and_strictness_have_their_exit_codes(run, sample, tmp_path):
    bad = tmp_path / "bad.csv"
    bad.write_text("exchange,symbol,timestamp,local_timestamp,id,side,price,amount\nx,AB,1,1,i,buy,one,1\n")
    assert run("tardis", sample[0])[0] == 2
    assert run("tardis", sample[0], "-o", tmp_path / "o.npz", "--snapshot-mode", "some")[0] == 2
    code, _, error = run("tardis", bad, "-o", tmp_path / "o.npz", "--strict")
    assert (code, f"{bad}:2: price or amount is no decimal number, column 7 (price): 'one'" in error) == (3, True)
    code, _, error = run("tardis", bad, "-o", tmp_path / "o.npy")
    assert (code, "does not end in .npz" in error) == (1, True)
    assert (
        run("tardis", bad, "-o", tmp_path / "o.npz", "--report", tmp_path / "r.html")[0] == 3
    )  # nothing of it is left
    assert sorted(os.listdir(tmp_path)) == ["bad.csv", "o.npz", "r.html"]


def test_help_imports_neither_numba_nor_numpy():
    program = (
        "import sys; sys.argv = ['data-convert', 'tardis', '--help']\n"
        "from data_convert.cli import main\n"
        "try:\n    main()\nfinally:\n"
        "    assert not {'numba', 'numpy', 'rich'} & set(sys.modules), 'heavy imports'\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "--snapshot-mode" in done.stdout


def test_a_terminated_conversion_leaves_no_file(sample, tmp_path, way):  # noqa: F811
    program = (
        f"import os, signal, sys{', data_convert._jit' if way == 'by kernels' else ''}\n"
        "from data_convert.cli import main\n"
        "from data_convert.files import writer\n"
        "def stopped(self, events):\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "writer.NpzWriter.write = stopped\n"
        "sys.argv = ['data-convert', 'tardis', *sys.argv[1:]]\n"
        "main()\n"
    )
    arguments = [*sample, "-o", str(tmp_path / "out.npz")]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, timeout=120, check=False)
    assert done.returncode == 128 + signal.SIGTERM
    assert os.listdir(tmp_path) == []
