"""One module a source: its lines decoded into messages (data_convert.messages)."""

from __future__ import annotations

from collections import Counter
from typing import Protocol

from data_convert.messages import MessagesBuilder


class Decoder(Protocol):
    """What a dialect's decoder offers; `streams` and `filtered` are what it counted."""

    streams: Counter[str]
    filtered: Counter[str]
    notes: Counter[str]

    def take(self, builder: MessagesBuilder, place: tuple[int, int], local_ns: int, payload: bytes) -> None:
        """Decode one line's JSON into `builder`; raise BadLine, leaving `builder` as it was."""

    def finish(self, builder: MessagesBuilder) -> None:
        """Hand over what is still held (the last batch)."""
