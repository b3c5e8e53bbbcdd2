"""What every decoder of lines offers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from data_convert.messages.columns import MessagesBuilder


class Counted(Protocol):
    """What was counted while decoding: messages by stream, left out by rule, worth a note."""

    streams: Counter[str]
    filtered: Counter[str]
    notes: Counter[str]


@dataclass(slots=True)
class Counts:
    """The counts of a source that needs no decoder of its own."""

    streams: Counter[str] = field(default_factory=Counter)
    filtered: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)


class Decoder(Counted, Protocol):
    """What a dialect's decoder offers."""

    def take(self, builder: MessagesBuilder, place: tuple[int, int], local_ns: int, payload: bytes) -> None:
        """Decode one line's JSON into `builder`; raise BadLine, leaving `builder` as it was."""

    def finish(self, builder: MessagesBuilder) -> None:
        """Hand over what is still held (the last batch)."""
