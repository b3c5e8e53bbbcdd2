"""Fills of passive orders on a real recording, against hftbacktest's queue models on the same recording: no fewer than
its risk-averse model, no more than its power-probability model (trading.md section 6, R15).

Both see depth updates and trades: hftbacktest reads no bookTicker, whose finer changes of the best level move a queue
faster. Orders are one lot, so that its fills of whole orders and ours of parts are the same thing.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from venue_sim.accounts import Account
from venue_sim.exchange import Exchange, Rules
from venue_sim.face import FrameLine, SnapshotLine, message_of
from venue_sim.faults import FaultScript
from venue_sim.market import QUOTE, Frame
from venue_sim.matching import BUY, SELL, Tif
from venue_sim.orders import NewOrder, OrderState, Status
from venue_sim.recording import RecordingFile
from venue_sim.replay import ReplayMarket
from venue_sim.timeline import Timeline
from venue_sim.trading import Trading
from venue_sim.venues.usdm import USDM, USDM_TRADE

CAPTURE = "captures/usdm_btcusdt_20240808.gz"
FRAMES = 20_000
EVERY_MS = 2_000
TICKS_BEHIND = (0, 5, 20)
TICK, LOT = 0.1, 0.001


@dataclass(frozen=True)
class Passive:
    """An order that rested, from `at_ms` until the next ones were placed."""

    at_ms: int
    id: int
    side: int
    price: float
    filled: bool


@pytest.fixture(scope="module")
def passive(captured: Path) -> list[Passive]:
    """Bids and asks at the touch and behind it, cancelled and placed anew every two seconds, as venue-sim fills them."""

    def lines() -> Iterator[FrameLine | SnapshotLine | None]:
        for line in RecordingFile(captured / CAPTURE, USDM.messages.read_line).lines():
            if not (isinstance(line, FrameLine) and USDM.messages.read_stream(line.stream).kind == QUOTE):
                yield line

    market = ReplayMarket("capture", [lines], USDM.messages)
    exchange = Exchange(market, Timeline(0.0), FaultScript(), Rules(start_on_subscribe=False), USDM)
    trading = Trading(market.instruments, {"a": Account("a", Fraction(10**9))})
    exchange.let_trade(trading, USDM_TRADE)
    exchange.timeline.start(0)
    book, placed = trading.books["btcusdt"], list[tuple[int, int, int, float]]()
    reached_ms, next_ms, taken = 0, 0, market.take

    def place_anew() -> None:
        nonlocal next_ms
        best = {side: book.best(side) for side in (BUY, SELL)}
        if None in best.values():
            return
        next_ms = reached_ms + EVERY_MS
        trading.cancel_all("a", "btcusdt", reached_ms)
        for side, touch in best.items():
            for behind in TICKS_BEHIND:
                price = ((touch or 0) - side * behind) * Decimal("0.10")
                new = NewOrder("btcusdt", side, price, Decimal("0.001"), f"{len(placed)}", Tif.POST)
                state, _ = trading.place("a", new, reached_ms)
                assert isinstance(state, OrderState)
                placed.append((reached_ms, state.id, side, float(price)))

    def take(until_ns: int | None, limit: int) -> list[Frame]:
        """Act between two ms: all of the one is known, nothing of the other."""
        nonlocal reached_ms
        frames = taken(until_ns, limit)
        times = [message.transact_ms for frame in frames if (message := message_of(USDM, frame)) is not None]
        newest_ms = max(times, default=0)
        if newest_ms > reached_ms >= next_ms:
            place_anew()
        reached_ms = max(reached_ms, newest_ms)
        return frames

    market.take = take  # type: ignore[method-assign]
    exchange.pump(0, FRAMES)
    ended = [order for order in placed if order[0] < placed[-1][0]]
    return [Passive(*order, trading.orders[order[1]].status is Status.FILLED) for order in ended]


@pytest.fixture(scope="module")
def backtest(captured: Path, passive: list[Passive]) -> Callable[[Callable[[Any], Any]], set[int]]:
    """The orders that hftbacktest fills, by queue model."""
    hftbacktest = pytest.importorskip("hftbacktest", reason="hftbacktest comes with obi-mm's extra")
    binding = hftbacktest.binding
    from data_convert import convert_recording
    from obi_mm.days import day_of
    from obi_mm.rows import ClearsSpelledOut

    events = convert_recording(captured / CAPTURE).events
    rows = day_of(events, ClearsSpelledOut(TICK, LOT), "exchange", CAPTURE).rows

    def run(queue: Callable[[Any], Any]) -> set[int]:
        asset = hftbacktest.BacktestAsset().data([rows]).linear_asset(1.0).tick_size(TICK).lot_size(LOT)
        asset = asset.constant_order_latency(0, 0).trading_value_fee_model(0, 0).last_trades_capacity(0)
        engine = hftbacktest.build_hashmap_backtest([queue(asset).no_partial_fill_exchange()])
        filled, open_ids, now_ms = set[int](), list[int](), 0

        def look() -> None:
            orders = binding.hashmapbt_orders(engine, 0)
            for order_id in open_ids:
                raw = ctypes.string_at(binding.orders_get(orders, order_id), binding.order_dtype.itemsize)
                if np.frombuffer(raw, binding.order_dtype)[0]["status"] == hftbacktest.FILLED:
                    filled.add(order_id)
                else:
                    binding.hashmapbt_cancel(engine, 0, order_id, False)
            open_ids.clear()

        try:
            binding.hashmapbt_elapse(engine, 0)
            for order in passive:
                if order.at_ms != now_ms:
                    now_ms = order.at_ms
                    # half a ms later: what happened within the same ms came first
                    ahead_ns = now_ms * 1_000_000 + 500_000 - binding.hashmapbt_current_timestamp(engine)
                    assert binding.hashmapbt_elapse(engine, ahead_ns) == 0
                    look()
                submit = (
                    binding.hashmapbt_submit_buy_order if order.side == BUY else binding.hashmapbt_submit_sell_order
                )
                submit(engine, 0, order.id, order.price, LOT, hftbacktest.GTX, hftbacktest.LIMIT, False)
                open_ids.append(order.id)
            binding.hashmapbt_elapse(engine, EVERY_MS * 1_000_000)
            look()
        finally:
            binding.hashmapbt_close(engine)
        return filled

    return run


def test_fills_lie_between_hftbacktest_s_most_careful_queue_model_and_its_probable_one(
    passive: list[Passive], backtest: Callable[[Callable[[Any], Any]], set[int]]
) -> None:
    ours = {order.id for order in passive if order.filled}
    careful = backtest(lambda asset: asset.risk_adverse_queue_model())
    probable = backtest(lambda asset: asset.power_prob_queue_model(1.0))
    assert careful < ours <= probable, "order by order"
    # with exponent 1 cancels come from before and behind in proportion, which is R2 itself
    assert ours == probable
    assert len(passive) > 500, "orders enough to tell the models apart"
    assert len(ours) > 200
