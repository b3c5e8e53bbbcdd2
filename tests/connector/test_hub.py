"""The connector's core, driven without a socket."""

import random
from collections.abc import Sequence

import numpy as np
import pytest
from connector.effects import Answer, Effect, FetchSnapshot, Note, Publish, Subscribe
from connector.hub import HEARTBEAT_NS, Hub
from hypothesis import given
from hypothesis import strategies as st
from marketlink.book.rules import DepthUpdate, Snapshot
from marketlink.bot.state import Asset, BotState, Confidence
from marketlink.errors import MalformedMessage
from marketlink.events import (
    BUY,
    DEPTH,
    DEPTH_CLEAR,
    KIND_MASK,
    LOCAL,
    SELL,
    TRADE,
    Events,
    empty_events,
)
from marketlink.messages import (
    Batch,
    BotRequest,
    ErrorEvent,
    ErrorKind,
    FeedEvent,
    OrderEvent,
    RegisterInstrument,
    SubmitOrder,
)
from marketlink.orders import Order, OrderType, Side, Status, TimeInForce
from marketlink.times import Moment, MonoNs, WallNs
from marketlink.venues.base import Depth, ExchangeInfo, Instrument, NotUsed, Ticks, WeightLimit
from marketlink.venues.binance import USDM

BOT = 77
SECOND = 1_000_000_000


def at(ns: int) -> Moment:
    return Moment(MonoNs(ns), WallNs(ns))


def answered(machine: Hub, effects: Sequence[Effect], now: int = 10) -> list[Batch]:
    """The answers that these effects lead to, as the outbox makes them."""
    return [machine.answer(effect, at(now)) for effect in effects if isinstance(effect, Answer)]


def info(*symbols: str) -> ExchangeInfo:
    return ExchangeInfo(
        {symbol: Instrument(symbol, 0.1, 0.001, "0.10", "0.001", True) for symbol in symbols}, WeightLimit(2400, 60)
    )


def hub(*symbols: str) -> Hub:
    machine = Hub(USDM, random.Random(1))
    machine.on_info(info(*(symbols or ("btcusdt",))), at(0))
    return machine


def levels(*given_levels: tuple[int, float, float], last_id: int = 0) -> Events:
    events = empty_events(len(given_levels))
    for event, (side, px, qty) in zip(events, given_levels, strict=True):
        event["ev"], event["px"], event["qty"], event["ival"] = LOCAL | side | DEPTH, px, qty, last_id
        event["exch_ts"], event["local_ts"] = 1000 + last_id, 2000 + last_id
    return events


def depth(first: int, last: int, prev: int, *given_levels: tuple[int, float, float], symbol: str = "btcusdt") -> Depth:
    return Depth(symbol, DepthUpdate(first, last, prev, levels(*given_levels, last_id=last)))


def snapshot(last_id: int, *given_levels: tuple[int, float, float]) -> Snapshot:
    return Snapshot(last_id, levels(*given_levels, last_id=last_id))


def batches(effects: Sequence[Effect]) -> list[Batch]:
    return [effect.batch for effect in effects if isinstance(effect, Publish)]


def errors(effects: Sequence[Effect], answers: Sequence[Batch] = ()) -> list[dict[str, object]]:
    found = [
        event.error
        for batch in [*batches(effects), *answers]
        for event in batch.events
        if isinstance(event, ErrorEvent)
    ]
    return [{"kind": error.kind, **(error.value if isinstance(error.value, dict) else {})} for error in found]


def register(
    machine: Hub, symbol: str = "btcusdt", tick: float = 0.1, lot: float = 0.001, bot: int = BOT
) -> list[Effect]:
    return machine.on_request(BotRequest(bot, RegisterInstrument(symbol, tick, lot)), at(10))


def synced(*symbols: str) -> Hub:
    machine = hub(*symbols)
    for symbol in symbols or ("btcusdt",):
        register(machine, symbol)
        machine.on_message(depth(5, 9, 4, (BUY, 100.0, 1.0), symbol=symbol), at(20))
        machine.on_snapshot(symbol, 1, snapshot(7, (BUY, 99.0, 2.0), (SELL, 101.0, 3.0)), at(30))
        assert machine.markets[symbol].sync.in_sync
    return machine


def test_registration_before_the_instruments_are_known_is_answered_later() -> None:
    machine = Hub(USDM, random.Random(1))
    assert batches(register(machine)) == []
    effects = machine.on_info(info("btcusdt"), at(1))
    assert Subscribe("btcusdt") in effects
    assert answered(machine, effects) == [Batch((), BOT)]


def test_second_registration_subscribes_nothing_and_gets_the_book() -> None:
    machine = synced()
    effects = register(machine, bot=78)
    assert not [effect for effect in effects if isinstance(effect, Subscribe)]
    (batch,) = answered(machine, effects)
    assert batch.to == 78
    (feed,) = batch.events
    assert isinstance(feed, FeedEvent)
    kinds = (feed.events["ev"] & KIND_MASK).tolist()
    assert kinds == [DEPTH_CLEAR] + [DEPTH] * 3, "the source's bots take plain depth rows only"
    assert feed.events["px"].tolist()[1:] == [100.0, 99.0, 101.0]
    assert set(feed.events["ival"].tolist()) == {9}


def test_unknown_symbol_is_refused_with_the_nearest() -> None:
    (error,) = errors(register(hub("btcusdt", "ethusdt"), "btcusd"))
    assert error["refused"] is True
    assert "'btcusdt'" in str(error["msg"])


@pytest.mark.parametrize(("tick", "lot", "count"), [(0.1, 0.001, 0), (0.0, 0.0, 0), (0.01, 0.001, 1), (0.01, 0.01, 2)])
def test_sizes_are_the_exchanges_and_a_contradiction_is_told(tick: float, lot: float, count: int) -> None:
    machine = hub()
    effects = register(machine, tick=tick, lot=lot)
    said = errors(effects, answered(machine, effects))
    told = [(error["contradicts"], error["stated"], error["true"]) for error in said if "contradicts" in error]
    assert [(error["tick_size"], error["lot_size"]) for error in said if "tick_size" in error] == [(0.1, 0.001)][
        : tick == 0
    ]
    assert told == [("tick_size", tick, 0.1), ("lot_size", lot, 0.001)][:count]
    assert (
        len([effect for effect in effects if isinstance(effect, Note) and "the exchange's is used" in effect.text])
        == count
    )
    assert machine.markets["btcusdt"].book.tick_size == 0.1


def test_upper_case_symbol_is_told_its_true_spelling() -> None:
    machine = hub()
    (error,) = errors([], answered(machine, register(machine, "BTCUSDT")))
    assert error["symbol"] == "btcusdt"
    assert (error["contradicts"], error["stated"], error["true"]) == ("symbol", "BTCUSDT", "btcusdt")
    assert list(machine.markets) == ["btcusdt"]


def test_snapshot_is_published_as_one_replacement_and_the_held_update_behind_it() -> None:
    machine = hub()
    register(machine)
    assert machine.on_message(depth(5, 9, 4, (BUY, 100.0, 1.0)), at(20)) == [FetchSnapshot("btcusdt", 1)]
    first, second = batches(
        machine.on_snapshot("btcusdt", 1, snapshot(7, (BUY, 99.0, 2.0), (SELL, 101.0, 3.0)), at(30))
    )
    (feed,) = first.events
    assert isinstance(feed, FeedEvent)
    assert (feed.events["ev"] & KIND_MASK).tolist() == [DEPTH_CLEAR, DEPTH, DEPTH]
    assert first.framed
    (update,) = second.events
    assert isinstance(update, FeedEvent)
    assert update.events["ival"].tolist() == [9]
    assert update.events["local_ts"].tolist() == [2009]


def test_resync_deletes_for_bots_that_know_no_clear() -> None:
    machine = synced()
    machine.on_message(depth(50, 60, 49), at(40))
    (batch, _) = batches(machine.on_snapshot("btcusdt", 2, snapshot(60, (BUY, 98.0, 1.0), (SELL, 101.0, 5.0)), at(50)))
    (feed,) = batch.events
    assert isinstance(feed, FeedEvent)
    book: dict[tuple[int, float], float] = {(BUY, 100.0): 1.0, (BUY, 99.0): 2.0, (SELL, 101.0): 3.0}
    for row in feed.events:  # as the source's bot does: only depth rows, the clear is nothing to it
        if int(row["ev"]) & KIND_MASK == DEPTH and int(row["ev"]) & LOCAL:
            book[(int(row["ev"]) & (BUY | SELL), float(row["px"]))] = float(row["qty"])
    assert {key: qty for key, qty in book.items() if qty} == {(BUY, 98.0): 1.0, (SELL, 101.0): 5.0}


def test_gap_is_told_to_everyone_and_asks_once() -> None:
    machine = synced()
    effects = machine.on_message(depth(50, 60, 49), at(40))
    (error,) = errors(effects)
    assert (error["kind"], error["symbol"], error["state"], error["after_id"]) == (
        ErrorKind.CONNECTION_INTERRUPTED,
        "btcusdt",
        "out_of_sync",
        9,
    )
    assert [effect for effect in effects if isinstance(effect, FetchSnapshot)] == [FetchSnapshot("btcusdt", 2)]


def test_registration_during_a_resync_gets_the_last_book_and_the_reason() -> None:
    machine = synced()
    machine.on_message(depth(50, 60, 49), at(40))
    (batch,) = answered(machine, register(machine, bot=5))
    assert [type(event) for event in batch.events] == [FeedEvent, ErrorEvent]


def test_disconnect_marks_the_books_of_that_connection_only() -> None:
    machine = synced("btcusdt", "ethusdt")
    effects = machine.on_disconnected(["ethusdt"], "reset", at(40))
    assert [error["symbol"] for error in errors(effects)] == ["ethusdt"]
    assert machine.markets["btcusdt"].sync.in_sync
    assert not machine.markets["ethusdt"].sync.in_sync


def test_bad_depth_message_takes_the_book_out_of_sync_and_a_bad_trade_does_not() -> None:
    machine = synced()
    machine.on_malformed(MalformedMessage("binancefutures", "p", b"{", symbol="btcusdt", stream="trade"), at(40))
    assert machine.markets["btcusdt"].sync.in_sync
    effects = machine.on_malformed(
        MalformedMessage("binancefutures", "b", b"{", symbol="btcusdt", stream="depth"), at(40)
    )
    assert FetchSnapshot("btcusdt", 2) in effects
    assert machine.counts.malformed == 2


def test_message_of_an_unknown_kind_is_counted_and_noted_once() -> None:
    machine = synced()
    notes = [machine.on_message(NotUsed("newThing", known=False), at(1)) for _ in range(5)]
    assert [len(effects) for effects in notes] == [1, 0, 0, 0, 0]
    assert machine.counts.unknown == {"newThing": 5}
    assert machine.on_message(NotUsed("aggTrade", known=True), at(1)) == []


def test_trades_are_published_bare() -> None:
    events = empty_events(2)
    events["ev"] = LOCAL | BUY | TRADE
    (batch,) = batches(synced().on_message(Ticks("btcusdt", events), at(50)))
    assert not batch.framed
    assert synced().on_message(Ticks("btcusdt", empty_events()), at(50)) == []


@pytest.mark.parametrize("req", [Status.NEW, Status.CANCELED])
def test_order_is_answered_that_trading_is_not_configured(req: Status) -> None:
    order = Order(
        1.0, 1.0, 0.0, 0, 1000, 0.1, 0, 5, 42, False, OrderType.LIMIT, req, Status.NEW, Side.BUY, TimeInForce.GTX
    )
    effects = synced().on_request(BotRequest(BOT, SubmitOrder("btcusdt", order)), at(50))
    (error,) = errors(effects)
    assert error["kind"] is ErrorKind.ORDER_ERROR
    assert error["order_id"] == 42
    assert "trading is not configured" in str(error["msg"])
    (batch,) = batches(effects)
    assert batch.to == BOT
    (answer,) = [event for event in batch.events if isinstance(event, OrderEvent)]
    assert not answer.order.pending
    assert (answer.order.status is Status.EXPIRED) is (req is Status.NEW)


def test_request_without_a_bot_id_is_left_out() -> None:
    (note,) = hub().on_request(BotRequest(0, RegisterInstrument("btcusdt")), at(1))
    assert isinstance(note, Note)


def test_heartbeat_only_when_nothing_else_was_sent() -> None:
    machine = hub()
    assert batches(machine.on_time(at(HEARTBEAT_NS))) == [Batch()]
    machine.on_sent(Batch(), MonoNs(HEARTBEAT_NS))
    assert machine.on_time(at(HEARTBEAT_NS + 1)) == []
    assert batches(machine.on_time(at(2 * HEARTBEAT_NS))) == [Batch()]


def test_update_that_changes_nothing_still_tells_its_id() -> None:
    machine = synced()
    for number, given_levels in ((10, [(SELL, 150.0, 0.0)]), (11, [])):
        (batch,) = batches(machine.on_message(depth(number, number, number - 1, *given_levels), at(60)))
        (feed,) = batch.events
        assert isinstance(feed, FeedEvent)
        assert feed.events["ival"].tolist() == [number]
    assert machine.markets["btcusdt"].book.bids()[0].tolist() == [1000, 990]


def test_failed_snapshot_is_fetched_again() -> None:
    machine = hub()
    register(machine)
    machine.on_message(depth(5, 9, 4), at(20))
    effects = machine.on_snapshot_failed("btcusdt", 1, "HTTP 500", at(30))
    assert not [effect for effect in effects if isinstance(effect, FetchSnapshot)]
    later = [effect for now in range(0, 5 * SECOND, SECOND // 20) for effect in machine.on_time(at(now))]
    assert [effect for effect in later if isinstance(effect, FetchSnapshot)] == [FetchSnapshot("btcusdt", 2)]


@given(seed=st.integers(0, 2**32), harm=st.sampled_from([0.0, 0.03, 0.2]))
def test_whatever_is_published_a_bot_that_believes_its_book_has_the_exchanges(seed: int, harm: float) -> None:
    rng = random.Random(seed)
    machine, bot = hub(), BotState(BOT, [Asset("btcusdt", 0.1, 0.001)])
    true: dict[tuple[int, float], float] = {}
    history: dict[int, dict[tuple[int, float], float]] = {}
    last_id, fetches = 10, list[tuple[int, Snapshot]]()

    def take(effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Publish):
                bot.hear([effect.batch], *at(1))
            elif isinstance(effect, Answer):
                bot.hear([machine.answer(effect, at(1))], *at(1))
            elif isinstance(effect, FetchSnapshot):
                fetches.append(
                    (effect.ticket, snapshot(last_id, *((side, px, qty) for (side, px), qty in sorted(true.items()))))
                )

    take(register(machine))
    for step in range(120):
        prev, last_id = last_id, last_id + rng.randint(1, 3)
        changes = {}
        for _ in range(rng.randint(0, 3)):
            side = rng.choice([BUY, SELL])
            px = rng.randrange(980, 1000) / 10 if side == BUY else rng.randrange(1001, 1020) / 10
            changes[(side, px)] = float(rng.randrange(3))
        true.update(changes)
        for key in [key for key, qty in true.items() if not qty]:
            del true[key]
        history[last_id] = dict(true)
        if rng.random() >= harm:
            take(
                machine.on_message(
                    depth(prev + 1, last_id, prev, *((side, px, qty) for (side, px), qty in changes.items())),
                    at(step * SECOND // 10),
                )
            )
        elif rng.random() < 0.3:
            take(machine.on_disconnected(["btcusdt"], "reset", at(step * SECOND // 10)))
        if fetches and rng.random() < 0.5:
            ticket, body = fetches.pop(0)
            take(machine.on_snapshot("btcusdt", ticket, body, at(step * SECOND // 10)))
        take(machine.on_time(at(step * SECOND // 10)))
        asset = bot.assets[0]
        if bot.confidence(0) is Confidence.SYNCED and asset.update_id in history:
            rows = asset.book.levels()
            mine = {(int(row["ev"]) & (BUY | SELL), float(row["px"])): float(row["qty"]) for row in rows}
            assert mine == history[asset.update_id]
    if not harm:
        assert bot.confidence(0) is Confidence.SYNCED
        assert bot.assets[0].update_id == last_id
        assert np.isfinite(bot.assets[0].book.best_bid) == any(side == BUY for side, _ in true)
