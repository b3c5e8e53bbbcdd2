"""The synchroniser: a peer's scenarios, and three properties over random feeds against a naive book."""

import json
import random
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from marketlink.book.rules import ByNextId, ByPreviousId, DepthUpdate, Rule, Snapshot
from marketlink.book.sync import Apply, AskSnapshot, DepthSync, Effect, OutOfSync, Phase, Replace, SyncLimits, Trouble
from marketlink.events import empty_events

SECOND = 1_000_000_000


def sync(rule: Rule | None = None, **limits: int) -> DepthSync:
    return DepthSync(rule or ByPreviousId(), random.Random(7), SyncLimits(**limits))


def update(first: int, last: int, prev: int | None) -> DepthUpdate:
    return DepthUpdate(first, last, prev)


def ids(effect: Effect) -> tuple[int, list[tuple[int, int]]]:
    assert isinstance(effect, Replace)
    return effect.snapshot.last_id, [(one.first_id, one.last_id) for one in effect.updates]


def test_first_update_asks_once_and_the_snapshot_brings_the_held_updates() -> None:
    machine = sync()
    assert machine.on_update(update(100, 105, 99), 0) == [AskSnapshot(1)]
    assert machine.on_update(update(106, 110, 105), 1) == []
    (replace,) = machine.on_snapshot(1, Snapshot(102), 2)
    assert ids(replace) == (102, [(100, 105), (106, 110)])
    assert machine.in_sync
    assert machine.last_id == 110


def test_updates_before_the_snapshot_are_dropped_but_not_the_one_that_ends_at_it() -> None:
    machine = sync()
    for one in (update(90, 95, 89), update(96, 100, 95), update(101, 105, 100)):
        machine.on_update(one, 0)
    (replace,) = machine.on_snapshot(1, Snapshot(100), 1)
    assert ids(replace) == (100, [(96, 100), (101, 105)])


def test_gap_costs_one_ask_and_is_told() -> None:
    machine = sync()
    machine.on_update(update(100, 105, 99), 0)
    machine.on_snapshot(1, Snapshot(102), 1)
    (applied,) = machine.on_update(update(106, 110, 105), 2)
    assert isinstance(applied, Apply)
    assert machine.on_update(update(115, 120, 112), 3) == [OutOfSync(Trouble.GAP, 110), AskSnapshot(2)]
    assert machine.on_update(update(121, 125, 120), 4) == []
    (replace,) = machine.on_snapshot(2, Snapshot(118), 5)
    assert ids(replace) == (118, [(115, 120), (121, 125)])


def test_gap_among_held_updates_keeps_only_what_comes_behind_it() -> None:
    machine = sync()
    machine.on_update(update(100, 105, 99), 0)
    machine.on_update(update(110, 115, 109), 0)
    assert machine.on_snapshot(1, Snapshot(102), 1) == []
    assert machine.counts.too_old == 1
    assert machine.on_time(machine.due_ns or 0) == [AskSnapshot(2)]
    (replace,) = machine.on_snapshot(2, Snapshot(112), 2)
    assert ids(replace) == (112, [(110, 115)])


def test_snapshot_ahead_of_the_stream_is_shown_with_the_update_that_joins_it() -> None:
    machine = sync()
    machine.on_update(update(90, 95, 89), 0)
    assert machine.on_snapshot(1, Snapshot(100), 1) == []
    assert machine.on_update(update(98, 99, 97), 2) == []
    (replace,) = machine.on_update(update(98, 105, 99), 3)
    assert ids(replace) == (100, [(98, 105)])
    assert machine.counts.asked == 1


def test_snapshot_that_the_stream_does_not_reach_is_never_shown_and_asked_for_again() -> None:
    machine = sync()
    machine.on_update(update(1, 1, 0), 0)
    machine.on_snapshot(1, Snapshot(1_000_000), 1)
    effects: list[Effect] = []
    for number in range(2, 400):
        now = number * SECOND // 100
        effects += machine.on_update(update(number, number, number - 1), now) + machine.on_time(now)
    assert effects == [AskSnapshot(2)]
    assert machine.counts.too_far_ahead == 1
    (replace,) = machine.on_snapshot(2, Snapshot(399), 5 * SECOND)
    assert ids(replace) == (399, [(399, 399)])


def test_snapshot_shown_on_a_quiet_stream_does_not_stand_still_for_long_when_its_id_is_wrong() -> None:
    machine = sync()
    machine.on_update(update(1, 1, 0), 0)
    machine.on_snapshot(1, Snapshot(1_000_000), 1)
    assert ids(machine.on_time(2 * SECOND)[0]) == (1_000_000, [])
    assert machine.on_update(update(2, 2, 1), 3 * SECOND) == []
    assert machine.on_update(update(3, 3, 2), 3 * SECOND + 500_000_000) == []
    (lost, ask) = machine.on_update(update(4, 4, 3), 4 * SECOND + 1)
    assert lost == OutOfSync(Trouble.IDS_WENT_BACK, 1_000_000)
    assert isinstance(ask, AskSnapshot)


def test_snapshot_alone_is_shown_and_joined_later() -> None:
    machine = sync()
    machine.on_update(update(90, 95, 89), 0)
    assert machine.on_snapshot(1, Snapshot(100), 1) == []
    (replace,) = machine.on_time(machine.due_ns or 0)
    assert ids(replace) == (100, [])
    assert machine.phase is Phase.JOINING
    assert machine.on_update(update(98, 99, 97), 2) == []
    assert isinstance(machine.on_update(update(98, 105, 99), 3)[0], Apply)
    assert isinstance(machine.on_update(update(106, 110, 105), 4)[0], Apply)
    assert machine.on_update(update(120, 125, 118), 5)[0] == OutOfSync(Trouble.GAP, 110)


@pytest.mark.parametrize(("first", "last", "prev"), [(101, 105, 100), (95, 100, 94), (100, 100, 99), (90, 110, 89)])
def test_futures_boundary_updates_join(first: int, last: int, prev: int) -> None:
    machine = sync()
    machine.on_update(update(first, last, prev), 0)
    (replace,) = machine.on_snapshot(1, Snapshot(100), 1)
    assert ids(replace) == (100, [(first, last)])


def test_futures_update_behind_a_hole_after_the_snapshot_does_not_join() -> None:
    machine = sync()
    machine.on_update(update(103, 105, 102), 0)
    assert machine.on_snapshot(1, Snapshot(100), 1) == []
    assert not machine.in_sync


@pytest.mark.parametrize(
    ("first", "last", "joins"), [(101, 105, True), (95, 101, True), (102, 105, False), (95, 100, None)]
)
def test_spot_rule(first: int, last: int, joins: bool | None) -> None:
    machine = sync(ByNextId())
    machine.on_update(update(first, last, None), 0)
    effects = machine.on_snapshot(1, Snapshot(100), 1)
    if joins is False:
        assert effects == []
    else:
        assert ids(effects[0]) == (100, [(first, last)] if joins else [])


def test_failed_snapshot_is_asked_for_again_after_a_growing_delay() -> None:
    machine, now = sync(), 0
    machine.on_update(update(1, 2, 0), now)
    delays = []
    for ticket in range(1, 12):
        assert machine.on_snapshot_failed(ticket, now) == []
        due = machine.due_ns
        assert due is not None
        assert machine.on_update(update(1, 2, 0), due - 1) == []
        assert machine.on_time(due - 1) == []
        delays.append(due - now)
        now = due
        assert machine.on_time(now) == [AskSnapshot(ticket + 1)]
    limits = SyncLimits()
    assert delays[0] >= limits.retry_ns // 2
    assert all(limits.retry_ceiling_ns // 2 <= delay <= limits.retry_ceiling_ns for delay in delays[8:])
    assert sum(delays) > 60 * SECOND


def test_retry_after_is_kept() -> None:
    machine = sync()
    machine.on_update(update(1, 2, 0), 0)
    machine.on_snapshot_failed(1, 0, retry_after_ns=77 * SECOND)
    assert machine.on_time(77 * SECOND - 1) == []
    assert machine.on_time(77 * SECOND) == [AskSnapshot(2)]


def test_unanswered_request_is_not_forgotten() -> None:
    machine = sync(answer_within_ns=5 * SECOND)
    machine.on_update(update(1, 2, 0), 0)
    assert machine.on_time(5 * SECOND) == []
    assert machine.on_time(6 * SECOND) == [AskSnapshot(2)]
    assert machine.on_snapshot(1, Snapshot(1), 6 * SECOND) == []
    assert machine.counts.refused == 1


def test_snapshot_from_before_a_reconnect_is_refused() -> None:
    machine = sync()
    machine.on_update(update(1, 2, 0), 0)
    machine.on_reconnect(1)
    assert machine.on_snapshot(1, Snapshot(2), 2) == []
    assert not machine.in_sync
    assert machine.on_update(update(10, 12, 9), 3) == [AskSnapshot(2)]


def test_reconnect_of_a_synced_book_is_told_once_and_asks_with_the_first_update() -> None:
    machine = sync()
    machine.on_update(update(1, 2, 0), 0)
    machine.on_snapshot(1, Snapshot(2), 1)
    assert machine.on_reconnect(2) == [OutOfSync(Trouble.RECONNECT, 2)]
    assert machine.on_reconnect(3) == []
    assert machine.due_ns is None
    assert machine.on_update(update(10, 12, 9), 4) == [AskSnapshot(2)]


def test_quiet_symbol_is_asked_for_without_an_update() -> None:
    machine = sync()
    machine.on_subscribed(0)
    assert machine.on_time(SyncLimits().quiet_ns - 1) == []
    assert machine.on_time(SyncLimits().quiet_ns) == [AskSnapshot(1)]
    machine.on_snapshot(1, Snapshot(50), 3 * SECOND)
    assert machine.on_time(4 * SECOND - 1) == []
    assert ids(machine.on_time(4 * SECOND)[0]) == (50, [])
    assert isinstance(machine.on_update(update(51, 55, 50), 4 * SECOND)[0], Apply)
    assert machine.counts.asked == 1


def test_bad_message_is_told_and_costs_one_snapshot() -> None:
    machine = sync()
    machine.on_update(update(1, 2, 0), 0)
    machine.on_snapshot(1, Snapshot(2), 1)
    assert machine.on_bad_message(2) == [OutOfSync(Trouble.BAD_MESSAGE, 2), AskSnapshot(2)]
    machine.on_update(update(6, 9, 5), 3)
    (replace,) = machine.on_snapshot(2, Snapshot(7), 4)
    assert ids(replace) == (7, [(6, 9)])
    assert machine.counts.asked == 2


def test_bad_message_makes_a_snapshot_asked_before_it_worthless() -> None:
    machine = sync()
    machine.on_update(update(1, 2, 0), 0)
    assert machine.on_bad_message(1) == [AskSnapshot(2)]
    assert machine.on_snapshot(1, Snapshot(2), 2) == []
    machine.on_snapshot(2, Snapshot(4), 3)
    assert machine.on_time(2 * SECOND) != []


def test_held_updates_are_bounded_and_the_newest_chain_is_kept() -> None:
    machine = sync(max_held=10)
    for number in range(100):
        machine.on_update(update(number * 10 + 1, number * 10 + 10, number * 10), 0)
    (replace,) = machine.on_snapshot(1, Snapshot(905), 1)
    assert ids(replace)[1][0] == (901, 910)
    assert machine.counts.held_dropped == 90


def test_gap_after_gap_is_never_a_hot_loop() -> None:
    machine, now, asked_at = sync(), 0, []
    for number in range(20_000):
        effects = machine.on_update(update(number * 10 + 5, number * 10 + 6, number * 10), now) + machine.on_time(now)
        for effect in effects:
            if isinstance(effect, AskSnapshot):
                asked_at.append(now)
                machine.on_snapshot(effect.ticket, Snapshot(number * 10 + 6), now)
        now += 10_000_000
    assert len(asked_at) < 200
    assert all(later - earlier >= SyncLimits().spacing_ceiling_ns // 2 for earlier, later in pairwise(asked_at[8:]))
    assert now > 200 * 1_000_000_000 - 1


def test_ids_that_start_anew_are_noticed() -> None:
    machine = sync(max_old_in_a_row=5)
    machine.on_update(update(1001, 1002, 1000), 0)
    machine.on_snapshot(1, Snapshot(1002), 0)
    for number in range(1, 6):
        assert machine.on_update(update(number, number, number - 1), 1) == []
    assert machine.on_update(update(6, 6, 5), 1) == [OutOfSync(Trouble.IDS_WENT_BACK, 1002), AskSnapshot(2)]


def test_a_repeat_now_and_then_is_no_trouble_however_long_the_stream_lasts() -> None:
    machine = sync()
    machine.on_update(update(1, 1, 0), 0)
    machine.on_snapshot(1, Snapshot(1), 0)
    for number in range(2, 60):
        now = number * SECOND
        assert isinstance(machine.on_update(update(number, number, number - 1), now)[0], Apply)
        assert machine.on_update(update(number, number, number - 1), now + 1) == []
    assert machine.counts.asked == 1


def test_published_scenarios_of_peers(shared_data: Path) -> None:
    scenarios = json.loads((shared_data / "facts" / "order_book_sync.json").read_text())["scenarios"]
    assert len(scenarios) >= 4
    for scenario in scenarios:
        machine, ticket = sync(), 0
        for now, step in enumerate(scenario.get("steps", [])):
            expect = step.get("expect", {})
            effects: list[Effect] = []
            if "ev" in step:
                effects = machine.on_update(update(*step["ev"]), now)
            elif "snapshot" in step:
                effects = machine.on_snapshot(ticket, Snapshot(step["snapshot"]), now)
                if (
                    not effects and machine.counts.too_old == 0
                ):  # ahead of the stream: theirs shows it at once, ours a second later
                    effects = machine.on_time(SECOND * 2)
            elif "reconnect" in step:
                machine.on_reconnect(now)
            for effect in effects:
                if isinstance(effect, AskSnapshot):
                    ticket = effect.ticket
            if "process" in expect:
                assert any(isinstance(effect, Apply) for effect in effects) == expect["process"], scenario["id"]
            if "request_snapshot" in expect:
                assert any(isinstance(effect, AskSnapshot) for effect in effects) == expect["request_snapshot"], (
                    scenario["id"]
                )
            if "emitted" in expect:
                (replace,) = effects
                assert ids(replace)[1] == [tuple(span) for span in expect["emitted"][1:]], scenario["id"]
            if "needs_snapshot" in expect:
                assert machine.in_sync != expect["needs_snapshot"], scenario["id"]


# -- the three properties ------------------------------------------------------------------------------------------------


@dataclass
class Exchange:
    """A naive exchange: one book of price to quantity, its updates with ids as on futures or on spot."""

    rng: random.Random
    spot: bool
    last_id: int = 100
    book: dict[int, float] = field(default_factory=dict)
    history: dict[int, dict[int, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.book = {price: 1.0 for price in range(10)}
        self.history[self.last_id] = dict(self.book)

    def step(self) -> DepthUpdate:
        prev = self.last_id
        first = prev + 1 if self.spot else prev + self.rng.randint(1, 3)
        self.last_id = first + self.rng.randint(0, 3)
        events = empty_events(self.rng.randint(0, 3))
        for row in events:
            price, qty = self.rng.randrange(12), float(self.rng.randrange(4))
            row["px"], row["qty"] = price, qty
            if qty:
                self.book[price] = qty
            else:
                self.book.pop(price, None)
        self.history[self.last_id] = dict(self.book)
        return DepthUpdate(first, self.last_id, None if self.spot else prev, events)

    def snapshot(self, back: int = 0) -> Snapshot:
        last_id = list(self.history)[-1 - min(back, len(self.history) - 1)]
        events = empty_events(len(self.history[last_id]))
        for row, (price, qty) in zip(events, sorted(self.history[last_id].items()), strict=True):
            row["px"], row["qty"] = price, qty
        return Snapshot(last_id, events)


class Shown:
    """The book that the effects make."""

    def __init__(self) -> None:
        self.book: dict[int, float] = {}
        self.last_id: int | None = None

    def take(self, effects: list[Effect]) -> list[int]:
        """Carry out effects; returns the tickets of the asks among them."""
        tickets = []
        for effect in effects:
            match effect:
                case AskSnapshot(ticket):
                    tickets.append(ticket)
                case OutOfSync():
                    self.last_id = None
                case Replace(snapshot, updates, last_id):
                    self.book = {}
                    for events in (snapshot.events, *(one.events for one in updates)):
                        self._set(events)
                    self.last_id = last_id
                case Apply(one):
                    self._set(one.events)
                    self.last_id = one.last_id
        return tickets

    def _set(self, events: np.ndarray) -> None:
        for row in events:
            if row["qty"]:
                self.book[int(row["px"])] = float(row["qty"])
            else:
                self.book.pop(int(row["px"]), None)


HARM = st.sampled_from(["none"] * 6 + ["lose", "repeat", "swap", "reconnect", "bad"])


@given(seed=st.integers(0, 2**32), spot=st.booleans(), harms=st.lists(HARM, max_size=60), data=st.data())
def test_nothing_wrong_is_ever_shown_and_it_gets_there(
    seed: int, spot: bool, harms: list[str], data: st.DataObject
) -> None:
    rng = random.Random(seed)
    exchange, shown = Exchange(rng, spot), Shown()
    machine = sync(ByNextId() if spot else ByPreviousId(), max_old_in_a_row=100)
    now, waiting = 0, list[tuple[int, int, Snapshot | None]]()  # answers under way: due time, ticket, what it will say

    def take(effects: list[Effect]) -> None:
        for ticket in shown.take(effects):
            assert all(other != ticket for _, other, _ in waiting), "asked twice under one ticket"
            fails = rng.random() < 0.2
            answer = None if fails else exchange.snapshot(back=rng.choice([0, 0, 0, 1, 4]))
            waiting.append((now + rng.randint(0, 200_000_000), ticket, answer))

    def check() -> None:
        if machine.in_sync:
            assert shown.last_id == machine.last_id
            assert shown.book == exchange.history[machine.last_id], "a book that the exchange never had"
        else:
            assert shown.last_id is None

    def pass_time(by: int) -> None:
        nonlocal now
        now += by
        for answer in sorted([one for one in waiting if one[0] <= now], key=lambda one: one[0]):
            waiting.remove(answer)
            _, ticket, snapshot = answer
            if snapshot is None:
                take(machine.on_snapshot_failed(ticket, now))
            else:
                take(machine.on_snapshot(ticket, snapshot, now))
            check()
        take(machine.on_time(now))
        check()

    kept: DepthUpdate | None = None
    for harm in harms:
        one = exchange.step()
        arriving = [one]
        if harm == "lose":
            arriving = []
        elif harm == "repeat":
            arriving = [one, one]
        elif harm == "swap":
            kept, arriving = one, [exchange.step(), one]
        elif harm == "reconnect":
            take(machine.on_reconnect(now))
            arriving = []
        elif harm == "bad":
            take(machine.on_bad_message(now))
            arriving = []
        for arrived in arriving:
            take(machine.on_update(arrived, now))
            check()
        pass_time(rng.randint(0, 50_000_000))

    for _ in range(4000):  # from here on nothing is lost, and answers are right
        if machine.in_sync and machine.last_id == exchange.last_id:
            break
        take(machine.on_update(exchange.step(), now))
        check()
        waiting = [(due, ticket, exchange.snapshot()) for due, ticket, _ in waiting]
        pass_time(100_000_000)
    assert machine.in_sync
    assert machine.last_id == exchange.last_id
    assert kept is None or shown.book == exchange.book


@given(
    seed=st.integers(0, 2**32),
    spot=st.booleans(),
    before=st.integers(1, 20),
    delay=st.integers(0, 20),
    count=st.integers(0, 100),
)
def test_a_lossless_stream_needs_exactly_one_snapshot(
    seed: int, spot: bool, before: int, delay: int, count: int
) -> None:
    rng = random.Random(seed)
    exchange, machine, shown = Exchange(rng, spot), sync(ByNextId() if spot else ByPreviousId()), Shown()
    tickets, answer = [], None
    for number in range(before + delay + count):
        tickets += shown.take(machine.on_update(exchange.step(), number))
        if tickets and answer is None and number + 1 >= before:  # taken by the exchange now ...
            answer = exchange.snapshot()
        if answer is not None and number + 1 >= before + delay:  # ... and here some updates later
            shown.take(machine.on_snapshot(tickets[0], answer, number))
    assert tickets == [1]
    assert machine.in_sync
    assert shown.book == exchange.book


@given(seed=st.integers(0, 2**32), spot=st.booleans(), trouble=st.sampled_from(["gap", "reconnect", "bad"]))
def test_trouble_costs_exactly_one_snapshot(seed: int, spot: bool, trouble: str) -> None:
    rng = random.Random(seed)
    exchange, machine, shown = Exchange(rng, spot), sync(ByNextId() if spot else ByPreviousId()), Shown()
    now, asked = 0, 0

    def run(updates: int) -> None:
        nonlocal now, asked
        for _ in range(updates):
            now += 1_000_000
            for ticket in shown.take(machine.on_update(exchange.step(), now)):
                asked += 1
                shown.take(machine.on_snapshot(ticket, exchange.snapshot(), now))

    run(20)
    assert asked == 1
    exchange.step()  # what the trouble swallows
    if trouble == "reconnect":
        shown.take(machine.on_reconnect(now))
    elif trouble == "bad":
        for ticket in shown.take(machine.on_bad_message(now)):
            asked += 1
            shown.take(machine.on_snapshot(ticket, exchange.snapshot(), now))
    run(20)
    assert asked == 2
    assert shown.book == exchange.book


# -- snapshots in the stream ----------------------------------------------------------------------------------------------


def test_a_snapshot_in_the_stream_makes_a_book_from_any_phase_and_updates_follow_it() -> None:
    machine = sync(ByNextId())
    (replace,) = machine.on_stream_snapshot(Snapshot(100), 0)
    assert ids(replace) == (100, [])
    assert (machine.phase, machine.due_ns, machine.counts.asked) == (Phase.SYNCED, None, 0)
    assert isinstance(machine.on_update(update(101, 101, None), 1)[0], Apply)
    assert machine.on_update(update(103, 103, None), 2) == [OutOfSync(Trouble.GAP, 101), AskSnapshot(1)]
    assert machine.on_update(update(104, 104, None), 3) == []
    (replace,) = machine.on_stream_snapshot(Snapshot(104), 4)
    assert ids(replace) == (104, [])
    assert machine.on_snapshot(1, Snapshot(1), 5) == []
    (replace,) = machine.on_stream_snapshot(Snapshot(1), 6)  # the exchange's service began anew
    assert isinstance(machine.on_update(update(2, 2, None), 7)[0], Apply)
    assert machine.in_sync


def test_a_stream_without_its_snapshot_is_asked_for_one_again_and_again() -> None:
    machine = sync(ByNextId(), answer_within_ns=5 * SECOND)
    machine.on_subscribed(0)
    assert machine.on_time(2 * SECOND) == [AskSnapshot(1)]
    assert machine.on_time(7 * SECOND) == []
    assert machine.on_time(8 * SECOND) == [AskSnapshot(2)]


@given(seed=st.integers(0, 2**32), harms=st.lists(HARM, max_size=60))
def test_with_snapshots_in_the_stream_nothing_wrong_is_shown_it_gets_there_and_a_gap_costs_one(
    seed: int, harms: list[str]
) -> None:
    rng = random.Random(seed)
    exchange, shown, machine = Exchange(rng, spot=True), Shown(), sync(ByNextId(), max_old_in_a_row=100)
    now, sending = 0, list[bool]()  # whole books that the exchange is asked to send, each by subscribing anew

    def take(effects: list[Effect]) -> None:
        sending.extend(True for _ in shown.take(effects))

    def hear(arrived: DepthUpdate | Snapshot) -> None:
        if isinstance(arrived, Snapshot):
            take(machine.on_stream_snapshot(arrived, now))
        else:
            take(machine.on_update(arrived, now))
        if machine.in_sync:
            assert shown.last_id == machine.last_id
            assert shown.book == exchange.history[machine.last_id], "a book that the exchange never had"
        else:
            assert shown.last_id is None

    hear(exchange.snapshot())
    for harm in [*harms, *["none"] * 40]:
        now += 100_000_000
        one = exchange.step()
        arriving: list[DepthUpdate | Snapshot] = [one]
        if harm == "lose":
            arriving = []
        elif harm == "repeat":
            arriving = [one, one]
        elif harm == "swap":
            arriving = [exchange.step(), one]
        elif harm == "reconnect":
            take(machine.on_reconnect(now))
            sending.clear()
            arriving = [exchange.snapshot()]
        elif harm == "bad":
            take(machine.on_bad_message(now))
            arriving = []
        for arrived in arriving:
            hear(arrived)
        take(machine.on_time(now))
        if sending and rng.random() < 0.5:
            sending.clear()
            hear(exchange.snapshot())
    assert machine.in_sync
    assert shown.book == exchange.book
    troubles = sum(harm in ("lose", "swap", "bad") for harm in harms)
    assert machine.counts.asked <= troubles
