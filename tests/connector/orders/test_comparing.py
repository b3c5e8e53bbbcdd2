"""Executions that nobody knows, over several pages of the exchange's list."""

from decimal import Decimal

from connector.calls import Calls
from connector.client_ids import ClientIds
from connector.comparing import Comparing
from connector.counts import Counts
from connector.effects import Ask
from connector.ledger import Ledger
from connector.lifecycle import Phase
from connector.owners import Owners
from connector.tracked import Doubt, Terms, Tracked
from marketlink.orders import OrderType, Side, TimeInForce
from marketlink.times import Moment, MonoNs, WallNs
from marketlink.venues.binance import USDM_TRADING
from marketlink.venues.trading import Fill, Op

NOW = Moment(MonoNs(1), WallNs(1_700_000_100_000_000_000))
PLACED_NS = 1_700_000_000_000_000_000


def fill(number: int, exchange_id: str, side: Side = Side.SELL) -> Fill:
    return Fill("btcusdt", str(number), "", exchange_id, side, Decimal(100), Decimal(1), True, PLACED_NS + number)


def test_a_strangers_execution_on_an_earlier_page_still_keeps_an_order_from_being_called_absent() -> None:
    ledger, calls = Ledger(2_000_000_000, (200_000_000,)), Calls()
    comparing = Comparing(USDM_TRADING, ClientIds("mm"), ledger, Owners(ledger), calls, Counts())
    order = Tracked(
        "mm1", 7, 1, 1, "btcusdt", Decimal("0.1"), 0.1, Side.BUY, OrderType.LIMIT, TimeInForce.GTC,
        Terms(Decimal(100), Decimal(1)), phase=Phase.SUBMIT_IN_DOUBT, placed_ns=PLACED_NS, sent_ns=PLACED_NS,
    )  # fmt: skip
    ledger.add(order)
    order.doubt = Doubt("its answer was lost", MonoNs(0), PLACED_NS)
    (ask,) = [step for step in comparing.ask_trades("btcusdt", NOW) if isinstance(step, Ask)]
    asked = calls.take(ask.number)
    assert asked is not None
    rows = [fill(1, "whose", Side.BUY), *(fill(number, "another") for number in range(2, 1_001))]
    steps, complete = comparing.traded(asked, rows, "1001", NOW)
    (more,) = [step for step in steps if isinstance(step, Ask)]
    assert not complete
    assert dict(more.call.params)["fromId"] == "1001"
    second = calls.take(more.number)
    assert second is not None
    steps, complete = comparing.traded(second, [], "", NOW)
    (question,) = [step for step in steps if isinstance(step, Ask)]
    assert complete
    assert dict(question.call.params)["orderId"] == "whose"
    assert Op.TRADES not in order.doubt.absent
