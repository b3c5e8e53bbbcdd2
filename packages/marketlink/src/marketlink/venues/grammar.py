"""What the compiled step from frame to samples (`marketlink.hot`) must know of a venue's depth frames, as data and functions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class DepthGrammar:
    """How a venue whose depth `venues.kernels.scan` reads writes it.

    Whatever a frame with this start and not foreign is to `scan`, it must be to the venue's `decode`.
    """

    fields: int  # as `scan` takes them
    unit_ns: int
    by_previous: bool  # an update follows when it names the one before it; else when its first id is the next
    start: Callable[
        [str], bytes | None
    ]  # what a symbol's frames begin with, up to their second word's closing quote; None: various
    is_foreign: Callable[[bytes], bool]  # such a frame is not of this venue's, or perhaps not


@runtime_checkable
class QuickDepth(Protocol):
    """A venue whose depth frames the compiled step can take; None: not in this form of it."""

    @property
    def depth_grammar(self) -> DepthGrammar | None:
        """How it writes them."""
