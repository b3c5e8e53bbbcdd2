"""What compiled code holds of a live bot: the Python objects themselves, and orders as values.

A bot owns its depths and order maps, and the caller of a strategy the bot and the recorder: they live as long as compiled code runs, which
therefore counts no references. An order is a value, as it was when it was read.
"""

import collections
from collections.abc import Callable
from typing import Any, Final

import numba
import numba.experimental
import numba.extending
import numpy as np
from numpy.typing import NDArray

from marketlink.bot.orders import OrderDict
from marketlink.events import empty_events
from marketlink.hftbacktest.bots import HashMapBot, HashMapDepth, RoiBot, RoiDepth
from marketlink.hftbacktest.recorder import RowRecorder
from marketlink.orders import Order

types: Any = numba.types  # numba states no types of its own
typeof: Any = numba.typeof
njit: Callable[[Callable[..., Any]], Callable[..., Any]] = numba.njit
jitclass: Callable[[Any], Callable[[type], Any]] = numba.experimental.jitclass  # type: ignore[attr-defined]
extending: Any = numba.extending
namedtuple: Any = collections.namedtuple

ORDER_DTYPE: Final = np.dtype(
    [
        ("order_id", "u8"),
        ("price", "f8"),
        ("exec_price", "f8"),
        ("qty", "f8"),
        ("leaves_qty", "f8"),
        ("exec_qty", "f8"),
        ("price_tick", "i8"),
        ("exec_price_tick", "i8"),
        ("tick_size", "f8"),
        ("exch_timestamp", "i8"),
        ("local_timestamp", "i8"),
        ("cancellable", "?"),
        ("maker", "?"),
        ("order_type", "u1"),
        ("req", "u1"),
        ("status", "u1"),
        ("side", "i1"),
        ("time_in_force", "u1"),
    ],
    align=True,
)
"""Everything that a strategy reads of an order."""
_NAMES: Final = ORDER_DTYPE.names or ()

CompiledOrder: Any = namedtuple("CompiledOrder", _NAMES)
CompiledValues: Any = namedtuple(
    "CompiledValues", ("position", "balance", "fee", "num_trades", "trading_volume", "trading_value")
)


class Held(types.Opaque):  # type: ignore[misc]
    """The type of a Python object that somebody else keeps alive."""


class BotType(Held):
    """A bot; `depth_type` is that of its depths."""

    def __init__(self, name: str, depth_type: "DepthType") -> None:
        super().__init__(name)
        self.depth_type = depth_type


class DepthType(Held):
    """A depth."""


class RoiDepthType(DepthType):
    """A depth with a range of prices."""


class OrdersType(Held):
    """An order map."""


class RecorderType(Held):
    """A recorder."""


hash_map_depth_type, roi_depth_type = DepthType("HashMapDepth"), RoiDepthType("RoiDepth")
orders_type: Final = OrdersType("OrderDict")
_HELD: Final = {
    HashMapBot: BotType("HashMapBot", hash_map_depth_type),
    RoiBot: BotType("RoiBot", roi_depth_type),
    HashMapDepth: hash_map_depth_type,
    RoiDepth: roi_depth_type,
    OrderDict: orders_type,
    RowRecorder: RecorderType("RowRecorder"),
}


def _hold(kind: type, compiled: Held) -> None:
    extending.typeof_impl.register(kind)(lambda value, context: compiled)


for _kind, _compiled in _HELD.items():
    _hold(_kind, _compiled)
for _compiled_kind in (BotType, DepthType, RoiDepthType, OrdersType, RecorderType):
    extending.register_model(_compiled_kind)(extending.models.OpaqueModel)


def _unbox(held: Any, value: Any, context: Any) -> Any:
    return extending.NativeValue(value)


def _box(held: Any, value: Any, context: Any) -> Any:
    context.pyapi.incref(value)
    return value


extending.unbox(Held)(_unbox)
extending.box(Held)(_box)

events_type: Final = typeof(empty_events(0))
rows_type: Final = typeof(np.zeros(0, ORDER_DTYPE))
floats_type: Final = typeof(np.zeros(0))
two_times: Final = types.UniTuple(types.int64, 2)
three_times: Final = types.UniTuple(types.int64, 3)
values_type: Final = types.Tuple((*[types.float64] * 3, types.int64, *[types.float64] * 2))


def order_rows(orders: list[Order]) -> NDArray[np.void]:
    """Return orders as records of ORDER_DTYPE."""
    return np.array([tuple(getattr(order, name) for name in _NAMES) for order in orders], ORDER_DTYPE)


def found_rows(orders: OrderDict, order_id: int) -> NDArray[np.void]:
    """Return the order of an id as one record, or none."""
    order = orders.get(int(order_id))
    return order_rows([] if order is None else [order])


def values_of(bot: Any, asset_no: int) -> tuple[float, float, float, int, float, float]:
    """Return the state's values as a tuple."""
    values = bot.state_values(asset_no)
    return tuple(getattr(values, name) for name in CompiledValues._fields)


@njit
def order_of(row: Any) -> Any:
    """Return a record of ORDER_DTYPE as a CompiledOrder."""
    return CompiledOrder(
        row.order_id,
        row.price,
        row.exec_price,
        row.qty,
        row.leaves_qty,
        row.exec_qty,
        row.price_tick,
        row.exec_price_tick,
        row.tick_size,
        row.exch_timestamp,
        row.local_timestamp,
        row.cancellable,
        row.maker,
        row.order_type,
        row.req,
        row.status,
        row.side,
        row.time_in_force,
    )


@jitclass([("rows", rows_type), ("at", types.int64)])
class CompiledValuesCursor:
    """hftbacktest's cursor over orders, in compiled code."""

    def __init__(self, rows: Any) -> None:
        self.rows = rows
        self.at = -1

    def has_next(self) -> Any:
        """Step to the next order; False when there is none."""
        self.at += 1
        return self.at < len(self.rows)

    def get(self) -> Any:
        """The order that `has_next` stepped to."""
        if not 0 <= self.at < len(self.rows):
            raise RuntimeError("get() without a has_next() that was true")
        return order_of(self.rows[self.at])

    def next(self) -> Any:
        """Step to the next order and return it; None when there is none."""
        self.at += 1
        if self.at >= len(self.rows):
            return None
        return order_of(self.rows[self.at])
