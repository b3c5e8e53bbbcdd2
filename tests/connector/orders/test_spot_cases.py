"""The order cases of column S and * on Binance spot (docs/trading.md), and those that have a form of their own there."""

# ruff: noqa: F403

from decimal import Decimal

import orjson
import pytest
from marketlink.orders import Side, Status, TimeInForce
from marketlink.venues.trading import Op

from tests.connector.orders.test_cases_a_submit import *
from tests.connector.orders.test_cases_b_fills import *
from tests.connector.orders.test_cases_c_cancel import *
from tests.connector.orders.test_cases_d_modify import *
from tests.connector.orders.test_cases_e_unknown import *
from tests.connector.orders.test_cases_f_gaps import *
from tests.connector.orders.test_cases_g_owners import *
from tests.connector.orders.test_cases_h_account import *
from tests.connector.orders.test_cases_i_limits import *
from tests.connector.orders.test_cases_j_ending import *
from tests.connector.orders.world import Seen, World, is_of_orders, kind_of, refusal

ELSEWHERE = {
    "test_case_006_new_and_filled_carry_equal_times": "column U; its own events",
    "test_case_007_the_exchange_itself_refuses_for_margin": "another code: below",
    "test_case_008_post_only_that_would_cross_is_no_alarm": "columns U P; below",
    "test_case_023_the_quick_form_and_the_whole_one_are_one_fill": "column U: there is no quick form",
    "test_case_029_a_fill_after_the_end_is_counted_and_said": "other fields: below",
    "test_case_031_an_execution_beyond_the_quantity_is_judged_by_the_exchange": "another event: below",
    "test_case_033_an_order_that_the_exchange_shrinks_keeps_what_is_asked": "columns U P: there is no reduce-only",
    "test_case_045_a_refused_cancel_leaves_the_order_live": "a 5xx is unknown here: below",
    "test_case_052_053_answer_and_push_give_the_new_terms_once": "columns U P B: prices stay; below",
    "test_case_054_price_and_total_quantity_are_both_sent": "columns U P",
    "test_case_055_a_quantity_at_or_below_what_is_executed_cancels": "column U",
    "test_case_057_a_filter_of_the_exchange_refuses": "prices stay; below",
    "test_case_057_a_refused_modify_gives_the_old_terms_back": "prices stay; below",
    "test_case_057_the_same_terms_again_are_no_error": "prices stay",
    "test_case_059_the_answer_is_lost_and_the_question_shows_the_new_terms": "prices stay; below",
    "test_case_060_a_modify_that_lands_late_is_waited_for": "prices stay; below",
    "test_case_060_one_that_never_lands_is_over_when_its_window_is": "prices stay; below",
    "test_case_062_a_fill_between_sending_and_applying": "prices stay; below",
    "test_case_074_503_that_says_it_failed_ends_it_at_once": "columns U P: below",
    "test_case_081_a_duplicate_id_means_that_the_first_attempt_lives": "another code: below",
    "test_case_103_a_position_older_than_the_last_is_ignored": "another event: below",
    "test_case_104_account_and_order_updates_in_either_order": "columns U P; below",
    "test_case_105_hedge_mode_while_running_halts": "columns U P B",
    "test_case_105_the_account_s_event_halts": "columns U P B",
}
for name in ELSEWHERE:
    del globals()[name]
for name, case in list(globals().items()):
    if any(mark.name == "venues" and "S" not in mark.args[0] for mark in getattr(case, "pytestmark", ())):
        del globals()[name]  # of other exchanges' columns
SELLING = ("test_case_018", "test_case_088", "test_case_118_the_limit_holds_whatever_the_road")


@pytest.fixture(autouse=True)
def _spot(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if request.node.name.startswith("test_case_111") and "modify" in request.node.name:
        pytest.skip("prices stay")
    held = 1000 if request.node.name.startswith(SELLING[:2]) else 0
    monkeypatch.setattr(World, "letter", "S")
    monkeypatch.setattr(World, "held", held)


def live(**changes: object) -> tuple[World, Seen]:
    world = World().start(7)
    seen = world.submit(7, 1, **changes)
    world.settle()
    return world, seen


def test_case_007_the_exchange_refuses_for_want_of_balance() -> None:
    world = World().start(7)
    seen = world.submit(7, 1, side=Side.SELL, price_tick=1005)
    world.settle()
    assert (seen.last.status, seen.problems[0].code) == (Status.EXPIRED, -2010)
    assert not world.asks(Op.QUERY)
    world.check()


def test_case_008_post_only_that_would_cross_is_no_alarm() -> None:
    world = World().start(7)
    seen = world.submit(7, 1, price_tick=1002, time_in_force=TimeInForce.GTX)
    world.settle()
    assert (seen.last.status, seen.problems[0].code) == (Status.EXPIRED, -2010)
    assert world.trader.counts.post_only == 1
    assert not [text for text in world.warnings if "-2010" in text]
    rested = world.submit(7, 2, price_tick=999, time_in_force=TimeInForce.GTX)
    world.settle()
    assert (rested.last.status, rested.last.time_in_force) == (Status.NEW, TimeInForce.GTX)
    world.check()


@pytest.mark.parametrize("qty", ["0.4", "1.0"])
def test_case_029_a_fill_after_the_end_is_counted_and_said(qty: str) -> None:
    world, seen = live(price_tick=998)
    held: list[bytes] = []

    def hold(push: bytes) -> list[float]:
        if is_of_orders(push):
            held.append(push)
            return []
        return [1]

    world.push_road = hold
    world.trade("99.80", qty)
    false = orjson.loads(held[-1])
    event = false["event"]
    event.update(C=event["c"], c="cancel1", x="CANCELED", X="CANCELED", z="0", l="0", t=-1, n="0")
    world.tell(orjson.dumps(false))
    assert seen.statuses == ["NEW", "CANCELED"]
    for push in held:
        world.tell(push)
    assert seen.executed == float(qty)
    assert seen.last.status is (Status.FILLED if qty == "1.0" else Status.CANCELED)
    assert world.trader.counts.remarks["executions after the end"] == 1
    world.run(100)
    assert world.positions[-1].qty == float(qty) == world.true_position()


@pytest.mark.parametrize("qty", ["0.6", "1.0"])
def test_case_031_an_execution_beyond_the_quantity_is_judged_by_the_exchange(qty: str) -> None:
    world, seen = live(price_tick=998)
    world.fault("overfill", stream="executionReport.TRADE")
    world.trade("99.80", qty)
    world.run(10)
    world.settle()
    world.run(3_000)
    assert seen.executed == float(qty)
    assert any("beyond" in text for text in world.warnings)
    if qty == "1.0":
        assert seen.last.status is Status.FILLED
        world.check()


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (refusal(-1003, "Too much request weight used", 429), "refused"),
        (refusal(-2015, "Invalid API-key", 401), "refused"),
        (refusal(-2011, "Order was not canceled due to cancel restrictions."), "refused"),
        (refusal(-1001, "Service Unavailable.", 503), "unknown"),
        (refusal(-1013, "whatever", 500), "unknown"),
    ],
)
def test_case_045_a_cancel_that_is_refused_leaves_the_order_live(outcome: object, state: str) -> None:
    world, seen = live()
    world.instead[Op.CANCEL] = [outcome]  # type: ignore[list-item]
    world.cancel(7, 1)
    world.settle()
    assert seen.states[0] == state
    assert (seen.last.status, seen.last.req) == (Status.NEW, Status.NONE)
    world.check()


@pytest.mark.parametrize(("answer", "push"), [(1, 40), (40, 1), (1, 1)])
def test_case_053_a_lower_quantity_is_told_once_and_the_order_keeps_its_name(answer: float, push: float) -> None:
    world, seen = live()
    world.travel(answer=answer, push=push)
    told = len(seen.events)
    world.modify(7, 1, 999, 0.5)
    world.settle()
    world.run(100)
    assert [(order.qty, order.req) for order in seen.events[told:]] == [(0.5, Status.NONE)]
    assert world.asks(Op.MODIFY)[0]["newClientOrderId"] == world.tracked(7, 1).client_id
    assert not seen.problems
    world.check()


@pytest.mark.parametrize("code", [-2038, -1013, -1102])
def test_case_057_a_refused_change_gives_the_old_terms_back(code: int) -> None:
    world, seen = live()
    world.instead[Op.MODIFY] = [refusal(code)]
    world.modify(7, 1, 999, 0.5)
    world.settle()
    assert (seen.last.qty, seen.last.price_tick, seen.last.req) == (1.0, 999, Status.NONE)
    assert (seen.problems[0].code, seen.problems[0].state) == (code, "refused")
    world.check()


def test_case_057_a_filter_of_the_exchange_refuses() -> None:
    world, seen = live()
    world.trade("99.90", "3")  # part of it is executed
    world.run(20)
    world.modify(7, 1, 999, 0.001)
    world.settle()
    assert "refused" in seen.states or seen.last.status is Status.FILLED
    world.check()


@pytest.mark.parametrize("push", [True, False])
def test_case_059_the_answer_is_lost_and_the_question_shows_the_new_quantity(push: bool) -> None:
    world, seen = live()
    world.answer_road = lambda op, body: None if op is Op.MODIFY else 1.0
    if not push:
        world.push_road = lambda payload: []
    world.modify(7, 1, 999, 0.5)
    world.settle(20_000)
    assert (seen.last.qty, seen.last.req) == (0.5, Status.NONE)
    world.check()


@pytest.mark.parametrize("late_ms", [300, 1500, 1900])
def test_case_060_a_change_that_lands_late_is_waited_for(late_ms: float) -> None:
    world, seen = live()
    world.timeout_ms = 100
    world.request_road = lambda op, body: late_ms if op is Op.MODIFY else 1.0
    world.modify(7, 1, 999, 0.5)
    world.settle(20_000)
    assert seen.last.qty == 0.5
    world.check()


def test_case_060_one_that_never_lands_is_over_when_its_window_is() -> None:
    world, seen = live()
    world.request_road = lambda op, body: None if op is Op.MODIFY else 1.0
    world.modify(7, 1, 999, 0.5)
    world.settle(20_000)
    assert (seen.last.qty, seen.last.req) == (1.0, Status.NONE)
    world.check()


def test_case_062_a_fill_between_sending_and_applying() -> None:
    world, seen = live(price_tick=998)
    world.travel(request=50)
    world.modify(7, 1, 998, 0.5)
    world.run(10)
    world.trade("99.80", "0.3")
    world.settle()
    assert (seen.last.qty, seen.last.leaves_qty) == (0.5, pytest.approx(0.2))
    world.check()


@pytest.mark.parametrize(
    ("price_tick", "qty", "words"),
    [(998, 1.0, "keep their price"), (998, 0.5, "keep their price"), (999, 2.0, "lowered")],
)
def test_case_065_another_price_or_a_larger_quantity_is_refused_and_says_why(
    price_tick: int, qty: float, words: str
) -> None:
    world, seen = live()
    world.modify(7, 1, price_tick, qty)
    world.run(10)
    assert not world.asks(Op.MODIFY), "nothing is sent"
    assert words in seen.problems[0].text
    assert (seen.problems[0].op, seen.problems[0].state) == ("modify", "refused")
    assert (seen.last.status, seen.last.price_tick, seen.last.qty, seen.last.req) == (Status.NEW, 999, 1.0, Status.NONE)
    world.check()


@pytest.mark.parametrize(("qty", "end"), [(1.0, Status.FILLED), (1.5, Status.EXPIRED)])
def test_case_070_an_order_that_was_forgotten_is_found_by_its_executions(qty: float, end: Status) -> None:
    """An IOC order fills; its answer and its events are lost, and every question about it says that there is no such order."""
    world = World().start(7)
    world.push_road = lambda push: []
    world.answer_road = lambda op, body: None if op is Op.SUBMIT else 1.0
    world.answers[Op.QUERY] = [refusal(-2013, "Order does not exist.")] * 500
    world.timeout_ms = 200
    seen = world.submit(7, 1, price_tick=1001, qty=qty, time_in_force=TimeInForce.IOC)
    world.settle(30_000)
    assert (seen.last.status, seen.executed) == (end, 1.0)
    assert sum(order.status is end for order in seen.events) == 1
    world.check()


def test_case_070_executions_that_fit_two_orders_decide_nothing() -> None:
    world = World().start(7)
    world.push_road = lambda push: []
    world.answer_road = lambda op, body: None if op is Op.SUBMIT else 1.0
    world.answers[Op.QUERY] = [refusal(-2013, "Order does not exist.")] * 5000
    world.timeout_ms = 200
    first = world.submit(7, 1, price_tick=1001, qty=1.0, time_in_force=TimeInForce.IOC)
    world.request_road = lambda op, body: None if op is Op.SUBMIT else 1.0  # it never arrives
    second = world.submit(7, 2, price_tick=1001, qty=1.0, time_in_force=TimeInForce.IOC)
    world.run(20_000)
    assert not first.executed
    assert not second.executed
    assert not any(order.status is Status.FILLED for seen in (first, second) for order in seen.events)


@pytest.mark.parametrize(
    "body", ["Service Unavailable.", '{"code":-1001,"msg":"Service Unavailable."}', '{"code":-2010,"msg":"whatever"}']
)
@pytest.mark.parametrize("there", [True, False])
def test_case_074_every_5xx_is_unknown(body: str, there: bool) -> None:
    from connector.calls import Replied

    world = World().start(7)
    given = Replied(503, body.encode())
    if there:
        world.answers[Op.SUBMIT] = [given]
    else:
        world.instead[Op.SUBMIT] = [given]
    seen = world.submit(7, 1)
    world.run(20)
    assert "refused" not in seen.states
    world.settle(20_000)
    assert seen.last.status is (Status.NEW if there else Status.EXPIRED)
    world.check()


@pytest.mark.parametrize("filled", [False, True])
def test_case_081_a_duplicate_id_means_that_the_first_attempt_lives(filled: bool) -> None:
    world = World().start(7)
    world.push_road = lambda payload: []
    world.answers[Op.SUBMIT] = [refusal(-2010, "Duplicate order sent.")]
    seen = world.submit(7, 1, price_tick=1002 if filled else 999, qty=0.5)
    world.settle()
    assert seen.last.status is (Status.FILLED if filled else Status.NEW)
    assert "refused" not in seen.states
    world.check()


def test_case_103_holdings_older_than_the_last_are_ignored() -> None:
    world = World().start(7)
    held: list[bytes] = []

    def road(push: bytes) -> list[float]:
        if kind_of(push) == "outboundAccountPosition":
            held.append(push)
        return [1]

    world.push_road = road
    world.submit(7, 1, price_tick=1002, qty=0.5)
    world.settle()
    world.run(100)
    world.submit(7, 2, price_tick=1002, qty=0.25)
    world.settle()
    before = list(world.positions)
    world.tell(held[0])
    world.tell(held[-1])
    assert world.positions == before
    assert before[-1].qty == 0.75 == world.true_position()


@pytest.mark.parametrize("first", ["outboundAccountPosition", "TRADE"])
def test_case_104_holdings_and_executions_in_either_order(first: str) -> None:
    world = World().start(7)
    world.push_road = lambda push: [1 if kind_of(push) == first else 30]
    world.submit(7, 1, price_tick=1002, qty=0.5)
    world.settle()
    world.run(100)
    assert world.positions[-1].qty == 0.5 == world.true_position()
    world.check()


def test_a_deposit_moves_the_position_once() -> None:
    world = World().start(7)
    world.submit(7, 1, price_tick=1002, qty=0.5)
    world.settle()
    at = int(world.trader.exchange_ns(world.moment()) // 1_000_000)
    change = orjson.dumps({"event": {"e": "balanceUpdate", "E": at, "a": "BTC", "d": "2", "T": at}})
    whole = orjson.dumps(
        {"event": {"e": "outboundAccountPosition", "E": at, "u": at, "B": [{"a": "BTC", "f": "2.5", "l": "0"}]}}
    )
    for push in (change, change, whole, change):
        world.tell(push)
        assert world.positions[-1].qty == 2.5


def test_what_is_locked_is_part_of_the_position(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(World, "held", 3)
    world = World().start(7)
    world.submit(7, 1, side=Side.SELL, price_tick=1010, qty=2.0)
    world.settle()
    world.run(100)
    assert world.trader.positions["btcusdt"].qty == Decimal(3)
    assert world.trading.locked(world.trading.accounts["a"], "btcusdt")[0] == 2
    world.cancel(7, 1)
    world.settle()
    world.check()


def test_a_stream_that_is_terminated_is_opened_anew_and_all_is_compared() -> None:
    world, seen = live(price_tick=998)
    opened = world.streams_opened
    world.push_road = lambda push: [1] if kind_of(push) == "eventStreamTerminated" else []
    world.trade("99.80", "0.4")
    world.trade_desk.end_stream(next(iter(world.exchange.private.keys)), world.now_ns)
    world._pushed()
    world.run(10)
    world.push_road = lambda push: [1]
    world.run(2_000)
    world.settle()
    assert world.streams_opened == opened + 1
    assert seen.executed == 0.4
    world.check()
