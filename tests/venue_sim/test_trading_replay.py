"""Trading on a real recording: passive orders at the touch, all along, and what must hold of their fills (R14)."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from venue_sim.accounts import Account
from venue_sim.exchange import Exchange, Rules
from venue_sim.face import message_of
from venue_sim.faults import FaultScript
from venue_sim.market import Frame, Trade
from venue_sim.matching import BUY, SELL, CancelFrom, Tif
from venue_sim.orders import OPEN, NewOrder, OrderState
from venue_sim.recording import RecordingFile
from venue_sim.replay import ReplayMarket
from venue_sim.timeline import Timeline
from venue_sim.trading import Trading
from venue_sim.venues.usdm import USDM, USDM_TRADE

FRAMES = 10_000
EVERY = 500


def replayed(captured: Path, cancels: CancelFrom) -> tuple[Trading, list[Trade]]:
    """Run a recording with a small bid and ask placed at the touch every so many frames, cancelled at the next time."""
    path = captured / "captures" / "usdm_btcusdt_20240808.gz"
    market = ReplayMarket("capture", [RecordingFile(path, USDM.messages.read_line).lines], USDM.messages)
    exchange = Exchange(market, Timeline(0.0), FaultScript(), Rules(start_on_subscribe=False), USDM)
    trading = Trading(market.instruments, {"a": Account("a", Fraction(10_000_000))}, cancels=cancels)
    exchange.let_trade(trading, USDM_TRADE)
    exchange.timeline.start(0)
    prints: list[Trade] = []
    taken = market.take

    def watch(until_ns: int | None, limit: int) -> list[Frame]:
        frames = taken(until_ns, limit)
        prints.extend(value for frame in frames if isinstance(value := message_of(USDM, frame), Trade))
        return frames

    market.take = watch  # type: ignore[method-assign]
    for number in range(FRAMES // EVERY):
        exchange.pump(0, EVERY)
        now_ms = exchange.exchange_ms(0)
        trading.cancel_all("a", "btcusdt", now_ms)
        book = trading.books["btcusdt"]
        for side in (BUY, SELL):
            tick = book.best(side)
            if tick is not None:
                price = tick * Decimal(market.instruments["btcusdt"].tick_size)
                trading.place(
                    "a", NewOrder("btcusdt", side, price, Decimal("0.010"), f"{number}/{side}", Tif.POST), now_ms
                )
    return trading, prints


@pytest.fixture(scope="module")
def runs(captured: Path) -> dict[CancelFrom, tuple[Trading, list[Trade]]]:
    return {how: replayed(captured, how) for how in CancelFrom}


@pytest.mark.parametrize("how", CancelFrom)
def test_fills_on_a_recording_were_printed_and_are_at_the_orders_prices(
    runs: dict[CancelFrom, tuple[Trading, list[Trade]]], how: CancelFrom
) -> None:
    trading, prints = runs[how]
    assert len(trading.executions) >= 5, "orders at the touch of a live market fill now and then"
    for one in trading.executions:
        order = trading.orders[one.order_id]
        assert (one.maker, one.price) == (True, order.new.price)
    crossing = {line.order_id for line in trading.truth if line.rule == "R5"}
    reachable: dict[int, Decimal] = defaultdict(Decimal)
    for order in trading.orders.values():
        for trade in prints:
            if trade.insurance or trade.buyer_is_maker != (order.new.side == BUY):
                continue
            through = (Decimal(trade.price) - (order.new.price or 0)) * order.new.side <= 0
            if through and order.created_ms <= trade.event_ms <= order.updated_ms + 1000:
                reachable[order.id] += Decimal(trade.quantity)
    for order in trading.orders.values():
        if order.id not in crossing:
            assert order.executed <= reachable[order.id], order
    position = trading.accounts["a"].position("btcusdt")
    assert position.amount == sum((one.side * Fraction(one.quantity) for one in trading.executions), Fraction(0))
    cash = sum((-one.side * Fraction(one.price * one.quantity) for one in trading.executions), Fraction(0))
    assert position.realized == cash + position.cost
    assert all(order.status not in OPEN for order in list(trading.orders.values())[:-2])


def test_an_order_fills_no_less_when_cancels_come_from_before_it(
    runs: dict[CancelFrom, tuple[Trading, list[Trade]]],
) -> None:
    filled = {how: sum(one.quantity for one in trading.executions) for how, (trading, _) in runs.items()}
    assert filled[CancelFrom.BACK] <= filled[CancelFrom.PROPORTIONAL] <= filled[CancelFrom.FRONT]


def test_the_truth_tells_the_queue_before_every_order_that_rested(
    runs: dict[CancelFrom, tuple[Trading, list[Trade]]],
) -> None:
    trading, _ = runs[CancelFrom.PROPORTIONAL]
    rested = {line.order_id: line for line in trading.truth if line.what == "rested"}
    assert rested.keys() == {order.id for order in trading.orders.values() if isinstance(order, OrderState)}
    assert all(line.ahead > 0 for line in rested.values()), "the touch has a queue"
