"""Random messages of the link."""

import numpy as np
from hypothesis import strategies as st
from marketlink.events import EVENT_DTYPE, Events
from marketlink.messages import (
    ErrorEvent,
    ErrorKind,
    LiveError,
    OrderEvent,
    PositionEvent,
    RegisterInstrument,
    SubmitOrder,
)
from marketlink.orders import Order, OrderType, Side, Status, TimeInForce

u64 = st.one_of(
    st.integers(0, (1 << 64) - 1), st.sampled_from([0, 250, 251, 65535, 65536, (1 << 32) - 1, 1 << 32, (1 << 64) - 1])
)
i64 = st.one_of(
    st.integers(-(1 << 63), (1 << 63) - 1), st.sampled_from([0, -1, 125, -126, 126, 32767, -(1 << 63), (1 << 63) - 1])
)
f64 = st.floats(width=64)
symbols = st.text(min_size=1, max_size=12)
finite = st.floats(allow_nan=False)

values = st.recursive(
    st.one_of(st.none(), st.text(max_size=8), i64, finite, st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=4), inner, max_size=4)),
    max_leaves=8,
)
orders = st.builds(
    Order,
    qty=finite,
    leaves_qty=finite,
    exec_qty=finite,
    exec_price_tick=i64,
    price_tick=i64,
    tick_size=finite,
    exch_timestamp=i64,
    local_timestamp=i64,
    order_id=u64,
    maker=st.booleans(),
    order_type=st.sampled_from(OrderType),
    req=st.sampled_from(Status),
    status=st.sampled_from(Status),
    side=st.sampled_from(Side),
    time_in_force=st.sampled_from(TimeInForce),
)
errors = st.one_of(
    st.builds(LiveError, st.sampled_from([kind for kind in ErrorKind if kind is not ErrorKind.CUSTOM]), values),
    st.builds(LiveError, st.just(ErrorKind.CUSTOM), values, i64),
)
plain_events = st.one_of(
    st.builds(OrderEvent, symbols, orders),
    st.builds(PositionEvent, symbols, finite, i64),
    st.builds(ErrorEvent, errors),
)
requests = st.one_of(st.builds(SubmitOrder, symbols, orders), st.builds(RegisterInstrument, symbols, finite, finite))
rows = st.tuples(u64, i64, i64, f64, f64, u64, i64, f64)


@st.composite
def records(draw: st.DrawFn, min_size: int = 0, max_size: int = 12) -> Events:
    """Arrays of event records with any content."""
    return np.array(draw(st.lists(rows, min_size=min_size, max_size=max_size)), EVENT_DTYPE)
