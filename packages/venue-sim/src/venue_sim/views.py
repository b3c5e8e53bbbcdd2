"""Streams that show the best levels of a book at a pace of their own: a whole book first, then differences or whole books again.

Each such stream counts its messages by itself. All its listeners hear the same; one that comes later begins with the book as it was
last told, so that what follows fits. The exchange's service may begin anew: then every stream sends a whole book, counted from 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from venue_sim.face import Messages, Packet, Shown, Window
from venue_sim.market import BookHistory, BookState, Level

FIRST_ID = 1_000


@dataclass(slots=True)
class _View:
    """One stream and what it told last."""

    window: Window
    number: int = FIRST_ID
    told: BookState | None = None
    told_ns: int = 0
    dirty: bool = False


@dataclass
class Views:
    """The streams of this kind that somebody has listened to. Times are of the market."""

    messages: Messages
    books: Mapping[str, BookHistory]
    _views: dict[str, _View] = field(default_factory=dict)

    @property
    def in_use(self) -> bool:
        """True once somebody listened to such a stream."""
        return bool(self._views)

    def covers(self, stream: str) -> bool:
        """True for a stream of this kind whose symbol has a book."""
        if stream in self._views:
            return True
        window = self.messages.window(stream)
        return window is not None and window.symbol in self.books

    def open(self, stream: str, now_ns: int, now_ms: int) -> Packet | None:
        """What a new listener hears first; None while the book is not known."""
        view = self._views.get(stream)
        if view is None:
            window = self.messages.window(stream)
            assert window is not None, "covers was asked before"
            view = self._views[stream] = _View(window)
        if view.told is None and not self._look(view, now_ns):
            return None
        assert view.told is not None
        return self._render(stream, view, Shown(True, view.number, view.told, now_ms, view.told.bids, view.told.asks))

    def touch(self, symbol: str) -> None:
        """Note that a symbol's book has changed."""
        for view in self._views.values():
            if view.window.symbol == symbol:
                view.dirty = True

    def flush(self, now_ns: int, now_ms: int, listened: Callable[[str], bool]) -> Iterator[Packet]:
        """What is due by `now_ns` on streams that somebody listens to."""
        for stream, view in self._views.items():
            window, passed_ms = view.window, (now_ns - view.told_ns) // 1_000_000
            repeat = window.repeat_ms is not None and passed_ms >= window.repeat_ms
            if not (repeat or (view.dirty and passed_ms >= window.width_ms)) or not listened(stream):
                continue
            before = view.told
            if not self._look(view, now_ns):
                continue
            after = view.told
            assert after is not None
            same = before is not None and (before.bids, before.asks) == (after.bids, after.asks)
            if same and not repeat:
                continue
            if not same:
                view.number += 1
            whole = window.whole or before is None
            bids = after.bids if whole or before is None else _changes(before.bids, after.bids)
            asks = after.asks if whole or before is None else _changes(before.asks, after.asks)
            yield self._render(stream, view, Shown(whole, view.number, after, now_ms, bids, asks))

    def restart(self, now_ns: int, now_ms: int) -> Iterator[Packet]:
        """Begin anew: a whole book on each stream, counted from 1."""
        for stream, view in self._views.items():
            if self._look(view, now_ns) and view.told is not None:
                view.number = 1
                yield self._render(stream, view, Shown(True, 1, view.told, now_ms, view.told.bids, view.told.asks))

    def _look(self, view: _View, now_ns: int) -> bool:
        """Take the book as it is now; False while it is not known."""
        book = self.books[view.window.symbol].at()
        if book is None:
            return False
        most = view.window.levels
        view.told = BookState(
            book.last_id, book.event_ms, book.transact_ms, list(book.bids[:most]), list(book.asks[:most])
        )
        view.told_ns, view.dirty = now_ns, False
        return True

    def _render(self, stream: str, view: _View, shown: Shown) -> Packet:
        return self.messages.render_shown(view.window.symbol, stream, shown)


def _changes(before: Sequence[Level], after: Sequence[Level]) -> list[Level]:
    old, new = dict(before), dict(after)
    gone = [(price, "0") for price in old if price not in new]
    return gone + [(price, quantity) for price, quantity in new.items() if old.get(price) != quantity]
