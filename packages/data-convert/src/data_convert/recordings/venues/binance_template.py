"""What a combined Binance frame looks like and means, as a small program that `binance_kernels` runs on the next ones.

Between the texts that all frames of a stream share stand its numbers, decimals, levels, flags and words; the program
says in which order, and the template which of them are the message. The rules are those of `binance.DirectDecoder`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from data_convert.events import BUY, DEPTH, SELL
from data_convert.recordings.venues.binance import NO_CAUSE, DirectDecoder, event_word

HEAD: Final = b'{"stream":"'

# What is read behind a text, with a value each: NUMBER and FLAG a register; DECIMAL 0 for the price or bid, 1 for the quantity or ask;
# LEVELS the event word of its rows, 0 if they are not wanted. DECIMAL ends behind a quote, WORDS before one.
NUMBER, WORDS, LEVELS, DECIMAL, FLAG, NOTHING = range(6)
# Kinds of templates; BEFORE_FIRST is an update whose previous id is the one before its first, QUOTE a book ticker.
UPDATE, BEFORE_FIRST, TRADE, OTHER, QUOTE = range(5)
REGISTERS: Final = 64
NONE: Final = REGISTERS - 1
"""The register that holds -1."""

Program = tuple[tuple[bytes, int, int], ...]
"""Steps: a text, what is read behind it, and the value of that."""


@dataclass(frozen=True, slots=True)
class Template:
    """Frames of one stream: its name for the counts, the program, and what is to be made of a frame.

    `registers` are those of the exchange time, the first, last and previous id and the seller's flag. `symbol` is empty
    for what is only counted; `notes` are made of every frame.
    """

    name: str
    kind: int
    symbol: str
    registers: tuple[int, int, int, int, int]
    notes: tuple[str, ...]
    program: Program


def frame_template(frame: dict[str, Any], decoder: DirectDecoder) -> Template | None:
    """Return the template of a frame like this one, None if its like must always be decoded."""
    stream, data = frame.get("stream"), frame.get("data")
    if not (isinstance(stream, str) and isinstance(data, dict) and _plain(stream)) or len(frame) != 2:
        return None
    name = stream.partition("@")[2] or stream
    word = event_word(name, data)
    if not isinstance(word, str) or not isinstance(data.get("e", ""), str) or word in decoder.also_words:
        return None
    kind = {"depthUpdate": UPDATE, "trade": TRADE, "bookTicker": QUOTE}.get(word, OTHER)
    made = _Maker(stream)
    for key, value in data.items():
        if not _plain(key) or not made.add(key, value, kind):
            return None
    program, at = made.program(), made.registers
    if kind == OTHER:
        return Template(name, kind, "", (NONE,) * 5, (), program)
    if kind == QUOTE:
        if not {"s", "u", "b", "a"} <= data.keys() or not data["s"]:
            return None
        return Template(name, kind, data["s"], (NONE, NONE, at["u"], NONE, NONE), (), program)
    notes = []
    if decoder.time not in at:
        notes.append(decoder.other_time_note)
    exch = at.get(decoder.time, at.get(decoder.other_time))
    symbol = data.get("s")
    if exch is None or not isinstance(symbol, str) or not symbol:
        return None
    if kind == TRADE:
        if not {"p", "q", "m"} <= data.keys() or data.get("X", "MARKET") != "MARKET":
            return None
        if "X" not in data:
            notes.append(NO_CAUSE)
        registers = (exch, NONE, at.get("t", NONE), NONE, at["m"])
        return Template(name, kind, symbol, registers, tuple(notes), program)
    keys = list(data)
    if not {"b", "a", "U", "u"} <= data.keys() or keys.index("b") > keys.index("a"):
        return None
    if ("pu" not in data) is not decoder.spot:
        return None
    kind = BEFORE_FIRST if decoder.spot else UPDATE
    return Template(name, kind, symbol, (exch, at["U"], at["u"], at.get("pu", NONE), NONE), tuple(notes), program)


class _Maker:
    """Puts a program together, member by member."""

    def __init__(self, stream: str) -> None:
        self.registers: dict[str, int] = {}
        self._program: list[tuple[bytes, int, int]] = []
        self._text = HEAD + stream.encode() + b'","data":{'
        self._separator = b""

    def program(self) -> Program:
        """Close the frame and return its program."""
        return (*self._program, (self._text + b"}}", NOTHING, 0))

    def add(self, key: str, value: Any, kind: int) -> bool:
        """Add a member of the frame's data; tell whether it can be read and is what `kind` needs."""
        self._text += self._separator + f'"{key}":'.encode()
        self._separator = b","
        meant = _TYPES[kind].get(key)
        if meant is not None and type(value) is not meant:
            return False
        match value:
            case bool():
                return self._read(FLAG, self._register(key))
            case int():
                return self._read(NUMBER, self._register(key))
            case str() if key == "e" or (meant and key in ("s", "X")):
                self._text += f'"{value}"'.encode()
                return _plain(value)
            case str() if meant:
                return self._read(DECIMAL, int(key in ("q", "a")), b'"')
            case str():
                return self._read(WORDS, 0, b'"', b'"')
            case list():
                side = {"b": DEPTH | BUY, "a": DEPTH | SELL}[key] if meant else 0
                return self._read(LEVELS, side, b"[")
            case _:
                return False

    def _register(self, key: str) -> int:
        return self.registers.setdefault(key, len(self.registers))

    def _read(self, operation: int, value: int, before: bytes = b"", behind: bytes = b"") -> bool:
        self._program.append((self._text + before, operation, value))
        self._text = behind
        return len(self.registers) < NONE


_TYPES: Final[dict[int, dict[str, type]]] = {
    UPDATE: {"s": str, "b": list, "a": list, "E": int, "T": int, "U": int, "u": int, "pu": int},
    TRADE: {"s": str, "p": str, "q": str, "X": str, "m": bool, "E": int, "T": int, "t": int},
    OTHER: {},
    QUOTE: {"s": str, "b": str, "a": str, "u": int},
}


def _plain(text: str) -> bool:
    return all(" " <= character <= "~" and character not in '"\\' for character in text)
