"""`make wheels`: every distribution installs into an empty environment and runs there.

Every wheel is built into dist/, and each set installed from its files. Then every `pip install` line of README and docs is run as
it stands in a fresh clone, by pip and by `uv pip`, on each of the Pythons that can be found here (`--pythons 3.11,3.12`: only those).
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.conftest import ROOT
from tests.docs.blocks import blocks_of, commands_of, pages
from tests.docs.paste import copy_of_the_tree

PYTHONS = ("3.11", "3.12", "3.13")

# What is installed together, each by its file (a package index may know other things by these names), and what proves that it works.
SETS: dict[str, tuple[list[str], list[str]]] = {
    "data-convert": (["data-convert"], ["data-convert", "--help"]),
    "factor-engine": (["factor-engine"], ["python", "-c", "import factor_engine; factor_engine.RollingMoments(5)"]),
    "marketlink": (
        ["marketlink[ipc,net]"],
        ["python", "-c", "import marketlink.bot, marketlink.link.iceoryx, marketlink.run.feed"],
    ),
    "venue-sim": (["venue-sim"], ["venue-sim", "run", "--help"]),
    "connector": (["connector", "marketlink[ipc,net]"], ["connector", "--help"]),
    "collector": (["collector", "marketlink[ipc,net]"], ["collector", "--help"]),
    "obi-mm": (["obi-mm", "marketlink[ipc]", "factor-engine", "data-convert"], ["obi-mm", "--help"]),
}

# What a documented line is proved by, for each folder in it: more than its help, which loads next to nothing.
PROOFS: dict[str, list[str]] = {
    "packages/data-convert": ["data-convert", "generate-sample", "sample"],
    "packages/factor-engine": ["python", "-c", "import factor_engine; factor_engine.RollingMoments(5)"],
    "packages/marketlink": ["python", "-c", "import marketlink.book.fused"],
    "packages/marketlink[ipc]": ["python", "-c", "import marketlink.bot, marketlink.link.iceoryx"],
    "packages/marketlink[net,ipc]": SETS["marketlink"][1],
    "packages/venue-sim": ["venue-sim", "run", "--help"],
    "services/connector": ["python", "-c", "import connector.shell, marketlink.link.iceoryx"],
    "services/collector": ["python", "-c", "import collector.shell, collector.venue_shell, collector.link_shell"],
    "services/obi-mm[backtest]": ["obi-mm", "sample", "day.npz", "--hours", "0.1"],
}
_BACKTEST = ["python", "-c", "import hftbacktest, obi_mm.backtest, obi_mm.watch"]


def by_file(requirement: str, dist: Path) -> str:
    """A requirement that names the wheel's file."""
    name = requirement.partition("[")[0]
    (wheel,) = dist.glob(f"{name.replace('-', '_')}-*.whl")
    return f"{requirement} @ {wheel.as_uri()}"


def install_lines(root: Path) -> list[str]:
    """Return the `pip install` lines of README and docs as they stand, each once."""
    found = [
        command.partition("  #")[0].strip()
        for page in pages(root)
        for block in blocks_of(page, (root / page).read_text(encoding="utf-8"))
        if block.kind == "sh"
        for _, command in commands_of(block)
        if command.startswith("pip install ")
    ]
    return list(dict.fromkeys(found))


def python_of(version: str) -> Path | None:
    """Find an interpreter that can make environments; None where this machine has none. Nothing is downloaded."""
    names = [shutil.which(f"python{version}"), f"/usr/bin/python{version}"]
    names += [str(path) for path in sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}"))]
    if sys.version.startswith(f"{version}."):
        names.insert(0, getattr(sys, "_base_executable", sys.executable))
    for name in names:
        if name and Path(name).exists():
            looked = subprocess.run([name, "-c", "import venv, ensurepip"], capture_output=True)
            if not looked.returncode:
                return Path(name)
    return None


def proved(programs: Path, folder: Path, line: str) -> None:
    """Run what proves each of a line's distributions, with nothing of this checkout in reach."""
    environment = {"PATH": f"{programs}:/usr/bin:/bin", "HOME": os.environ.get("HOME", "/")}
    for word in line.split()[2:]:
        name = word.strip("'\"").removeprefix("./")
        proofs = [PROOFS[name], *([_BACKTEST] if "backtest" in name else [])]
        for command in proofs:
            subprocess.run(
                [str(programs / command[0]), *command[1:]], check=True, cwd=folder, env=environment,
                stdout=subprocess.DEVNULL,
            )  # fmt: skip


def documented(uv: str, python: Path, version: str) -> None:
    """Run every documented line with both tools, each in an empty environment of a Python."""
    for line in install_lines(ROOT):
        for tool in ("pip", "uv pip"):
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                copy_of_the_tree(folder / "clone")
                env = folder / "env"
                made = (
                    [str(python), "-m", "venv"] if tool == "pip" else [uv, "venv", "--quiet", "--python", str(python)]
                )
                subprocess.run([*made, str(env)], check=True)
                environment = {
                    **{key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
                    "VIRTUAL_ENV": str(env),
                    "PATH": f"{env}/bin:{Path(uv).parent}:/usr/bin:/bin",
                }
                command = re.sub(r"^pip install ", f"{tool} install --quiet ", line)
                subprocess.run(["sh", "-c", command], check=True, cwd=folder / "clone", env=environment)
                (folder / "run").mkdir()
                proved(env / "bin", folder / "run", line)
            print(f"Python {version}, an empty environment: {command}", flush=True)


def built(uv: str) -> None:
    """Build the wheels and run each set."""
    dist = ROOT / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    subprocess.run([uv, "build", "--quiet", "--all-packages", "--wheel", "--out-dir", str(dist)], cwd=ROOT, check=True)
    wheels = sorted(path.name for path in dist.glob("*.whl"))
    print("built:", *wheels, sep="\n  ")
    assert len(wheels) == len(SETS), wheels
    for name, (requirements, command) in SETS.items():
        with tempfile.TemporaryDirectory() as folder:
            env = Path(folder) / "env"
            subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(env)], check=True)
            files = [by_file(requirement, dist) for requirement in requirements]
            subprocess.run([uv, "pip", "install", "--quiet", "--python", str(env / "bin/python"), *files], check=True)
            path = {**os.environ, "PATH": f"{env}/bin:/usr/bin:/bin"}
            subprocess.run(
                [str(env / "bin" / command[0]), *command[1:]], check=True, env=path, stdout=subprocess.DEVNULL
            )
        print(f"{name}: installed into an empty environment and ran", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Build and try; exit code 1 where a Python that was asked for by name is not here."""
    parser = argparse.ArgumentParser(description="Build every wheel and run what README and docs say of installing.")
    parser.add_argument(
        "--pythons", help=f"only these, separated by commas; by default {','.join(PYTHONS)}, those found"
    )
    asked: str | None = parser.parse_args(arguments).pythons
    uv = shutil.which("uv") or str(ROOT / ".tools/bin/uv")
    built(uv)
    missing = []
    for version in asked.split(",") if asked else PYTHONS:
        python = python_of(version)
        if python is None:
            missing.append(version)
        else:
            documented(uv, python, version)
    if missing:
        print(f"not on this machine, and so not tried: Python {', '.join(missing)}", file=sys.stderr)
    return int(bool(missing and asked))


if __name__ == "__main__":
    sys.exit(main())
