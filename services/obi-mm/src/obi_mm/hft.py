"""hftbacktest's functions as compiled code may call them: by name, on the engine's address, with no objects in between.

The package's own classes hold the functions' addresses, which no cache on disk can; and each of their calls that gives a
book, orders or one order makes an object. Signatures are those of hftbacktest 2.4.4 (`hftbacktest.binding`); whole
numbers of fewer bits are passed as int64, whose lower bits they are. `roi` says which of the two engines an address is of.
"""

from collections.abc import Callable
from typing import Any

import numba
from hftbacktest import _hftbacktest
from hftbacktest.types import order_dtype, state_values_dtype
from llvmlite import binding  # type: ignore[import-untyped]
from numba.core import types as _types
from numba.np.numpy_support import carray

from obi_mm._jit import jitable
from obi_mm.layout import Whole

binding.load_library_permanently(_hftbacktest.__file__)

_Wholes = tuple[Callable[..., int], Callable[..., int]]
_Reals = tuple[Callable[..., float], Callable[..., float]]

types: Any = _types
_whole: Any = types.int64
_real: Any = types.float64
_address: Any = types.int64
_flag: Any = types.uint8
_order: Any = types.CPointer(numba.from_dtype(order_dtype))
_state: Any = types.CPointer(numba.from_dtype(state_values_dtype))


def _both(name: str, signature: Any) -> Any:
    """Return a function of the hash map's engine and the same of the array's."""
    return tuple(types.ExternalFunction(f"{kind}{name}", signature) for kind in ("hashmap", "roivec"))


def _one(name: str, signature: Any) -> Any:
    return types.ExternalFunction(name, signature)


_send = _whole(_address, _whole, _whole, _real, _real, _whole, _whole, _whole)
_now: _Wholes = _both("bt_current_timestamp", _whole(_address))
_elapse: _Wholes = _both("bt_elapse", _whole(_address, _whole))
_depth: _Wholes = _both("bt_depth", _address(_address, _whole))
_latency: _Wholes = _both("bt_feed_latency", _flag(_address, _whole, _address, _address))
_orders: _Wholes = _both("bt_orders", _address(_address, _whole))
_clear: _Wholes = _both("bt_clear_inactive_orders", _whole(_address, _whole))
_cancel: _Wholes = _both("bt_cancel", _whole(_address, _whole, _whole, _whole))
_buy: _Wholes = _both("bt_submit_buy_order", _send)
_sell: _Wholes = _both("bt_submit_sell_order", _send)
_bid_tick: _Wholes = _both("depth_best_bid_tick", _whole(_address))
_ask_tick: _Wholes = _both("depth_best_ask_tick", _whole(_address))
_bid: _Reals = _both("depth_best_bid", _real(_address))
_ask: _Reals = _both("depth_best_ask", _real(_address))
_bid_qty: _Reals = _both("depth_bid_qty_at_tick", _real(_address, _whole))
_ask_qty: _Reals = _both("depth_ask_qty_at_tick", _real(_address, _whole))
_account: Any = _both("bt_state_values", _state(_address, _whole))
_orders_len: Callable[..., int] = _one("orders_len", _whole(_address))
_orders_values: Callable[..., int] = _one("orders_values", _address(_address))
_orders_next: Any = _one("orders_values_next", _order(_address))


@jitable
def current_ns(engine: int, roi: bool) -> int:
    """Return the engine's time."""
    return _now[1](engine) if roi else _now[0](engine)


@jitable
def elapse(engine: int, roi: bool, duration_ns: int) -> int:
    """Let time pass; 0, or 1 at the end of the data, or an error's code."""
    return _elapse[1](engine, duration_ns) if roi else _elapse[0](engine, duration_ns)


@jitable
def book_of(engine: int, roi: bool) -> int:
    """Return the address of the book that the strategy sees; the same as long as the engine lives."""
    return _depth[1](engine, 0) if roi else _depth[0](engine, 0)


@jitable
def best_ticks(book: int, roi: bool) -> tuple[int, int]:
    """Return best bid and best ask in ticks."""
    if roi:
        return _bid_tick[1](book), _ask_tick[1](book)
    return _bid_tick[0](book), _ask_tick[0](book)


@jitable
def mid_price(book: int, roi: bool) -> float:
    """Return the mid, NaN where a side is missing."""
    if roi:
        return (_bid[1](book) + _ask[1](book)) / 2.0
    return (_bid[0](book) + _ask[0](book)) / 2.0


@jitable
def bid_qty_at(book: int, tick: int) -> float:
    """Return the quantity bid at a tick of a hash map's book."""
    return _bid_qty[0](book, tick)


@jitable
def ask_qty_at(book: int, tick: int) -> float:
    """Return the quantity offered at a tick of a hash map's book."""
    return _ask_qty[0](book, tick)


@jitable
def state_values(engine: int, roi: bool) -> Any:
    """Return the account: position, balance, fee, num_trades, trading_volume, trading_value; an array of one record."""
    return carray(_account[1](engine, 0) if roi else _account[0](engine, 0), 1)


@jitable
def feed_ns(engine: int, roi: bool, scratch: Whole) -> int:
    """Return when market data was last received, 0 before any. `scratch` has room for two."""
    exchange, local = scratch.ctypes.data, scratch[1:].ctypes.data
    heard: int = _latency[1](engine, 0, exchange, local) if roi else _latency[0](engine, 0, exchange, local)
    return scratch[1] if heard else 0


@jitable
def orders_of(engine: int, roi: bool) -> tuple[int, int]:
    """Return the address of the orders and how many there are, ended ones included."""
    orders = _orders[1](engine, 0) if roi else _orders[0](engine, 0)
    return orders, _orders_len(orders)


@jitable
def first_order(orders: int) -> int:
    """Return a cursor over the orders, in no particular order. It is freed by asking for one more than there are."""
    return _orders_values(orders)


@jitable
def next_order(cursor: int) -> Any:
    """Return the next order, an array of one record, which is not to be read behind the last."""
    return carray(_orders_next(cursor), 1)


@jitable
def clear_inactive(engine: int, roi: bool) -> None:
    """Forget orders that have ended."""
    if roi:
        _clear[1](engine, 0)
    else:
        _clear[0](engine, 0)


@jitable
def cancel(engine: int, roi: bool, order_id: int) -> int:
    """Ask for a cancel and don't wait; 0 or an error's code."""
    return _cancel[1](engine, 0, order_id, 0) if roi else _cancel[0](engine, 0, order_id, 0)


@jitable
def submit(engine: int, roi: bool, buy: bool, order_id: int, price: float, qty: float, force: int, kind: int) -> int:
    """Send an order and don't wait; 0 or an error's code."""
    if roi:
        if buy:
            return _buy[1](engine, 0, order_id, price, qty, force, kind, 0)
        return _sell[1](engine, 0, order_id, price, qty, force, kind, 0)
    if buy:
        return _buy[0](engine, 0, order_id, price, qty, force, kind, 0)
    return _sell[0](engine, 0, order_id, price, qty, force, kind, 0)
