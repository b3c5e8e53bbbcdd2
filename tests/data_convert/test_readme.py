"""The README's example, run as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_readme_runs_as_it_stands(tmp_path):
    text = (ROOT / "packages" / "data-convert" / "README.md").read_text()
    shell = "\n".join(block for block in re.findall(r"```sh\n(.*?)```", text, re.S) if "pip " not in block)
    python = re.search(r"```python\n(.*?)```", text, re.S).group(1)
    (tmp_path / "data-convert").write_text(f"#!{sys.executable}\nfrom data_convert.cli import main\nmain()\n")
    (tmp_path / "data-convert").chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    run = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True, "timeout": 120, "check": True}
    done = subprocess.run(["sh", "-e", "-c", shell], **run)
    assert "never crossed" in done.stdout
    assert "sample.npz: 73,601 rows" in done.stderr
    done = subprocess.run([sys.executable, "-c", python], **run)
    assert done.stdout.startswith("100.0 100.1\n")
    assert (tmp_path / "again.npz").read_bytes()[:4] == b"PK\x03\x04"
