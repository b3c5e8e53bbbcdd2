"""Snapshots that end at the edge of an update, for which delivery is held back for a moment."""

from __future__ import annotations

from dataclasses import dataclass, replace

from venue_sim.market import BookState


@dataclass(slots=True)
class Boundary:
    """A request for a snapshot that ends at an update not sent yet; `book` is set when that update is reached."""

    symbol: str
    inside: bool
    hold_ns: int
    book: BookState | None = None


class Boundaries:
    """The requests `waiting`, and until when nothing is delivered."""

    def __init__(self) -> None:
        self.waiting: list[Boundary] = []
        self.hold_until_ns = 0

    def request(self, symbol: str, mode: str, for_s: float, book: BookState | None, now_ns: int) -> Boundary | None:
        """Arrange a snapshot and hold delivery for `for_s` around it; `book` is the one as sent, None while it is not
        known.

        `pu`: the book as sent, and nothing later goes out while held. `u`, `inside`: the book after the next
        update, which is sent only after the hold; `inside` gives it an id within that update.
        """
        hold_ns = int(for_s * 1e9)
        if mode == "pu":
            if book is None:
                return None
            self.hold_until_ns = now_ns + hold_ns
            return Boundary(symbol, False, hold_ns, book)
        boundary = Boundary(symbol, mode == "inside", hold_ns)
        self.waiting.append(boundary)
        return boundary

    def cancel(self, boundary: Boundary) -> None:
        """Give up a boundary nobody waits for any more."""
        self.waiting = [other for other in self.waiting if other is not boundary]

    def awaits(self, symbol: str) -> bool:
        """True when the symbol's next update ends a request's waiting."""
        return any(boundary.symbol == symbol for boundary in self.waiting)

    def reach(self, symbol: str, book: BookState, first_id: int, now_ns: int) -> None:
        """Answer the symbol's requests with the book after an update that begins with `first_id`, and hold it."""
        for boundary in [one for one in self.waiting if one.symbol == symbol]:
            boundary.book = replace(book, last_id=(first_id + book.last_id) // 2) if boundary.inside else book
            self.hold_until_ns = max(self.hold_until_ns, now_ns + boundary.hold_ns)
            self.cancel(boundary)
