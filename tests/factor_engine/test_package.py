import re
import subprocess
import sys
from pathlib import Path

import factor_engine
import pytest

ROOT = Path(__file__).parents[2]


def test_importing_the_package_does_not_import_numba():
    code = "import sys, factor_engine; sys.exit('numba' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_every_public_name_can_be_imported_and_no_other():
    for name in factor_engine.__all__:
        assert getattr(factor_engine, name).__name__ == name
    with pytest.raises(AttributeError):
        _ = factor_engine.Welford


def test_readme_example_runs_and_prints_what_it_says(capsys):
    readme = (ROOT / "packages" / "factor-engine" / "README.md").read_text()
    examples = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert examples
    names = {}
    for example in examples:
        exec(compile(example, "README.md", "exec"), names)
        said = re.findall(r"^print\(.*\)  # (.*)$", example, re.MULTILINE)
        assert capsys.readouterr().out.splitlines() == said
