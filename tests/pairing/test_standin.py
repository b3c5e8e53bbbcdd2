"""The wire's contract: what this project encodes is, byte for byte, what the stand-in encodes, which shares no line with it."""

import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from marketlink.events import empty_events
from marketlink.link import wire
from marketlink.messages import (
    ErrorEvent,
    ErrorKind,
    FeedEvent,
    LiveError,
    OrderEvent,
    PositionEvent,
    RegisterInstrument,
    SubmitOrder,
)
from marketlink.orders import Order

from tests.marketlink.link.strategies import orders
from tests.pairing import standin

i64 = st.integers(-(1 << 63), (1 << 63) - 1)
u64 = st.integers(0, (1 << 64) - 1)
f64 = st.floats(allow_nan=False)
text = st.text(max_size=300)
values = st.recursive(
    st.one_of(text, i64, f64, st.booleans(), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(text, inner, max_size=3)),
    max_leaves=6,
)


def read_again(what: str, raw: bytes) -> None:
    """The stand-in reads all of a message of ours, and writes the same bytes."""
    assert standin.encode(what, standin.decode(what, raw)) == raw


@given(text, orders)
def test_orders_of_ours_are_what_the_protocol_says(symbol: str, order: Order) -> None:
    for raw in (*wire.encode_event(OrderEvent(symbol, order)), wire.encode_request(SubmitOrder(symbol, order))):
        read_again("request" if raw[0] == 0 else "event", raw)
    assert wire.decode_request(wire.encode_request(SubmitOrder(symbol, order))) == SubmitOrder(symbol, order)


@given(text, f64, i64, values)
def test_positions_and_errors_of_ours_are_what_the_protocol_says(
    symbol: str, qty: float, at_ns: int, value: object
) -> None:
    events = [PositionEvent(symbol, qty, at_ns), *(ErrorEvent(LiveError(kind, value, 7)) for kind in ErrorKind)]  # type: ignore[arg-type]
    for event in events:
        for raw in wire.encode_event(event):
            read_again("event", raw)


@given(text, st.tuples(u64, i64, i64, f64, f64, u64, i64, f64))
def test_market_data_of_ours_is_what_the_protocol_says(symbol: str, row: tuple[float, ...]) -> None:
    events = empty_events(1)
    events[0] = row
    (raw,) = wire.encode_event(FeedEvent(symbol, events))
    read_again("event", raw)
    assert standin.decode("event", raw) == (standin.FEED, symbol, *row)


@given(text, f64, f64)
def test_registrations_of_the_stand_in_are_read_as_they_were_meant(symbol: str, tick: float, lot: float) -> None:
    raw = standin.encode("request", (standin.REGISTER, symbol, tick, lot))
    assert wire.decode_request(raw) == RegisterInstrument(symbol, tick, lot)
    assert wire.encode_request(RegisterInstrument(symbol, tick, lot)) == raw


def test_the_check_vector_of_the_protocol_is_met_by_both() -> None:
    vector = bytes.fromhex("0107627463757364749a9999999999b93ffca9f1d24d62503f")
    assert standin.encode("request", (standin.REGISTER, "btcusdt", 0.1, 0.001)) == vector
    assert wire.encode_request(RegisterInstrument("btcusdt", 0.1, 0.001)) == vector


def test_a_message_of_full_stamps_has_58_bytes() -> None:
    at_ns = 1_795_820_389_752_734_460
    row = (standin.LOCAL | standin.DEPTH | standin.BUY, at_ns, at_ns, 61799.9, 0.048, 0, 0, 0.0)
    raw = standin.encode("event", (standin.FEED, "btcusdt", *row))
    assert len(raw) == 58
    (feed,) = [wire.decode_event(raw)]
    assert isinstance(feed, FeedEvent)
    assert feed.events[0].tolist() == row
    assert np.frombuffer(struct.pack("<d", row[3])).item() == feed.events["px"][0]
