"""What the command `sweep` does around the runs: resuming, progress, table, page with heat maps."""

import csv
import itertools
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from html import escape
from pathlib import Path
from types import FrameType
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from obi_mm.config import load_config
from obi_mm.errors import SweepStopped
from obi_mm.models import Models
from obi_mm.sweep import (
    FIGURES,
    Row,
    append_row,
    cluster,
    load_grid,
    make_cells,
    ranked,
    read_rows,
    run_cells,
    totals,
)

ROWS, TABLE, PAGE = "rows.jsonl", "table.csv", "sweep.html"
_SHOWN: Final = (
    "equity",
    "fee",
    "max_drawdown",
    "sharpe",
    "trades",
    "fill_rate",
    "position_abs_max",
    "stop_loss_triggers",
)


def sweep_all(
    grid: Path,
    data: Sequence[Path],
    config_path: Path | None,
    output: Path,
    tick_size: float,
    lot_size: float,
    models: Models,
    *,
    workers: int | None,
    address: str,
    rank: str,
    quiet: bool,
) -> None:
    """Run what of a sweep is not done yet, and write and print its results. Raises ObiError."""
    axes = load_grid(grid)
    cells = make_cells(axes, data, load_config(config_path), models, tick_size, lot_size, str(grid))
    ranked([], rank)
    output.mkdir(parents=True, exist_ok=True)
    done = read_rows(output / ROWS)
    waiting = [cell for cell in cells if cell.key not in done]
    others = len(done.keys() - {cell.key for cell in cells})
    if not quiet:
        kept = f"; {others:,} of other data, settings or versions are not used" if others else ""
        print(f"{len(cells):,} runs, {len(cells) - len(waiting):,} of them done before{kept}", file=sys.stderr)
    executor = cluster(address) if address else None
    start_s = time.monotonic()
    with _stopped_by_signals() as asked, (output / ROWS).open("a", encoding="utf-8") as file:
        number = 0
        try:
            with closing(run_cells(waiting, executor, workers)) as made:
                for number, row in enumerate(made, 1):
                    append_row(file, row)
                    done[row.key] = row
                    if not quiet:
                        _tell(number, len(waiting), time.monotonic() - start_s)
        except _Asked:
            raise SweepStopped(asked[0], len(cells) - len(waiting) + number, len(cells)) from None
    if not quiet and sys.stderr.isatty():
        print(file=sys.stderr)
    rows = [done[cell.key] for cell in cells]
    best = ranked(totals(rows), rank)
    _write_table(output / TABLE, list(axes), rows)
    (output / PAGE).write_text(render(axes, best, rank, [str(path) for path in data]), encoding="utf-8")
    _print_best(list(axes), best[:10], rank)
    print(f"table: {output / TABLE}, page: {output / PAGE}")


class _Asked(BaseException):
    """A signal asked the sweep to end."""


@contextmanager
def _stopped_by_signals() -> Iterator[list[int]]:
    """Raise _Asked where the first SIGINT or SIGTERM comes; the list says which one it was."""
    asked: list[int] = []

    def ask(number: int, _: FrameType | None) -> None:
        if not asked:
            asked.append(number)
            raise _Asked

    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield asked
        return
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def render(axes: Mapping[str, Sequence[Any]], best: Sequence[Row], rank: str, data: Sequence[str]) -> str:
    """Return the page: best rows, and a heat map for each pair of axes with several values."""
    names = list(axes)
    head = "".join(f"<th>{escape(name)}</th>" for name in (*names, *_SHOWN))
    body = "".join(
        "<tr>"
        + "".join(f"<td>{escape(str(row.changes[name]))}</td>" for name in names)
        + "".join(f"<td>{_number(row.figures[name])}</td>" for name in _SHOWN)
        + "</tr>"
        for row in best[:20]
    )
    wide = [name for name in names if len(axes[name]) > 1]
    maps = "".join(heat_map(axes, best, pair[0], pair[1], rank) for pair in itertools.combinations(wide, 2))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>obi-mm sweep</title><style>'
        ":root{--ink:#1c2430;--paper:#fff;--muted:#5f6b7a}@media(prefers-color-scheme:dark){:root{--ink:#dfe5ec;--paper:#14181e;"
        "--muted:#93a0b0}}body{font:14px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:1060px;"
        "margin:2rem auto;padding:0 1rem}table{border-collapse:collapse;font-variant-numeric:tabular-nums}td,th{padding:.2rem .6rem;"
        "text-align:right}th{color:var(--muted);font-weight:500}td.cell{color:#10141a;min-width:4.5rem}</style></head><body>"
        f"<h1>obi-mm sweep</h1><p>{len(best)} combinations over {len(data)} {'day' if len(data) == 1 else 'days'}, by {escape(rank)}</p>"
        f'<div style="overflow-x:auto"><table><tr>{head}</tr>{body}</table></div>{maps}</body></html>\n'
    )


def heat_map(axes: Mapping[str, Sequence[Any]], best: Sequence[Row], down: str, across: str, rank: str) -> str:
    """Draw the best figure that each pair of values reaches, whatever the other axes."""
    found: dict[tuple[str, str], float] = {}
    for row in reversed(best):
        value = row.figures[rank]
        if value is not None:
            found[str(row.changes[down]), str(row.changes[across])] = float(value)
    low, high = (min(found.values()), max(found.values())) if found else (0.0, 0.0)
    lines = []
    for first in axes[down]:
        cells = []
        for second in axes[across]:
            value = found.get((str(first), str(second)))
            share = 0.5 if value is None or high == low else (value - low) / (high - low)
            colour = "transparent" if value is None else f"hsl({round(12 + 118 * share)} 55% 68%)"
            cells.append(f'<td class="cell" style="background:{colour}">{_number(value)}</td>')
        lines.append(f"<tr><th>{escape(str(first))}</th>{''.join(cells)}</tr>")
    head = "".join(f"<th>{escape(str(value))}</th>" for value in axes[across])
    return (
        f"<h2>{escape(rank)}: {escape(down)} (down), {escape(across)} (across)</h2>"
        f"<table><tr><th></th>{head}</tr>{''.join(lines)}</table>"
    )


def _write_table(path: Path, names: Sequence[str], rows: Sequence[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["data", *names, *FIGURES])
        for row in rows:
            writer.writerow(
                [row.path, *(row.changes[name] for name in names), *(row.figures[name] for name in FIGURES)]
            )


def _print_best(names: Sequence[str], best: Sequence[Row], rank: str) -> None:
    table = Table(title=f"best by {rank}")
    for name in (*names, *_SHOWN):
        table.add_column(name, justify="right")
    for row in best:
        table.add_row(*(str(row.changes[name]) for name in names), *(_number(row.figures[name]) for name in _SHOWN))
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _tell(number: int, count: int, passed_s: float) -> None:
    left_s = passed_s / number * (count - number)
    text = f"{number:,} of {count:,} runs, {passed_s:,.0f} s, {left_s:,.0f} s left"
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
    elif number == count or number % max(1, count // 10) == 0:
        print(text, file=sys.stderr, flush=True)


def _number(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.5g}"
