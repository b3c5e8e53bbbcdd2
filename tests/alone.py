"""`make alone`: converter and factors install with plain pip, each into an empty environment, and work there.

The converter converts a recording; the factors run the examples of their README as they stand and print what is said there.
"""

import json
import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from tests.conftest import ROOT

LINES = [
    '1700000000100000000 {"stream":"btcusdt@depth@0ms","data":{"e":"depthUpdate","E":1700000000000,"T":1700000000000,"s":"BTCUSDT",'
    '"U":5,"u":9,"pu":4,"b":[["100.0","1.000"]],"a":[]}}',
    '1700000000200000000 {"lastUpdateId":7,"E":1700000000000,"T":1700000000000,"bids":[["99.0","2.000"]],"asks":[["101.0","1.500"]]}',
    '1700000000300000000 {"stream":"btcusdt@trade","data":{"e":"trade","E":1700000000200,"T":1700000000200,"s":"BTCUSDT","t":1,'
    '"p":"100.0","q":"0.500","X":"MARKET","m":true}}',
]
OURS = {
    "collector",
    "connector",
    "data-convert",
    "factor-engine",
    "hftbacktest",
    "marketlink",
    "obi-mm",
    "venue-sim",
}


def installed(home: Path, package: str) -> Path:
    """Install one package of the workspace, copied out of it, into an environment of its own; returns the environment's programs."""
    programs, source = home / package / "env/bin", home / package / "source"
    venv.create(home / package / "env", with_pip=True)
    subprocess.run(["cp", "-r", str(ROOT / "packages" / package), str(source)], check=True)
    pip = [str(programs / "python"), "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", str(source)], check=True)
    found = subprocess.run([*pip, "list", "--format", "json"], check=True, capture_output=True).stdout
    siblings = {row["name"] for row in json.loads(found)} & OURS
    assert siblings == {package}, siblings
    return programs


def convert(home: Path) -> str:
    """Install the converter and convert a recording."""
    command = installed(home, "data-convert") / "data-convert"
    recording, array = home / "btcusdt_20231114.jsonl", home / "btcusdt.npz"
    recording.write_text("\n".join(LINES) + "\n")
    done = subprocess.run(
        [str(command), "collector", str(recording), str(array), "--json"], check=True, capture_output=True
    )
    report = json.loads(done.stdout)
    assert report["rows"] > 4, report
    assert array.stat().st_size > 0
    subprocess.run([str(command), "--help"], check=True, stdout=subprocess.DEVNULL)
    return f"data-convert made {report['rows']} rows of {len(LINES)} lines"


def run_examples(home: Path) -> str:
    """Install the factors and run their README's examples, in order, as one program."""
    python = installed(home, "factor-engine") / "python"
    readme = (ROOT / "packages/factor-engine/README.md").read_text(encoding="utf-8")
    program = home / "example.py"
    program.write_text("\n".join(re.findall(r"^```python\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)))
    done = subprocess.run([str(python), str(program)], check=True, capture_output=True, text=True, cwd=home)
    said = re.findall(r"^print\(.*\)  # (.*)$", program.read_text(), re.MULTILINE)
    assert said, "the README prints nothing"
    assert done.stdout.splitlines() == said, (done.stdout, said)
    return f"factor-engine printed the {len(said)} lines of its README"


def main() -> int:
    """Install each and look."""
    for look in (convert, run_examples):
        with tempfile.TemporaryDirectory() as folder:
            print(f"alone, by plain pip: {look(Path(folder))}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
