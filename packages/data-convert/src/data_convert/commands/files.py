"""Commands between files: `merge`, `to-tardis`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from data_convert import words
from data_convert.commands import options as opt
from data_convert.exits import MAX_LOST

if TYPE_CHECKING:
    from data_convert.files.readers import ReadStats


def merge(
    paths: Annotated[list[Path], typer.Argument(metavar="IN IN...", show_default=False)],
    output: opt.OutputOrLast = None,
    strict: opt.Strict = False,
    allow_empty: opt.AllowEmpty = False,
    max_lost: opt.MaxLost = MAX_LOST,
    force: opt.Force = False,
    json: opt.Json = False,
) -> None:
    """Merge direct recordings of the same streams: every message once, at its earliest receive time."""
    usage = "name at least two recordings and the output: IN IN... -o OUT.gz"
    inputs, output = opt.split_output(paths, output, 2, usage)
    from data_convert.errors import FormatError, MarketError, SymbolError
    from data_convert.files.members import pack
    from data_convert.files.readers import ReadStats
    from data_convert.files.writer import check_target, whole_file
    from data_convert.recordings.ingest import find_source
    from data_convert.recordings.merging import MergeCounts, merge_lines
    from data_convert.report.values import Loss, Report

    check_target(output, force, ".gz")
    for path in inputs:
        if find_source([path]) == "link":
            raise FormatError(path, "was recorded from a connector", "merge recordings of the exchange's own frames")
    counts, stats = MergeCounts(), [ReadStats(path) for path in inputs]
    with whole_file(output, force) as file:
        lines = merge_lines((_lines(path, found, strict) for path, found in zip(inputs, stats, strict=True)), counts)
        for member in pack(lines):
            file.write(member)
        symbols = set().union(*counts.symbols.values())
        if len(symbols) > 1:
            in_files = {symbol: sum(symbol in s for s in counts.symbols.values()) for symbol in symbols}
            raise SymbolError(None, in_files, "of the recordings", "merge recordings of one symbol")
        if len(counts.markets) > 1:
            raise MarketError({market: str(inputs[number]) for market, number in counts.markets.items()})
    files: list[dict[str, object]] = []
    for number, found in enumerate(stats):
        taken, dropped = counts.taken[number], counts.dropped[number]
        files.append({"path": str(found.path), "taken": taken, "known": dropped, "unusable": found.lost_lines})
        files[-1] |= {"gap_lines": counts.gaps[number], "damage": found.damage}
        if json:
            continue
        typer.echo(f"{found.path}: {taken:,} lines taken, {dropped:,} known already, {found.lost_lines:,} unusable")
        if counts.gaps[number]:
            typer.echo(f"  {counts.gaps[number]:,} gap lines left out: the ids tell what all of the recordings lack")
        for damage in found.damage:
            typer.echo(f"  damage: {damage}")
    opt.tell_written(output, counts.taken.total())
    if json:
        opt.show_json({"output": str(output), "rows": counts.taken.total(), "files": files})
    lost = sum(found.lost_lines for found in stats)
    all_lines = counts.taken.total() + counts.dropped.total() + lost
    unusable = Loss("lines", lost, all_lines, "look at the lines named as damage")
    opt.leave(Report("Merge", rows=counts.taken.total(), losses=(unusable,)), opt.Ending(allow_empty, max_lost))


def _lines(path: Path, stats: ReadStats, strict: bool) -> Iterator[tuple[int, bytes]]:
    import orjson

    from data_convert.errors import BadLine, StrictError
    from data_convert.files.lines import read_lines
    from data_convert.files.readers import lose_line
    from data_convert.recordings.ingest import is_capture_note, split_stamp

    for number, line, _ in read_lines(path, stats):
        if not line.strip() or is_capture_note(line):
            continue
        try:
            stamp, payload = split_stamp(line)
            orjson.loads(payload)
        except (BadLine, orjson.JSONDecodeError) as error:
            if strict:
                raise StrictError(path, number, str(error)) from error
            lose_line(stats, number, line)
            continue
        yield stamp, payload
    if strict and stats.damage:
        raise StrictError(path, stats.lines, stats.damage[0])


def to_tardis(
    paths: Annotated[list[Path], typer.Argument(metavar="RECORDING...", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Where both files go, under the names Tardis gives them."),
    ] = None,
    trades: Annotated[Path | None, typer.Option(metavar="FILE.csv.gz", help="Where the trades go.")] = None,
    depth: Annotated[Path | None, typer.Option(metavar="FILE.csv.gz", help="Where incremental_book_L2 goes.")] = None,
    exchange: Annotated[str | None, typer.Option(help="Name in the first column; by the venue if not given.")] = None,
    time: Annotated[words.Time, typer.Option(help="Exchange time: E as Tardis', or T.")] = "E",
    snapshots: opt.SnapshotsAsCollector = "by-id",
    venue: opt.Venue = "auto",
    levels: opt.Levels = "fused",
    symbol: opt.Symbol = None,
    strict: opt.Strict = False,
    allow_empty: opt.AllowEmpty = False,
    max_lost: opt.MaxLost = MAX_LOST,
    force: opt.Force = False,
    json: opt.Json = False,
) -> None:
    """Write a recording as Tardis' trades and incremental_book_L2 files."""
    from data_convert.files.writer import check_target
    from data_convert.recordings.to_tardis import tardis_files

    if output is None and (trades is None or depth is None):
        raise typer.BadParameter("name the directory of the files, -o DIR, or both: --trades and --depth")
    for path in (trades, depth):
        if path is not None:
            check_target(path, force, ".gz")
    if trades is not None and trades == depth:
        raise typer.BadParameter("--trades and --depth are two files")
    written, report = tardis_files(
        paths,
        trades,
        depth,
        directory=output,
        exchange=exchange,
        time=time,
        snapshots=snapshots,
        symbol=symbol,
        strict=strict,
        force=force,
        venue=venue,
        levels=opt.depth_of(levels),
    )
    for path, rows in written.items():
        opt.tell_written(path, rows)
    if json:
        named = zip(("trades", "depth"), written.items(), strict=True)
        opt.show_json({kind: {"output": str(path), "rows": rows} for kind, (path, rows) in named})
    opt.leave(report, opt.Ending(allow_empty, max_lost))
