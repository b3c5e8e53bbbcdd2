"""Which file a line belongs to, and when a file is finished: the UTC day of the line's own stamp decides, never the clock."""

from collections.abc import Mapping
from datetime import date
from typing import Final, NewType

from marketlink.times import MonoNs, WallNs

Day = NewType("Day", int)
"""A UTC day, counted from the epoch."""

FileKey = tuple[str, Day]
"""A recording: symbol in lower case, and day."""

DAY_NS: Final = 86_400_000_000_000
EPOCH: Final = date(1970, 1, 1).toordinal()


def day_of(stamp_ns: WallNs) -> Day:
    """Return the UTC day of a stamp in ns since the epoch."""
    return Day(stamp_ns // DAY_NS)


def file_name(symbol: str, day: Day) -> str:
    """Return `{symbol}_{YYYYMMDD}.gz` (docs/formats.md section 2). Raises ValueError for a symbol that is no file name."""
    if not symbol or "/" in symbol or "\0" in symbol or symbol.startswith("."):
        raise ValueError(f"{symbol!r} can't be part of a file name")
    return f"{symbol}_{date.fromordinal(EPOCH + day):%Y%m%d}.gz"


def finished(last_line: Mapping[FileKey, MonoNs], now: MonoNs, idle_ns: int) -> list[FileKey]:
    """Return the files to close: without a line for `idle_ns`, and not the last one that its symbol wrote to.

    Late lines keep yesterday's file open a while; one that comes later still opens it again and appends. No wall clock is
    asked: it may step, and then today's file is not the one with today's lines.
    """
    newest: dict[str, MonoNs] = {}
    for (symbol, _), at in last_line.items():
        newest[symbol] = max(at, newest.get(symbol, at))
    return [key for key, at in last_line.items() if at < newest[key[0]] and now - at >= idle_ns]
