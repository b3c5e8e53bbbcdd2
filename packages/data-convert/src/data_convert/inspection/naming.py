"""What a file is, by its content: every format that a command of this package converts, and that command."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from data_convert.errors import BadLine, InputError
from data_convert.files.lines import text_lines
from data_convert.files.readers import ReadStats
from data_convert.files.zipped import is_zip
from data_convert.recordings.detect import detect_line
from data_convert.recordings.ingest import split_stamp

_LINES: Final = 1000
_DBN: Final = (b"DBN", b"\x28\xb5\x2f\xfd")
_RECORDINGS: Final = {
    "binance": "recording of Binance's frames",
    "bybit": "recording of Bybit's frames",
    "hyperliquid": "recording of Hyperliquid's frames",
    "mexc": "recording of MEXC's frames",
    "link": "recording beside a connector",
}


@dataclass(frozen=True, slots=True)
class Named:
    """A format in words, and the command that converts it; "" where there is none."""

    what: str
    command: str


def name_file(path: Path) -> Named:
    """Tell what a file is. Raises InputError for one that cannot be read."""
    if path.suffix == ".npz":
        return Named("event array", "validate")
    with path.open("rb") as file:
        head = file.read(4)
    if head.startswith(_DBN[0]) or (head == _DBN[1] and path.name.endswith(".dbn.zst")):
        return Named("Databento file", "history")
    if is_zip(path):
        try:
            with zipfile.ZipFile(path) as archive:
                if any(name.endswith(".npy") for name in archive.namelist()):
                    return Named("event array", "validate")
        except (zipfile.BadZipFile, NotImplementedError, OSError) as error:  # the second: a compression zipfile has not
            raise InputError(path, f"is no readable zip archive ({error})", "download it again") from error
    lines = (line for _, line in text_lines(path, ReadStats(path)))
    first = next((line for line in lines if line.strip()), None)
    if first is None:
        return Named("no text", "")
    vendor = _vendor_file(first)
    if vendor is not None:
        return vendor
    found = _recording([first, *(line for _, line in zip(range(_LINES), lines, strict=False))])
    return Named(f"{found.what} in a zip archive: unzip it first", "") if found.command and is_zip(path) else found


def _vendor_file(first: bytes) -> Named | None:
    from data_convert.archives import binance as history_binance
    from data_convert.archives import bybit as history_bybit
    from data_convert.tardis.columns import columns_of
    from data_convert.tardis.rows import Kind, kind_of

    header = first.removeprefix(b"\xef\xbb\xbf").strip()
    tardis = kind_of(header)
    if tardis is not None:
        columns = columns_of(header)
        name = columns.what if columns is not None else str(tardis)
        return Named(f"Tardis {name}", "tardis" if tardis in (Kind.TRADES, Kind.DEPTH) else "fuse")
    text = first.decode("utf-8", "replace")
    bybit = history_bybit.kind_of(text)
    if bybit is not None:
        return Named(f"Bybit archive, {bybit}", "history")
    binance = history_binance.kind_of(text)
    return None if binance is None else Named(f"Binance archive, {binance[0]}", "history")


def _recording(lines: list[bytes]) -> Named:
    for line in lines:
        try:
            found = detect_line(split_stamp(line)[1])
        except BadLine:
            continue
        if found is not None:
            return Named(_RECORDINGS[found], "collector")
    return Named("of no known format", "")
