"""Files into messages: reads every line, decodes it by its dialect, counts what cannot be used."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from data_convert.choice import affordable, few
from data_convert.errors import BadLine, FormatError, InputError, StrictError
from data_convert.files.lines import read_lines
from data_convert.files.paths import Progress
from data_convert.files.pieces import Piece, Pieces
from data_convert.files.readers import ReadStats, lose_line
from data_convert.messages.columns import EVERY_SYMBOL, NO_ID, MessagesBuilder, What
from data_convert.recordings.detect import Source, detect_line, is_gap_line
from data_convert.recordings.venues.binance import DirectDecoder
from data_convert.recordings.venues.binance_scan import BinanceScanner
from data_convert.recordings.venues.bybit import BybitDecoder
from data_convert.recordings.venues.decoder import Counted, Decoder
from data_convert.recordings.venues.frame_scan import BybitScanner, HyperliquidScanner, LinkScanner
from data_convert.recordings.venues.hyperliquid import BOOK_LEVELS, HyperliquidDecoder
from data_convert.recordings.venues.link import LinkDecoder
from data_convert.recordings.venues.mexc import MexcDecoder
from data_convert.recordings.venues.scanning import Scanner
from data_convert.report.counted import EXAMPLES, BadCounter, file_report
from data_convert.report.values import BadLines, FileReport

_WHOSE: Final[dict[Source, str]] = {"binance": "the exchange's own frames", "link": "lines of a connector"}
SCAN_FROM: Final = 1 << 20
"""Bytes of text from which it pays to scan them by a kernel that is loaded."""
_NS_A_BYTE: Final = 60
"""What Python takes for a byte of text."""
_OWN_SOURCES: Final[tuple[Source, ...]] = ("bybit", "hyperliquid", "mexc")
_LOOK_AHEAD_LINES: Final = 1000
_MAX_STAMP: Final = (1 << 63) - 1
_CAPTURED: Final = re.compile(
    rb"(?:https?://\S+ -> )?(?P<whole>[0-9]{1,10})(?:\.(?P<fraction>[0-9]{0,20}))?: (?P<payload>.*)", re.DOTALL
)
_SENT: Final = re.compile(rb"https?://\S+ <-")


@dataclass(slots=True)
class Ingested:
    """All that was read: messages still unfiltered by symbol, and the counts for the report."""

    builder: MessagesBuilder
    decoder: Counted
    source: Source
    files: tuple[FileReport, ...]
    lines: int
    empty_lines: int
    bad: tuple[BadLines, ...]
    warnings: list[str]
    broken: list[str] = field(default_factory=list)

    @property
    def markets(self) -> dict[str, str]:
        """The markets of Binance that were met, and the line of each that showed it first."""
        found = self.decoder.markets if isinstance(self.decoder, DirectDecoder) else {}
        return {name: f"{self.files[file].path}:{line}" for name, (file, line) in found.items()}

    @property
    def in_order(self) -> bool:
        """Tell whether the file's order is the book's: all sources but Binance, which must be ordered by ids."""
        return self.source != "binance"


def split_stamp(line: bytes) -> tuple[int, bytes]:
    """Split `<ns> <json>`; raise BadLine unless the stamp is decimal digits of 63 bits before one space.

    Lines of cryptofeed's raw captures, `<seconds>: <json>` and `<url> -> <seconds>: <body>`, are split alike.
    """
    stamp, space, payload = line.partition(b" ")
    if stamp.endswith(b":") or stamp.startswith(b"http"):
        found = _CAPTURED.fullmatch(line)
        if found is not None:
            whole, fraction = int(found["whole"]), (found["fraction"] or b"")[:9]
            return whole * 1_000_000_000 + int(fraction.ljust(9, b"0")), found["payload"]
    if not space:
        raise BadLine("no space between time and JSON", line[:60].decode("utf-8", "replace"))
    if not stamp.isdigit() or len(stamp) > 19 or int(stamp) > _MAX_STAMP:
        raise BadLine("time stamp is no number of nanoseconds", stamp[:60].decode("utf-8", "replace"))
    return int(stamp), payload


def is_capture_note(line: bytes) -> bool:
    """Tell whether a line of cryptofeed's raw captures says what its connection did, and brings no data."""
    return line.startswith((b"configuration: ", b"ws:", b"wss:")) or _SENT.match(line) is not None


def find_source(paths: Sequence[Path]) -> Source:
    """Tell the source of the first line that has one; raise FormatError when none of the first lines has."""
    gaps = 0
    for path in paths:
        seen = 0
        for _, line, _ in read_lines(path, ReadStats(path)):
            try:
                payload = split_stamp(line)[1]
                found, gap = detect_line(payload), is_gap_line(payload)
            except BadLine:
                found, gap = None, False
            if found:
                return found
            seen += 1
            gaps += gap
            if seen >= _LOOK_AHEAD_LINES:
                break
        if seen > gaps:
            raise FormatError(
                path,
                f"none of its first {seen} lines is of a known source",
                "give a recording of Binance, Bybit, Hyperliquid, MEXC or the connector (lines `<ns> <json>`), or name its "
                "--dialect or --venue",
            )
    return "link" if gaps else "binance"


def make_decoder(
    path: Path, source: Source, venue: str, time: str, depth: int | None, also: Collection[str] = ()
) -> Decoder:
    """Return the decoder of a source; `path` is named in the FormatError for a `depth` or `also` that it has not."""
    if also and source != "binance":
        raise FormatError(
            path, f"is no recording of Binance, of which {', '.join(also)} could be taken", "leave out --also"
        )
    match source:
        case "link":
            return LinkDecoder()
        case "bybit":
            return BybitDecoder(time, depth)
        case "mexc":
            if depth is not None:
                raise FormatError(path, "is of MEXC, whose streams make one book", "give --levels fused")
            return MexcDecoder()
        case "hyperliquid":
            if depth not in (None, 1, BOOK_LEVELS):
                problem = f"is of Hyperliquid, whose books have {BOOK_LEVELS} levels (l2Book) or 1 (bbo), not {depth}"
                raise FormatError(path, problem, f"give --levels {BOOK_LEVELS}, 1 or fused")
            return HyperliquidDecoder(depth)
        case _:
            return DirectDecoder(time, {"binance-futures": False, "binance-spot": True}.get(venue), also)


def make_scanner(decoder: Decoder, builder: MessagesBuilder) -> Scanner | None:
    """Return what takes the lines of a decoder in blocks, None for one whose lines are always taken one by one."""
    match decoder:
        case DirectDecoder():
            return BinanceScanner(decoder, builder)
        case BybitDecoder():
            return BybitScanner(decoder, builder)
        case HyperliquidDecoder():
            return HyperliquidScanner(decoder, builder)
        case LinkDecoder():
            return LinkScanner(decoder, builder)
    return None


def choose_source(paths: Sequence[Path], dialect: str, venue: str) -> Source:
    """Tell the source from the options, from the lines where these leave it open. Raises FormatError."""
    if dialect == "link":
        return "link"
    for source in _OWN_SOURCES:
        if venue == source:
            return source
    if venue != "auto":
        return "binance"
    if dialect == "auto":
        return find_source(paths)
    try:
        found = find_source(paths)
    except FormatError:
        return "binance"
    return "binance" if found == "link" else found


def first_stamp(path: Path) -> int | None:
    """Return the first readable time stamp of a file, None if it has none."""
    for number, line, _ in read_lines(path, ReadStats(path)):
        try:
            return split_stamp(line)[0]
        except BadLine:
            if number > _LOOK_AHEAD_LINES:
                return None
    return None


def in_order(paths: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """Return the files in the order of their first stamps, and a warning if that is not the order given."""
    if len(paths) < 2:
        return list(paths), []
    stamps = {path: first_stamp(path) for path in paths}
    dated = sorted((p for p in paths if stamps[p] is not None), key=lambda p: stamps[p] or 0)
    ordered = [*dated, *(p for p in paths if stamps[p] is None)]
    if [p for p in paths if stamps[p] is not None] == dated:
        return ordered, []
    return ordered, ["files were given out of order and are taken by their first stamp: " + ", ".join(map(str, dated))]


def ingest(
    paths: Sequence[Path],
    dialect: str,
    time: str,
    strict: bool,
    progress: Progress | None = None,
    venue: str = "auto",
    depth: int | None = None,
    also: Collection[str] = (),
    before: Sequence[Path] = (),
) -> Ingested:
    """Read and decode all files. Raises InputError, FormatError, and StrictError at the first flaw if `strict`.

    The files `before` do not decide whose lines are read.
    """
    if not paths:
        raise InputError("(no file)", "nothing to convert", "name at least one recording")
    ordered, warnings = in_order(paths)
    own = [path for path in ordered if path not in before] or ordered
    source = choose_source(own, dialect, venue)
    decoder = make_decoder(own[0], source, venue, time, depth, also)
    intake = _Intake(decoder, source, strict)
    files = []
    lines = done_bytes = 0
    total_bytes = sum(path.stat().st_size for path in ordered)
    for index, path in enumerate(ordered):
        stats = ReadStats(path)
        for _ in intake.file(index, path, stats):
            if progress is not None:
                progress(done_bytes + stats.done_bytes, total_bytes)
        if strict and stats.damage:
            raise StrictError(path, stats.lines, stats.damage[0])
        done_bytes += stats.size_bytes
        lines += stats.lines
        files.append(file_report(stats))
        if not stats.lines:
            warnings.append(f"{path} holds no line")
    intake.finish()
    bad, broken = intake.bad.listed(), intake.changes.listed()
    return Ingested(intake.builder, decoder, source, tuple(files), lines, intake.empty, bad, warnings, broken)


@dataclass(slots=True)
class _Change:
    """A run of lines of another source: where it begins and ends, how many they are."""

    path: Path
    first: int
    last: int
    other: Source
    messages: int  # taken before the run
    lines: int = 1


class _Changes:
    """Where a recording changes its dialect: lines of the exchange's frames and of a connector in one file."""

    def __init__(self, source: Source) -> None:
        self._source, self._runs = source, list[_Change]()

    def begins(self, path: Path, number: int, other: Source, messages: int) -> bool:
        """Take one line of another source; tell whether a run of them begins with it."""
        run = self._runs[-1] if self._runs else None
        if run is not None and (run.path, run.messages) == (path, messages):
            run.last, run.lines = number, run.lines + 1
            return False
        self._runs.append(_Change(path, number, number, other, messages))
        return True

    def goes_on(self, messages: int) -> None:
        """Note that a message of no line was added behind the begin of a run."""
        self._runs[-1].messages = messages

    def listed(self) -> list[str]:
        """Say in words where the dialect changes."""
        told = [
            f"{run.path}:{run.first}: the dialect changes from {_WHOSE[self._source]} to {_WHOSE[run.other]}: the book ends "
            f"there and lines {run.first} to {run.last} ({run.lines:,}) are left out; cut the file there and convert the "
            f"parts apart"
            for run in self._runs[:EXAMPLES]
        ]
        more = len(self._runs) - EXAMPLES
        return [*told, f"and {more:,} more changes of dialect"] if more > 0 else told


class _Intake:
    """Lines into messages, one by one or, from SCAN_FROM bytes on, in blocks; those of MEXC always one by one."""

    def __init__(self, decoder: Decoder, source: Source, strict: bool) -> None:
        self.builder, self.bad, self.changes = MessagesBuilder(), BadCounter(), _Changes(source)
        self.empty = 0
        self._decoder, self._source, self._strict = decoder, source, strict
        self._scanner: Scanner | None = None

    def file(self, index: int, path: Path, stats: ReadStats) -> Iterator[None]:
        """Read one file; yields now and then, for progress to be shown."""
        if not isinstance(self._decoder, MexcDecoder):
            yield from self._in_blocks(index, path, stats)
            return
        for number, line, whole in read_lines(path, stats):
            self._line(index, stats, number, line, whole)
            if number % 4096 == 0:
                yield

    def _in_blocks(self, index: int, path: Path, stats: ReadStats) -> Iterator[None]:
        def take(number: int, line: bytes) -> None:
            self._line(index, stats, number, line, True)

        def flush() -> None:
            """Take what was held back while it was too little to load the kernel for."""
            for text, start, stop, whole, damage in held:
                stats.damage += damage
                if not whole:
                    self._before_line()
                    stats.lines += 1
                    self._line(index, stats, stats.lines, text, False)
                elif self._scanner is not None:
                    stats.lines = self._scanner.take(text, start, stop, index, stats.lines, take)
                elif start < stop:
                    for line in text[start : stop - 1].split(b"\n"):
                        stats.lines += 1
                        take(stats.lines, line.removesuffix(b"\r"))
            held.clear()

        held: list[Piece] = []
        with Pieces(path, stats).opened() as pieces:
            for piece in pieces:
                held.append(piece)
                size = sum(p.stop - p.start for p in held)
                if self._scanner is None and size >= SCAN_FROM and not affordable(size, _NS_A_BYTE):
                    self._scanner = make_scanner(self._decoder, self.builder)
                if self._scanner is not None:
                    flush()
                yield
            few(sum(p.stop - p.start for p in held), _NS_A_BYTE)
            flush()

    def finish(self) -> None:
        """Hand over what is still held."""
        self._before_line()
        self._decoder.finish(self.builder)

    def _before_line(self) -> None:
        if self._scanner is not None:
            self._scanner.finish()

    def _line(self, index: int, stats: ReadStats, number: int, line: bytes, whole: bool) -> None:
        if not line.strip():
            self.empty += 1
            return
        if is_capture_note(line):
            self._decoder.filtered["line of a capture that brings no data"] += 1
            return
        stamp, payload = None, b""
        try:
            stamp, payload = split_stamp(line)
            self._decoder.take(self.builder, (index, number), stamp, payload)
        except BadLine as error:
            if self._strict:
                raise StrictError(stats.path, number, str(error)) from error
            if not whole:
                lose_line(stats, number, line)
                return
            other = None if stamp is None else detect_line(payload)
            if stamp is not None and other is not None and other != self._source:
                error = BadLine(f"line of another source: {other} in a recording of {self._source}", error.reason)
                if {other, self._source} == {"binance", "link"}:
                    self._end_book(index, stats.path, number, stamp, other)
            self.bad.add(stats.path, number, error)

    def _end_book(self, index: int, path: Path, number: int, stamp: int, other: Source) -> None:
        """Two recorders wrote into one file: what the other one heard is not heard here, so the book ends."""
        builder = self.builder
        if not self.changes.begins(path, number, other, len(builder)):
            return
        self._decoder.finish(builder)
        builder.reasons[len(builder)] = f"dialect changes to {other}"
        builder.add(What.GAP, EVERY_SYMBOL, (index, number), stamp, stamp, (NO_ID, NO_ID, NO_ID), ((), (), ()))
        self.changes.goes_on(len(builder))
