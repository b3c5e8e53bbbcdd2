"""The source's exact rules, slowly and in plain Python, on hftbacktest: what the product is measured against.

Each mended defect can be switched on alone (`mended`), so that its effect can be told. Nothing here is fast or safe.
"""

import math
from dataclasses import dataclass, field
from typing import Any

MENDED = (
    "volatility persists",
    "volatility anchored",
    "whole ticks",
    "unique ids",
    "hard limit",
    "wrong side leaves",
    "stop loss from the start",
    "stop loss every update",
    "cooldown and release",
    "closing order after cancels",
)


class Welford:
    """Section 6.2, operation by operation."""

    def __init__(self, window: int) -> None:
        self.window, self.values, self.mean, self.m2 = window, [], 0.0, 0.0

    def update(self, value: float) -> None:
        if len(self.values) < self.window:
            self.values.append(value)
            step = value - self.mean
            self.mean += step / len(self.values)
            self.m2 += step * (value - self.mean)
            return
        old = self.values.pop(0)
        self.values.append(value)
        before = self.mean
        self.mean += (value - old) / self.window
        self.m2 += (value - old) * ((value - self.mean) + (old - before))

    @property
    def std(self) -> float:
        return math.sqrt(self.m2 / (len(self.values) - 1)) if len(self.values) > 1 else 0.0

    @property
    def full(self) -> bool:
        return len(self.values) == self.window


@dataclass
class Seen:
    """What one quoting update saw and wanted."""

    offset_s: float
    mid: float
    raw: float
    z: float
    volatility: float
    position: float
    bid: float
    ask: float


@dataclass
class Outcome:
    quotes: list[Seen] = field(default_factory=list)
    updates: int = 0
    iterations: int = 0
    stop_losses: int = 0
    submits: int = 0
    cancels: int = 0
    equity: float = 0.0
    position: float = 0.0
    balance: float = 0.0
    fee: float = 0.0
    trades: int = 0
    volume: float = 0.0
    value: float = 0.0
    clock_ns: int = 0
    mid: float = 0.0
    largest_position: float = 0.0


class SourceRules:
    """Section 7, one `update` a call."""

    def __init__(self, config: dict[str, dict[str, Any]], tick_size: float, mended: frozenset[str]) -> None:
        self.g, self.p, self.s = config["global"], config["params"], config["stop_loss"]
        self.tick, self.mended = tick_size, mended
        assert mended <= set(MENDED), mended - set(MENDED)
        self.obi, self.vol = Welford(self.p["window"]), Welford(self.p["volatility_window"])
        self.vol_price, self.vol_ns, self.vol_value = 0.0, 0, 0.0
        self.last_period, self.last_change_period = -1, -1
        self.last_price, self.change, self.used = 0.0, 0.0, self.s["volatility_mean"]
        self.triggered, self.hot_ns, self.next_id = False, 0, 10_000_000
        self.out = Outcome()

    def on(self, name: str) -> bool:
        return name in self.mended

    def volatility(self, now: int, price: float) -> float:
        interval = self.p["volatility_interval_ns"]
        if self.vol_ns == 0:
            self.vol_price, self.vol_ns = price, now
            return 0.0
        due = now - self.vol_ns >= interval
        if self.on("volatility anchored"):
            due = now // interval > self.vol_ns // interval
        if due:
            whole = round((now - self.vol_ns) / interval) if self.on("volatility anchored") else 1
            if whole:
                self.vol.update((price / self.vol_price - 1) / (math.sqrt(whole) if whole > 1 else 1.0))
                self.vol_value = self.vol.std
            self.vol_price, self.vol_ns = price, now
        return self.vol_value

    def hot(self, volatility: float) -> bool:
        factor = 0.5 if self.triggered and self.on("cooldown and release") else 1.0
        vz = (volatility - self.s["volatility_mean"]) / self.s["volatility_std"]
        cz = (abs(self.change) - self.s["change_mean"]) / self.s["change_std"]
        return vz > self.s["volatility_threshold"] * factor or cz > self.s["change_threshold"] * factor

    def check(self, now: int, volatility: float) -> None:
        if self.hot(volatility):
            self.triggered, self.hot_ns = True, now
        elif not (self.on("cooldown and release") and self.triggered and now - self.hot_ns < 60_000_000_000):
            self.triggered = False

    def raw_imbalance(self, depth: Any, mid: float) -> float:
        reach = self.p["looking_depth"]
        upper = min(math.floor(mid * (1 + reach) / self.tick), round(self.g["roi_ub"] / self.tick))
        lower = max(math.ceil(mid * (1 - reach) / self.tick), round(self.g["roi_lb"] / self.tick))
        asks = 0.0
        for tick in range(depth.best_ask_tick, upper):
            asks += depth.ask_qty_at_tick(tick)
        bids = 0.0
        for tick in range(depth.best_bid_tick, lower, -1):
            bids += depth.bid_qty_at_tick(tick)
        return bids - asks

    def update(self, hbt: Any, start_ns: int) -> bool:
        now = int(hbt.current_timestamp)
        hbt.clear_inactive_orders(0)
        period = now // self.p["update_interval_ns"]
        if period <= self.last_period:
            return False
        depth = hbt.depth(0)
        best_bid, best_ask = depth.best_bid, depth.best_ask
        if best_bid <= 0 or best_ask <= 0:
            return False
        position, mid = hbt.position(0), (best_bid + best_ask) / 2.0
        volatility = self.used if self.on("volatility persists") else self.s["volatility_mean"]
        if period // 6 > self.last_change_period:
            self.change = mid / self.last_price - 1 if self.last_price > 0 else 0.0
            volatility = self.volatility(now, mid) or self.s["volatility_mean"]
            self.used = volatility
            self.check(now, volatility)
            self.last_price, self.last_change_period = mid, period // 6
        elif self.on("stop loss every update"):
            self.change = mid / self.last_price - 1
            self.check(now, self.used)
        raw = self.raw_imbalance(depth, mid)
        self.obi.update(raw)
        z = 0.0 if self.obi.std < 1e-10 else (raw - self.obi.mean) / self.obi.std
        self.last_period = period
        if not (self.obi.full and self.vol.full):
            if self.on("stop loss from the start") and self.triggered:
                self.stop(hbt, mid, position)
            return False
        if self.triggered:
            self.stop(hbt, mid, position)
            return True
        bid, ask = self.quote(mid, best_bid, best_ask, z, volatility, position)
        self.out.quotes.append(Seen((now - start_ns) / 1e9, mid, raw, z, volatility, position, bid, ask))
        self.grid(hbt, now, position, bid, ask, mid + self.p["c1"] * z * mid)
        return True

    def quote(
        self, mid: float, best_bid: float, best_ask: float, alpha: float, volatility: float, position: float
    ) -> tuple[float, float]:
        p = self.p
        half = p["half_spread"] * (volatility / self.s["volatility_mean"]) ** p["power"]
        fair = mid + p["c1"] * alpha * mid
        reservation = fair - p["skew"] * (position / self.g["order_qty"]) * mid
        bid, ask = min(reservation - half * mid, best_bid), max(reservation + half * mid, best_ask)
        grain = 1e-6 if self.on("whole ticks") else 0.0
        return math.floor(bid / self.tick + grain) * self.tick, math.ceil(ask / self.tick - grain) * self.tick

    def grid(self, hbt: Any, now: int, position: float, bid: float, ask: float, fair: float) -> None:
        from hftbacktest import BUY, GTX, LIMIT

        most, qty, g = self.g["max_position"], self.g["order_qty"], self.g
        wanted: dict[int, dict[int, float]] = {1: {}, -1: {}}
        for side, price, room in ((1, bid, position < most), (-1, ask, position > -most)):
            for _ in range(g["grid_num"] if room and math.isfinite(price) else 0):
                wanted[side][round(price / self.tick)] = price
                price -= side * g["grid_interval"]
        held: set[tuple[int, int]] = set()
        count, exposed = {1: 0, -1: 0}, {1: 0, -1: 0}
        values = hbt.orders(0).values()
        orders = []
        while values.has_next():
            order = values.get()
            orders.append(
                (
                    order.order_id,
                    1 if order.side == BUY else -1,
                    order.price_tick,
                    order.cancellable,
                    order.exch_timestamp,
                )
            )
        for order_id, side, tick, cancellable, since in sorted(orders):
            held.add((side if self.on("unique ids") else 0, tick))
            exposed[side] += 1
            if not cancellable:
                continue
            count[side] += 1
            if tick in wanted[side]:
                continue
            wrong = self.on("wrong side leaves") and (tick * self.tick - fair) * side > 0
            if wrong or (now - since) / 1e9 >= self.p["live_seconds"]:
                hbt.cancel(0, order_id, False)
                self.out.cancels += 1
                count[side] -= 2
        for side, submit in ((1, hbt.submit_buy_order), (-1, hbt.submit_sell_order)):
            for tick in sorted(wanted[side], reverse=side > 0):
                if (side if self.on("unique ids") else 0, tick) in held:
                    continue
                allowed = position * side + 0.3 * max(count[side], 0) * qty < most
                if self.on("hard limit"):
                    allowed = round(position * side / qty + exposed[side]) + 1 <= round(most / qty)
                if allowed:
                    order_id = tick
                    if self.on("unique ids"):
                        self.next_id += 1
                        order_id = self.next_id
                    submit(0, order_id, wanted[side][tick], qty, GTX, LIMIT, False)
                    self.out.submits += 1
                    exposed[side] += 1

    def stop(self, hbt: Any, mid: float, position: float) -> None:
        from hftbacktest import MARKET
        from hftbacktest.order import IOC

        self.out.stop_losses += 1
        values = hbt.orders(0).values()
        ids = []
        while values.has_next():
            order = values.get()
            if order.cancellable:
                ids.append(order.order_id)
        for order_id in sorted(ids):
            hbt.cancel(0, order_id, False)
        if ids and self.on("closing order after cancels"):
            hbt.elapse(10_000_000)
            position = hbt.position(0)
        if abs(position) > 1e-9:
            submit, side = (hbt.submit_sell_order, -1) if position > 0 else (hbt.submit_buy_order, 1)
            price = (round(mid / self.tick) + side * 200) * self.tick
            submit(0, 519, price, abs(position), IOC, MARKET, True)


def run_source(events: Any, config: dict[str, dict[str, Any]], mended: frozenset[str] = frozenset()) -> Outcome:
    """Section 9: the source's models and loop over event rows."""
    from hftbacktest import BacktestAsset, HashMapMarketDepthBacktest

    asset = BacktestAsset().data([events]).linear_asset(1.0).tick_size(0.1).lot_size(0.001)
    asset = asset.constant_order_latency(1_000_000, 1_000_000).power_prob_queue_model3(3.0).no_partial_fill_exchange()
    asset = asset.trading_value_fee_model(-0.00005, 0.0007).last_trades_capacity(0)
    hbt = HashMapMarketDepthBacktest([asset])
    start_ns = int(events["exch_ts"][0])
    rules = SourceRules(config, 0.1, mended)
    out = rules.out
    try:
        while hbt.elapse(1_000_000_000) == 0:
            out.updates += rules.update(hbt, start_ns)
            out.iterations += 1
            out.largest_position = max(out.largest_position, abs(hbt.position(0)))
            state = hbt.state_values(0)
            out.position, out.balance, out.fee = state.position, state.balance, state.fee
            out.trades, out.volume, out.value = state.num_trades, state.trading_volume, state.trading_value
            out.clock_ns = int(hbt.current_timestamp) - start_ns
        depth = hbt.depth(0)
        out.mid = (depth.best_bid + depth.best_ask) / 2.0  # behind the last, partial second
    finally:
        hbt.close()
    out.equity = out.balance + out.position * out.mid - out.fee
    return out
