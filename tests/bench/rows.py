"""A bench's row: what was measured, the figure, its goal (or -) and whether it is met."""

import os
import sys
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

Row = tuple[str, str, str, bool]


def show(console: Console, title: str, rows: list[Row]) -> None:
    """Print rows as a table."""
    table = Table(title=f"{title}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end")
    for column in ("figure", "measured", "goal", ""):
        table.add_column(column, overflow="fold")
    for name, measured, goal, met in rows:
        table.add_row(name, measured, goal, verdict(goal, met))
    console.print(table)


def verdict(goal: str, met: bool) -> str:
    """Say whether a goal is met."""
    return "" if goal == "-" else "met" if met else "MISSED"


def collect(console: Console, parts: dict[str, Callable[[], list[Row]]]) -> list[Row]:
    """Measure part by part."""
    rows: list[Row] = []
    for name, measure in parts.items():
        console.print(f"measuring: {name} ...")
        rows += measure()
    return rows


def console_of(to_stderr: bool) -> Console:
    """Return where tables go: wide enough where it is no terminal."""
    return Console(width=None if sys.stdout.isatty() else 150, stderr=to_stderr)
