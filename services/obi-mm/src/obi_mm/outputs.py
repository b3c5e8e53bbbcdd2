"""A backtest's files: equal runs give equal bytes."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from obi_mm.backtest import Result
from obi_mm.decisions import Header, LoggedSymbol, write_log
from obi_mm.errors import OutputExists
from obi_mm.report import render

RECORDS, RECORDS_CSV, FILLS_CSV = "records.npz", "records.csv", "fills.csv"
DECISIONS, SUMMARY, REPORT = "decisions.obilog", "summary.json", "report.html"
FILES: Final = (RECORDS, RECORDS_CSV, FILLS_CSV, DECISIONS, SUMMARY, REPORT)


def check_output(directory: Path, force: bool) -> None:
    """Make the directory; raises OutputExists if results are in it and may not be replaced."""
    directory.mkdir(parents=True, exist_ok=True)
    if not force and any((directory / name).exists() for name in FILES):
        raise OutputExists(directory)


def write_results(directory: Path, result: Result, about: Mapping[str, object], symbol: str) -> None:
    """Write every file of a run. `records.npz` has hftbacktest's own records under the key "0"."""
    np.savez_compressed(directory / RECORDS, **{"0": result.records})  # type: ignore[arg-type]
    fields = ("timestamp", "balance", "position", "fee", "trading_volume", "trading_value", "num_trades", "price")
    columns = [result.records[name].tolist() for name in fields]
    _write_csv(directory / RECORDS_CSV, fields, zip(*columns, strict=True))
    fills = result.fills
    _write_csv(
        directory / FILLS_CSV,
        ("time_ns", "order_id", "side", "price", "qty", "as"),
        (
            (
                time_ns,
                order_id,
                "buy" if side > 0 else "sell",
                f"{tick * result.tick_size:.12g}",
                f"{lots * result.lot_size:.12g}",
                "maker" if maker else "taker",
            )
            for time_ns, order_id, side, tick, lots, maker in fills.tolist()
        ),
    )
    config = about.get("config")
    header = Header(
        (LoggedSymbol(symbol, result.tick_size, result.lot_size),),
        config if isinstance(config, dict) else {},
        "backtest",
    )
    write_log(directory / DECISIONS, header, result.decisions, result.actions)
    content = {"figures": result.figures, "about": dict(about)}
    (directory / SUMMARY).write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    (directory / REPORT).write_text(render(result, about), encoding="utf-8")


def _write_csv(path: Path, fields: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(fields)
        writer.writerows(rows)
