"""What a live session's log tells of each order, and how long its messages took; no file, no engine.

Times are put on the exchange's clock, by which a backtest decides. An order of the decision for boundary T entered the book `accepted - T`
later: way of the market data, decision and request in one, free of any difference of clocks. The clock here said D when that decision was
made, so what arrived at A was known A - D before or behind it: its response took `A - (D - T) - accepted`.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from data_convert.arrays.order_latency import LATENCY_DTYPE
from marketlink.orders import Status

from obi_mm.decisions import DecisionLog
from obi_mm.layout import (
    ANSWER,
    ASK_CANCEL,
    ASK_SUBMIT,
    CANCEL,
    CLOSE,
    DECIDED,
    FILL,
    HELD,
    PROBLEM,
    Log,
    Whole,
)

Key = tuple[int, int, int, int]
"""Decision's time, side, tick and turn: by what an order is the same one in live run and backtest."""
LEAST_NS: Final = 1


@dataclass(frozen=True, slots=True)
class Fill:
    """One fill: exchange time, tick, lots, whether as maker."""

    time_ns: int
    tick: int
    lots: int
    maker: bool


@dataclass(slots=True)
class LiveOrder:
    """One order of the log; times are 0 where nothing was told. `accepted_ns` and `ended_ns` are the exchange's."""

    order_id: int
    side: int
    decision_ns: int = 0  # 0: of an earlier run
    tick: int = 0
    lots: int = 0
    closing: bool = False
    sent: bool = False
    accepted_ns: int = 0
    answered_ns: int = 0
    ended_ns: int = 0
    ended: int = 0  # the status that ended it
    cancel_asked_ns: int = 0
    unwanted: bool = False  # a decision cancelled it
    held: str = ""
    problem: str = ""
    fills: list[Fill] = field(default_factory=list)

    @property
    def filled_lots(self) -> int:
        """How many lots were filled."""
        return sum(fill.lots for fill in self.fills)


@dataclass(frozen=True, slots=True)
class Session:
    """A session of one symbol: orders by id, when decisions were made (boundary -> clock here), and what moved the position otherwise."""

    orders: Mapping[int, LiveOrder]
    decided: Mapping[int, int]
    held_lots: int
    moves: tuple[tuple[int, int], ...]  # exchange time, lots that no own fill explains
    end_ns: int


def session_of(log: DecisionLog) -> Session:
    """Read a log of one symbol."""
    orders: dict[int, LiveOrder] = {}
    unwanted: set[int] = set()
    for number, decision in enumerate(log.decisions):
        for action in log.actions_of(number):
            if action["kind"] == CANCEL:
                unwanted.add(int(action["order_id"]))
            else:
                orders[int(action["order_id"])] = LiveOrder(
                    int(action["order_id"]),
                    int(action["side"]),
                    int(decision["time_ns"]),
                    int(action["tick"]),
                    int(action["lots"]),
                    bool(action["kind"] == CLOSE),
                )
    decided: dict[int, int] = {}
    for event in log.events:
        if event["what"] == DECIDED:
            decided[int(event["exch_ns"])] = int(event["time_ns"])
        elif event["order_id"]:
            order_id = int(event["order_id"])
            _take(orders.setdefault(order_id, LiveOrder(order_id, int(event["side"]), tick=int(event["tick"]))), event)
    for order_id in unwanted & orders.keys():
        orders[order_id].unwanted = True
    held, moves = _positions(log)
    last = int(log.decisions["time_ns"][-1]) if len(log.decisions) else 0
    filled = max((fill.time_ns for order in orders.values() for fill in order.fills), default=0)
    return Session(orders, decided, held, moves, max(last, filled))


def _take(order: LiveOrder, event: Log) -> None:
    what, time_ns, exch_ns = int(event["what"]), int(event["time_ns"]), int(event["exch_ns"])
    text = bytes(event["text"]).decode(errors="replace")
    if what == ASK_SUBMIT:
        order.sent, order.lots = True, int(event["lots"])
    elif what == ASK_CANCEL:
        order.cancel_asked_ns = order.cancel_asked_ns or time_ns
    elif what == HELD:
        order.held = order.held or text or "not sent"
    elif what == PROBLEM:
        order.problem = order.problem or text
    elif what == FILL:
        order.fills.append(Fill(exch_ns, int(event["tick"]), int(event["lots"]), bool(event["maker"])))
    elif what == ANSWER:
        status = int(event["status"])
        if exch_ns and not order.accepted_ns and status != Status.REJECTED:
            order.accepted_ns, order.answered_ns = exch_ns, time_ns
        if status in (Status.FILLED, Status.CANCELED, Status.EXPIRED, Status.REJECTED) and not order.ended:
            order.ended, order.ended_ns = status, exch_ns


def _positions(log: DecisionLog) -> tuple[int, tuple[tuple[int, int], ...]]:
    """Return what was held before the session, and every later change of the position that own fills do not explain.

    It is looked at where decisions were made; what one decision alone saw is a fill and a word on the position that were told apart.
    """
    own = 0
    seen: list[tuple[int, int]] = []
    for event in log.events:
        if event["what"] == FILL:
            own += int(event["side"]) * int(event["lots"])
        elif event["what"] == DECIDED:
            seen.append((int(event["exch_ns"]), int(event["position_lots"]) - own))
    if not seen:
        return int(log.decisions["position_lots"][0]) if len(log.decisions) else 0, ()
    held = seen[0][1]
    moves: list[tuple[int, int]] = []
    now, before_ns = held, seen[0][0]
    for (at_ns, rest), (_, after) in itertools.pairwise(seen):
        if rest == after != now:  # some time since the decision before
            moves.append((before_ns + 1, rest - now))
            now = rest
        before_ns = at_ns
    return held, tuple(moves)


def latencies_of(session: Session, times: Whole) -> Log:
    """Return the session's own latencies, a row a decision, whose requests leave 1 ns before the boundary: its orders' median.

    A decision without orders has those of the one before, the first ones those of the first that had some; without any order, 1 ms.
    """
    entries: dict[int, list[int]] = {}
    responses: dict[int, list[int]] = {}
    for order in session.orders.values():
        if not order.decision_ns or not order.accepted_ns:
            continue
        at_ns = order.decision_ns
        entries.setdefault(at_ns, []).append(order.accepted_ns - at_ns)
        if at_ns in session.decided:
            behind_ns = session.decided[at_ns] - at_ns
            responses.setdefault(at_ns, []).append(order.answered_ns - behind_ns - order.accepted_ns)
    rows: Log = np.zeros(len(times), LATENCY_DTYPE)
    entry, response = 1_000_000, 1_000_000
    measured = sorted(entries)
    if measured:
        entry = _median(entries[measured[0]])
        response = _median(responses.get(measured[0], [response]))
    for number, time_ns in enumerate(times.tolist()):
        if time_ns in entries:
            entry, response = _median(entries[time_ns]), _median(responses.get(time_ns, [response]))
        asked = time_ns - 1
        rows[number] = (asked, asked + entry + 1, asked + 1 + entry + response, 0)
    return rows


def _median(values: list[int]) -> int:
    return max(LEAST_NS, sorted(values)[len(values) // 2])


def by_key(orders: list[tuple[int, int, int, int]]) -> dict[Key, int]:
    """Number orders (id, decision's time, side, tick) by what they are the same by; of several alike by their turn."""
    found: dict[Key, int] = {}
    for order_id, decision_ns, side, tick in orders:
        turn = 0
        while (key := (decision_ns, side, tick, turn)) in found:
            turn += 1
        found[key] = order_id
    return found
