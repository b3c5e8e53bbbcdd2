"""hftbacktest's names for live bots: all there, with its numbers, and a strategy runs on them with one import changed."""

import inspect
import types
from pathlib import Path
from typing import Any

import hftbacktest as source
import numpy as np
import pytest
from hftbacktest import binding
from hftbacktest.order import Order as SourceOrder
from hftbacktest.state import StateValues as SourceValues
from hftbacktest.stats import LinearAssetRecord
from hftbacktest.types import record_dtype
from marketlink import hftbacktest
from marketlink.bot import Code, LiveBot
from marketlink.bot.orders import OrderDict, StateValues, Values
from marketlink.clock import ManualClock
from marketlink.errors import SettingsError
from marketlink.events import BUY, DEPTH, DEPTH_SNAPSHOT, EXCH, LOCAL, SELL, Events, empty_events
from marketlink.hftbacktest import HashMapMarketDepthLiveBot, LiveInstrument, Recorder, ROIVectorMarketDepthLiveBot
from marketlink.hftbacktest.bots import HashMapBot, HashMapDepth, RoiBot, RoiDepth
from marketlink.hftbacktest.recorder import RECORD_DTYPE, RowRecorder
from marketlink.orders import Order, Status
from numba import njit

from tests.marketlink.bot.scripted import BOT, MS, Market, Waiting

STRATEGY = Path(__file__).with_name("grid.py")
PAIRS = [
    (binding.HashMapMarketDepthBacktest, HashMapBot),
    (binding.ROIVectorMarketDepthBacktest, RoiBot),
    (binding.HashMapMarketDepth, HashMapDepth),
    (binding.ROIVectorMarketDepth, RoiDepth),
    (binding.OrderDict, OrderDict),
    (binding.Values, Values),
    (SourceOrder, Order),
    (SourceValues, StateValues),
    (source.Recorder, Recorder),
    (source.LiveInstrument, LiveInstrument),
]


@pytest.mark.parametrize(("theirs", "ours"), PAIRS, ids=lambda kind: kind.__name__)
def test_every_name_of_the_source_is_there_with_its_parameters(theirs: type, ours: type) -> None:
    fields = getattr(ours, "__dataclass_fields__", {})
    for name, member in vars(theirs).items():
        if name.startswith("_"):
            continue
        assert hasattr(ours, name) or name in fields, f"{ours.__name__} has no {name}"
        if isinstance(member, property):
            assert name in fields or not callable(getattr(ours, name)), f"{name} is no attribute"
        elif callable(member):
            wanted = list(inspect.signature(member).parameters)
            mine = inspect.signature(getattr(ours, name)).parameters.values()
            positional = [one.name for one in mine if one.kind is one.POSITIONAL_OR_KEYWORD]
            if (ours, name) == (OrderDict, "get"):
                assert len(positional) == len(wanted) + 1, "a Mapping's, whose default is None"
                continue
            assert positional == wanted, name


def test_every_constant_of_the_source_is_there_with_its_number() -> None:
    kinds = (int, np.integer)
    for module in (source, source.order, source.types):
        for name, value in vars(module).items():
            if name.isupper() and isinstance(value, kinds) and not name.startswith(("LIVE_", "WAIT_")):
                assert getattr(hftbacktest, name) == value, name
    assert hftbacktest.REPLACED == 7
    assert set(hftbacktest.__all__) <= set(vars(hftbacktest))
    assert record_dtype == RECORD_DTYPE


def instrument(symbol: str = "btcusdt") -> LiveInstrument:
    return LiveInstrument().connector("bf").symbol(symbol).tick_size(0.5).lot_size(0.25).last_trades_capacity(10)


def open_bot(market: Market, make: Any = HashMapMarketDepthLiveBot, *instruments: LiveInstrument) -> LiveBot:
    bot: LiveBot = make(
        list(instruments) or [instrument()],
        open_port=lambda name: Waiting(market.link.bot(BOT), market),
        clock=market.clock,
    )
    return bot


@pytest.fixture
def market() -> Market:
    return Market(ManualClock())


def load(package: str) -> types.ModuleType:
    """The strategy with its import from `package`: all that is changed."""
    text = STRATEGY.read_text()
    changed = text.replace("from hftbacktest import", f"from {package} import")
    assert len([1 for one, other in zip(text.split("\n"), changed.split("\n"), strict=True) if one != other]) <= 1
    module = types.ModuleType("grid")
    exec(compile(changed, str(STRATEGY), "exec"), vars(module))
    return module


def day() -> Events:
    """Two seconds of a book that stands, for the backtester."""
    events = empty_events(42)
    for number, event in enumerate(events):
        side, px = ((BUY, 100.0), (SELL, 101.0))[number % 2]
        kind = DEPTH_SNAPSHOT if number < 2 else DEPTH
        event["ev"], event["px"], event["qty"] = EXCH | LOCAL | side | kind, px, 1.0 + number % 3
        event["exch_ts"] = 1_700_000_000_000_000_000 + number // 2 * 100 * MS
        event["local_ts"] = event["exch_ts"] + MS
    return events


def test_a_strategy_of_the_backtester_runs_live_with_one_import_changed(market: Market) -> None:
    events = day()  # the backtester reads it where it lies
    asset = (
        source.BacktestAsset()
        .data(events)
        .linear_asset(1.0)
        .constant_order_latency(MS, MS)
        .risk_adverse_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(0.0, 0.0)
        .tick_size(0.5)
        .lot_size(0.25)
    )
    backtest = source.HashMapMarketDepthBacktest([asset])
    recorder = source.Recorder(1, 100)
    assert load("hftbacktest").trade(backtest, recorder.recorder, 0.25, 3, 5.0)
    orders, quotes = backtest.orders(0), set()
    values = orders.values()
    while values.has_next():
        order = values.get()
        quotes.add((order.side, order.order_id, order.price, order.status, order.req))
    assert len(quotes) == 6
    backtest.close()

    bot = open_bot(market)
    stopped: list[int] = []

    def stop_after(rounds: int) -> None:
        elapse = bot.elapse

        def counted(duration: int) -> Code:
            stopped.append(duration)
            if len(stopped) > rounds:
                bot.stop()
            return elapse(duration)

        bot.elapse = counted  # type: ignore[method-assign, assignment]

    stop_after(5)
    live = Recorder(1, 2)
    strategy = load("marketlink.hftbacktest")
    assert strategy.trade(bot, live.recorder, 0.25, 3, 5.0)
    assert {(one.side, one.order_id, one.price, one.status, one.req) for one in bot.orders(0).values()} == quotes
    rows = live.get(0)
    assert len(rows) == 5, "the recorder grows"
    assert (rows["price"] == 100.5).all()
    with np.errstate(invalid="ignore"):  # nothing was earned
        LinearAssetRecord(rows).resample("100ms").stats().summary()

    # a second run on the same bot, beyond the most it may hold
    market.fill("btcusdt", 198, 0.25)
    bot._stopped = False
    stopped.clear()
    stop_after(3)
    assert strategy.trade(bot, live.recorder, 0.25, 3, 0.0)
    assert bot.own_position(0) == 0.25
    bids = [one for one in market.orders.values() if one.side == hftbacktest.BUY and one.active]
    assert bids == [], "beyond its most it bids no more"


@njit
def look_at_everything(hbt):  # type: ignore[no-untyped-def]  # compiled
    depth, orders = hbt.depth(0), hbt.orders(0)
    found = 0.0
    order = orders.get(5)
    if order is not None and order.cancellable:
        found = order.price + order.leaves_qty + order.exec_price + order.time_in_force
    missing = orders.get(99) is None
    count = 0
    values = orders.values()
    while True:
        one = values.next()
        if one is None:
            break
        count += one.side
    bought = 0.0
    for trade in hbt.last_trades(0):
        if trade.ev & hftbacktest.BUY_EVENT == hftbacktest.BUY_EVENT:
            bought += trade.qty
    hbt.clear_last_trades(hftbacktest.ALL_ASSETS)
    state = hbt.state_values(0)
    return (
        found,
        missing,
        count,
        len(orders),
        5 in orders,
        99 not in orders,
        bought,
        len(hbt.last_trades(0)),
        (state.position, state.balance, state.num_trades),
        hbt.feed_latency(0),
        hbt.order_latency(0) is None,
        (depth.best_bid, depth.best_ask_tick, depth.bid_qty_at_tick(200), depth.ask_qty_at_tick(200), depth.lot_size),
        len(depth.snapshot()),
        hbt.num_assets,
        hbt.current_timestamp > 0,
    )


@njit
def trade_with_keywords(hbt):  # type: ignore[no-untyped-def]  # compiled
    return (
        hbt.submit_sell_order(0, 6, price=101.0, qty=0.5, time_in_force=hftbacktest.GTC, order_type=0, wait=True),
        hbt.modify(0, 6, 102.0, 0.75, True),
        hbt.wait_order_response(0, 6, timeout=5_000_000),
        hbt.cancel(0, 6, False),
        hbt.wait_order_response(0, 6, 1_000_000_000),
        hbt.submit_buy_order(0, 6, 1.0, 1.0, 0, 0, False),
        hbt.cancel(0, 6, False),
        hbt.cancel(0, 7, False),
        hbt.wait_next_feed(include_order_resp=True, timeout=1_000_000),
        hbt.elapse_bt(1),
        hbt.close(),
    )


@njit
def submit_nothing(hbt):  # type: ignore[no-untyped-def]  # compiled
    hbt.submit_buy_order(0, 8, np.nan, 1.0, 0, 0, False)


def test_compiled_code_sees_what_python_sees(market: Market) -> None:
    bot = open_bot(market)
    bot.submit_buy_order(0, 5, 99.0, 1.0, hftbacktest.GTX, hftbacktest.LIMIT, True)
    market.fill("btcusdt", 5, 0.25)
    market.print_trade("btcusdt")
    bot.elapse(5 * MS)
    seen = look_at_everything(bot)
    assert seen[:11] == (99.0 + 0.75 + 99.0 + 1, True, 1, 1, True, True, 0.5, 0, (0.0, -24.75, 1), (5, 6), False)
    assert seen[11:] == ((100.0, 202, 1.0, 0.0, 0.25), 2, 1, True)
    market.print_trade("btcusdt")
    bot.elapse(5 * MS)
    assert look_at_everything.py_func(bot)[1:] == seen[1:], "in plain Python"
    with pytest.raises(ValueError, match="order 8: the price is nan"):
        submit_nothing(bot)
    assert trade_with_keywords(bot) == (0, 0, 0, 0, 0, 10, 14, 12, 0, 0, 0)
    assert (bot.orders(0)[6].status, market.orders["btcusdt", 6].qty) == (Status.CANCELED, 0.75)


@njit
def look_at_range(hbt):  # type: ignore[no-untyped-def]  # compiled
    depth = hbt.depth(0)
    return depth.bid_depth, depth.ask_depth, depth.roi_lb_tick, depth.roi_ub_tick


def test_a_range_of_prices_is_shown_as_arrays(market: Market) -> None:
    bot = open_bot(market, ROIVectorMarketDepthLiveBot, instrument().roi_lb(100.0).roi_ub(100.5))
    bot.elapse(5 * MS)
    bids, asks, low, high = look_at_range(bot)
    assert (bids.tolist(), asks.tolist(), low, high) == ([1.0, 0.0], [0.0, 0.0], 200, 201)
    assert bot.depth(0).best_ask == 101.0, "the best is the whole book's"
    with pytest.raises(SettingsError, match="State both"):
        open_bot(market, ROIVectorMarketDepthLiveBot, instrument())


def test_sizes_that_are_left_out_are_waited_for_and_not_for_ever(market: Market) -> None:
    unsized = LiveInstrument().connector("bf").symbol("btcusdt")
    with pytest.raises(SettingsError, match=r"did not tell them in 10 s\. Start the connector"):
        open_bot(market, HashMapMarketDepthLiveBot, unsized)


def test_a_recorder_keeps_what_it_was_told(market: Market, tmp_path: Path) -> None:
    bot, recorder = open_bot(market, HashMapMarketDepthLiveBot, instrument(), instrument("ethusdt")), Recorder(2, 1)
    for _ in range(3):
        bot.elapse(5 * MS)
        recorder.recorder.record(bot)
    assert isinstance(recorder.recorder, RowRecorder)
    file = tmp_path / "record.npz"
    recorder.to_npz(str(file))
    with np.load(file) as saved:
        assert sorted(saved) == ["0", "1"]
        assert saved["1"].tobytes() == recorder.get(1).tobytes()
        assert (np.diff(saved["0"]["timestamp"]) > 0).all()
