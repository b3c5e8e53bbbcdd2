"""Requests of the account that are under way: what was asked, with which time stamp, and the ways in which it can come out. Pure."""

from dataclasses import dataclass
from typing import Final

from marketlink.times import SECOND_NS, Moment
from marketlink.venues.trading import ORDER_OPS, Call, Fill, Op, OrderReport

from connector.effects import Ask
from connector.tracked import Tracked

_URGENT = frozenset({Op.CANCEL, Op.CANCEL_MANY, Op.CANCEL_ALL, Op.QUERY})
_MOST_AHEAD_NS: Final = SECOND_NS // 4


def clock_offset_ns(server_ms: int, travel_ns: int, wall_ns: int) -> int:
    """How far the exchange's clock is ahead of this machine's: its time came `travel_ns` after the question left, at `wall_ns`.

    It was read about half way. Of a slow question or answer nobody knows which of both was slow, and the exchange refuses stamps
    that are a second ahead of it but takes those that are behind: so no more than a quarter of a second is counted for the way back.
    """
    return server_ms * 1_000_000 + min(travel_ns // 2, _MOST_AHEAD_NS) - wall_ns


@dataclass(frozen=True, slots=True)
class Replied:
    """An answer came: HTTP status and body, errors too."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class NotSent:
    """The request certainly never left this process."""

    why: str


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """No usable answer came: whether the request was carried out is not known."""

    why: str


Outcome = Replied | NotSent | NoAnswer


@dataclass(slots=True)
class Asked:
    """A request under way. `sent_ns` is the time stamp in it, of the exchange's clock."""

    call: Call
    orders: tuple[Tracked, ...] = ()
    sent_ns: int = 0
    symbol: str = ""
    from_ns: int = 0  # of TRADES: from when on they are asked for
    strange: tuple[Fill, ...] = ()  # of a further page of TRADES: executions before it whose orders are not known
    listed: tuple[OrderReport, ...] = ()  # of a further page of OPEN_ORDERS: what stood before it
    past: bool = False  # of QUERY: the second question, for orders that the first no longer tells of
    repeated: bool = False
    then: "Asked | None" = None  # to repeat under `then_number`, once the clock is measured
    then_number: int = 0


class Calls:
    """Numbers requests and remembers them until they have come out. `offset_ns`: the exchange's clock against this machine's."""

    def __init__(self) -> None:
        self.offset_ns = 0
        self.number = 0  # of the newest request
        self._asked: dict[int, Asked] = {}

    def exchange_ns(self, now: Moment) -> int:
        """The exchange's time, as far as its clock was measured."""
        return now.wall + self.offset_ns

    def ask(
        self,
        call: Call,
        now: Moment,
        *orders: Tracked,
        symbol: str = "",
        from_ns: int = 0,
        strange: tuple[Fill, ...] = (),
        listed: tuple[OrderReport, ...] = (),
        past: bool = False,
    ) -> Ask:
        """Return the effect that sends a request; `orders` are those that it is about."""
        self.number += 1
        self._asked[self.number] = Asked(call, orders, self.exchange_ns(now), symbol, from_ns, strange, listed, past)
        for tracked in orders:
            tracked.requests[call.op] = self.number
        return Ask(self.number, call, urgent=call.op in _URGENT)

    def measure_first(self, number: int, asked: Asked, clock: Call) -> Ask:
        """Return the effect that measures the exchange's clock; behind it the request goes out again, under its own number."""
        asked.repeated = True
        self.number += 1
        self._asked[self.number] = Asked(clock, then=asked, then_number=number)
        return Ask(self.number, clock, urgent=True)

    def repeat(self, measured: Asked, now: Moment) -> Ask | None:
        """Return the request that waited for a measurement of the clock, if one did."""
        again = measured.then
        if again is None:
            return None
        again.sent_ns = self.exchange_ns(now)
        self._asked[measured.then_number] = again
        return Ask(measured.then_number, again.call, urgent=True)

    def on_sent(self, number: int, stamp_ns: int) -> None:
        """Note the time stamp with which a request left."""
        asked = self._asked.get(number)
        if asked is None:
            return
        asked.sent_ns = stamp_ns
        if asked.call.op in ORDER_OPS:
            for tracked in asked.orders:
                tracked.sent_ns = max(tracked.sent_ns, stamp_ns)
                if asked.call.op is Op.SUBMIT:
                    tracked.placed_ns = max(tracked.placed_ns, stamp_ns)

    def take(self, number: int) -> Asked | None:
        """Return and forget a request that has come out; None for one that has already."""
        return self._asked.pop(number, None)

    def is_asked(self, op: Op, symbol: str) -> bool:
        """Whether such a request about a symbol is under way."""
        return any(one.call.op is op and one.symbol == symbol for one in self._asked.values())

    def count(self, op: Op) -> int:
        """How many such requests are under way."""
        return sum(one.call.op is op for one in self._asked.values())
