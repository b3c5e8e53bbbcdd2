"""Decision logs on the terminal: as table, CSV or JSON, and compared."""

import csv
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from obi_mm.decision_compare import Difference, between, compare, of_one_symbol, settled_ns
from obi_mm.decision_rows import COLUMNS, EVENT_COLUMNS, event_row, row_of, words_of
from obi_mm.decision_why import explain
from obi_mm.decisions import DecisionLog, read_log

_NEVER: Final = (1 << 62, 0)


def print_decisions(
    path: Path, form: str, symbol: str, reason: str, first: int | None, last: int | None, *, orders: bool = False
) -> None:
    """Print a log's decisions, or what happened to its orders; raises LogError."""
    log = read_log(path)
    columns, about = (EVENT_COLUMNS, "what") if orders else (COLUMNS, "reason")
    if orders:
        rows = [event_row(log, number) for number in range(len(log.events))]
    else:
        rows = [row_of(log, number) for number in range(len(log.decisions))]
    rows = [row for row in rows if symbol in ("", row["symbol"]) and reason in ("", row[about])]
    if first is not None:
        rows = rows[: max(first, 0)]
    if last is not None:
        rows = rows[-last:] if last > 0 else []
    if log.torn_bytes:
        print(f"the last {log.torn_bytes} bytes are no whole decision", file=sys.stderr)
    if form == "json":
        for row in rows:
            print(json.dumps(row))
    elif form == "csv":
        names = list(rows[0]) if rows else list(columns)
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(names)
        for row in rows:
            writer.writerow([words_of(row[name]) if name == "actions" else row[name] for name in names])
    else:
        _print_table(columns, [[_cell(name, row[name]) for name in columns] for row in rows])


def print_difference(
    left: Path,
    right: Path,
    tolerance: float,
    common: bool,
    most: int,
    as_json: bool,
    *,
    symbol: str = "",
    warm: bool = False,
) -> bool:
    """Print where two logs differ; true if nowhere. Raises LogError."""
    whole = logs = of_one_symbol([read_log(path) for path in (left, right)], symbol)
    if common or warm:
        first_ns, last_ns = _span(logs)
        if warm:
            first_ns = max(first_ns, *(_settled(log) for log in logs))
        logs = [between(log, first_ns, last_ns) for log in logs]
    found = list(compare(logs[0], logs[1], tolerance))
    causes = list(explain(whole[0], whole[1], found))
    counted = [len(log.decisions) for log in logs]
    if as_json:
        for one, why in zip(found, causes, strict=True):
            content = {"time_ns": one.time_ns, "symbol": one.symbol, "fields": dict(one.fields), "why": asdict(why)}
            print(json.dumps(content))
        return not found and min(counted) > 0
    if not found and min(counted) > 0:
        print(f"equal: {counted[0]:,} decisions")
        return True
    if not found:
        print("no decision to compare")
        return False
    print(f"{len(found):,} of {max(counted):,} decisions differ:")
    for why, count in Counter(causes).most_common():
        print(f"  {count:,} times: {why.text}")
    print("the first:")
    for one, why in zip(found[:most], causes, strict=False):
        print(f"{_words(one)}  <- {why.kind}{f', {why.side}' if why.side else ''}")
    if len(found) > most:
        print(f"... and {len(found) - most:,} more")
    return False


def _span(logs: Sequence[DecisionLog]) -> tuple[int, int]:
    shared = set(logs[0].decisions["time_ns"].tolist()) & set(logs[1].decisions["time_ns"].tolist())
    return (min(shared), max(shared)) if shared else _NEVER


def _settled(log: DecisionLog) -> int:
    time_ns = settled_ns(log)
    return _NEVER[0] if time_ns is None else time_ns


def _words(one: Difference) -> str:
    parts = []
    for name, (left, right) in one.fields.items():
        if name == "decision":
            parts.append("only in the first log" if left else "only in the second log")
        elif name == "actions":
            parts.append(f"actions [{words_of(left)}] / [{words_of(right)}]")
        else:
            parts.append(f"{name} {left} / {right}")
    return f"  {one.time_ns} {one.symbol}: " + ", ".join(parts)


def _cell(name: str, value: object) -> str:
    if value is None:
        return "-"
    if name == "actions":
        return words_of(value)
    if name == "time":
        return str(value)[11:23]
    if isinstance(value, float):
        return f"{value:.6g}" if name in ("alpha", "volatility") else f"{value:.12g}"
    return str(value)


def _print_table(columns: Sequence[str], rows: list[list[str]]) -> None:
    table = [list(columns), *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(columns))]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
