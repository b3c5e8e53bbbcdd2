"""A small market of known lines, and what a recorder that was away now and then would have made of it."""

import json
from collections.abc import Sequence
from pathlib import Path

from collector.members import pack
from collector.record import gap_line
from collector.rotation import DAY_NS, Day, file_name

DAY = Day(20_000)
START_NS = DAY * DAY_NS + 3_600_000_000_000
STEP_NS = 100_000_000
SYMBOL = "btcusdt"
Line = tuple[int, bytes]


def depth(number: int, *, spot: bool = False, words: str = "2") -> bytes:
    """The update `number`: futures' ids are not contiguous, spot's are."""
    last = 1000 + 10 * number
    ids = {"U": last - 9, "u": last} if spot else {"U": last - 5, "u": last, "pu": last - 10}
    return frame(
        "depth@0ms", {"e": "depthUpdate", "E": exch_ms(number), "s": "BTCUSDT", **ids, "b": [["1.0", words]], "a": []}
    )


def trade(number: int) -> bytes:
    return frame(
        "trade", {"e": "trade", "E": exch_ms(number), "s": "BTCUSDT", "t": 5 + number, "p": "1", "q": "2", "m": True}
    )


def ticker(number: int) -> bytes:
    best = {"s": "BTCUSDT", "b": "1", "B": "2", "a": "3", "A": "4", "E": exch_ms(number)}
    return frame("bookTicker", {"e": "bookTicker", "u": 1000 + 10 * number, **best})


def book(number: int) -> bytes:
    """A whole book as of the update `number`."""
    return json.dumps(
        {"lastUpdateId": 1000 + 10 * number, "E": exch_ms(number), "bids": [["1", "2"]], "asks": []}
    ).encode()


def exch_ms(number: int) -> int:
    return (START_NS + number * STEP_NS) // 1_000_000


def frame(stream: str, data: dict[str, object]) -> bytes:
    return json.dumps({"stream": f"btcusdt@{stream}", "data": data}, separators=(",", ":")).encode()


def gap(stamp_ns: int, reason: str = "recorder started") -> Line:
    stamp, _, body = gap_line(SYMBOL, stamp_ns, reason).text.rstrip(b"\n").partition(b" ")
    return int(stamp), body


def recorded(
    numbers: Sequence[int], *, late_ns: int = 5_000_000, begins: bool = True, spot: bool = False
) -> list[Line]:
    """What a recorder wrote that heard moments `numbers`, with a gap line and a new book wherever it missed some."""
    lines: list[Line] = []
    before: int | None = None
    for number in numbers:
        at_ns = START_NS + number * STEP_NS + late_ns
        if (before is None and begins) or (before is not None and number != before + 1):
            lines.append(gap(at_ns - 1, "recorder started" if before is None else "connection lost"))
            before = None
        lines += [(at_ns, depth(number, spot=spot)), (at_ns + 1, trade(number)), (at_ns + 2, ticker(number))]
        if before is None:
            lines.append((at_ns + 3, book(number)))
        before = number
    return lines


def text_of(lines: Sequence[Line]) -> bytes:
    return b"".join(b"%d %b\n" % line for line in lines)


def write(folder: Path, lines: Sequence[Line], *, day: Day = DAY, symbol: str = SYMBOL, each: int = 7) -> Path:
    """Write a recording, some lines to a member."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / file_name(symbol, day)
    parts = [pack(text_of(lines[at : at + each])) for at in range(0, len(lines), each)]
    path.write_bytes(b"".join([pack(b""), *parts]))
    return path
