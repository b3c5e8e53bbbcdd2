"""What a strategy sees of one instrument's book: hftbacktest's names, and how far it can be believed."""

import numpy as np
from numpy.typing import NDArray

from marketlink.bot.state import BotState, Confidence
from marketlink.clock import Clock
from marketlink.events import Events


class DepthView:
    """The book of one asset as it is now; reads through to the newest one."""

    def __init__(self, state: BotState, number: int, clock: Clock) -> None:
        self._state, self._number, self._clock = state, number, clock
        self._asset = state.assets[number]

    @property
    def confidence(self) -> Confidence:
        """How far this book can be believed."""
        return self._state.confidence(self._number, self._clock.mono_ns())

    @property
    def why(self) -> str:
        """Why it can't be, in words; empty when it can."""
        return self._state.why(self._number, self._clock.mono_ns())

    @property
    def update_id(self) -> int:
        """The exchange's id of the last update in the book; 0 when the connector tells none."""
        return self._asset.update_id

    @property
    def tick_size(self) -> float:
        """The price step; 0 until it is known."""
        return self._asset.tick_size

    @property
    def lot_size(self) -> float:
        """The quantity step; 0 until it is known."""
        return self._asset.lot_size

    @property
    def best_bid(self) -> float:
        """The best bid price; NaN when there is none."""
        return self._asset.book.best_bid

    @property
    def best_ask(self) -> float:
        """The best ask price; NaN when there is none."""
        return self._asset.book.best_ask

    @property
    def best_bid_tick(self) -> int:
        """The best bid in ticks; the smallest i64 when there is none."""
        return self._asset.book.best_bid_tick

    @property
    def best_ask_tick(self) -> int:
        """The best ask in ticks; the largest i64 when there is none."""
        return self._asset.book.best_ask_tick

    @property
    def best_bid_qty(self) -> float:
        """The quantity at the best bid."""
        return self._asset.book.best_bid_qty

    @property
    def best_ask_qty(self) -> float:
        """The quantity at the best ask."""
        return self._asset.book.best_ask_qty

    def bid_qty_at_tick(self, price_tick: int) -> float:
        """The quantity bid at a price; 0 when there is none."""
        return self._asset.book.bid_qty_at_tick(price_tick)

    def ask_qty_at_tick(self, price_tick: int) -> float:
        """The quantity asked at a price; 0 when there is none."""
        return self._asset.book.ask_qty_at_tick(price_tick)

    def bids(self, count: int | None = None) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Ticks and quantities of the best `count` bids, best first."""
        return self._asset.book.bids(count)

    def asks(self, count: int | None = None) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Ticks and quantities of the best `count` asks, best first."""
        return self._asset.book.asks(count)

    def levels(self) -> Events:
        """The whole book as snapshot records: bids from the best down, then asks from the best up."""
        return self._asset.book.levels()
