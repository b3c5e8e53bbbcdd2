"""Days times parameters: the cells of a sweep, one run each, on any `concurrent.futures.Executor`.

The processes of the default pool are forked from one that has loaded the days and the compiled loop, and share both; days that do
not fit into memory stay in their files, and each run reads them as it goes.
A Dask cluster's workers load them once each. Finished cells are appended to a file and never run again.
"""

import hashlib
import itertools
import json
import multiprocessing
import os
import signal
import threading
import time
import tomllib
import warnings
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from marketlink.events import EVENT_DTYPE

from obi_mm.backtest import run_backtest
from obi_mm.config import Config, change_config, check_instrument
from obi_mm.days import Day
from obi_mm.errors import ConfigError, DataError
from obi_mm.inputs import check_names
from obi_mm.models import Models, check_contract
from obi_mm.stored import StoredDay, look_over
from obi_mm.versions import code_digest

MOST_CELLS = 1_000_000
MOST_DAYS = 4096
_LOOK_S = 0.2
"""How often a worker looks whether the sweep is still there."""
FIGURES = (
    "equity",
    "fee",
    "max_drawdown",
    "sharpe",
    "sortino",
    "trades",
    "trading_volume",
    "fill_rate",
    "position",
    "position_abs_mean",
    "position_abs_max",
    "bid_at_touch",
    "ask_at_touch",
    "stop_loss_triggers",
    "simulated_seconds",
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One run: a day's file and what differs from the base configuration. `key` names all that its result depends on."""

    key: str
    path: str
    changes: tuple[tuple[str, Any], ...]
    config: Config
    models: Models
    tick_size: float
    lot_size: float


@dataclass(frozen=True, slots=True)
class Row:
    """A cell's figures."""

    key: str
    path: str
    changes: Mapping[str, Any]
    figures: Mapping[str, Any]


def load_grid(path: Path) -> dict[str, list[Any]]:
    """Read a grid: `[grid]` with lists by "section.field". Raises ConfigError."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(str(path), "file", f"can't be read ({error})") from error
    axes: dict[str, list[Any]] = {}
    for name, values in _flat(content.get("grid", {})):
        if not isinstance(values, list) or not values:
            raise ConfigError(str(path), name, f"is a list of values, not {values!r}")
        axes[name] = values
    if set(content) - {"grid"} or not axes:
        raise ConfigError(
            str(path), "grid", 'is the only section, with lists such as "params.half_spread" = [0.0001, 0.0002]'
        )
    return axes


def make_cells(
    axes: Mapping[str, Sequence[Any]],
    paths: Sequence[Path],
    base: Config,
    models: Models,
    tick_size: float,
    lot_size: float,
    where: str,
) -> list[Cell]:
    """Return every day times every combination, all checked. Raises ConfigError, DataError."""
    check_names(paths)
    check_contract([path.name for path in paths], models)
    count = len(paths)
    for values in axes.values():
        count *= len(values)
    if count > MOST_CELLS:
        raise ConfigError(where, "grid", f"makes {count:,} runs; at most {MOST_CELLS:,}")
    cells: list[Cell] = []
    for values in itertools.product(*axes.values()):
        changes = tuple(zip(axes, values, strict=True))
        config = change_config(base, dict(changes), where)
        check_instrument(config, tick_size, lot_size, where)
        for path in paths:
            key = _key(path, config, models, tick_size, lot_size)
            cells.append(Cell(key, str(path), changes, config, models, tick_size, lot_size))
    return cells


def run_cell(cell: Cell) -> Row:
    """Run one cell; works in any process. Raises ObiError."""
    day = _day(cell.path, cell.tick_size, cell.lot_size, cell.models.clock)
    result = run_backtest([day], cell.config, cell.tick_size, cell.lot_size, cell.models)
    figures = {name: result.figures[name] for name in FIGURES}
    return Row(cell.key, cell.path, dict(cell.changes), figures)


def run_cells(
    cells: Sequence[Cell], executor: Executor | None, workers: int | None = None
) -> Generator[Row, None, None]:
    """Run cells and yield their rows as they finish; without an executor, on a pool of forked processes."""
    if executor is not None:
        yield from _rows(executor, cells)
        return
    if not cells:
        return
    count = min(workers or os.cpu_count() or 1, len(cells))
    prepare(cells, count)
    if count < 2:
        yield from map(run_cell, cells)
        return
    pool = ProcessPoolExecutor(
        count, mp_context=multiprocessing.get_context("fork"), initializer=_end_with, initargs=(os.getpid(),)
    )
    before = set(multiprocessing.active_children())
    try:
        yield from _rows(pool, cells, cancels=False)
        pool.shutdown()
    finally:  # where the sweep was ended, nobody waits for a run that is under way
        for worker in set(multiprocessing.active_children()) - before:
            worker.kill()
        pool.shutdown()


def _rows(executor: Executor, cells: Sequence[Cell], *, cancels: bool = True) -> Iterator[Row]:
    """Yield what an executor makes of cells, as it is done; where nobody asks any more, what waits is not begun.

    `cancels` is not for a pool whose workers are killed then: its thread ends by a traceback when it finds what it gives up cancelled.
    """
    with warnings.catch_warnings():
        # The threads that Python 3.12 and later warn of are numpy's BLAS', which puts them right in a fork.
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
        futures = [executor.submit(run_cell, cell) for cell in cells]
    try:
        for future in as_completed(futures):
            yield future.result()
    finally:
        for future in futures if cancels else ():
            future.cancel()


def _end_with(parent: int) -> None:
    """Let a worker end when the sweep does, however that ends; an interrupt from the keyboard is the sweep's to answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_S)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def prepare(cells: Sequence[Cell], threads: int) -> None:
    """Load every day and the compiled loop, so that all forks have them. No thread is left when it returns."""
    days = {cell.path: cell for cell in cells}.values()
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(lambda cell: _day(cell.path, cell.tick_size, cell.lot_size, cell.models.clock), days):
            pass
    cell = cells[0]
    day = _day(cell.path, cell.tick_size, cell.lot_size, cell.models.clock)
    start = day.start() if isinstance(day, StoredDay) else replace(day, rows=day.rows[:1], last_ns=day.first_ns)
    run_backtest([start], cell.config, cell.tick_size, cell.lot_size, cell.models)


def cluster(address: str) -> Executor:
    """Return an executor on a Dask cluster. Raises ConfigError where distributed is not installed."""
    try:
        distributed = import_module("distributed")
    except ModuleNotFoundError as error:
        raise ConfigError("sweep", "--cluster", "needs distributed: pip install 'obi-mm[cluster]'") from error
    executor: Executor = distributed.Client(address).get_executor()
    return executor


def read_rows(path: Path) -> dict[str, Row]:
    """Read finished cells; a torn last line is left out."""
    rows: dict[str, Row] = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                value = json.loads(line)
                rows[value["key"]] = Row(value["key"], value["path"], value["changes"], value["figures"])
            except (ValueError, KeyError, TypeError):
                continue
    return rows


def append_row(file: IO[str], row: Row) -> None:
    """Append one finished cell."""
    file.write(json.dumps(asdict(row), sort_keys=True) + "\n")
    file.flush()


def totals(rows: Iterable[Row]) -> list[Row]:
    """Sum rows of the same parameters over the days; ratios are averaged over days that have one, extremes kept."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(json.dumps(row.changes, sort_keys=True), []).append(row)
    made: list[Row] = []
    for members in groups.values():
        figures: dict[str, Any] = {}
        for name in FIGURES:
            values = [row.figures[name] for row in members if row.figures[name] is not None]
            if not values:
                figures[name] = None
            elif name in ("max_drawdown", "position_abs_max"):
                figures[name] = max(values)
            elif name in ("sharpe", "sortino", "fill_rate", "position_abs_mean", "bid_at_touch", "ask_at_touch"):
                figures[name] = sum(values) / len(values)
            else:
                figures[name] = sum(values)
        made.append(replace(members[0], path=f"{len(members)} days", figures=figures))
    return made


def ranked(rows: Iterable[Row], by: str) -> list[Row]:
    """Sort rows, the best first: the largest figure, of drawdown and positions the smallest. Raises ConfigError."""
    if by not in FIGURES:
        raise ConfigError("sweep", "--rank", f"is one of {', '.join(FIGURES)}, not {by!r}")
    sign = 1 if by in ("max_drawdown", "position_abs_mean", "position_abs_max", "fee", "stop_loss_triggers") else -1

    def order(row: Row) -> tuple[bool, float, str]:
        value = row.figures[by]
        return value is None, 0.0 if value is None else sign * float(value), json.dumps(row.changes, sort_keys=True)

    return sorted(rows, key=order)


@lru_cache(maxsize=MOST_DAYS)
def _day(path: str, tick_size: float, lot_size: float, clock: str) -> Day | StoredDay:
    """Load a day, or, where it would take more than half of the memory that is left, leave it in its file."""
    day = look_over([path], tick_size, lot_size, clock)[0][0]
    return day.load() if 2 * day.count * EVENT_DTYPE.itemsize < available_bytes() else day


def available_bytes() -> int:
    """Return how much memory is left, of the machine and of what this process is allowed; a lot where that can't be told."""
    left = 1 << 40
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        left = 1024 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    with suppress(OSError, ValueError):
        folder = Path("/sys/fs/cgroup")
        left = min(left, int((folder / "memory.max").read_text()) - int((folder / "memory.current").read_text()))
    return left


def _key(path: Path, config: Config, models: Models, tick_size: float, lot_size: float) -> str:
    """Name all that a run's result depends on: its files, settings and sizes, and the code."""
    parts = [
        [_file(path), *map(_file, models.latency_files)],
        config.digest(),
        asdict(models),
        tick_size,
        lot_size,
        code_digest(),
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]


def _file(path: str | Path) -> tuple[str, int, int]:
    """Return what tells a file's content from another one's; raises DataError where it is not there."""
    try:
        found = Path(path).stat()
    except OSError as error:
        raise DataError(path, f"can't be read ({error.strerror})") from error
    return str(Path(path).resolve()), found.st_size, found.st_mtime_ns


def _flat(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield "section.field" and its values, whether the TOML wrote it with quotes or as nested tables."""
    for name, value in content.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
