"""`make alone`: the converter installs with plain pip into an empty environment, and converts a recording there."""

import json
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


def main() -> int:
    """Install, convert, look."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        venv.create(home / "env", with_pip=True)
        python, command = home / "env/bin/python", home / "env/bin/data-convert"
        source = home / "data-convert"
        subprocess.run(["cp", "-r", str(ROOT / "packages/data-convert"), str(source)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(source)]
        subprocess.run(install, check=True)
        siblings = subprocess.run(
            [str(python), "-m", "pip", "list", "--format", "json"], check=True, capture_output=True
        ).stdout
        names = {row["name"] for row in json.loads(siblings)}
        assert not names & {"marketlink", "factor-engine", "venue-sim", "hftbacktest"}, names
        recording, array = home / "btcusdt_20231114.jsonl", home / "btcusdt.npz"
        recording.write_text("\n".join(LINES) + "\n")
        done = subprocess.run(
            [str(command), "collector", str(recording), str(array), "--json"], check=True, capture_output=True
        )
        report = json.loads(done.stdout)
        assert report["rows"] > 4, report
        assert array.stat().st_size > 0
        subprocess.run([str(command), "--help"], check=True, stdout=subprocess.DEVNULL)
    print(f"alone: data-convert installed by plain pip and made {report['rows']} rows of {len(LINES)} lines")
    return 0


if __name__ == "__main__":
    sys.exit(main())
