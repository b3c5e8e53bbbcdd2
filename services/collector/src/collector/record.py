"""The lines of a recording, in both dialects (docs/formats.md section 2): values in, bytes out.

A trade, a level or a clear costs about a microsecond: rows are read a column at a time, and what successive rows share is written once.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, Final

from marketlink.events import BUY, DEPTH, DEPTH_BBO, DEPTH_CLEAR, DEPTH_SNAPSHOT, KIND_MASK, LOCAL, SELL, TRADE, Events

from collector.rotation import DAY_NS, Day

RECORDER_STARTED: Final = "recorder started"
CONNECTOR_RESTARTED: Final = "connector restarted"
CONNECTOR_SILENT: Final = "connector silent"
CLOCK_STEPPED: Final = "clock stepped"
SAMPLES_LOST: Final = "samples lost"
VENUE_INTERRUPTED: Final = "venue interrupted"
BOOK_OUT_OF_SYNC: Final = "book out of sync"
CONNECTION_LOST: Final = "connection lost"
STREAM_SILENT: Final = "stream silent"
DISK_BEHIND: Final = "disk behind"
FILE_CHANGED: Final = "file changed"

_WORDS: Final = frozenset({"depthUpdate", "depthSnapshot", "trade", "bookTicker", "depthClear", "event"})
_ONLY_DIRECT: Final = frozenset({"T", "U", "pu", "X"})
_BY_COLUMNS: Final = 6  # from so many rows on, eight columns cost less than so many rows
_REMEMBERED: Final = 50_000  # number texts kept for each symbol
_SIDES: Final = BUY | SELL
_COUNTED: Final = (DEPTH, DEPTH_SNAPSHOT, DEPTH_CLEAR)


@dataclass(frozen=True, slots=True)
class Lines:
    """Whole lines of one symbol and one UTC day."""

    symbol: str
    day: Day
    text: bytes
    count: int


def frame_line(recv_ns: int, body: bytes) -> bytes:
    """Return the direct dialect's line: the exchange's own bytes behind their stamp.

    A line feed in JSON can only be space between tokens; it becomes a blank, because here it ends a line.
    """
    if b"\n" in body:
        body = body.replace(b"\n", b" ")
    return b"%d %b\n" % (recv_ns, body)


class Content(Enum):
    """What a file's lines are, in the words for a person."""

    DIRECT = "recorded from the exchange itself"
    BYBIT = "recorded from Bybit itself"
    HYPERLIQUID = "recorded from Hyperliquid itself"
    LINK = "recorded from a connector"
    OTHER = "recorded from another exchange or by another program"
    NO_RECORDING = "no recording: a line does not begin with a time stamp"


def direct_content(exchange: str) -> Content:
    """What lines recorded from an exchange itself are."""
    return {"bybit": Content.BYBIT, "hyperliquid": Content.HYPERLIQUID}.get(exchange, Content.DIRECT)


def content_of(text: bytes) -> Content | None:
    """Tell what the first lines of a file are (docs/formats.md section 2); None while they do not say, as gap lines do not."""
    whole, found, _ = text.rpartition(b"\n")
    for line in (whole if found else text).split(b"\n"):
        stamp, _, body = line.partition(b" ")
        if not line:
            continue
        if not stamp.isdigit():
            return Content.NO_RECORDING
        try:
            data = json.loads(body)
        except ValueError:  # a frame that could not be read is written as well
            continue
        if isinstance(data, dict) and data.get("e") != "gap":
            return _content_of(data)
    return None


def _content_of(data: Mapping[str, object]) -> Content:
    word = data.get("e")
    if "stream" in data or "lastUpdateId" in data:
        return Content.DIRECT
    if isinstance(data.get("topic"), str) and "data" in data:
        return Content.BYBIT
    if isinstance(data.get("channel"), str) and "data" in data:
        return Content.HYPERLIQUID
    if not isinstance(word, str):
        return Content.OTHER
    return Content.LINK if "ns" in data or (word in _WORDS and not _ONLY_DIRECT & data.keys()) else Content.DIRECT


def gap_line(symbol: str, stamp_ns: int, reason: str, lost: int = 0, name: str = "") -> Lines:
    """Return the line, the same in both dialects, that says that something is missing here; `lost`: how much, where it was counted.

    `symbol` is the file's; `name` the symbol as the line spells it, by default in upper case.
    """
    name = json.dumps(name or symbol.upper(), ensure_ascii=False)
    count = f',"lost":{lost}' if lost else ""
    head = f'{{"e":"gap","E":{stamp_ns // 1_000_000},"s":{name},"ns":{stamp_ns}'
    text = f'{stamp_ns} {head},"reason":"{reason}"{count}}}\n'
    return Lines(symbol, Day(stamp_ns // DAY_NS), text.encode(), 1)


def decimal_text(number: float) -> str:
    """Return the shortest decimal that reads back as `number`: no exponent, no `.0`, no minus before zero (live.md 15.7).

    Infinities and NaN, which no exchange sends, are spelt as the source does: `inf`, `-inf`, `NaN`.
    """
    text = repr(number + 0.0)
    if text.endswith(".0"):
        return text[:-2]
    if "e" in text:
        return format(Decimal(text), "f")
    return "NaN" if text == "nan" else text


class LinkLines:
    """Writes one symbol's events in the link dialect."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self._name = json.dumps(symbol.upper(), ensure_ascii=False)
        self._texts: dict[float, str] = {}

    def gap(self, stamp_ns: int, reason: str, lost: int = 0) -> Lines:
        """Return `gap_line` of this symbol."""
        return gap_line(self.symbol, stamp_ns, reason, lost)

    def events(self, arrays: Sequence[Events], recv_ns: int, framed: bool) -> list[Lines]:
        """Return the lines of one batch's events of this symbol, in order; more than one value when their stamps span midnight.

        `recv_ns` stamps events that carry no local time. `more` counts the lines that bear it: levels and clears.
        """
        rows = [row for array in arrays for row in _rows(array)]
        if not framed:
            return self._split(rows, recv_ns, None)
        kinds = [row[0] & KIND_MASK for row in rows]
        return self._split(rows, recv_ns, sum(kinds.count(kind) for kind in _COUNTED))

    def _split(self, rows: list[tuple[Any, ...]], recv_ns: int, more: int | None) -> list[Lines]:
        found: list[Lines] = []
        lines: list[str] = []
        day = -1
        day_starts = day_ends = 0
        for stamp, line in self._lines(rows, recv_ns, more):
            if not day_starts <= stamp < day_ends:
                if lines:
                    found.append(Lines(self.symbol, Day(day), "".join(lines).encode(), len(lines)))
                    lines = []
                day = stamp // DAY_NS
                day_starts, day_ends = day * DAY_NS, (day + 1) * DAY_NS
            lines.append(line)
        if lines:
            found.append(Lines(self.symbol, Day(day), "".join(lines).encode(), len(lines)))
        return found

    def _lines(self, rows: list[tuple[Any, ...]], recv_ns: int, more: int | None) -> Iterable[tuple[int, str]]:
        texts, name = self._texts, self._name
        if len(texts) > _REMEMBERED:
            texts.clear()
        shared: tuple[int, int, int] | None = None
        head = times = last_id = still = ""
        for ev, exch_ns, local_ns, px, qty, order_id, ival, fval in rows:
            stamp = local_ns if local_ns > 0 else recv_ns
            if shared != (exch_ns, stamp, ival):
                shared = (exch_ns, stamp, ival)
                head = f'"E":{exch_ns // 1_000_000},"s":{name}'
                last_id = f',"u":{ival}' if ival else ""
                times = f'"ns":{exch_ns}'
            p = texts.get(px)
            if p is None:
                p = texts[px] = decimal_text(px)
            q = texts.get(qty)
            if q is None:
                q = texts[qty] = decimal_text(qty)
            kind = ev & KIND_MASK
            side = BUY if ev & BUY else SELL
            if kind in _COUNTED and more is not None:
                more -= 1
                still = f',"more":{more}'
            if kind in (DEPTH, DEPTH_SNAPSHOT):
                word = "depthUpdate" if kind == DEPTH else "depthSnapshot"
                level = f'"b":[["{p}","{q}"]],"a":[]' if side == BUY else f'"b":[],"a":[["{p}","{q}"]]'
                line = f'{stamp} {{"e":"{word}",{head},{level},{times}{last_id}{still}'
            elif kind == TRADE:
                maker = "false" if side == BUY else "true"
                trade_id = f',"t":{ival}' if ival else ""
                line = f'{stamp} {{"e":"trade",{head},"p":"{p}","q":"{q}","m":{maker},{times}{trade_id}'
            elif kind == DEPTH_BBO:
                best = f'"b":"{p}","B":"{q}","a":"0","A":"0"' if side == BUY else f'"b":"0","B":"0","a":"{p}","A":"{q}"'
                line = f'{stamp} {{"e":"bookTicker","s":{name},{best},"E":{exch_ns // 1_000_000},{times}{last_id}'
            elif kind == DEPTH_CLEAR:
                one_side = (ev & _SIDES) in (BUY, SELL)
                bound = f',"side":"{"b" if side == BUY else "a"}","p":"{p}"' if one_side else ""
                line = f'{stamp} {{"e":"depthClear",{head},{times}{last_id}{bound}{still}'
                side = side if one_side else 0
            else:
                spare = decimal_text(fval)
                line = f'{stamp} {{"e":"event",{head},{times},"ev":{ev},"p":"{p}","q":"{q}","id":{order_id},"i":{ival},"f":"{spare}"}}\n'
                yield stamp, line
                continue
            yield stamp, f"{line}}}\n" if ev == LOCAL | kind | side else f'{line},"ev":{ev}}}\n'


def _rows(events: Events) -> Iterable[tuple[Any, ...]]:
    """Return the records as tuples of Python numbers, without touching a numpy scalar."""
    if len(events) < _BY_COLUMNS:
        return events.tolist()  # type: ignore[no-any-return]
    columns = ("ev", "exch_ts", "local_ts", "px", "qty", "order_id", "ival", "fval")
    return zip(*(events[column].tolist() for column in columns), strict=True)
