"""The bytes of the link, against the check vectors of the protocol and against themselves."""

import contextlib
import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from marketlink.errors import WireError
from marketlink.events import BUY, LOCAL, empty_events
from marketlink.link.wire import (
    Mark,
    decode_event,
    decode_request,
    encode_event,
    encode_request,
    put_signed,
    put_unsigned,
)
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
from marketlink.orders import Order, OrderType, Side, Status, TimeInForce

from tests.marketlink.link import strategies as some


def test_registration_is_the_published_vector() -> None:
    raw = encode_request(RegisterInstrument("btcusdt", 0.1, 0.001))
    assert raw.hex() == "0107627463757364749a9999999999b93ffca9f1d24d62503f"


def test_feed_with_whole_ns_times_is_58_bytes() -> None:
    events = empty_events(1)
    events[0] = (LOCAL | BUY | 1, 1723161256298000000, 1723161256302471518, 58710.2, 0.014, 0, 0, 0.0)
    (raw,) = encode_event(FeedEvent("btcusdt", events))
    assert len(raw) == 58
    assert raw[:9] == b"\x02\x07btcusdt"


@pytest.mark.parametrize(
    ("value", "raw"),
    [
        (0, "00"),
        (250, "fa"),
        (251, "fbfb00"),
        (65535, "fbffff"),
        (65536, "fc00000100"),
        (1 << 32, "fd0000000001000000"),
    ],
)
def test_unsigned_widths(value: int, raw: str) -> None:
    assert put_unsigned(value).hex() == raw


@pytest.mark.parametrize(
    ("value", "raw"), [(0, "00"), (-1, "01"), (1, "02"), (-125, "f9"), (125, "fa"), (-126, "fbfb00")]
)
def test_signed_is_zigzag(value: int, raw: str) -> None:
    assert put_signed(value).hex() == raw


def test_enums_travel_as_their_place_in_the_declaration() -> None:
    order = Order(
        qty=1.0,
        leaves_qty=1.0,
        exec_qty=0.0,
        exec_price_tick=0,
        price_tick=5,
        tick_size=0.1,
        exch_timestamp=0,
        local_timestamp=0,
        order_id=9,
        maker=True,
        order_type=OrderType.UNSUPPORTED,
        req=Status.UNSUPPORTED,
        status=Status.NEW,
        side=Side.SELL,
        time_in_force=TimeInForce.UNSUPPORTED,
    )
    (raw,) = encode_event(OrderEvent("x", order))
    assert raw[-6:] == bytes([1, 2, 8, 1, 1, 4])
    (raw,) = encode_event(OrderEvent("x", dataclasses.replace(order, side=Side.UNSUPPORTED)))
    assert raw[-2] == 3


@pytest.mark.parametrize(("req", "raw"), [(Status.NEW, "01"), (Status.CANCELED, "04"), (Status.REPLACED, "07")])
def test_a_request_for_an_order_is_the_whole_order_and_says_what_by_req(req: Status, raw: str) -> None:
    order = Order(
        qty=1.0,
        leaves_qty=1.0,
        exec_qty=0.0,
        exec_price_tick=0,
        price_tick=5,
        tick_size=0.5,
        exch_timestamp=0,
        local_timestamp=1,
        order_id=9,
        maker=False,
        order_type=OrderType.LIMIT,
        req=req,
        status=Status.NEW,
        side=Side.BUY,
        time_in_force=TimeInForce.GTX,
    )
    one, none, half = "000000000000f03f", "0000000000000000", "000000000000e03f"
    assert encode_request(SubmitOrder("x", order)).hex() == f"000178{one}{one}{none}000a{half}0002090000{raw}010001"


def test_error_of_a_custom_kind_carries_its_number_and_a_map() -> None:
    (raw,) = encode_event(ErrorEvent(LiveError(ErrorKind.CUSTOM, {"k": True}, -3)))
    assert raw == b"\x05\x03\x05" + b"\x05\x01\x01k\x03\x01"


@given(some.plain_events)
def test_event_round_trip(event: OrderEvent | PositionEvent | ErrorEvent) -> None:
    (raw,) = encode_event(event)
    assert decode_event(raw) == event
    assert decode_event(raw + b"trailing") == event


@given(some.requests)
def test_request_round_trip(request: RegisterInstrument) -> None:
    assert decode_request(encode_request(request)) == request


@given(some.symbols, some.records(min_size=1))
def test_feed_round_trip(symbol: str, events: np.ndarray) -> None:
    decoded = [decode_event(raw) for raw in encode_event(FeedEvent(symbol, events))]
    assert all(isinstance(one, FeedEvent) and one.symbol == symbol for one in decoded)
    assert np.concatenate([one.events for one in decoded if isinstance(one, FeedEvent)]).tobytes() == events.tobytes()


def test_batch_marks() -> None:
    assert decode_event(b"\x00") == Mark(end=False)
    assert decode_event(b"\x01") == Mark(end=True)


@given(st.binary(max_size=80))
def test_any_bytes_give_a_message_or_a_wire_error(raw: bytes) -> None:
    with contextlib.suppress(WireError):
        decode_event(raw)
    with contextlib.suppress(WireError):
        decode_request(raw)


@given(some.plain_events, st.data())
def test_every_cut_message_is_a_wire_error(event: OrderEvent, data: st.DataObject) -> None:
    (raw,) = encode_event(event)
    cut = data.draw(st.integers(0, len(raw) - 1))
    with pytest.raises(WireError):
        decode_event(raw[:cut])


def test_a_value_nested_too_deep_is_refused() -> None:
    with pytest.raises(WireError, match="nested"):
        decode_event(b"\x05\x00" + b"\x04\x01" * 100 + b"\x06")


def test_a_number_of_more_than_64_bits_is_refused() -> None:
    for value in (1 << 64, -1):
        with pytest.raises(ValueError, match=r"64 bits|negative"):
            put_unsigned(value)
    with pytest.raises(ValueError, match="64 bits"):
        put_signed(1 << 63)
