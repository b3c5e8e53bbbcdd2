"""What one look at a name shows: whether somebody holds it, who, how it fares and how it ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final


class End(IntEnum):
    """How a holder ended, by its own word."""

    NOT = 0  # it runs, or died without a word
    CLEAN = 1
    ORDERS_LEFT = 2


@dataclass(frozen=True, slots=True)
class Sight:
    """One look at a name. `who` tells one process from the next; `beat_ns` is monotonic, 0 before the first heartbeat."""

    alive: bool
    who: int = 0
    beat_ns: int = 0
    end: End = End.NOT
    facts: Mapping[str, Any] = field(default_factory=dict)


NOBODY: Final = Sight(False)
