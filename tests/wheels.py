"""`make wheels`: builds every wheel into dist/, installs each set into an empty environment, and runs what it brings."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.conftest import ROOT

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


def by_file(requirement: str, dist: Path) -> str:
    """A requirement that names the wheel's file."""
    name = requirement.partition("[")[0]
    (wheel,) = dist.glob(f"{name.replace('-', '_')}-*.whl")
    return f"{requirement} @ {wheel.as_uri()}"


def main() -> int:
    """Build and try."""
    uv = shutil.which("uv") or str(ROOT / ".tools/bin/uv")
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
        print(f"{name}: installed into an empty environment and ran")
    return 0


if __name__ == "__main__":
    sys.exit(main())
