"""`make alone`: converter and factors install with plain pip, each into an empty environment, and work there.

Both run the examples of their README as they stand and print what is said there.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from tests.conftest import ROOT

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
    """Install the converter and run its README: the commands on its own sample and on a recording, then the program."""
    programs = installed(home, "data-convert")
    readme = (ROOT / "packages/data-convert/README.md").read_text(encoding="utf-8")
    shell = [
        block for block in re.findall(r"^```sh\n(.*?)^```", readme, re.DOTALL | re.MULTILINE) if "pip " not in block
    ]
    python = re.findall(r"^```python\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)
    (home / "example.py").write_text("\n".join(python))
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    script = "\n".join([*shell, "data-convert --help > help.txt", "python example.py"])
    done = subprocess.run(
        ["sh", "-e", "-c", script], check=True, capture_output=True, text=True, cwd=home, env=environment
    )
    assert "sample.npz: 73,601 rows" in done.stderr, done.stderr
    assert "\n100.0 100.1\n" in done.stdout, done.stdout
    commands = sum(block.count("data-convert ") for block in shell)
    return f"data-convert ran the {commands} commands and the program of its README"


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
