"""What the command line says, as one checked value."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from marketlink.venues.registry import ALIASES, NAMES

from collector.errors import CollectorError, UnknownExchange
from collector.rotation import Day, file_name

SUPPORTED: Final = (*NAMES, *ALIASES)
COMMANDS: Final = ("verify", "repair", "merge", "index")
"""First words of a command line that are no PATH; `./verify` is one."""


class BadUsage(CollectorError):
    """The command line can't be carried out as it is."""


@dataclass(frozen=True, slots=True)
class Settings:
    """A recorder's settings. Without `ipc` it records `exchange` itself; empty roots are the exchange's production addresses.

    `symbols` are in lower case, as in file names; `names` are the same as they were typed, where that can matter.
    """

    path: Path
    exchange: str
    symbols: tuple[str, ...]
    ipc: str = ""
    duration_s: float | None = None
    stream_root: str = ""
    rest_root: str = ""
    stale_s: float = 3.0
    tick_size: float = 0.0
    lot_size: float = 0.0
    json: bool = False
    quiet: bool = False
    metrics_port: int = 0
    names: tuple[str, ...] = ()


def read_words(words: Sequence[str], ipc: str) -> tuple[str, tuple[str, ...]]:
    """Return exchange and symbols (lower case, each once, also several to a word: `btcusdt,ethusdt`) of the words behind PATH.

    With --ipc the first word is an exchange only if it is empty or an exchange's name. Raises BadUsage, UnknownExchange.
    """
    exchange, rest = ("", list(words)) if ipc else (words[0] if words else "", list(words[1:]))
    if ipc and rest and (rest[0] == "" or rest[0].lower() in SUPPORTED):
        exchange = rest.pop(0)
    exchange = exchange.lower()
    if not ipc and not exchange:
        raise BadUsage(f"an exchange is needed (one of {', '.join(SUPPORTED)}), or --ipc with a connector's name")
    if not ipc and exchange not in SUPPORTED:
        raise UnknownExchange(exchange, SUPPORTED)
    symbols = tuple(dict.fromkeys(map(str.lower, _split(rest))))
    if not symbols:
        raise BadUsage("at least one symbol is needed")
    for symbol in symbols:
        try:
            file_name(symbol, Day(0))
        except ValueError as error:
            raise BadUsage(str(error)) from error
    return exchange, symbols


def as_typed(words: Sequence[str], symbols: Sequence[str]) -> tuple[str, ...]:
    """The symbols as they were typed: an exchange's names may differ in the case of letters alone."""
    typed = {name.lower(): name for name in reversed(_split(words))}
    return tuple(typed[symbol] for symbol in symbols)


def with_files(words: Sequence[str]) -> list[str]:
    """Put what is in a file in the place of `@FILE`: symbols by blanks, commas or lines; `#` begins a remark. Raises BadUsage."""
    found: list[str] = []
    for word in words:
        if not word.startswith("@") or len(word) == 1:
            found.append(word)
            continue
        try:
            text = Path(word[1:]).read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise BadUsage(f"{word[1:]} can't be read: {getattr(error, 'strerror', None) or error}") from None
        found.append(" ".join(line.partition("#")[0] for line in text.splitlines()))
    return found


def _split(words: Sequence[str]) -> list[str]:
    return [name for word in words for name in re.split(r"[,\s]+", word) if name]


def check(settings: Settings) -> Settings:
    """Return the settings if they can be used. Raises BadUsage."""
    if settings.duration_s is not None and not settings.duration_s > 0:
        raise BadUsage(f"--duration must be more than 0 seconds, not {settings.duration_s:g}")
    if not 0 < settings.stale_s < float("inf"):
        raise BadUsage(f"--stale must be more than 0 seconds, not {settings.stale_s:g}")
    for name, size in (("--tick-size", settings.tick_size), ("--lot-size", settings.lot_size)):
        if not 0 <= size < float("inf"):
            raise BadUsage(f"{name} must be a positive number, or 0 for unstated")
    if settings.path.exists() and not settings.path.is_dir():
        raise BadUsage(f"{settings.path} is not a directory")
    return settings
