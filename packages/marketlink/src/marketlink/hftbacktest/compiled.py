"""Tells numba what can be called on a live bot, so that a strategy under `njit` is compiled unchanged.

Each call goes to the Python object's own method, about 2 µs, and an error comes out of the strategy as it was raised. `values()` goes
through the orders as they are when it is called.
"""

import operator
from collections.abc import Callable
from typing import Any, Final

import numba
import numba.extending

from marketlink.hftbacktest.held import (
    BotType,
    CompiledValues,
    CompiledValuesCursor,
    DepthType,
    OrdersType,
    RecorderType,
    RoiDepthType,
    events_type,
    floats_type,
    found_rows,
    order_of,
    order_rows,
    orders_type,
    rows_type,
    three_times,
    two_times,
    types,
    values_of,
    values_type,
)

Implementation = Callable[..., Any]
objmode: Any = numba.objmode
_Decorator = Callable[[Implementation], Implementation]
overload: Callable[[Any], _Decorator] = numba.extending.overload
overload_attribute: Callable[[Any, str], _Decorator] = numba.extending.overload_attribute
overload_method: Callable[[Any, str], _Decorator] = numba.extending.overload_method

_ATTRIBUTES: Final = (
    (BotType, types.int64, ("current_timestamp", "num_assets")),
    (DepthType, types.int64, ("best_bid_tick", "best_ask_tick")),
    (DepthType, types.float64, ("best_bid", "best_ask", "best_bid_qty", "best_ask_qty", "tick_size", "lot_size")),
    (RoiDepthType, types.int64, ("roi_lb_tick", "roi_ub_tick")),
    (RoiDepthType, floats_type, ("bid_depth", "ask_depth")),
)


def _reader(name: str, result_type: Any) -> Implementation:
    def typing(self: Any) -> Implementation:
        def read(self: Any) -> Any:
            with objmode(result=result_type):
                result = getattr(self, name)
            return result

        return read

    return typing


for _kind, _result_type, _names in _ATTRIBUTES:
    for _name in _names:
        overload_attribute(_kind, _name)(_reader(_name, _result_type))


@overload_method(BotType, "elapse")
def _elapse(self: Any, duration: Any) -> Implementation:
    def call(self: Any, duration: Any) -> Any:
        with objmode(result="int64"):
            result = self.elapse(duration)
        return result

    return call


@overload_method(BotType, "elapse_bt")
def _elapse_bt(self: Any, duration: Any) -> Implementation:
    def call(self: Any, duration: Any) -> Any:
        with objmode(result="int64"):
            result = self.elapse_bt(duration)
        return result

    return call


@overload_method(BotType, "wait_next_feed")
def _wait_next_feed(self: Any, include_order_resp: Any, timeout: Any) -> Implementation:
    def call(self: Any, include_order_resp: Any, timeout: Any) -> Any:
        with objmode(result="int64"):
            result = self.wait_next_feed(include_order_resp, timeout)
        return result

    return call


@overload_method(BotType, "wait_order_response")
def _wait_order_response(self: Any, asset_no: Any, order_id: Any, timeout: Any) -> Implementation:
    def call(self: Any, asset_no: Any, order_id: Any, timeout: Any) -> Any:
        with objmode(result="int64"):
            result = self.wait_order_response(asset_no, order_id, timeout)
        return result

    return call


@overload_method(BotType, "submit_buy_order")
def _submit_buy_order(
    self: Any, asset_no: Any, order_id: Any, price: Any, qty: Any, time_in_force: Any, order_type: Any, wait: Any
) -> Implementation:
    def call(
        self: Any, asset_no: Any, order_id: Any, price: Any, qty: Any, time_in_force: Any, order_type: Any, wait: Any
    ) -> Any:
        with objmode(result="int64"):
            result = self.submit_buy_order(asset_no, order_id, price, qty, time_in_force, order_type, wait)
        return result

    return call


@overload_method(BotType, "submit_sell_order")
def _submit_sell_order(
    self: Any, asset_no: Any, order_id: Any, price: Any, qty: Any, time_in_force: Any, order_type: Any, wait: Any
) -> Implementation:
    def call(
        self: Any, asset_no: Any, order_id: Any, price: Any, qty: Any, time_in_force: Any, order_type: Any, wait: Any
    ) -> Any:
        with objmode(result="int64"):
            result = self.submit_sell_order(asset_no, order_id, price, qty, time_in_force, order_type, wait)
        return result

    return call


@overload_method(BotType, "cancel")
def _cancel(self: Any, asset_no: Any, order_id: Any, wait: Any) -> Implementation:
    def call(self: Any, asset_no: Any, order_id: Any, wait: Any) -> Any:
        with objmode(result="int64"):
            result = self.cancel(asset_no, order_id, wait)
        return result

    return call


@overload_method(BotType, "modify")
def _modify(self: Any, asset_no: Any, order_id: Any, price: Any, qty: Any, wait: Any) -> Implementation:
    def call(self: Any, asset_no: Any, order_id: Any, price: Any, qty: Any, wait: Any) -> Any:
        with objmode(result="int64"):
            result = self.modify(asset_no, order_id, price, qty, wait)
        return result

    return call


@overload_method(BotType, "close")
def _close(self: Any) -> Implementation:
    def call(self: Any) -> Any:
        with objmode(result="int64"):
            result = self.close()
        return result

    return call


@overload_method(BotType, "position")
def _position(self: Any, asset_no: Any) -> Implementation:
    def call(self: Any, asset_no: Any) -> Any:
        with objmode(result="float64"):
            result = self.position(asset_no)
        return result

    return call


@overload_method(BotType, "own_position")
def _own_position(self: Any, asset_no: Any) -> Implementation:
    def call(self: Any, asset_no: Any) -> Any:
        with objmode(result="float64"):
            result = self.own_position(asset_no)
        return result

    return call


@overload_method(BotType, "orders")
def _orders(self: Any, asset_no: Any) -> Implementation:
    def call(self: Any, asset_no: Any) -> Any:
        with objmode(result=orders_type):
            result = self.orders(asset_no)
        return result

    return call


@overload_method(BotType, "last_trades")
def _last_trades(self: Any, asset_no: Any) -> Implementation:
    def call(self: Any, asset_no: Any) -> Any:
        with objmode(result=events_type):
            result = self.last_trades(asset_no)
        return result

    return call


@overload_method(BotType, "clear_last_trades")
def _clear_last_trades(self: Any, asset_no: Any) -> Implementation:
    def call(self: Any, asset_no: Any) -> None:
        with objmode():
            self.clear_last_trades(asset_no)

    return call


@overload_method(BotType, "clear_inactive_orders")
def _clear_inactive_orders(self: Any, asset_no: Any) -> Implementation:
    def call(self: Any, asset_no: Any) -> None:
        with objmode():
            self.clear_inactive_orders(asset_no)

    return call


@overload_method(BotType, "depth")
def _depth(self: Any, asset_no: Any) -> Implementation:
    depth_type = self.depth_type

    def call(self: Any, asset_no: Any) -> Any:
        with objmode(result=depth_type):
            result = self.depth(asset_no)
        return result

    return call


@overload_method(BotType, "state_values")
def _state_values(self: Any, asset_no: Any) -> Implementation:
    def call(self: Any, asset_no: Any) -> Any:
        with objmode(result=values_type):
            result = values_of(self, asset_no)
        return CompiledValues(*result)

    return call


@overload_method(BotType, "feed_latency")
def _feed_latency(self: Any, asset_no: Any) -> Implementation:
    def call(self: Any, asset_no: Any) -> Any:
        with objmode(result=two_times):
            result = self.feed_latency(asset_no) or (-1, -1)
        return None if result[0] < 0 else result

    return call


@overload_method(BotType, "order_latency")
def _order_latency(self: Any, asset_no: Any) -> Implementation:
    def call(self: Any, asset_no: Any) -> Any:
        with objmode(result=three_times):
            result = self.order_latency(asset_no) or (-1, -1, -1)
        return None if result[0] < 0 else result

    return call


@overload_method(DepthType, "bid_qty_at_tick")
def _bid_qty_at_tick(self: Any, price_tick: Any) -> Implementation:
    def call(self: Any, price_tick: Any) -> Any:
        with objmode(result="float64"):
            result = self.bid_qty_at_tick(price_tick)
        return result

    return call


@overload_method(DepthType, "ask_qty_at_tick")
def _ask_qty_at_tick(self: Any, price_tick: Any) -> Implementation:
    def call(self: Any, price_tick: Any) -> Any:
        with objmode(result="float64"):
            result = self.ask_qty_at_tick(price_tick)
        return result

    return call


@overload_method(DepthType, "snapshot")
def _snapshot(self: Any) -> Implementation:
    def call(self: Any) -> Any:
        with objmode(result=events_type):
            result = self.snapshot()
        return result

    return call


@overload_method(DepthType, "snapshot_free")
def _snapshot_free(self: Any, arr: Any) -> Implementation:
    return lambda self, arr: None


@overload_method(OrdersType, "values")
def _values(self: Any) -> Implementation:
    def call(self: Any) -> Any:
        with objmode(rows=rows_type):
            rows = order_rows(list(self.values()))
        return CompiledValuesCursor(rows)

    return call


@overload_method(OrdersType, "get")
def _get(self: Any, order_id: Any) -> Implementation:
    def call(self: Any, order_id: Any) -> Any:
        with objmode(rows=rows_type):
            rows = found_rows(self, order_id)
        if len(rows) == 0:
            return None
        return order_of(rows[0])

    return call


@overload(operator.contains)
def _contains(orders: Any, order_id: Any) -> Implementation | None:
    if not isinstance(orders, OrdersType):
        return None

    def call(orders: Any, order_id: Any) -> Any:
        with objmode(result="boolean"):
            result = int(order_id) in orders
        return result

    return call


@overload(len)
def _len(orders: Any) -> Implementation | None:
    if not isinstance(orders, OrdersType):
        return None

    def call(orders: Any) -> Any:
        with objmode(result="int64"):
            result = len(orders)
        return result

    return call


@overload_method(RecorderType, "record")
def _record(self: Any, hbt: Any) -> Implementation:
    def call(self: Any, hbt: Any) -> None:
        with objmode():
            self.record(hbt)

    return call
