"""The decision log: one format for backtest and live; written and read. `decision_rows` puts it in words, `decision_compare` holds two
side by side.

    "OBIDEC2\\n"  ·  u32 length, little endian  ·  that many bytes of JSON (the header)  ·  records

A record is one byte that says of what kind it is, and
    "D"  a decision: one DECISION_DTYPE (128 bytes) followed by its `actions` ACTION_DTYPE (40 bytes each)
    "E"  what happened to an order: one EVENT_DTYPE (160 bytes), live only
    "S"  what a strategy knew before its first decision: i32 symbol, u32 length, that many bytes (saved.pack_state), live only
The header names symbols, tick and lot sizes, the configuration and who wrote it. A log can be read while it is written; a
torn end is left out. Version 1 ("OBIDEC1\\n") has decisions only, without the byte; it is still read.
"""

import contextlib
import itertools
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

import numpy as np

from obi_mm.errors import LogError
from obi_mm.layout import (
    ACTION_DTYPE,
    DECISION_DTYPE,
    EVENT_DTYPE,
    EVENT_NAMES,
    REASONS,
    Log,
    Table,
)

MAGIC: Final = b"OBIDEC2\n"
MAGIC_1: Final = b"OBIDEC1\n"
DECISION: Final = b"D"
EVENT: Final = b"E"
STATE: Final = b"S"
_STATE_HEAD: Final = struct.Struct("<iI")


@dataclass(frozen=True, slots=True)
class LoggedSymbol:
    """One symbol of a log."""

    symbol: str
    tick_size: float
    lot_size: float


@dataclass(frozen=True, slots=True)
class Header:
    """What a log says of itself."""

    instruments: tuple[LoggedSymbol, ...]
    config: Mapping[str, Any]
    source: str
    more: Mapping[str, Any] = field(default_factory=dict)
    """`resumed`: by symbol, the time of the kept state that a live run went on from; and what else it says of itself."""

    def encode(self) -> bytes:
        """Return the bytes that begin a log."""
        content = {
            "instruments": [[one.symbol, one.tick_size, one.lot_size] for one in self.instruments],
            "config": self.config,
            "source": self.source,
            **self.more,
        }
        text = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
        return MAGIC + struct.pack("<I", len(text)) + text


@dataclass(frozen=True, slots=True)
class DecisionLog:
    """A whole log: `decisions`, shape (n,) of DECISION_DTYPE; `actions` of all, and where each decision's begin, shape (n+1,).

    `events`, shape (m,) of EVENT_DTYPE, are what happened to orders; `states` what each symbol's strategy knew at the start.
    """

    header: Header
    decisions: Log
    actions: Log
    starts: np.ndarray[Any, np.dtype[np.int64]]
    torn_bytes: int = 0
    events: Log = field(default_factory=lambda: np.zeros(0, EVENT_DTYPE))
    states: Mapping[int, bytes] = field(default_factory=dict)

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

    def began(self, symbol: int, state: bytes) -> None:
        """Write what a symbol's strategy knows before its first decision."""
        self._write(STATE + _STATE_HEAD.pack(symbol, len(state)) + state)

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
    states: dict[int, bytes] = {}
    offset = DECISION_DTYPE.fields["actions"][1] if DECISION_DTYPE.fields else 0
    while at + tag < len(content):
        start, kind = at + tag, content[at : at + tag] or DECISION
        if kind == EVENT:
            end = start + EVENT_DTYPE.itemsize
            if end > len(content):
                break
            events.append(content[start:end])
        elif kind == STATE:
            if start + _STATE_HEAD.size > len(content):
                break
            symbol, length = _STATE_HEAD.unpack_from(content, start)
            end = start + _STATE_HEAD.size + length
            if end > len(content):
                break
            states[symbol] = content[end - length : end]
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
        states,
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
        instruments = tuple(
            LoggedSymbol(str(name), float(tick), float(lot)) for name, tick, lot in value["instruments"]
        )
        more = {name: one for name, one in value.items() if name not in ("instruments", "config", "source")}
        header = Header(instruments, value["config"], str(value["source"]), more)
    except (ValueError, KeyError, TypeError) as error:
        raise LogError(path, f"has no readable header ({error})") from error
    return header, start + length
