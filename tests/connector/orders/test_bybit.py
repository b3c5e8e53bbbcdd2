"""What is Bybit's alone: answers that only accept, executions apart from orders, its codes. The other cases run on it too (letter B)."""

from decimal import Decimal
from typing import Any

import orjson
import pytest
from connector.calls import Replied
from connector.risk import Mode
from marketlink.orders import Status, TimeInForce
from marketlink.venues.trading import Op

from tests.connector.orders.world import VENUES, World, kind_of


def bybit(**settings: Any) -> World:
    return World(of=VENUES["B"], **settings)


def refusal(code: int, text: str = "no", status: int = 200) -> Replied:
    return Replied(status, orjson.dumps({"retCode": code, "retMsg": text, "result": {}, "retExtInfo": {}, "time": 1}))


def topic_of(push: bytes) -> str:
    return str(orjson.loads(push)["topic"])


def test_case_001_the_acknowledgement_alone_makes_no_order_live() -> None:
    world = bybit().start(7)
    world.travel(push=300)
    seen = world.submit(7, 1)
    world.run(200)
    assert seen.events == []
    assert world.tracked(7, 1).exchange_id
    world.run(200)
    assert seen.statuses == ["NEW"]
    assert not world.asks(Op.QUERY)
    world.check()


def test_case_001_an_accepted_order_of_which_nothing_is_told_is_asked_about() -> None:
    world = bybit(silence_ns=10**15).start(7)
    world.push_road = lambda push: []
    seen = world.submit(7, 1)
    world.settle()
    assert seen.last.status is Status.NEW
    assert len(world.asks(Op.QUERY)) == 1
    world.check()


@pytest.mark.parametrize(("code", "questions"), [(110007, 0), (110094, 0), (10001, 0)])
def test_case_007_a_definite_refusal_ends_it_without_a_question(code: int, questions: int) -> None:
    world = bybit().start(7)
    world.instead[Op.SUBMIT] = [refusal(code)]
    seen = world.submit(7, 1)
    world.settle()
    assert [order.status for order in seen.events] == [Status.EXPIRED]
    assert seen.problems[0].code == code
    assert len(world.asks(Op.QUERY)) == questions
    again = world.submit(7, 1)
    world.settle()
    assert again.last.status is Status.NEW
    world.check()


def test_case_010_a_post_only_order_that_would_take_is_accepted_and_then_expires() -> None:
    world = bybit().start(7)
    seen = world.submit(7, 1, price_tick=1002, time_in_force=TimeInForce.GTX)
    world.settle()
    assert seen.statuses == ["EXPIRED"]
    assert world.tracked(7, 1).reason == "post-only"
    assert not world.asks(Op.QUERY)
    world.check()


@pytest.mark.parametrize("first", ["execution", "order"])
def test_case_025_an_execution_before_its_order_and_after_it(first: str) -> None:
    world = bybit().start(7)
    world.push_road = lambda push: [1.0 if topic_of(push) == first else 60.0]
    seen = world.submit(7, 1, price_tick=1002)
    world.settle()
    assert seen.last.status is Status.FILLED
    assert sum(order.status is Status.FILLED for order in seen.events) == 1
    assert seen.executed == 1.0
    assert not world.asks(Op.QUERY)
    world.check()


@pytest.mark.parametrize("known", [True, False])
def test_case_024_a_quick_execution_without_a_client_id_is_found_by_the_exchange_s_id(known: bool) -> None:
    """The quick form comes long before order and execution; if the order's id is not known yet either, it waits for it."""
    world = bybit().start(7)
    slow = {"execution": 400.0, "order": 300.0, "execution.fast": 1.0}
    if known:
        seen = world.submit(7, 1)
        world.settle()
        world.push_road = lambda push: [slow.get(topic_of(push), 1.0)]
    else:
        world.push_road = lambda push: [slow.get(topic_of(push), 1.0)]
        world.answer_road = lambda op, body: 150.0 if op is Op.SUBMIT else 1.0
        seen = world.submit(7, 1)
        world.run(10)
    world.trade("99.80", "9")
    world.run(50)
    assert seen.executed == (1.0 if known else 0.0)
    world.run(150)
    assert seen.executed == 1.0
    world.settle()
    assert seen.last.status is Status.FILLED
    assert seen.executed == 1.0
    world.check()


@pytest.mark.parametrize("kind", ["Funding", "Settle", "Delivery"])
def test_case_026_what_carries_a_quantity_and_is_no_trade_moves_nothing(kind: str) -> None:
    world = bybit().start(7)
    seen = world.submit(7, 1)
    world.settle()
    before = len(world.positions)
    row = {
        "category": "linear", "symbol": "BTCUSDT", "execId": "f", "orderId": world.tracked(7, 1).exchange_id,
        "orderLinkId": world.tracked(7, 1).client_id, "side": "Buy", "execPrice": "1", "execQty": "1", "execFee": "0",
        "execType": kind, "execTime": "1700000001000", "isMaker": False,
    }  # fmt: skip
    world.tell(orjson.dumps({"topic": "execution", "creationTime": 1, "data": [row]}))
    world.settle()
    assert seen.executed == 0.0
    assert len(world.positions) == before
    assert world.trader.counts.unused
    world.check()


@pytest.mark.parametrize("code", [110001, 110008, 110010])
def test_case_036_no_such_order_on_a_cancel_is_asked_about(code: int) -> None:
    world = bybit().start(7)
    seen = world.submit(7, 1)
    world.settle()
    world.hand("DELETE", origClientOrderId=world.tracked(7, 1).client_id)
    world.answers[Op.CANCEL] = [refusal(code)]
    world.cancel(7, 1)
    world.settle()
    assert seen.last.status is Status.CANCELED
    world.check()


@pytest.mark.parametrize("code", [10006, 10429, 10005, 10001])
def test_case_045_a_cancel_refused_for_another_reason_leaves_it_live(code: int) -> None:
    world = bybit().start(7)
    seen = world.submit(7, 1)
    world.settle()
    world.instead[Op.CANCEL] = [refusal(code)]
    world.cancel(7, 1)
    world.settle()
    assert (seen.last.status, seen.last.req) == (Status.NEW, Status.NONE)
    assert seen.problems[-1].code == code
    world.check()


@pytest.mark.parametrize("code", [110003, 10001, 10006])
def test_case_057_a_refused_modify_gives_the_old_terms_back(code: int) -> None:
    world = bybit().start(7)
    seen = world.submit(7, 1)
    world.settle()
    world.instead[Op.MODIFY] = [refusal(code)]
    world.modify(7, 1, 998, 2.0)
    world.settle()
    assert (seen.last.price_tick, seen.last.qty, seen.last.req) == (999, 1.0, Status.NONE)
    assert seen.problems[-1].code == code
    world.check()


def test_case_057_a_modify_to_the_terms_that_are_there_is_a_success() -> None:
    world = bybit().start(7)
    seen = world.submit(7, 1)
    world.settle()
    world.modify(7, 1, 999, 1.0)
    world.settle()
    assert (seen.last.price_tick, seen.last.req, seen.problems) == (999, Status.NONE, [])


@pytest.mark.parametrize("code", [10000, 10016, 10019, 110072, 20006])
def test_codes_after_which_nobody_knows_are_asked_about_and_never_sent_again(code: int) -> None:
    world = bybit().start(7)
    world.answers[Op.SUBMIT] = [refusal(code)]
    seen = world.submit(7, 1)
    world.settle()
    assert seen.last.status is Status.NEW
    assert len(world.asks(Op.SUBMIT)) == 1
    world.check()


def test_an_order_that_ended_long_ago_is_found_in_the_history() -> None:
    world = bybit().start(7)
    seen = world.submit(7, 1)
    world.settle()
    world.cut_stream(10_000)
    world.trade("99.80", "9")
    empty = Replied(200, orjson.dumps({"retCode": 0, "retMsg": "OK", "result": {"list": []}, "time": 1}))
    world.trader.ledger.ask_all("BTCUSDT", "test", world.moment())
    world.instead[Op.QUERY] = [empty]
    world.run(3_000)
    assert seen.last.status is Status.FILLED
    assert seen.executed == 1.0


def test_lists_come_in_pages_and_are_read_to_their_end() -> None:
    world = bybit().start(7)
    seen = [world.submit(7, number, price_tick=960 + number % 30) for number in range(1, 121)]
    world.settle()
    world.trade("95.50", "500")
    world.settle()
    assert all(one.last.status is Status.FILLED for one in seen)
    more = [world.submit(7, number, price_tick=960) for number in range(1, 121)]
    world.settle()
    world.kill()
    world.settle()
    pages = [params for params in world.asks(Op.OPEN_ORDERS) if "cursor" in params]
    assert len(pages) >= 2
    assert [params for params in world.asks(Op.TRADES) if "cursor" in params]
    assert len(world.trader.ledger.active) == 120
    assert all(one.last.status is Status.NEW for one in more)
    world.check()


def test_case_105_hedge_mode_halts_by_the_first_refused_order() -> None:
    world = bybit().start(7)
    world.trade_desk.set_hedge("a", True, world.now_ns)
    seen = world.submit(7, 1)
    world.settle()
    assert seen.last.status is Status.EXPIRED
    assert world.trader.risk.mode is Mode.HALTED
    call = world.venue.hedge_mode()
    assert call is not None
    reply = world.desk.ask(
        call.method, call.path, dict(call.params), "1", world.now_ns, world.epoch_s,
        world.face.credentials(*_signed(world, call)),
    )  # fmt: skip
    assert world.venue.read_hedge_mode(reply.body)  # type: ignore[union-attr]


def _signed(world: World, call: Any) -> tuple[str, str, dict[str, str]]:
    path, headers, body = world.venue.rest_request(call, world.signer, int(1_700_000_000_000 + world.now_ms), 5_000)
    return path.partition("?")[2], body.decode(), {name.lower(): value for name, value in headers.items()}


def test_a_position_push_is_the_exchange_s_word() -> None:
    world = bybit().start(7)
    world.submit(7, 1, price_tick=1002, qty=0.5)
    world.settle()
    world.run(50)
    assert world.trader.positions["BTCUSDT"].qty == Decimal("0.5")
    assert world.positions[-1].qty == 0.5 == world.true_position()
    assert kind_of(b'{"topic":"position","data":[{}]}') == "position"
