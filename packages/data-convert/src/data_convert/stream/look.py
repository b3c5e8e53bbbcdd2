"""A first look at Tardis files: what they hold, in which order they are read, whose rows they are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from data_convert.errors import FormatError, InputError, SymbolError
from data_convert.formats.tardis import Kind, Probe, probe


def look(
    paths: Sequence[str | os.PathLike[str]], symbol: str | None
) -> tuple[tuple[tuple[Probe, ...], tuple[Probe, ...]], bytes]:
    """Return the files of trades and of depth, each in the order of their first rows, and `exchange,symbol,`.

    The header decides what a file holds, never its name. Raises InputError, FormatError, and SymbolError when the
    files are of several instruments or none is the one wanted.
    """
    if not paths:
        raise InputError("(no file)", "nothing to convert", "name at least one Tardis CSV file")
    probes = [probe(Path(path), symbol) for path in paths]
    for found in probes:
        if found.kind is Kind.TICKER:
            raise FormatError(
                found.path,
                "holds book_ticker, which is no change of the book's depth",
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
    depth = tuple(found for found in ordered if found.kind is Kind.DEPTH)
    return (trades, depth), next(iter(names), b"")
