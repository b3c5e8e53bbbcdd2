"""The decision log: one format for backtest and live; written, read, printed, compared.

    "OBIDEC2\\n"  ·  u32 length, little endian  ·  that many bytes of JSON (the header)  ·  records

A record is one byte that says of what kind it is, and
    "D"  a decision: one DECISION_DTYPE (128 bytes) followed by its `actions` ACTION_DTYPE (40 bytes each)
    "E"  what happened to an order: one EVENT_DTYPE (160 bytes), live only
The header names symbols, tick and lot sizes, the configuration and who wrote it. A log can be read while it is written; a
torn end is left out. Version 1 ("OBIDEC1\\n") has decisions only, without the byte; it is still read.
"""

import contextlib
import itertools
import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

import numpy as np
from marketlink.orders import Status

from obi_mm.errors import LogError
from obi_mm.layout import (
    ACTION_DTYPE,
    CANCEL,
    CLOSE,
    DECISION_DTYPE,
    EVENT_DTYPE,
    EVENT_NAMES,
    NO_ASK_TICK,
    NO_BID_TICK,
    REASONS,
    SUBMIT,
    Log,
    Table,
)

MAGIC: Final = b"OBIDEC2\n"
MAGIC_1: Final = b"OBIDEC1\n"
DECISION: Final = b"D"
EVENT: Final = b"E"
ACTION_NAMES: Final = {CANCEL: "cancel", SUBMIT: "submit", CLOSE: "close"}
STATUS_NAMES: Final = ("normal", "triggered", "cooldown")
SIDE_NAMES: Final = {1: "buy", -1: "sell"}


@dataclass(frozen=True, slots=True)
class Instrument:
    """One symbol of a log."""

    symbol: str
    tick_size: float
    lot_size: float


@dataclass(frozen=True, slots=True)
class Header:
    """What a log says of itself."""

    instruments: tuple[Instrument, ...]
    config: Mapping[str, Any]
    source: str

    def encode(self) -> bytes:
        """Return the bytes that begin a log."""
        content = {
            "instruments": [[one.symbol, one.tick_size, one.lot_size] for one in self.instruments],
            "config": self.config,
            "source": self.source,
        }
        text = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
        return MAGIC + struct.pack("<I", len(text)) + text


@dataclass(frozen=True, slots=True)
class DecisionLog:
    """A whole log: `decisions`, shape (n,) of DECISION_DTYPE; `actions` of all, and where each decision's begin, shape (n+1,).

    `events`, shape (m,) of EVENT_DTYPE, are what happened to orders.
    """

    header: Header
    decisions: Log
    actions: Log
    starts: np.ndarray[Any, np.dtype[np.int64]]
    torn_bytes: int = 0
    events: Log = field(default_factory=lambda: np.zeros(0, EVENT_DTYPE))

    def actions_of(self, number: int) -> Log:
        """Return the actions of one decision."""
        return self.actions[self.starts[number] : self.starts[number + 1]]


def encode_decision(decision: Log, actions: Table) -> bytes:
    """Return the bytes of one decision, a DECISION_DTYPE array of shape (1,), and its actions."""
    return DECISION + decision.tobytes() + np.ascontiguousarray(actions, np.int64).tobytes()


class Writer:
    """Appends decisions to a file, each whole and at once; `new` raises FileExistsError where it is there. Raises LogError."""

    def __init__(self, path: Path, header: Header, *, new: bool = False) -> None:
        self.path = path
        try:
            self._file: IO[bytes] = path.open("xb" if new else "wb", buffering=0)
        except FileExistsError:
            raise
        except OSError as error:
            raise LogError(path, f"can't be written ({error.strerror})") from error
        try:
            self._write(header.encode())
        except LogError:
            self._file.close()
            raise

    def put(self, decision: Log, actions: Table) -> None:
        """Write one decision; `actions` as columns of whole numbers, shape (k, 5)."""
        self._write(encode_decision(decision, actions))

    def happened(self, event: Log) -> None:
        """Write what happened to an order, shape (1,) of EVENT_DTYPE."""
        self._write(EVENT + event.tobytes())

    def _write(self, content: bytes) -> None:
        try:
            while content:
                content = content[self._file.write(content) :]
        except OSError as error:
            raise LogError(self.path, f"can't be written ({error.strerror})") from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def begin_log(path: Path, header: Header, *, replace: bool) -> Writer:
    """Begin a log: at `path`, or, where a file is there that may not be replaced, at the first free of `name-2.suffix`, `name-3.suffix` ...

    Every run's log stays whole and by itself: it has a header and order ids of its own. Raises LogError.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LogError(path, f"can't be written ({error.strerror})") from error
    if replace or (path.exists() and not path.is_file()):  # a device has no second name
        return Writer(path, header)
    for number in itertools.count(1):
        with contextlib.suppress(FileExistsError):
            return Writer(
                path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}"), header, new=True
            )
    raise AssertionError("there is always a free number")


def write_log(path: Path, header: Header, decisions: Log, actions: Table) -> None:
    """Write a whole log at once; the decisions say how many of the actions, shape (m, 5), belong to each."""
    table = np.ascontiguousarray(actions, np.int64)
    with path.open("wb") as file:
        file.write(header.encode())
        at = 0
        for number in range(len(decisions)):
            count = int(decisions["actions"][number])
            file.write(encode_decision(decisions[number : number + 1], table[at : at + count]))
            at += count


def read_log(path: str | Path) -> DecisionLog:
    """Read a log; raises LogError where it is none. A torn last decision is left out and counted in bytes."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise LogError(path, f"can't be read ({error.strerror})") from error
    return decode_log(content, path)


def decode_log(content: bytes, path: str | Path = "log") -> DecisionLog:
    """Read a log from its bytes, of either version; raises LogError."""
    header, at = _decode_header(content, path)
    tag = 0 if content.startswith(MAGIC_1) else 1
    size, action_size = DECISION_DTYPE.itemsize, ACTION_DTYPE.itemsize
    decisions: list[bytes] = []
    actions: list[bytes] = []
    events: list[bytes] = []
    counts: list[int] = []
    offset = DECISION_DTYPE.fields["actions"][1] if DECISION_DTYPE.fields else 0
    while at + tag < len(content):
        start, kind = at + tag, content[at : at + tag] or DECISION
        if kind == EVENT:
            end = start + EVENT_DTYPE.itemsize
            if end > len(content):
                break
            events.append(content[start:end])
        elif kind == DECISION:
            if start + size > len(content):
                break
            count = struct.unpack_from("<I", content, start + offset)[0]
            end = start + size + count * action_size
            if end > len(content):
                break
            counts.append(count)
            decisions.append(content[start : start + size])
            actions.append(content[start + size : end])
        else:
            raise LogError(path, f"record {len(decisions) + len(events)} is of an unknown kind {kind!r}")
        at = end
    log = DecisionLog(
        header,
        np.frombuffer(b"".join(decisions), DECISION_DTYPE),
        np.frombuffer(b"".join(actions), ACTION_DTYPE),
        np.concatenate(([0], np.cumsum(counts, dtype=np.int64))) if counts else np.zeros(1, np.int64),
        len(content) - at,
        np.frombuffer(b"".join(events), EVENT_DTYPE),
    )
    symbols = len(header.instruments)
    for name, rows in (("decision", log.decisions), ("event", log.events)):
        bad = (rows["symbol"] < 0) | (rows["symbol"] >= symbols)
        bad |= rows["reason"] >= len(REASONS) if name == "decision" else ~np.isin(rows["what"], list(EVENT_NAMES))
        if bad.any():
            raise LogError(path, f"{name} {int(np.flatnonzero(bad)[0])} is damaged")
    return log


def _decode_header(content: bytes, path: str | Path) -> tuple[Header, int]:
    if not content.startswith((MAGIC, MAGIC_1)) or len(content) < len(MAGIC) + 4:
        raise LogError(path, "is no decision log")
    length = struct.unpack_from("<I", content, len(MAGIC))[0]
    start = len(MAGIC) + 4
    try:
        value = json.loads(content[start : start + length])
        instruments = tuple(Instrument(str(name), float(tick), float(lot)) for name, tick, lot in value["instruments"])
        header = Header(instruments, value["config"], str(value["source"]))
    except (ValueError, KeyError, TypeError) as error:
        raise LogError(path, f"has no readable header ({error})") from error
    return header, start + length


def row_of(log: DecisionLog, number: int) -> dict[str, object]:
    """Return one decision with names instead of codes and prices instead of ticks, fit for JSON (None: none)."""
    decision = log.decisions[number]
    instrument = log.header.instruments[int(decision["symbol"])]
    tick, lot = instrument.tick_size, instrument.lot_size
    time_ns = int(decision["time_ns"])
    actions = [
        {
            "do": ACTION_NAMES.get(int(action["kind"]), str(int(action["kind"]))),
            "side": SIDE_NAMES.get(int(action["side"]), "?"),
            "price": _clean(int(action["tick"]) * tick),
            "qty": _clean(int(action["lots"]) * lot),
            "id": int(action["order_id"]),
        }
        for action in log.actions_of(number)
    ]
    return {
        "time_ns": time_ns,
        "time": _clock(time_ns),
        "symbol": instrument.symbol,
        "reason": REASONS[int(decision["reason"])],
        "stop_loss": STATUS_NAMES[int(decision["stop_loss"])],
        "best_bid": _price(int(decision["best_bid_tick"]), tick),
        "best_ask": _price(int(decision["best_ask_tick"]), tick),
        "bids": _number(decision["bids"]),
        "asks": _number(decision["asks"]),
        "alpha": _number(decision["alpha"]),
        "volatility": _number(decision["volatility"]),
        "change": _number(decision["change"]),
        "fair": _clean(float(decision["fair_ticks"]) * tick),
        "reservation": _clean(float(decision["reservation_ticks"]) * tick),
        "bid": _price(int(decision["bid_tick"]), tick),
        "ask": _price(int(decision["ask_tick"]), tick),
        "position": _clean(int(decision["position_lots"]) * lot),
        "samples": int(decision["samples"]),
        "returns": int(decision["returns"]),
        "sampled": bool(decision["sampled"]),
        "missed": bool(decision["missed"]),
        "actions": actions,
    }


def event_row(log: DecisionLog, number: int) -> dict[str, object]:
    """Return what happened to an order likewise."""
    event = log.events[number]
    instrument = log.header.instruments[int(event["symbol"])]
    tick, lot = instrument.tick_size, instrument.lot_size
    time_ns, exch_ns = int(event["time_ns"]), int(event["exch_ns"])
    return {
        "time_ns": time_ns,
        "time": _clock(time_ns),
        "exchange_time": _clock(exch_ns) if exch_ns else None,
        "symbol": instrument.symbol,
        "what": EVENT_NAMES[int(event["what"])],
        "side": SIDE_NAMES.get(int(event["side"])),
        "price": _price(int(event["tick"]), tick),
        "qty": _clean(int(event["lots"]) * lot),
        "left": _clean(int(event["leaves_lots"]) * lot),
        "status": _status(int(event["status"])),
        "maker": bool(event["maker"]),
        "position": _clean(int(event["position_lots"]) * lot),
        "id": int(event["order_id"]),
        "code": int(event["code"]),
        "text": bytes(event["text"]).decode(errors="replace"),
    }


def of_symbol(log: DecisionLog, symbol: str) -> DecisionLog:
    """Return one symbol's part of a log that has several, any other log as it is; raises LogError where it has no such symbol."""
    names = [instrument.symbol for instrument in log.header.instruments]
    if len(names) < 2:
        return log
    if symbol not in names:
        raise LogError("log", f"has no {symbol!r}, but {', '.join(names)}")
    number = names.index(symbol)
    return replace(part_of(log, log.decisions["symbol"] == number), events=log.events[log.events["symbol"] == number])


def between(log: DecisionLog, first_ns: int, last_ns: int) -> DecisionLog:
    """Return the part of a log from one time to another, both included."""
    times = log.decisions["time_ns"]
    return part_of(log, (times >= first_ns) & (times <= last_ns))


def part_of(log: DecisionLog, keep: np.ndarray[Any, np.dtype[np.bool_]]) -> DecisionLog:
    """Return the decisions where `keep`, shape (n,), is true, with their actions."""
    counts = np.diff(log.starts)
    starts = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts[keep], dtype=np.int64)))
    return DecisionLog(
        log.header, log.decisions[keep], log.actions[np.repeat(keep, counts)], starts, log.torn_bytes, log.events
    )


def settled_ns(log: DecisionLog) -> int | None:
    """Return from when on a log's factors are those of any run that began earlier; None if it never gets there.

    Windows hold only what came after the beginning, so it is when both are full; and one return more, because the first
    one may have begun in the middle of its interval. Raises LogError where the header has no windows.
    """
    try:
        params = log.header.config["params"]
        window, returns = int(params["window"]), int(params["volatility_window"])
        interval_ns = int(params["volatility_interval_ns"])
    except (KeyError, TypeError, ValueError) as error:
        raise LogError("log", f"has no windows in its header ({error})") from error
    full = np.flatnonzero((log.decisions["samples"] >= window) & (log.decisions["returns"] >= returns))
    return int(log.decisions["time_ns"][full[0]]) + interval_ns if len(full) else None


@dataclass(frozen=True, slots=True)
class Difference:
    """One decision in which two logs differ: `fields` by name with both values; a missing side has none."""

    time_ns: int
    symbol: str
    fields: Mapping[str, tuple[object, object]]


def compare(left: DecisionLog, right: DecisionLog, tolerance: float = 0.0) -> Iterator[Difference]:
    """Yield where two logs differ, in order of time; numbers may differ by `tolerance`, relatively.

    Decisions are matched by time and symbol, by time alone where either log has one symbol only. Action ids are compared
    by their distance from each log's first, because a live bot begins where no id was ever used.
    """
    named = len(left.header.instruments) > 1 and len(right.header.instruments) > 1
    mine, yours = _by_key(left, named), _by_key(right, named)
    bases = [int(log.actions["order_id"].min()) if len(log.actions) else 0 for log in (left, right)]
    for key in sorted(mine.keys() | yours.keys()):
        time_ns, symbol, _ = key
        if key not in mine or key not in yours:
            yield Difference(time_ns, symbol, {"decision": (key in mine, key in yours)})
            continue
        rows = [row_of(left, mine[key]), row_of(right, yours[key])]
        for row, base in zip(rows, bases, strict=True):
            for action in row["actions"]:  # type: ignore[attr-defined]
                action["id"] -= base
        fields = {
            name: (rows[0][name], rows[1][name])
            for name in rows[0]
            if name not in (("time",) if named else ("time", "symbol"))
            and not _same(rows[0][name], rows[1][name], tolerance)
        }
        if fields:
            yield Difference(time_ns, symbol, fields)


def _by_key(log: DecisionLog, named: bool) -> dict[tuple[int, str, int], int]:
    """Number decisions by time and symbol, and by their turn where there are several."""
    found: dict[tuple[int, str, int], int] = {}
    for number in range(len(log.decisions)):
        symbol = log.header.instruments[int(log.decisions["symbol"][number])].symbol if named else ""
        turn = 0
        while (key := (int(log.decisions["time_ns"][number]), symbol, turn)) in found:
            turn += 1
        found[key] = number
    return found


def _same(left: object, right: object, tolerance: float) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        return left == right or abs(left - right) <= tolerance * max(abs(left), abs(right))
    return left == right


def _clock(time_ns: int) -> str:
    second, ns = divmod(time_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}.{ns:09d}Z"


def _status(code: int) -> str | None:
    known = {int(status): status.name.lower() for status in Status}
    return known.get(code) if code else None


def _number(value: object) -> float | None:
    number = float(value)  # type: ignore[arg-type]
    return number if np.isfinite(number) else None


def _price(tick: int, tick_size: float) -> float | None:
    return None if tick in (0, NO_BID_TICK, NO_ASK_TICK) else _clean(tick * tick_size)


def _clean(value: float) -> float:
    """Take the rounding of tick * size off, for eyes."""
    return float(f"{value:.12g}")


COLUMNS: Final[Sequence[str]] = (
    "time",
    "symbol",
    "reason",
    "stop_loss",
    "best_bid",
    "best_ask",
    "alpha",
    "volatility",
    "bid",
    "ask",
    "position",
    "actions",
)
"""What the printed table shows; JSON and CSV have all fields."""

EVENT_COLUMNS: Final[Sequence[str]] = (
    "time", "symbol", "what", "side", "qty", "price", "left", "status", "position", "id", "code", "text",
)  # fmt: skip
"""What the printed table of order events shows."""


def words_of(actions: object) -> str:
    """Write a row's actions in one line."""
    assert isinstance(actions, list)
    return "; ".join(f"{one['do']} {one['side']} {one['qty']:g} @ {one['price']:.12g}" for one in actions)
