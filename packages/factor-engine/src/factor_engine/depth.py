"""What a book must answer for the imbalance to be read from it tick by tick."""

from typing import Protocol


class Depth(Protocol):
    """A book such as hftbacktest's market depths."""

    @property
    def best_bid_tick(self) -> int:
        """The highest bid."""

    @property
    def best_ask_tick(self) -> int:
        """The lowest ask."""

    def bid_qty_at_tick(self, price_tick: int, /) -> float:
        """Return the quantity bid at a tick."""

    def ask_qty_at_tick(self, price_tick: int, /) -> float:
        """Return the quantity offered at a tick."""
