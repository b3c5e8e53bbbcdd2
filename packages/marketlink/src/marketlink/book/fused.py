"""One symbol's order book, which fuses depth and best-quote streams (`fuse`) or simply does as it is told (`apply`).

A level is known by its tick and keeps the price and quantity it was received with, so a price is never recomputed: 102 * 0.1 is not 10.2.

The rules of `fuse` are the source's (its FusedHashMapMarketDepth; times are exchange times):

- A depth row is refused when it is at or better than its own best and older than that best's time, when it crosses the other best and is
  older than that one's time, or when it is older than its level.
- A best-quote row is refused when older than its own best's time, or than the other's if it crosses it. The same price and quantity again
  only refresh the best's time.
- A row that crosses the other side deletes what it crosses; a best quote also deletes its own side's levels better than itself. Each
  deletion is published as a row of its own behind the row that caused it, best level first.

Where they differ from the source's, so that no wrong book is ever shown: a row older than its level does nothing at all (there, one could
move the best past a level that stays); a best quote of no quantity, as venues send it for an empty side, deletes what it disproves (there
it stood as a best of quantity zero, and an ask at price 0 would have wiped out the bids); deletions carry LOCAL; and a clear out to a price
ends at that price (there, one level further).
"""

from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from marketlink.events import BUY, DEPTH_SNAPSHOT, EVENT_DTYPE, EXCH, LOCAL, SELL, Events, empty_events

NO_BID_TICK: Final = -(1 << 63)
"""The best bid's tick, or the highest ask's, when there is none."""
NO_ASK_TICK: Final = (1 << 63) - 1
"""The best ask's tick, or the lowest bid's, when there is none."""

_BID: Final = 0
_ASK: Final = 1

Ticks = NDArray[np.int64]
Quantities = NDArray[np.float64]
_Number = TypeVar("_Number", np.int64, np.float64)


class FusedBook:
    """Bids and asks of one symbol by tick; both sides sorted, so far-away levels cost nothing near the touch.

    `tick_size` and `lot_size` are positive and finite, else ValueError. A price's tick is round(px / tick_size), a half away from zero; a
    quantity that rounds to no lot deletes its level. The first book made in a process loads numba and the kernels.
    """

    def __init__(self, tick_size: float, lot_size: float) -> None:
        if not (0.0 < tick_size < np.inf and 0.0 < lot_size < np.inf):
            raise ValueError(f"tick and lot sizes are positive: {tick_size!r}, {lot_size!r}")
        from marketlink.book import kernels  # here, because it imports numba

        self._layout = kernels
        self._fuse_rows, self._apply_rows = kernels.fuse_rows, kernels.apply_rows
        self.tick_size, self.lot_size = float(tick_size), float(lot_size)
        self._keys_times = np.zeros((2, 2, 256), np.int64)
        self._px_qty = np.zeros((2, 2, 256), np.float64)
        self._state = np.zeros(kernels.STATE_SIZE, np.int64)
        self.fuse(empty_events())  # compile or load now, not at the first message
        self.apply(empty_events())

    def fuse(self, events: Events, sequenced: bool = False) -> Events:
        """Take in n event rows, in order, and return the rows to publish: a new array, in order of effect.

        Depth (kinds DEPTH and DEPTH_SNAPSHOT), best-quote and clear rows go into the book by the rules above and are returned unchanged if
        they were not without effect; rows of other kinds are returned unchanged. A clear without side (or with both) empties the book, one
        with a side clears it out to px inclusive, and wholly if px is not finite; a wholly cleared side accepts rows of any age.
        Deletions that follow from a row are LOCAL|side|DEPTH rows with that row's times and `ival`, and the level's own price.

        `sequenced`: the rows come from a stream whose own update ids order it, so none is refused for its age. Given a message's rows that
        name each level at most once and whose true book does not cross, the book afterwards is the true one, even if rows of the message
        cross levels that later rows of it delete.

        A depth or best-quote row without exactly one side, with a price that is not finite or beyond 2^62 ticks, or with a quantity that is
        negative, not finite or beyond 2^62 lots is refused and counted in `refused_rows`; one refused for its age, in `stale_rows`. Raises
        TypeError if the rows are not of EVENT_DTYPE.
        """
        if events.dtype is not EVENT_DTYPE or not events.flags.carray:
            events = _plain(events)
        out: Events = np.empty(events.size + 8, EVENT_DTYPE)
        while True:
            made = self._fuse_rows(
                events,
                self._keys_times,
                self._px_qty,
                self._state,
                self.tick_size,
                self.lot_size,
                sequenced,
                out,
            )
            if made >= 0:
                return out[:made]
            if made == self._layout.MORE_OUT:
                longer: Events = np.empty(2 * out.size, EVENT_DTYPE)
                longer[: out.size] = out
                out = longer
            else:
                self.make_room()

    def apply(self, events: Events) -> None:
        """Set levels as n event rows tell, in order: what `fuse` published makes this book that one.

        No row is refused for its age and prices may cross for a while. A best-quote row also removes its own side's levels better than
        itself and the other side's that it crosses. Rows of other kinds, and depth without exactly one side, are ignored; a price or
        quantity that `fuse` would refuse is refused and counted. Raises TypeError if the rows are not of EVENT_DTYPE.
        """
        if events.dtype is not EVENT_DTYPE or not events.flags.carray:
            events = _plain(events)
        while self._apply_rows(events, self._keys_times, self._px_qty, self._state, self.tick_size, self.lot_size):
            self.make_room()

    def levels(self) -> Events:
        """Return every level as EXCH|LOCAL|side|DEPTH_SNAPSHOT: bids from the best down, then asks from the best up.

        `exch_ts` is the level's time, `local_ts` 0, px and qty as received.
        """
        bids, asks = self.bid_count, self.ask_count
        events: Events = np.zeros(bids + asks, EVENT_DTYPE)
        for side, flag, part in ((_BID, BUY, events[:bids]), (_ASK, SELL, events[bids:])):
            part["ev"] = EXCH | LOCAL | flag | DEPTH_SNAPSHOT
            part["exch_ts"] = self._best_first(self._keys_times, side, self._layout.TIME, None)
            part["px"] = self._best_first(self._px_qty, side, self._layout.PX, None)
            part["qty"] = self._best_first(self._px_qty, side, self._layout.QTY, None)
        return events

    def bids(self, n: int | None = None) -> tuple[Ticks, Quantities]:
        """Return ticks and quantities of the best `n` bids, or of all, best first."""
        keys = self._best_first(self._keys_times, _BID, self._layout.KEY, n)
        return keys.copy(), self._best_first(self._px_qty, _BID, self._layout.QTY, n).copy()

    def asks(self, n: int | None = None) -> tuple[Ticks, Quantities]:
        """Return ticks and quantities of the best `n` asks, or of all, best first."""
        keys = self._best_first(self._keys_times, _ASK, self._layout.KEY, n)
        return -keys, self._best_first(self._px_qty, _ASK, self._layout.QTY, n).copy()

    def bid_qty_at_tick(self, tick: int) -> float:
        """Return the quantity bid at a tick, 0 if none."""
        return self._qty_at(_BID, tick)

    def ask_qty_at_tick(self, tick: int) -> float:
        """Return the quantity asked at a tick, 0 if none."""
        return self._qty_at(_ASK, -tick)

    @property
    def arrays(self) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
        """The levels in the form of `book.kernels`; not to be changed, and good until the book is."""
        return self._keys_times, self._px_qty, self._state

    @property
    def bid_count(self) -> int:
        """How many bid levels there are."""
        return int(self._state[self._layout.COUNT + _BID])

    @property
    def ask_count(self) -> int:
        """How many ask levels there are."""
        return int(self._state[self._layout.COUNT + _ASK])

    @property
    def best_bid_tick(self) -> int:
        """The highest bid's tick; NO_BID_TICK if there is none."""
        count = self.bid_count
        return int(self._keys_times[_BID, self._layout.KEY, count - 1]) if count else NO_BID_TICK

    @property
    def best_ask_tick(self) -> int:
        """The lowest ask's tick; NO_ASK_TICK if there is none."""
        count = self.ask_count
        return -int(self._keys_times[_ASK, self._layout.KEY, count - 1]) if count else NO_ASK_TICK

    @property
    def low_bid_tick(self) -> int:
        """The lowest bid's tick; NO_ASK_TICK if there is none."""
        return int(self._keys_times[_BID, self._layout.KEY, 0]) if self.bid_count else NO_ASK_TICK

    @property
    def high_ask_tick(self) -> int:
        """The highest ask's tick; NO_BID_TICK if there is none."""
        return -int(self._keys_times[_ASK, self._layout.KEY, 0]) if self.ask_count else NO_BID_TICK

    @property
    def best_bid(self) -> float:
        """The highest bid's price as received; nan if there is none."""
        count = self.bid_count
        return float(self._px_qty[_BID, self._layout.PX, count - 1]) if count else float("nan")

    @property
    def best_ask(self) -> float:
        """The lowest ask's price as received; nan if there is none."""
        count = self.ask_count
        return float(self._px_qty[_ASK, self._layout.PX, count - 1]) if count else float("nan")

    @property
    def best_bid_qty(self) -> float:
        """The highest bid's quantity, 0 if there is none."""
        count = self.bid_count
        return float(self._px_qty[_BID, self._layout.QTY, count - 1]) if count else 0.0

    @property
    def best_ask_qty(self) -> float:
        """The lowest ask's quantity, 0 if there is none."""
        count = self.ask_count
        return float(self._px_qty[_ASK, self._layout.QTY, count - 1]) if count else 0.0

    @property
    def refused_rows(self) -> int:
        """How many rows could not be levels: no side, or a price or quantity that is no number of ticks or lots."""
        return int(self._state[self._layout.REFUSED])

    @property
    def stale_rows(self) -> int:
        """How many rows `fuse` refused for their age."""
        return int(self._state[self._layout.STALE])

    @property
    def last_ts(self) -> int:
        """The latest exchange time, in ns, of any row that was not refused; 0 if there was none."""
        return int(self._state[self._layout.LAST_TIME])

    def clear(self) -> None:
        """Empty the book and forget its times; the counts of refused rows stay."""
        self._state[self._layout.COUNT : self._layout.COUNT + 2] = 0
        self._state[self._layout.BEST_TIME : self._layout.BEST_TIME + 2] = 0
        self._state[self._layout.LAST_TIME] = 0

    def copy(self) -> "FusedBook":
        """Return a book of its own with the same levels, times and counts."""
        twin = FusedBook(self.tick_size, self.lot_size)
        twin._keys_times, twin._px_qty = self._keys_times.copy(), self._px_qty.copy()
        twin._state = self._state.copy()
        return twin

    def _best_first(self, levels: NDArray[_Number], side: int, field: int, n: int | None) -> NDArray[_Number]:
        """One field of a side's best `n` levels, or of all, as a view from the best on."""
        count = self.ask_count if side == _ASK else self.bid_count
        first = 0 if n is None else max(0, count - max(0, n))
        return levels[side, field, first:count][::-1]

    def _qty_at(self, side: int, key: int) -> float:
        count = int(self._state[self._layout.COUNT + side])
        keys = self._keys_times[side, self._layout.KEY, :count]
        at = int(np.searchsorted(keys, key))
        return float(self._px_qty[side, self._layout.QTY, at]) if at < count and keys[at] == key else 0.0

    def make_room(self) -> None:
        """Make room for twice as many levels; those held stay."""
        room = self._keys_times.shape[2]
        keys_times, px_qty = np.zeros((2, 2, 2 * room), np.int64), np.zeros((2, 2, 2 * room), np.float64)
        keys_times[:, :, :room], px_qty[:, :, :room] = self._keys_times, self._px_qty
        self._keys_times, self._px_qty = keys_times, px_qty


def _plain(events: Events) -> Events:
    """The rows as the kernels were compiled for: of EVENT_DTYPE itself, contiguous and writable."""
    if events.dtype != EVENT_DTYPE or events.ndim != 1:
        raise TypeError(f"not a one-dimensional array of event records: {events.dtype}, {events.ndim} dimensions")
    plain: Events = np.empty(events.size, EVENT_DTYPE)
    plain[:] = events
    return plain
