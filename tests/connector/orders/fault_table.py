"""The generated tables of faults, one an exchange: every operation, failed at every moment in every way, on an order in every state.

Nothing in here says how a cell must end: that is read off the simulated exchange's own state.
`python -m tests.connector.orders.fault_table [LETTERS]` writes the tables anew.
"""

from __future__ import annotations

import csv
import io
import itertools
import sys
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from connector.calls import NoAnswer, Outcome, Replied
from marketlink.orders import OrderType, Status, TimeInForce
from marketlink.venues.trading import Op
from venue_sim.desk import Reply
from venue_sim.trading import OPEN

from tests.connector.orders.world import TERMINAL, VENUES, Seen, World, is_of_orders, refusal

BOUND_MS = 5_000.0
SILENCE_NS = (
    3_000_000_000  # of the account's stream, after which it is opened anew: nothing else tells of a push that is lost
)
SUBMITS = {
    "submit GTC": {"time_in_force": TimeInForce.GTC},
    "submit GTX": {"time_in_force": TimeInForce.GTX},
    "submit IOC": {"time_in_force": TimeInForce.IOC},
    "submit MARKET": {"order_type": OrderType.MARKET},
}
OPERATIONS = (*SUBMITS, "cancel", "modify", "cancel-all at shutdown")
BEFORE, AFTER, PUSH = MOMENTS = "before the exchange", "before the answer", "before the push"
STATES = ("sent", "live", "partial", "filled meanwhile", "canceled meanwhile", "expired meanwhile")
STREAM = "stream closed"

UNCLEAR: dict[str, Outcome | None] = {
    "timeout": None,
    "reset": NoAnswer("reset"),
    "502 HTML": Replied(502, b"<html><body>502 Bad Gateway</body></html>"),
    "503 unknown error": refusal(-1000, "Unknown error, please check your request or try again later.", 503),
    "408": Replied(408, b""),
    "-1007": refusal(-1007, "Timeout waiting for response from backend server. Execution status unknown.", 408),
    "-1006": refusal(-1006, "An unexpected response was received. Execution status unknown."),
}
"""Answers that leave open whether the request was carried out."""
DEFINITE: dict[str, Outcome] = {
    "503 Service Unavailable": Replied(503, b"Service Unavailable."),
    "503 internal error": refusal(-1001, "Internal error; unable to process your request. Please try again.", 503),
    "503 throttled": refusal(-1008, "Server is currently overloaded with other requests.", 503),
    "429": refusal(-1003, "Too many requests", 429),
    "418": refusal(-1003, "Way too many requests; IP banned until 1700000120000.", 418),
    "200 with an error body": refusal(-1102, "A mandatory parameter was not sent.", 200),
}
"""Answers that say that it was not: an exchange that has carried it out does not give them."""
SPOILT: dict[str, Callable[[Reply], Outcome]] = {
    "cut JSON": lambda reply: Replied(200, reply.body[: len(reply.body) // 2]),
    "200 with an error body": lambda _: refusal(-1000, "An unknown error occurred while processing the request.", 200),
}
PUSHES: dict[str, list[float]] = {"push dropped": [], "push doubled": [1.0, 30.0], "push 10 s late": [10_000.0]}


def file_of(letter: str) -> Path:
    """Where the table of an exchange is."""
    return Path(__file__).with_name(f"fault_table_{letter.lower()}.csv")


@dataclass(frozen=True)
class Cell:
    """Where the table is looked at."""

    operation: str
    moment: str
    failure: str
    state: str


@dataclass(frozen=True)
class Row:
    """How a cell ended: the exchange's state of the order, and what its bot was told on the way."""

    operation: str
    moment: str
    failure: str
    state: str
    end: str
    executed: str
    told: str
    problems: str


def cells() -> Iterator[Cell]:
    """Every legal cell."""
    failures = {BEFORE: [*UNCLEAR, *DEFINITE, STREAM], AFTER: [*UNCLEAR, *SPOILT, STREAM], PUSH: [*PUSHES, STREAM]}
    for operation, moment, state in itertools.product(OPERATIONS, MOMENTS, STATES):
        if _is_legal(operation, moment, state):
            for failure in failures[moment]:
                yield Cell(operation, moment, failure, state)


def _is_legal(operation: str, moment: str, state: str) -> bool:
    if operation == "modify":
        return state != "sent"  # refused here: one thing is asked at a time
    if operation not in SUBMITS:
        return True
    if state == "live":
        return False  # that is what `sent` becomes
    if moment == BEFORE:
        return state == "sent"  # what is not there can't be filled
    if operation == "submit MARKET":
        return state in ("partial", "filled meanwhile")
    if operation == "submit IOC":
        return state in ("partial", "filled meanwhile", "expired meanwhile")
    return True


class _Run:
    """One cell on a world of its own."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.world = World(silence_ns=SILENCE_NS).start(7)
        self.ops: tuple[Op, ...] = {
            "cancel": (Op.CANCEL,),
            "modify": (Op.MODIFY,),
            "cancel-all at shutdown": (Op.CANCEL, Op.CANCEL_MANY),
        }.get(cell.operation, (Op.SUBMIT,))

    def go(self) -> Row:
        cell, world = self.cell, self.world
        at_once = cell.operation in SUBMITS
        if at_once:
            self._hurt()
            seen = world.submit(7, 1, **self._submit())
            world.later(5.0, self._meanwhile)
        else:
            if cell.state == "sent":
                world.request_road = lambda op, body: 30.0 if op is Op.SUBMIT else 5.0
            seen = world.submit(7, 1)
            if cell.operation.startswith("cancel-all"):
                world.submit(7, 2, price_tick=990)
            if cell.state == "sent":
                world.run(1)
            else:
                world.settle()
                if cell.state == "partial":
                    self._meanwhile()
                    world.run(10)
                world.request_road = lambda op, body: 20.0 if op in self.ops else 1.0
                if cell.state.endswith("meanwhile"):
                    world.later(5.0, self._meanwhile)
            self._hurt()
        start_ms = world.now_ms
        if cell.operation == "cancel":
            world.cancel(7, 1)
        elif cell.operation == "modify":
            world.modify(7, 1, 995, 2.0)
        elif cell.operation.startswith("cancel-all"):
            assert world.stop(10_000), "not everything was seen to be gone"
            assert not world.trading.open_orders("a") or cell.state == "expired meanwhile"  # the other hand's own
        world.run(40)
        if cell.moment == PUSH and cell.operation in SUBMITS:
            world.run(SILENCE_NS / 1e6 + 100)
        if not world.trader.streaming:
            world.run(500)
        world.settle(BOUND_MS)
        assert world.now_ms - start_ms <= (10_000 if cell.operation.startswith("cancel-all") else BOUND_MS + 600), (
            "late"
        )
        self._agree(seen)
        told = len(seen.events)
        world.run(10_500)
        assert len(seen.events) == told, ("told after the end", seen.events[told:])
        return self._agree(seen)

    def _submit(self) -> dict[str, Any]:
        values: dict[str, Any] = dict(SUBMITS[self.cell.operation])
        if self.cell.operation in ("submit IOC", "submit MARKET"):
            state = self.cell.state
            values["price_tick"] = {"partial": 1001, "filled meanwhile": 1002}.get(state, 999)
            values["qty"] = {"partial": 5.0, "filled meanwhile": 1.5}.get(state, 1.0)
        return values

    def _hurt(self) -> None:
        """Let the failure happen at its moment, once."""
        cell, world = self.cell, self.world
        if cell.moment == PUSH:
            delays = PUSHES.get(cell.failure)
            if delays is None:
                world.fault("reset", stream="private", op="orders")
                return
            normal = world.push_road
            world.push_road = lambda push: delays if is_of_orders(push) else normal(push)
            world.later(45.0, lambda: setattr(world, "push_road", normal))
            return
        if cell.failure == STREAM:
            world.later(0.5 if cell.moment == BEFORE else 25.0, world.cut_stream)
            return
        outcome = (
            DEFINITE.get(cell.failure, UNCLEAR.get(cell.failure))
            if cell.moment == BEFORE
            else UNCLEAR.get(cell.failure)
        )
        if cell.failure == "timeout":
            self._silence(lost=cell.moment == BEFORE)
            return
        for op in self.ops:
            if cell.moment == BEFORE:
                assert outcome is not None
                world.instead[op] = [outcome]
            else:
                world.answers[op] = [outcome or SPOILT[cell.failure]]

    def _silence(self, *, lost: bool) -> None:
        """The request or its answer is lost, and nothing says so."""
        world, left = self.world, dict.fromkeys(self.ops, 1)

        def road(normal: Callable[[Op, bytes | None], float | None]) -> Callable[[Op, bytes | None], float | None]:
            def travel(op: Op, body: bytes | None) -> float | None:
                if left.get(op):
                    left[op] -= 1
                    return None
                return normal(op, body)

            return travel

        if lost:
            world.request_road = road(world.request_road)
        else:
            world.answer_road = road(world.answer_road)

    def _meanwhile(self) -> None:
        """What befalls the order at the exchange."""
        cell, world = self.cell, self.world
        if cell.operation in ("submit IOC", "submit MARKET"):
            return  # decided at its arrival
        match cell.state:
            case "partial":
                world.trade("99.80", "0.4")
            case "filled meanwhile":
                world.trade("99.80", "1.0")
            case "canceled meanwhile":
                world.hand("DELETE", origClientOrderId=world.tracked(7, 1).client_id)
            case "expired meanwhile":
                prevention = {"selfTradePreventionMode": "EXPIRE_MAKER"}
                world.hand(side="SELL", price="99.90", quantity="4", **prevention)  # meets it: the maker is ended

    def _agree(self, seen: Seen) -> Row:
        """Hold connector and bot against the exchange's own state, which is how the cell has ended."""
        world, cell = self.world, self.cell
        world.check()
        state = world.true_orders().get(world.tracked(7, 1).client_id)
        last = seen.last
        assert last.req is Status.NONE
        if state is None:
            assert last.status is Status.EXPIRED
            end, executed = "never there", "0"
        else:
            assert seen.executed == float(state.executed)
            if state.status in OPEN:
                assert last.status not in TERMINAL
                price = 0 if state.new.price is None else round(float(state.new.price) * 10)
                assert (last.price_tick, last.qty) == (price, float(state.new.quantity))
                assert last.leaves_qty == float(state.new.quantity - state.executed)
            else:
                assert last.status.name == state.status.value.removesuffix("_IN_MATCH")
            end, executed = state.status.value, f"{state.executed:f}"
        problems = " > ".join(problem.state for problem in seen.problems)
        return Row(*astuple(cell), end, executed, " > ".join(seen.statuses), problems)


def run(cell: Cell) -> Row:
    """Run a cell. Raises AssertionError when anything differs from the exchange's truth, or comes too late."""
    return _Run(cell).go()


def as_csv(rows: list[Row]) -> str:
    """The table as text."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([field.name for field in fields(Row)])
    writer.writerows(astuple(row) for row in rows)
    return out.getvalue()


if __name__ == "__main__":
    for letter in sys.argv[1] if sys.argv[1:] else VENUES:
        World.letter = letter
        table = [run(cell) for cell in cells()]
        file_of(letter).write_text(as_csv(table))
        print(f"{len(table)} cells: {file_of(letter)}")
