"""A backtest on hftbacktest: data and models in, records, decisions and figures out. The loop itself is `engine`."""

import ctypes
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from types import ModuleType
from typing import Any

import numpy as np
from marketlink.events import Events

from obi_mm.config import Config
from obi_mm.days import Day, load_latencies, prices_of
from obi_mm.errors import ConfigError, DataError
from obi_mm.layout import ACTION_COLUMNS, DECISION_DTYPE, ORDER_COLUMNS, Log, Real, Table
from obi_mm.models import Models
from obi_mm.stored import NEVER, Passing, StoredDay
from obi_mm.strategy import MOST_ORDERS, Strategy
from obi_mm.summary import Counts, summarize
from obi_mm.versions import versions

MOST_ROI_TICKS = 200_000_000
MOST_AUTO_TICKS, FEW_TICKS = 10_000_000, 1_000_000
"""A wider span of prices is kept in a hash map: an engine's four arrays, 32 bytes a tick, are written in full when it is made.
That costs about as much time as arrays save on as many rows; it does not count up to `FEW_TICKS`."""
_STRETCH = 2_048
"""Stops between two looks at the progress."""
_FILL_ROOM = 1 << 14
_LONGEST_TAIL_NS = 30 * 86_400_000_000_000
"""An engine that goes on for so long behind the data has lost it."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a run left: `records` of engine.RECORD_DTYPE, decisions, all actions in order, fills, figures."""

    records: Log
    decisions: Log
    actions: Table
    fills: Log
    figures: dict[str, object]
    tick_size: float
    lot_size: float
    models: Models


def array_span(
    prices: Sequence[tuple[float, float]], rows: int, config: Config, tick_size: float, book: str
) -> tuple[float, float] | None:
    """Return the prices between which the engine's book is an array, None for a hash map.

    "auto" takes all `prices` (least and greatest of each array) and what an order may lie beyond, so that either kind gives
    the same run; it takes an array where that is faster over so many `rows`. Raises ConfigError where "roi" asks for too many ticks.
    """
    everything = config.global_
    if book == "roi":
        if (everything.roi_ub - everything.roi_lb) / tick_size > MOST_ROI_TICKS:
            raise ConfigError("backtest", "global.roi_ub", "leaves too many ticks for --book roi")
        return everything.roi_lb, everything.roi_ub
    if book == "hashmap":
        return None
    around = everything.grid_num * everything.grid_interval + (config.stop_loss.slippage_ticks + 100) * tick_size
    low = max(math.floor((min(low for low, _ in prices) - around) / tick_size), 0)
    high = math.ceil((max(high for _, high in prices) + around) / tick_size)
    return None if high - low > min(max(rows, FEW_TICKS), MOST_AUTO_TICKS) else (low * tick_size, high * tick_size)


class Engine:
    """One hftbacktest engine over days of rows. It keeps the arrays alive, which the engine knows by address only."""

    def __init__(
        self,
        days: Sequence[Day | StoredDay],
        config: Config,
        tick_size: float,
        lot_size: float,
        models: Models,
        snapshot: Any = None,
        latencies: Any = None,
    ) -> None:
        from hftbacktest import BacktestAsset, binding, build_hashmap_backtest, build_roivec_backtest

        models = models.with_fees(config.fees)
        stored = [day for day in days if isinstance(day, StoredDay)]
        self._passing = Passing(stored) if stored else None
        if self._passing is None:
            # One array: where several are short, the engine's two clocks lose each other's in its cache.
            loaded = [day.rows for day in days if isinstance(day, Day)]
            self._kept: list[Any] = loaded if len(loaded) == 1 else [np.concatenate(loaded)]
        else:
            assert len(stored) == len(days), "days are in files or in memory"
            while self._passing.reach(days[0].first_ns) <= days[0].first_ns:
                pass
            self._kept = [self._passing.rows]
        prices = [(day.low, day.high) for day in days]
        asset = BacktestAsset().data(list(self._kept)).tick_size(tick_size).lot_size(lot_size)
        kind = asset.inverse_asset if models.contract == "inverse" else asset.linear_asset
        asset = kind(models.contract_size)
        asset = asset.trading_value_fee_model(models.maker_fee, models.taker_fee).last_trades_capacity(0)
        if latencies is None and models.latency_files:
            latencies = load_latencies(models.latency_files)
        if latencies is None:
            asset = asset.constant_order_latency(models.entry_latency_ns, models.response_latency_ns)
        else:
            self._kept.append(latencies)
            asset = asset.intp_order_latency(latencies)
        asset = _with_queue(asset, models)
        # Not partial_fill_exchange: in 2.4.4 it ends runs with code 14 and books parts late (docs/obi-mm.md).
        asset = asset.no_partial_fill_exchange()
        if snapshot is not None:
            self._kept.append(snapshot)
            prices.append(prices_of(snapshot))
            asset = asset.initial_snapshot(snapshot)
        span = array_span(prices, sum(day.count for day in days), config, tick_size, models.book)
        self.roi = span is not None
        self.bid_qty: Real = np.zeros(0)
        self.ask_qty: Real = np.zeros(0)
        self.first_tick = 0
        if span is not None:
            self.address: int = build_roivec_backtest([asset.roi_lb(span[0]).roi_ub(span[1])])
            depth = binding.roivecbt_depth(self.address, 0)
            self.first_tick = binding.roivecdepth_roi_lb_tick(depth)
            self.bid_qty = _array_at(binding.roivecdepth_bid_depth, depth)
            self.ask_qty = _array_at(binding.roivecdepth_ask_depth, depth)
            self._elapse, self._close = binding.roivecbt_elapse, binding.roivecbt_close
        else:
            self.address = build_hashmap_backtest([asset])
            self._elapse, self._close = binding.hashmapbt_elapse, binding.hashmapbt_close

    @property
    def arguments(self) -> tuple[int, bool, Real, Real, int]:
        """What `engine.run` takes first."""
        return self.address, self.roi, self.bid_qty, self.ask_qty, self.first_tick

    def reach(self, until_ns: int) -> int:
        """Have the rows until a time; returns up to which, excluded, the engine may be let go, which may be less."""
        return NEVER if self._passing is None else self._passing.reach(until_ns)

    def leave(self, now_ns: int) -> None:
        """Let go of rows that the engine, whose time this is, does not look at again."""
        if self._passing is not None:
            self._passing.leave(now_ns)

    def elapse(self, duration_ns: int) -> int:
        """Let time pass; 0 until the data ends."""
        return int(self._elapse(self.address, duration_ns))

    def close(self) -> None:
        """Free the engine; neither it nor its arrays can be used afterwards."""
        if self.address:
            self.bid_qty = self.ask_qty = np.zeros(0)
            self._close(self.address)
            self.address = 0
        self._kept.clear()


def run_backtest(
    days: Sequence[Day | StoredDay],
    config: Config,
    tick_size: float,
    lot_size: float,
    models: Models,
    *,
    snapshot: Events | None = None,
    dry: bool = False,
    strategy: Strategy | None = None,
    progress: Callable[[int, int, int], None] | None = None,
    latencies: Any = None,
    held_lots: int = 0,
    begin_ns: int = 0,
) -> Result:
    """Run the strategy over days of rows.

    `dry` sends nothing. `strategy`: a warmed-up one, by default a cold one. `progress(first_ns, now_ns, last_ns)` is
    told the simulated time now and then. `latencies` (LATENCY_DTYPE) instead of the models'; `held_lots` before the run; no decision
    before `begin_ns`. Raises ConfigError, DataError.
    """
    engine = _engine()
    models = models.with_fees(config.fees)
    assert models.maker_fee is not None and models.taker_fee is not None  # noqa: PT018

    if strategy is None:
        strategy = Strategy(config, tick_size, lot_size)
    rules = strategy.rules
    first_ns, last_ns = days[0].first_ns, max(day.last_ns for day in days)
    stops = (last_ns - first_ns) // models.record_ns + 2
    wakes = (last_ns - first_ns) // min(rules.update_ns, rules.retry_ns) + 2
    records: Log = np.zeros(stops, engine.RECORD_DTYPE)
    log: Log = np.zeros(min(wakes, (last_ns - first_ns) // rules.update_ns + 2 + _FILL_ROOM), DECISION_DTYPE)
    # Room that is not used costs nothing: the system gives zeroed pages when they are first written.
    room = min(max(2 * rules.grid_num * len(log), 1 << 14), 1 << 22)
    log_actions: Table = np.zeros((room, ACTION_COLUMNS), np.int64)
    fills: Log = np.zeros(_FILL_ROOM, engine.FILL_DTYPE)
    table: Table = np.zeros((MOST_ORDERS, ORDER_COLUMNS), np.int64)
    cursor = np.zeros(engine.CURSOR, np.int64)
    cursor[engine.C_RECORD] = (first_ns // models.record_ns + 1) * models.record_ns
    cursor[engine.C_HELD] = held_lots
    strategy.wake_ns = max((first_ns // rules.update_ns + 1) * rules.update_ns, begin_ns)
    money = engine.Money(
        float(models.maker_fee), float(models.taker_fee), models.contract == "inverse", float(models.contract_size)
    )
    account: Real = np.zeros(engine.ACCOUNT)
    runner = Engine(days, config, tick_size, lot_size, models, snapshot, latencies)
    try:
        if code := runner.elapse(0):
            raise DataError("data", f"the engine does not begin, code {code}")
        now_ns, more = first_ns, True
        while True:
            if more:
                wanted_ns = now_ns + _STRETCH * min(models.record_ns, rules.update_ns)
                now_ns = min(wanted_ns, runner.reach(wanted_ns) - 1)
            end = engine.run(
                *runner.arguments,
                money,
                rules,
                *strategy.arrays,
                dry,
                models.record_ns,
                now_ns,
                table,
                strategy.actions,
                log,
                log_actions,
                records,
                fills,
                cursor,
                account,
            )
            if end == engine.FAILED:
                raise DataError("data", f"the engine ended with code {int(cursor[engine.C_CODE])}")
            if end == engine.DIFFERS:
                at = int(records["timestamp"][cursor[engine.C_RECORDS] - 1])
                raise DataError("data", f"at {at} the fills add up to another account than the engine's")
            if end == engine.ENDED:
                break
            more = end != engine.FULL
            if not more:  # make room wherever little is left, and go on with the same stop
                if cursor[engine.C_FILLS] + MOST_ORDERS >= len(fills):
                    fills = _twice(fills)
                if cursor[engine.C_ACTIONS] + MOST_ORDERS > len(log_actions):
                    log_actions = _twice(log_actions)
                if cursor[engine.C_LOGGED] >= len(log):
                    log = _twice(log)
                if cursor[engine.C_RECORDS] >= len(records):
                    records = _twice(records)
                if len(table) < cursor[engine.C_SENT]:
                    table = _twice(table)
                continue
            runner.leave(int(cursor[engine.C_NOW]))
            if now_ns > last_ns + _LONGEST_TAIL_NS:
                raise DataError("data", "the engine does not end where the data does")
            if progress is not None:
                progress(first_ns, min(now_ns, last_ns), last_ns)
    finally:
        runner.close()
    records = records[: cursor[engine.C_RECORDS]]
    log = log[: cursor[engine.C_LOGGED]]
    fills = fills[: cursor[engine.C_FILLS]]
    fills = fills[np.lexsort((fills["order_id"], fills["time_ns"]))]
    counts = Counts(
        submitted=int(cursor[engine.C_SENT]),
        cancels=int(cursor[engine.C_CANCELS]),
        closes=int(cursor[engine.C_CLOSES]),
        refused=int(cursor[engine.C_REFUSED]),
        filled_orders=len(fills),
        bid_touch=int(cursor[engine.C_BID_TOUCH]),
        ask_touch=int(cursor[engine.C_ASK_TOUCH]),
        looks=int(cursor[engine.C_BOOK]),
    )
    figures = summarize(records, log, counts, models)
    return Result(records, log, log_actions[: cursor[engine.C_ACTIONS]], fills, figures, tick_size, lot_size, models)


def describe(
    config: Config, models: Models, names: Sequence[str], tick_size: float, lot_size: float
) -> dict[str, object]:
    """Return what a run was made of, fit for JSON."""
    return {
        "data": list(names),
        "tick_size": tick_size,
        "lot_size": lot_size,
        "config": config.sections(),
        "config_digest": config.digest(),
        "models": asdict(models.with_fees(config.fees)),
        "versions": versions(),
    }


class Progress:
    """Turns simulated time into a line: how far, how fast, how long still."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s, self._start_s = clock_s, clock_s()

    def line(self, first_ns: int, now_ns: int, last_ns: int) -> str:
        """Return the line for a simulated time."""
        passed_s = max(self._clock_s() - self._start_s, 1e-9)
        done = (now_ns - first_ns) / max(last_ns - first_ns, 1)
        speed = (now_ns - first_ns) / 1e9 / passed_s
        left_s = passed_s * (1 - done) / max(done, 1e-9)
        hours = (now_ns - first_ns) / 3.6e12
        return f"{done:6.1%}  {hours:.2f} h simulated, {speed:,.0f}x, {left_s:,.0f} s left"


def _twice(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return an array with as much room again behind it."""
    longer = np.zeros((2 * len(array), *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer


def _array_at(get: Any, depth: int) -> Real:
    """Return the array of a book's side, which lives as long as its engine."""
    length = ctypes.c_uint64()
    address = get(depth, ctypes.byref(length))
    return np.ctypeslib.as_array((ctypes.c_double * length.value).from_address(address))


def _engine() -> ModuleType:
    """Import the compiled loop, which needs the extra `backtest`."""
    try:
        from obi_mm import engine
    except ModuleNotFoundError as error:
        raise ConfigError("backtest", "hftbacktest", "is not installed: pip install 'obi-mm[backtest]'") from error
    return engine


def _with_queue(asset: Any, models: Models) -> Any:
    match models.queue:
        case "risk-adverse":
            return asset.risk_adverse_queue_model()
        case "log-prob":
            return asset.log_prob_queue_model()
        case "log-prob2":
            return asset.log_prob_queue_model2()
        case "power-prob":
            return asset.power_prob_queue_model(models.queue_n)
        case "power-prob2":
            return asset.power_prob_queue_model2(models.queue_n)
        case _:
            return asset.power_prob_queue_model3(models.queue_n)
