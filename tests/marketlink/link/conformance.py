"""What every link must do, whatever carries it. A link is given as a factory of its two ends."""

from dataclasses import replace
from typing import Protocol

import numpy as np
from marketlink.bot.orders import OwnOrders
from marketlink.events import empty_events
from marketlink.link.port import BotPort, ConnectorPort
from marketlink.messages import (
    Batch,
    BotRequest,
    ErrorEvent,
    ErrorKind,
    FeedEvent,
    Heard,
    LiveError,
    NewSession,
    OrderEvent,
    PositionEvent,
    RegisterInstrument,
    SamplesLost,
    SubmitOrder,
)
from marketlink.orders import Order, OrderType, Side, Status, TimeInForce


class Ends(Protocol):
    """Makes the two ends of one link."""

    buffer: int

    def connector(self) -> ConnectorPort: ...

    def bot(self, bot_id: int) -> BotPort: ...


def feed(symbol: str, count: int) -> FeedEvent:
    events = empty_events(count)
    events["px"] = np.arange(count)
    events["exch_ts"] = 1_723_161_256_298_000_000
    return FeedEvent(symbol, events)


def rows(heard: list[Heard]) -> int:
    return sum(
        len(event.events)
        for one in heard
        if isinstance(one, Batch)
        for event in one.events
        if isinstance(event, FeedEvent)
    )


def check_batches_reach_whom_they_are_for(ends: Ends) -> None:
    connector, one, two = ends.connector(), ends.bot(1), ends.bot(2)
    connector.send(Batch((feed("btcusdt", 3), PositionEvent("btcusdt", 1.5, 7))))
    connector.send(Batch((feed("ethusdt", 2),), to=2))
    connector.send(Batch())
    heard_one, heard_two = one.receive(), two.receive()
    assert [len(batch.events) for batch in heard_one if isinstance(batch, Batch)] == [2, 0]
    assert [len(batch.events) for batch in heard_two if isinstance(batch, Batch)] == [2, 1, 0]
    assert heard_one[0].events[0].events.tobytes() == feed("btcusdt", 3).events.tobytes()  # type: ignore[union-attr]
    assert one.receive() == []


def check_requests_carry_the_bots_id(ends: Ends) -> None:
    connector, one, two = ends.connector(), ends.bot(1), ends.bot(2)
    one.request(RegisterInstrument("btcusdt", 0.1, 0.001))
    two.request(RegisterInstrument("ethusdt"))
    assert connector.wait(1.0)
    assert connector.requests() == [
        BotRequest(1, RegisterInstrument("btcusdt", 0.1, 0.001)),
        BotRequest(2, RegisterInstrument("ethusdt")),
    ]
    assert connector.requests() == []


def check_order_requests_and_their_events_arrive_as_sent(ends: Ends) -> None:
    connector, bot = ends.connector(), ends.bot(7)
    own = OwnOrders()
    asked = []
    for number, side in ((3, Side.BUY), ((1 << 64) - 1, Side.SELL)):
        submit = own.submit(
            number, side, 27_100.5, 0.003, TimeInForce.GTX, OrderType.LIMIT, 0.1, 1_723_161_256_298_000_000
        )
        assert isinstance(submit, Order)
        own.sent(submit)
        accepted = replace(submit, req=Status.NONE, exch_timestamp=1_723_161_256_301_000_000)
        own.on_event(accepted, 0)
        modify = own.modify(number, 27_099.9, 0.002, 1_723_161_256_401_000_000)
        assert isinstance(modify, Order)
        own.sent(modify)
        own.on_event(replace(modify, req=Status.NONE), 0)
        cancel = own.cancel(number, 1_723_161_256_501_000_000)
        assert isinstance(cancel, Order)
        asked += [SubmitOrder("btcusdt", order) for order in (submit, modify, cancel)]
    for request in asked:
        bot.request(request)
    assert connector.wait(1.0)
    assert connector.requests() == [BotRequest(7, request) for request in asked]
    for request in asked:
        connector.send(Batch((OrderEvent("btcusdt", request.order),), to=7, framed=False))
    assert bot.receive() == [Batch((OrderEvent("btcusdt", request.order),), to=7, framed=False) for request in asked]


def check_a_full_buffer_loses_the_oldest_and_says_so(ends: Ends) -> None:
    connector, bot = ends.connector(), ends.bot(1)
    connector.send(Batch((feed("btcusdt", 1),)))
    bot.receive()
    for _ in range(ends.buffer + 5):
        connector.send(Batch((feed("btcusdt", 1),)))
    heard = bot.receive()
    assert isinstance(heard[0], SamplesLost)
    assert heard[0].count >= 5
    assert rows(heard[1:]) > 0
    connector.send(Batch())
    assert bot.receive() == [Batch()]


def check_a_restart_of_the_connector_is_heard(ends: Ends) -> None:
    connector, bot = ends.connector(), ends.bot(1)
    connector.send(Batch())
    assert bot.receive() == [Batch()]
    connector.close()
    connector = ends.connector()
    connector.send(Batch((feed("btcusdt", 2),)))
    heard = bot.receive()
    assert isinstance(heard[0], NewSession)
    assert rows(heard) == 2


def check_a_long_error_is_heard(ends: Ends) -> None:
    connector, bot = ends.connector(), ends.bot(9)
    error = ErrorEvent(LiveError(ErrorKind.ORDER_ERROR, {"msg": "x" * 4000}))
    connector.send(Batch((error,), to=9, framed=False))
    assert bot.receive() == [Batch((error,), to=9, framed=False)]


def check_id_zero_is_refused(ends: Ends) -> None:
    try:
        ends.bot(0)
    except ValueError:
        return
    raise AssertionError("a bot with the id of everyone")


CHECKS = [check for name, check in list(globals().items()) if name.startswith("check_")]
