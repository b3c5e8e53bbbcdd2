"""Where a live session and the backtest of its recording part: every difference in one class, money summed up to the whole.

    book              decided on another book: none, another one, or windows that still show that
    latency           decided late, or the order, its cancel or its answer came at another time
    queue position    the same order was filled in one and not, or sooner, in the other
    partial fill      filled in part in one, whole or not at all in the other
    reject            refused by connector or exchange
    risk limit        held back here
    exchange action   ended, or position changed, by the exchange or another hand
    other             none of these: orders of an earlier run, and what neither side explains

What only follows from an earlier difference (another position, other own orders) has the class of the newest one before it.
The money of a difference is what its fills, live less backtest, are worth at the last middle price, fees included. Fills are the only
source of money, and each belongs to one order, each order to one difference at most: so the classes add up to the whole.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from marketlink.orders import Status

from obi_mm.decision_compare import Difference, compare
from obi_mm.decision_why import explain
from obi_mm.decisions import DecisionLog
from obi_mm.layout import CANCEL, CLOSE, Log
from obi_mm.models import Models
from obi_mm.session import Fill, Key, LiveOrder, Session, by_key

BOOK, LATENCY, QUEUE, PARTIAL, REJECT, RISK, EXCHANGE, OTHER = CLASSES = (
    "book", "latency", "queue position", "partial fill", "reject", "risk limit", "exchange action", "other",
)  # fmt: skip
_OF_CAUSE: Final = {
    "no book": BOOK, "windows": BOOK, "restart": BOOK, "book": BOOK, "began": BOOK, "ended": BOOK, "missing": LATENCY, "late": LATENCY,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Part:
    """One difference: when, in what (decision, order, fill, position), of which class, in words, and its money."""

    time_ns: int
    what: str
    kind: str
    text: str
    money: float = 0.0
    follows: bool = False


@dataclass(frozen=True, slots=True)
class Value:
    """What a fill is worth at a price: the mark, the instrument, the fees."""

    mark: float
    tick_size: float
    lot_size: float
    models: Models

    def of(self, side: int, fill: Fill) -> float:
        """Return a fill's gain at the mark less its fee, in the currency that the contract settles in."""
        rate = self.models.maker_fee if fill.maker else self.models.taker_fee
        assert rate is not None
        price, held = fill.tick * self.tick_size, fill.lots * self.lot_size * self.models.contract_size
        if self.models.contract == "inverse":
            return side * held * (1 / price - 1 / self.mark) - rate * held / price
        return side * held * (self.mark - price) - rate * held * price

    def moved(self, lots: int, price: float) -> float:
        """Return what lots that came from elsewhere at a price gain until the mark."""
        held = lots * self.lot_size * self.models.contract_size
        if self.models.contract == "inverse":
            return held * (1 / price - 1 / self.mark)
        return held * (self.mark - price)


@dataclass(frozen=True, slots=True)
class BackOrder:
    """One order of the backtest."""

    order_id: int
    side: int
    decision_ns: int
    tick: int
    lots: int
    cancel_ns: int
    fills: tuple[Fill, ...]


@dataclass(frozen=True, slots=True)
class Parting:
    """All differences in order of time, the money of each class and of both runs; classes sum up to live less back."""

    parts: tuple[Part, ...]
    money: Mapping[str, float]
    live: float
    back: float
    decisions: int
    orders: tuple[int, int]
    fills: tuple[int, int]
    positions: tuple[int, int]


def orders_of(decisions: Log, actions: Log, fills: Log, end_ns: int) -> dict[int, BackOrder]:
    """Return the backtest's orders of decisions until `end_ns`, with their fills until then."""
    filled: dict[int, list[Fill]] = {}
    for row in fills:
        if row["time_ns"] <= end_ns:
            filled.setdefault(int(row["order_id"]), []).append(
                Fill(int(row["time_ns"]), int(row["tick"]), int(row["lots"]), bool(row["maker"]))
            )
    starts = np.concatenate(([0], np.cumsum(decisions["actions"], dtype=np.int64)))
    rows: list[tuple[int, tuple[int, int, int, int, int]]] = []
    cancels: dict[int, int] = {}
    for number, time_ns in enumerate(decisions["time_ns"].tolist()):
        for kind, side, tick, lots, order_id in actions[starts[number] : starts[number + 1]].tolist():
            if kind == CANCEL:
                cancels.setdefault(order_id, time_ns)
            elif time_ns <= end_ns:
                rows.append((order_id, (side, time_ns, tick, lots, kind)))
    return {
        order_id: BackOrder(
            order_id,
            side,
            time_ns,
            tick,
            lots,
            cancels.get(order_id, 0) if kind != CLOSE else 0,
            tuple(filled.get(order_id, ())),
        )
        for order_id, (side, time_ns, tick, lots, kind) in rows
    }


def part(
    live_log: DecisionLog,
    back_log: DecisionLog,
    session: Session,
    back: Mapping[int, BackOrder],
    value: Value,
    prices: Log,
) -> Parting:
    """Hold a session's log and its backtest side by side; `prices` are the backtest's records."""
    decisions = list(compare(live_log, back_log, 1e-7))
    whys = list(explain(live_log, back_log, decisions))
    causes = [_OF_CAUSE.get(why.kind, "") for why in whys]
    at_decision = {one.time_ns: kind for one, kind in zip(decisions, causes, strict=True)}
    times = sorted(set(live_log.decisions["time_ns"].tolist()))
    parts = _order_parts(session, back, value, at_decision, times)
    parts += _move_parts(session, value, prices)
    known = _True(session, back)
    parts += [_of_decision(one, kind, why.text, known) for one, kind, why in zip(decisions, causes, whys, strict=True)]
    parts = _followed(sorted(parts, key=lambda one: (one.time_ns, _ORDER[one.what], one.text)))
    live_money = [value.of(order.side, fill) for order in session.orders.values() for fill in order.fills]
    live_money += [value.moved(lots, _price_at(prices, at_ns)) for at_ns, lots in session.moves]
    back_money = [value.of(order.side, fill) for order in back.values() for fill in order.fills]
    return Parting(
        tuple(parts),
        {kind: math.fsum(one.money for one in parts if one.kind == kind) for kind in CLASSES},
        math.fsum(live_money),
        math.fsum(back_money),
        len(live_log.decisions),
        (sum(order.sent for order in session.orders.values()), len(back)),
        (sum(len(order.fills) for order in session.orders.values()), sum(len(order.fills) for order in back.values())),
        _positions(session, back),
    )


def _positions(session: Session, back: Mapping[int, BackOrder]) -> tuple[int, int]:
    live = sum(order.side * order.filled_lots for order in session.orders.values())
    moved = sum(lots for _, lots in session.moves)
    tested = sum(order.side * fill.lots for order in back.values() for fill in order.fills)
    return session.held_lots + moved + live, session.held_lots + tested


_ORDER: Final = {"decision": 0, "order": 1, "fill": 2, "position": 3}


class _True:
    """What each run's position really was, by the exchange's times, whatever was known of it."""

    def __init__(self, session: Session, back: Mapping[int, BackOrder]) -> None:
        live = [(fill.time_ns, order.side * fill.lots) for order in session.orders.values() for fill in order.fills]
        tested = [(fill.time_ns, order.side * fill.lots) for order in back.values() for fill in order.fills]
        self._sides = [np.array(sorted(one), np.int64).reshape(-1, 2) for one in ([*live, *session.moves], tested)]
        self._sums = [np.concatenate(([0], np.cumsum(one[:, 1]))) for one in self._sides]

    def same(self, time_ns: int) -> bool:
        """Whether both held the same at a time."""
        live, tested = (
            int(total[np.searchsorted(one[:, 0], time_ns)]) for one, total in zip(self._sides, self._sums, strict=True)
        )
        return live == tested


def _of_decision(one: Difference, kind: str, text: str, known: _True) -> Part:
    names = ", ".join(one.fields)
    if not kind and "position" in one.fields and known.same(one.time_ns):
        return Part(
            one.time_ns, "decision", LATENCY, f"decision: a fill was known sooner in one than in the other ({names})"
        )
    return Part(one.time_ns, "decision", kind, f"decision: {text} ({names})")


def _order_parts(
    session: Session, back: Mapping[int, BackOrder], value: Value, at_decision: Mapping[int, str], times: Sequence[int]
) -> list[Part]:
    mine = by_key([(one.order_id, one.decision_ns, one.side, one.tick) for one in session.orders.values()])
    theirs = by_key([(one.order_id, one.decision_ns, one.side, one.tick) for one in back.values()])
    parts: list[Part] = []
    for key in sorted(mine.keys() | theirs.keys()):
        live = session.orders[mine[key]] if key in mine else None
        test = back[theirs[key]] if key in theirs else None
        fills = ([] if live is None else live.fills), (() if test is None else test.fills)
        money = math.fsum(
            [*(value.of(key[1], fill) for fill in fills[0]), *(-value.of(key[1], fill) for fill in fills[1])]
        )
        found = _order_part(key, live, test, at_decision, times)
        if found is not None:
            what, kind, text = found
            stamps = [fill.time_ns for fill in (*fills[0], *fills[1])]
            when = min(stamps) if what == "fill" and stamps else key[0] or min(stamps, default=0)
            parts.append(Part(when, what, kind, f"{_name(key, value)}: {text}", money))
    return parts


def _order_part(
    key: Key, live: LiveOrder | None, test: BackOrder | None, at_decision: Mapping[int, str], times: Sequence[int]
) -> tuple[str, str, str] | None:
    """Say how one order went otherwise: in what, its class ("": it follows from what was before), in words; None: it did not."""
    if live is not None and not live.decision_ns:
        return ("fill", OTHER, "an order of an earlier run") if live.fills else None
    if live is None or test is None:
        who = "live" if test is None else "the backtest"
        return "order", at_decision.get(key[0], ""), f"only {who} wanted it"
    if live.held:
        quiet = (
            "could exceed" in live.held,
            "less than the exchange takes" in live.held,
            "turn the position" in live.held,
        )
        kind = RISK if any(quiet) else REJECT if "refused" in live.held or "takes no requests" in live.held else BOOK
        return "order", kind, f"held back live: {live.held}"
    if not live.sent:
        return "order", LATENCY, "decided live too late to be sent"
    at_once = live.ended == Status.EXPIRED and live.ended_ns <= live.accepted_ns and not live.closing and not live.fills
    refused = live.ended == Status.REJECTED or at_once
    if (live.problem and not live.accepted_ns) or refused:
        return "order", REJECT, f"refused live: {live.problem or 'by the exchange'}"
    lots = live.filled_lots, sum(fill.lots for fill in test.fills)
    if lots[0] == lots[1]:
        return _same_lots(live, test, times)
    if 0 < lots[0] < live.lots:
        return "fill", PARTIAL, f"{lots[0]} of {live.lots} lots were filled live, {lots[1]} in the backtest"
    if live.lots != test.lots and lots[0] and lots[1]:
        return "fill", RISK, f"live it was made smaller: {live.lots} lots instead of {test.lots}"
    if lots[1] > lots[0]:
        if test.fills[0].time_ns <= live.accepted_ns:
            return "fill", LATENCY, "filled in the backtest before it was in the book live"
        if live.ended in (Status.CANCELED, Status.EXPIRED) and not live.cancel_asked_ns and not live.closing:
            return "fill", EXCHANGE, "the exchange ended it live, the backtest filled it"
        if live.ended == Status.CANCELED and not live.unwanted:
            return "fill", BOOK, "cancelled live by no decision: nothing was heard, or no book was there"
        if live.ended == Status.CANCELED and live.ended_ns and test.fills[0].time_ns >= live.ended_ns:
            return "fill", LATENCY, "cancelled live before the backtest filled it"
        return "fill", QUEUE, "the backtest filled it, live did not"
    if test.cancel_ns and live.fills[0].time_ns > test.cancel_ns:
        return "fill", LATENCY, "filled live when the backtest's cancel was on its way or done"
    return "fill", QUEUE, "live filled it, the backtest did not"


def _same_lots(live: LiveOrder, test: BackOrder, times: Sequence[int]) -> tuple[str, str, str] | None:
    if not live.fills:
        if live.ended in (Status.CANCELED, Status.EXPIRED) and not live.cancel_asked_ns and not live.closing:
            return "order", EXCHANGE, "the exchange ended it live without being asked"
        return None
    if len(live.fills) > 1:
        return "fill", PARTIAL, f"filled live in {len(live.fills)} parts, in the backtest at once"
    mine, theirs = live.fills[0], test.fills[0]
    if mine.maker != theirs.maker or mine.tick != theirs.tick:
        return "fill", LATENCY, "filled at another price or as maker in one, as taker in the other"
    between = int(np.searchsorted(times, mine.time_ns)) != int(np.searchsorted(times, theirs.time_ns))
    later = "later" if mine.time_ns > theirs.time_ns else "sooner"
    return ("fill", QUEUE, f"filled live {abs(mine.time_ns - theirs.time_ns) / 1e9:.3f} s {later}") if between else None


def _move_parts(session: Session, value: Value, prices: Log) -> list[Part]:
    return [
        Part(
            at_ns,
            "position",
            EXCHANGE,
            f"position changed by {lots} lots without a fill of the session's",
            value.moved(lots, _price_at(prices, at_ns)),
        )
        for at_ns, lots in session.moves
    ]


def _followed(parts: Sequence[Part]) -> list[Part]:
    """Give parts that only follow from others the class of the newest cause before them; of those that have none: latency."""
    root = ""
    made: list[Part] = []
    for one in parts:
        if one.kind:
            made.append(one)
            if one.what != "decision" or one.kind != BOOK or not root:
                root = one.kind
            continue
        kind = root or LATENCY
        text = one.text if root else f"{one.text}: what was known of own orders came at another time"
        made.append(Part(one.time_ns, one.what, kind, text, one.money, bool(root)))
    return made


def _price_at(prices: Log, at_ns: int) -> float:
    known = prices[np.isfinite(prices["price"])]
    at = min(int(np.searchsorted(known["timestamp"], at_ns)), len(known) - 1)
    return float(known["price"][at])


def _name(key: Key, value: Value) -> str:
    return f"{'buy' if key[1] > 0 else 'sell'} @ {key[2] * value.tick_size:.12g}"
