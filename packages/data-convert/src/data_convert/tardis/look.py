"""A first look at Tardis files: what they hold, in which order they are read, whose rows they are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from data_convert.errors import FormatError, InputError, SymbolError
from data_convert.tardis.rows import Kind, Probe, probe


def look(
    paths: Sequence[str | os.PathLike[str]], symbol: str | None, fused: bool = False
) -> tuple[tuple[tuple[Probe, ...], tuple[Probe, ...]], bytes]:
    """Return the files of trades and of depth, each in the order of their first rows, and `exchange,symbol,`.

    The header decides what a file holds, never its name. Raises InputError, FormatError, and SymbolError when the
    files are of several instruments or none is the one wanted.
    """
    if not paths:
        raise InputError("(no file)", "nothing to convert", "name at least one Tardis CSV file")
    seen: set[Path] = set()
    for path in map(Path, paths):
        if path.resolve() in seen:
            raise InputError(path, "is named twice", "name every file once")
        seen.add(path.resolve())
    probes = [probe(Path(path), symbol) for path in paths]
    if fused:
        _check_books(probes)
    for found in probes:
        if found.kind not in (Kind.TRADES, Kind.DEPTH) and not fused:
            what = f"{found.kind}{f'_{found.levels}' if found.levels else ''}"
            raise FormatError(
                found.path,
                f"holds {what}, which is no change of the book's depth",
                "leave it out, or fuse it with trades and incremental_book_L2: data-convert fuse",
            )
    names = {found.prefix: found for found in probes if found.prefix}
    if len(names) > 1:
        shown = {name.decode("utf-8", "replace").strip(",").replace(",", " "): 0 for name in names}
        raise SymbolError(
            None, {f"{name} in {found.path}": 1 for name, found in zip(shown, names.values(), strict=True)}
        )
    if symbol is not None and not names:
        raise SymbolError(symbol, {})
    ordered = sorted(probes, key=lambda found: found.first_local_us)
    trades = tuple(found for found in ordered if found.kind is Kind.TRADES)
    depth = tuple(found for found in ordered if found.kind is not Kind.TRADES)
    return (trades, depth), next(iter(names), b"")


def _check_books(probes: Sequence[Probe]) -> None:
    """Raise FormatError unless the files lead to one book: by its changes, by whole books of one depth, or by quotes."""
    books = [found for found in probes if found.kind in (Kind.DEPTH, Kind.SNAPSHOT)]
    if not books and not any(found.kind is Kind.TICKER for found in probes):
        problem = "and the others are no incremental_book_L2, book_snapshot, quotes or book_ticker"
        raise FormatError(probes[0].path, problem, "name one: there is no book without")
    other = next((found for found in books if (found.kind, found.levels) != (books[0].kind, books[0].levels)), None)
    if other is not None:
        raise FormatError(
            other.path,
            f"tells of the same book as {books[0].path} in another way",
            "name one of the two, or fuse them apart",
        )
