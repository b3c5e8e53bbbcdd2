"""The structure that docs/architecture.md draws, read off the imports."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

DISTRIBUTIONS = {
    "data_convert": (ROOT / "packages/data-convert", set()),
    "factor_engine": (ROOT / "packages/factor-engine", set()),
    "marketlink": (ROOT / "packages/marketlink", set()),
    "venue_sim": (ROOT / "packages/venue-sim", set()),
    "connector": (ROOT / "services/connector", {"marketlink"}),
    "collector": (ROOT / "services/collector", {"marketlink"}),
    "obi_mm": (ROOT / "services/obi-mm", {"marketlink", "factor_engine", "data_convert"}),
}
# The floors within marketlink and the services: what a core may never import, wherever it stands.
IMPURE = {
    "asyncio",
    "socket",
    "time",
    "os",
    "threading",
    "logging",
    "websockets",
    "httpx",
    "iceoryx2",
    "select",
    "subprocess",
    "mmap",
    "gzip",
    "shutil",
    "tempfile",
    "secrets",
    "glob",
    "io",
}
CORES = [
    "marketlink/events.py",
    "marketlink/messages.py",
    "marketlink/orders.py",
    "marketlink/errors.py",
    "marketlink/book",
    "marketlink/venues",
    "marketlink/hot",
    "marketlink/link/wire.py",
    "marketlink/link/block.py",
    "marketlink/link/kernels.py",
    "marketlink/link/assembly.py",
    "marketlink/link/port.py",
    "marketlink/link/names.py",
    "marketlink/notices.py",
    "marketlink/private.py",
    "marketlink/times.py",
    "marketlink/bot/asking.py",
    "marketlink/bot/whole.py",
    "marketlink/bot/orders.py",
    "marketlink/bot/state.py",
    "marketlink/run/limits.py",
    "marketlink/run/retry.py",
    "marketlink/run/staleness.py",
    "marketlink/run/subscriptions.py",
    "connector/books.py",
    "connector/hot.py",
    "connector/hub.py",
    "connector/outbox.py",
    "connector/effects.py",
    "connector/calls.py",
    "connector/client_ids.py",
    "connector/comparing.py",
    "connector/counts.py",
    "connector/intake.py",
    "connector/order_request.py",
    "connector/outcomes.py",
    "connector/owners.py",
    "connector/ledger.py",
    "connector/lifecycle.py",
    "connector/positions.py",
    "connector/reconcile.py",
    "connector/restored.py",
    "connector/risk.py",
    "connector/tracked.py",
    "connector/trader.py",
    "connector/absence.py",
    "connector/guard.py",
    "connector/sight.py",
    "collector/record.py",
    "collector/rotation.py",
    "collector/from_link.py",
    "venue_sim/accounts.py",
    "venue_sim/auth.py",
    "obi_mm/backoff.py",
    "obi_mm/desk.py",
    "obi_mm/exposure.py",
    "obi_mm/silence.py",
    "obi_mm/strategy.py",
    "venue_sim/book.py",
    "venue_sim/boundaries.py",
    "venue_sim/desk.py",
    "venue_sim/exchange.py",
    "venue_sim/face.py",
    "venue_sim/faults.py",
    "venue_sim/filters.py",
    "venue_sim/flood.py",
    "venue_sim/flow.py",
    "venue_sim/follow.py",
    "venue_sim/instruments.py",
    "venue_sim/latency.py",
    "venue_sim/limits.py",
    "venue_sim/links.py",
    "venue_sim/market.py",
    "venue_sim/matching.py",
    "venue_sim/merge.py",
    "venue_sim/orders.py",
    "venue_sim/private_side.py",
    "venue_sim/synthetic.py",
    "venue_sim/timeline.py",
    "venue_sim/trade_desk.py",
    "venue_sim/trade_face.py",
    "venue_sim/trading.py",
    "venue_sim/venues",
    "data_convert/events.py",
    "data_convert/errors.py",
    "data_convert/exits.py",
    "data_convert/sizes.py",
    "data_convert/svg.py",
    "data_convert/arrays",
    "data_convert/messages",
    "data_convert/recordings/detect.py",
    "data_convert/recordings/merging.py",
    "data_convert/recordings/venues",
    "data_convert/report/measure.py",
    "data_convert/report/windowed.py",
    "data_convert/report/validation.py",
    "data_convert/report/html.py",
    "data_convert/archives/binance.py",
    "data_convert/archives/bybit.py",
    "data_convert/archives/fields.py",
    "data_convert/archives/latency.py",
    "data_convert/archives/rows.py",
    "data_convert/archives/merge.py",
    "data_convert/tardis/columns.py",
    "data_convert/tardis/end_book.py",
    "data_convert/tardis/merge.py",
    "data_convert/batch/plan.py",
]
CONVERTER = [
    *("files", "arrays", "messages", "report", "recordings", "archives", "tardis", "inspection", "batch", "commands"),
]
"""The converter's folders from the ground up; each imports only those before it, and the values beside them."""
VALUES = {"marketlink.events", "marketlink.messages", "marketlink.orders", "marketlink.errors", "marketlink.times"}


def sources(package: str) -> Iterator[Path]:
    folder, _ = DISTRIBUTIONS[package]
    yield from sorted((folder / "src" / package).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""


def chance(path: Path) -> set[str]:
    """What a file takes of `random` besides the generator that it is handed or makes of a seed."""
    tree = ast.parse(path.read_text())
    taken = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "random"
    }
    named = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "random"
        for alias in node.names
    }
    return (taken | named) - {"Random"}


FILE_CALLS = {
    *("open", "exists", "is_file", "is_dir", "stat", "lstat", "mkdir", "unlink", "rmdir", "iterdir", "rglob", "touch"),
    *("read_bytes", "read_text", "write_bytes", "write_text", "resolve", "symlink_to", "chmod", "expanduser"),
}


def touches_files(path: Path) -> set[str]:
    """Calls that reach a disk, where a file knows of paths at all."""
    if not any(name.partition(".")[0] == "pathlib" for name in imports(path)):
        return set()
    calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return {call.attr for call in calls if isinstance(call, ast.Attribute) and call.attr in FILE_CALLS}


SIDEWAYS = [
    ("marketlink/link", ("marketlink.run", "marketlink.bot", "marketlink.hftbacktest")),
    ("marketlink/bot", ("marketlink.run", "marketlink.hftbacktest")),
    ("marketlink/hftbacktest", ("marketlink.run",)),
    ("marketlink/run", ("marketlink.link", "marketlink.bot", "marketlink.hftbacktest")),
]
"""Shells beside each other: none leans on another but as docs/architecture.md draws it."""


@pytest.mark.parametrize(("folder", "beside"), SIDEWAYS)
def test_shells_beside_each_other_do_not_lean_on_each_other(folder: str, beside: tuple[str, ...]) -> None:
    files = sorted((DISTRIBUTIONS["marketlink"][0] / "src" / folder).rglob("*.py"))
    assert files
    for path in files:
        wrong = {name for name in imports(path) if name.startswith(beside)}
        assert not wrong, f"{path} imports {wrong}"


@pytest.mark.parametrize("package", ["connector", "collector", "obi_mm", "venue_sim"])
def test_a_core_of_a_process_imports_no_shell_of_it(package: str) -> None:
    root = DISTRIBUTIONS[package][0] / "src"
    cores = {path for core in CORES for path in [*(root / core).rglob("*.py"), root / core] if path.is_file()}
    modules = {".".join(path.relative_to(root).with_suffix("").parts): path for path in sources(package)}
    plain = {path for path in modules.values() if not {name.partition(".")[0] for name in imports(path)} & IMPURE}
    for path in cores & set(modules.values()):
        for name in imports(path):
            met = modules.get(name)
            assert met is None or met in cores or met in plain, f"{path} imports the shell {name}"


@pytest.mark.parametrize("package", DISTRIBUTIONS)
def test_a_distribution_imports_only_the_siblings_it_may(package: str) -> None:
    _, allowed = DISTRIBUTIONS[package]
    found = {name.partition(".")[0] for path in sources(package) for name in imports(path)}
    assert (found & set(DISTRIBUTIONS)) - {package} <= allowed


@pytest.mark.parametrize("package", DISTRIBUTIONS)
def test_a_distribution_declares_what_it_imports(package: str) -> None:
    folder, _ = DISTRIBUTIONS[package]
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    extras = [one for group in project.get("optional-dependencies", {}).values() for one in group]
    stated = {
        one.split("[")[0].split(">")[0].split("=")[0].split(";")[0].strip().replace("-", "_").lower()
        for one in project["dependencies"] + extras
    }
    third = (
        {name.partition(".")[0] for path in sources(package) for name in imports(path)}
        - set(sys.stdlib_module_names)
        - {package, ""}
    )
    third -= {"_typeshed"}
    assert third <= stated


@pytest.mark.parametrize("core", CORES)
def test_a_core_imports_no_clock_socket_file_or_loop(core: str) -> None:
    package = core.partition("/")[0]
    place = DISTRIBUTIONS[package][0] / "src" / core
    files = sorted(place.rglob("*.py")) if place.is_dir() else [place]
    assert files
    assert files[0].exists(), f"{core} is gone: mend the list"
    for path in files:
        wrong = {name.partition(".")[0] for name in imports(path)} & IMPURE
        assert not wrong, f"{path} imports {wrong}"
        assert not chance(path), f"{path} draws by chance: a generator with a seed is an argument"
        assert not touches_files(path), f"{path} touches files: a path there is a name"


@pytest.mark.parametrize("folder", CONVERTER)
def test_a_folder_of_the_converter_imports_only_those_below_it(folder: str) -> None:
    root = DISTRIBUTIONS["data_convert"][0] / "src/data_convert"
    below = CONVERTER[: CONVERTER.index(folder) + 1]
    files = sorted((root / folder).rglob("*.py"))
    assert files
    for path in files:
        met = {name.split(".")[1] for name in imports(path) if name.startswith("data_convert.")}
        wrong = {name for name in met if (root / name).is_dir() and name not in below} | (met & {"cli"})
        assert not wrong, f"{path} imports {wrong}"


def test_values_of_the_converter_import_no_folder() -> None:
    root = DISTRIBUTIONS["data_convert"][0] / "src/data_convert"
    assert {path.name for path in root.iterdir() if path.is_dir() and any(path.rglob("*.py"))} == set(CONVERTER)
    for path in root.glob("*.py"):
        met = {name.split(".")[1] for name in imports(path) if name.startswith("data_convert.")}
        assert path.name in ("__init__.py", "cli.py") or not met & set(CONVERTER), path


def test_no_two_modules_of_the_converter_import_each_other() -> None:
    root = DISTRIBUTIONS["data_convert"][0] / "src"
    modules = {".".join(path.relative_to(root).with_suffix("").parts): path for path in root.rglob("*.py")}
    leads = {name: {met for met in imports(path) if met in modules} for name, path in modules.items()}
    left = dict(leads)
    while free := [name for name, met in left.items() if not met & left.keys()]:
        for name in free:
            del left[name]
    assert not left, f"among these is a circle: {sorted(left)}"


def test_values_import_nothing_above_them() -> None:
    for module in VALUES:
        path = DISTRIBUTIONS["marketlink"][0] / "src" / (module.replace(".", "/") + ".py")
        assert {name for name in imports(path) if name.startswith("marketlink")} <= VALUES


def test_books_and_venues_know_nothing_of_shells() -> None:
    for folder in ("book", "venues"):
        for path in (DISTRIBUTIONS["marketlink"][0] / "src/marketlink" / folder).rglob("*.py"):
            above = {
                name
                for name in imports(path)
                if name.startswith(("marketlink.run", "marketlink.link", "marketlink.bot"))
            }
            assert not above, f"{path} imports {above}"


def test_only_one_package_of_the_link_touches_the_shared_memory_library() -> None:
    users = {
        path.parent.name
        for package in DISTRIBUTIONS
        for path in sources(package)
        if any(name.startswith("iceoryx2") for name in imports(path))
    }
    assert users == {"iceoryx"}


def test_one_version_everywhere() -> None:
    projects = [ROOT / "pyproject.toml", *(folder / "pyproject.toml" for folder, _ in DISTRIBUTIONS.values())]
    versions = {tomllib.loads(path.read_text())["project"]["version"] for path in projects}
    assert len(versions) == 1
    assert f"## {versions.pop()}" in (ROOT / "docs/changelog.md").read_text()


@pytest.mark.parametrize("package", DISTRIBUTIONS)
def test_every_distribution_has_a_readme_and_a_type_marker(package: str) -> None:
    folder, _ = DISTRIBUTIONS[package]
    assert len((folder / "README.md").read_text()) > 200
    assert (folder / "src" / package / "py.typed").exists()


def test_the_top_level_holds_what_it_should() -> None:
    allowed = {"pyproject.toml", "uv.lock", "packages", "services", "tests", "docs", "Makefile", "README.md", "LICENSE"}
    made = {"demo-out", "dist"}
    assert {path.name for path in ROOT.iterdir() if not path.name.startswith(".")} - made == allowed
