"""What a bot makes of what it hears."""

import itertools
import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from marketlink.bot.asking import CEILING_NS, FIRST_WAIT_NS
from marketlink.bot.state import SILENT_NS, Asset, BotState, Confidence
from marketlink.events import (
    BUY,
    DEPTH,
    DEPTH_BBO,
    DEPTH_CLEAR,
    DEPTH_SNAPSHOT,
    EXCH,
    LOCAL,
    SELL,
    TRADE,
    Events,
    empty_events,
)
from marketlink.link.port import Peer
from marketlink.messages import (
    Batch,
    ErrorEvent,
    ErrorKind,
    FeedEvent,
    LiveError,
    NewSession,
    OrderEvent,
    PositionEvent,
    RegisterInstrument,
    SamplesLost,
    SubmitOrder,
)
from marketlink.notices import Contradicted, OutOfSync, Refused, Sizes, Stated, to_error
from marketlink.orders import Order, OrderType, Side, Status, TimeInForce
from marketlink.times import Moment, MonoNs, WallNs

ME = 9
SECOND = 1_000_000_000


def at(ns: int) -> Moment:
    return Moment(MonoNs(ns), WallNs(ns))


def rows(*given_rows: tuple[int, float, float], last_id: int = 0) -> Events:
    events = empty_events(len(given_rows))
    for event, (ev, px, qty) in zip(events, given_rows, strict=True):
        event["ev"], event["px"], event["qty"], event["ival"], event["exch_ts"] = ev, px, qty, last_id, 5
    return events


def whole(last_id: int, bid: float = 100.0, ask: float = 101.0, kind: int = DEPTH) -> Events:
    return rows(
        (LOCAL | DEPTH_CLEAR, 0, 0), (LOCAL | BUY | kind, bid, 1), (LOCAL | SELL | kind, ask, 2), last_id=last_id
    )


def state(capacity: int = 0) -> BotState:
    machine = BotState(ME, [Asset("btcusdt", 0.1, 0.001, capacity)])
    assert machine.start(0) == [RegisterInstrument("btcusdt", 0.1, 0.001)]
    return machine


def told(machine: BotState, events: Events, now: int = 1, to: int = 0, framed: bool = True) -> None:
    machine.hear([Batch((FeedEvent("btcusdt", events),), to, framed)], *at(now))


def test_book_is_unknown_until_a_whole_replacement() -> None:
    machine = state()
    assert machine.confidence(0) is Confidence.UNKNOWN
    told(machine, rows((LOCAL | BUY | DEPTH, 99.0, 1)))
    assert machine.confidence(0) is Confidence.UNKNOWN
    told(machine, whole(7), to=ME)
    assert machine.confidence(0) is Confidence.SYNCED
    book = machine.assets[0].book
    assert (book.best_bid, book.best_ask, machine.assets[0].update_id) == (100.0, 101.0, 7)
    assert book.bid_qty_at_tick(990) == 0.0, "a level from before the replacement"


def test_replacement_is_a_new_book_and_never_a_half_one() -> None:
    machine = state()
    told(machine, whole(7))
    before = machine.assets[0].book
    told(machine, whole(9, bid=90.0, ask=91.0))
    assert machine.assets[0].book is not before
    assert (before.best_bid, before.best_ask) == (100.0, 101.0)
    assert machine.assets[0].book.best_bid == 90.0


def test_source_connectors_reply_without_a_clear_replaces_the_book_too() -> None:
    machine = state()
    told(machine, rows((LOCAL | BUY | DEPTH, 99.0, 1)))
    told(
        machine,
        rows((EXCH | LOCAL | BUY | DEPTH_SNAPSHOT, 100.0, 1), (EXCH | LOCAL | SELL | DEPTH_SNAPSHOT, 101.0, 1)),
        to=ME,
    )
    assert machine.confidence(0) is Confidence.SYNCED
    assert machine.assets[0].book.bid_qty_at_tick(990) == 0.0


def test_deletions_and_best_quotes_are_applied() -> None:
    machine = state()
    told(machine, whole(7))
    told(
        machine,
        rows(
            (LOCAL | BUY | DEPTH_BBO, 100.5, 3),
            (LOCAL | SELL | DEPTH, 101.0, 0),
            (LOCAL | SELL | DEPTH, 102.0, 4),
            last_id=8,
        ),
    )
    book = machine.assets[0].book
    assert (book.best_bid, book.best_bid_qty, book.best_ask) == (100.5, 3.0, 102.0)
    assert machine.assets[0].update_id == 8


def test_lost_samples_make_every_book_unknown_and_ask_anew() -> None:
    machine = state()
    told(machine, whole(7), to=ME)
    changes = machine.hear([SamplesLost(4)], *at(2 * SECOND))
    assert changes.requests == [RegisterInstrument("btcusdt", 0.1, 0.001)]
    assert machine.confidence(0) is Confidence.UNKNOWN
    assert machine.lost_samples == 4
    assert machine.hear([SamplesLost(1)], *at(2 * SECOND + 1)).requests == [], "asked again in a hot loop"
    told(machine, whole(9), 3 * SECOND, to=ME)
    assert machine.confidence(0) is Confidence.SYNCED


def test_a_reader_that_loses_every_answer_asks_ever_more_slowly() -> None:
    machine, sent = state(), [0]
    for now in range(SECOND // 10, 60 * SECOND, SECOND // 10):
        told(machine, whole(now), now, to=ME)
        if machine.hear([SamplesLost(1)], *at(now)).requests:
            sent.append(now)
    gaps = [later - earlier for earlier, later in itertools.pairwise(sent)]
    assert gaps == sorted(gaps)
    assert gaps[-1] >= CEILING_NS
    told(machine, whole(1), 70 * SECOND, to=ME)
    assert machine.hear([SamplesLost(1)], *at(80 * SECOND)).requests, "a book that lasted did not end the waiting"


def test_new_session_asks_anew() -> None:
    machine = state()
    told(machine, whole(7), to=ME)
    assert machine.hear([NewSession(1)], *at(2 * SECOND)).requests == [RegisterInstrument("btcusdt", 0.1, 0.001)]
    assert machine.confidence(0) is Confidence.UNKNOWN


def test_what_a_restarted_connector_does_not_tell_of_in_its_answer_is_asked_about() -> None:
    machine = state()
    told(machine, whole(7), to=ME)
    own = machine.assets[0].orders
    for number in (1, 2):
        made = own.submit(number, Side.BUY, 99.0, 1.0, TimeInForce.GTC, OrderType.LIMIT, 0.1, number)
        assert isinstance(made, Order)
        own.sent(made)
    machine.hear([NewSession(1)], *at(2 * SECOND))
    known = OrderEvent("btcusdt", replace(own.map[1], req=Status.NONE, exch_timestamp=5))
    for heartbeats, asked in ((False, []), (True, [SubmitOrder("btcusdt", replace(own.map[2], req=Status.NONE))])):
        machine.assets[0].asking.want(MonoNs(3 * SECOND))
        machine.on_time(MonoNs(30 * SECOND))
        answer = Batch((known, FeedEvent("btcusdt", whole(9))), ME)
        assert machine.hear([answer], *at(30 * SECOND), heartbeats=heartbeats).requests == asked
    assert own.unsure == {2}, "until it is told"


def test_unanswered_registration_is_sent_again_ever_more_slowly() -> None:
    machine, sent = state(), []
    for now in range(0, 60 * SECOND, SECOND // 10):
        if machine.on_time(now):
            sent.append(now)
    gaps = [later - earlier for earlier, later in itertools.pairwise(sent)]
    assert sent[0] == FIRST_WAIT_NS
    assert gaps == sorted(gaps)
    assert gaps[-1] == 10 * SECOND


def test_empty_reply_answers_the_registration() -> None:
    machine = state()
    machine.hear([Batch((), ME)], *at(1))
    assert machine.on_time(30 * SECOND) == []
    assert machine.confidence(0) is Confidence.UNKNOWN


def test_interruption_makes_the_named_book_stale_until_it_is_replaced() -> None:
    machine = BotState(ME, [Asset("btcusdt", 0.1, 0.001), Asset("ethusdt", 0.1, 0.001)])
    machine.start(0)
    for symbol in ("btcusdt", "ethusdt"):
        machine.hear([Batch((FeedEvent(symbol, whole(7)),))], *at(1))
    error = to_error(OutOfSync("ethusdt", "gap", 7))
    machine.hear([Batch((ErrorEvent(error),), framed=False)], *at(2))
    assert [machine.confidence(number) for number in (0, 1)] == [Confidence.SYNCED, Confidence.STALE]
    assert machine.why(1) == "gap"
    machine.hear([Batch((FeedEvent("ethusdt", whole(9)),))], *at(3))
    assert machine.confidence(1) is Confidence.SYNCED


def test_sources_interruption_without_a_symbol_makes_every_book_stale() -> None:
    machine = state()
    told(machine, whole(7))
    machine.hear([Batch((ErrorEvent(LiveError(ErrorKind.CONNECTION_INTERRUPTED, "reset")),), framed=False)], *at(2))
    assert machine.confidence(0) is Confidence.STALE


def test_reply_with_a_book_that_is_out_of_sync_is_stale() -> None:
    machine = state()
    error = to_error(OutOfSync("btcusdt", "resynchronising", 7))
    machine.hear([Batch((FeedEvent("btcusdt", whole(7)), ErrorEvent(error)), ME)], *at(1))
    assert machine.confidence(0) is Confidence.STALE


def test_silence_of_a_connector_that_heartbeats_makes_books_stale() -> None:
    machine = state()
    told(machine, whole(7), 1, to=ME)
    machine.on_time(1 + SILENT_NS)
    assert machine.confidence(0) is Confidence.SYNCED
    machine.on_time(2 + SILENT_NS)
    assert machine.confidence(0) is Confidence.STALE
    machine.hear([Batch()], *at(3 + SILENT_NS))
    assert machine.confidence(0) is Confidence.SYNCED


def test_silence_of_the_sources_connector_means_nothing() -> None:
    machine = state()
    machine.hear([Batch((FeedEvent("btcusdt", whole(7)),), ME)], *at(1), heartbeats=False)
    machine.on_time(100 * SECOND)
    assert machine.confidence(0) is Confidence.SYNCED


def test_unknown_symbol_is_told_and_asked_for_rarely() -> None:
    machine = state()
    refused = to_error(Refused("btcusdt", "no instrument 'btcusdt'"))
    machine.hear([Batch((ErrorEvent(refused),), ME)], *at(1))
    assert "no instrument" in machine.why(0)
    assert machine.on_time(30 * SECOND) == []


def test_newest_position_stands() -> None:
    machine = state()
    for qty, ts in ((1.0, 10), (2.0, 20), (3.0, 15)):
        machine.hear([Batch((PositionEvent("btcusdt", qty, ts),), framed=False)], *at(1))
    assert machine.assets[0].position == 2.0


@given(capacity=st.integers(0, 12), sizes=st.lists(st.integers(1, 20), max_size=12))
def test_last_trades_are_the_newest(capacity: int, sizes: list[int]) -> None:
    machine, all_prices = state(capacity), []
    for size in sizes:
        prices = [float(len(all_prices) + number) for number in range(size)]
        all_prices += prices
        told(machine, rows(*((LOCAL | BUY | TRADE, price, 1.0) for price in prices)), framed=False)
    kept = machine.assets[0].last_trades["px"].tolist()
    assert kept == (all_prices[-capacity:] if capacity else [])


@given(seed=st.integers(0, 2**32))
def test_a_late_bot_has_the_book_of_an_early_one(seed: int) -> None:
    rng = random.Random(seed)
    early, late = state(), state()
    told(early, whole(1), to=ME)
    for last_id in range(2, 60):
        ev = LOCAL | DEPTH | rng.choice([BUY, SELL])
        px = rng.randrange(950, 1001) / 10 if ev & BUY else rng.randrange(1010, 1060) / 10
        update = rows((ev, px, float(rng.randrange(3))), last_id=last_id)
        told(early, update)
        if late.assets[0].known:
            told(late, update)
        elif rng.random() < 0.1:
            levels = early.assets[0].book.levels()
            reply = empty_events(len(levels) + 1)
            reply[0]["ev"] = EXCH | LOCAL | DEPTH_CLEAR
            reply[1:] = levels
            reply["ival"] = last_id
            told(late, reply, to=ME)
        if late.assets[0].known:
            assert late.assets[0].update_id == early.assets[0].update_id
            assert (
                late.assets[0].book.levels()[["ev", "px", "qty"]].tobytes()
                == early.assets[0].book.levels()[["ev", "px", "qty"]].tobytes()
            )


def test_rows_outside_a_batch_are_never_a_whole_book() -> None:
    """The rest of an answer whose head was lost comes without its BatchStart."""
    machine = state()
    for events in (whole(7), rows((EXCH | LOCAL | BUY | DEPTH_SNAPSHOT, 1, 1), (LOCAL | SELL | DEPTH_SNAPSHOT, 2, 1))):
        told(machine, events, to=ME, framed=False)
        assert machine.confidence(0) is Confidence.UNKNOWN


def test_a_book_without_both_sides_or_crossed_is_not_synced() -> None:
    machine = state()
    told(machine, rows((LOCAL | DEPTH_CLEAR, 0, 0)))
    assert (machine.confidence(0), machine.why(0)) == (Confidence.STALE, "the book is empty")
    told(machine, rows((LOCAL | DEPTH_CLEAR, 0, 0), (LOCAL | BUY | DEPTH, 100.0, 1)))
    assert (machine.confidence(0), machine.why(0)) == (Confidence.STALE, "the book has one side only")
    told(machine, whole(7, bid=101.0, ask=101.0))
    assert (machine.confidence(0), machine.why(0)) == (Confidence.STALE, "the book crosses")
    told(machine, whole(8))
    assert machine.confidence(0) is Confidence.SYNCED


def test_sizes_that_are_left_out_are_the_exchanges() -> None:
    machine = BotState(ME, [Asset("btcusdt", 0.0, 0.0)])
    assert machine.start(MonoNs(0)) == [], "asked a connector of which nobody knows whether it takes sizes from bots"
    machine.on_peer(Peer.OURS, MonoNs(1))
    assert machine.on_time(MonoNs(1)) == [RegisterInstrument("btcusdt", 0.0, 0.0)]
    told(machine, whole(5))
    assert machine.confidence(0) is Confidence.UNKNOWN
    machine.hear(
        [Batch((FeedEvent("btcusdt", whole(7)), ErrorEvent(to_error(Sizes("btcusdt", 0.5, 0.01)))), ME)], *at(2)
    )
    assert machine.confidence(0) is Confidence.SYNCED
    assert machine.assets[0].book.best_bid_tick == 200


def test_sizes_are_never_left_to_a_connector_that_takes_them_from_bots() -> None:
    machine = BotState(ME, [Asset("btcusdt", 0.0, 0.0), Asset("ethusdt", 0.01, 0.001)])
    assert machine.start(MonoNs(0)) == [RegisterInstrument("ethusdt", 0.01, 0.001)]
    machine.on_peer(Peer.SOURCE, MonoNs(1))
    assert machine.unsized(MonoNs(2)) == [], "one of ours that is just starting"
    assert [asset.symbol for asset in machine.unsized(MonoNs(2 + SECOND))] == ["btcusdt"]


def test_a_stated_size_that_is_not_the_exchanges_never_makes_a_book_on_that_grid() -> None:
    machine = state()
    contradiction = ErrorEvent(to_error(Contradicted("btcusdt", Stated.TICK_SIZE, 0.1, 0.01)))
    machine.hear([Batch((FeedEvent("btcusdt", whole(7, bid=100.01)), contradiction), ME)], *at(1))
    assert machine.assets[0].tick_size == 0.01
    assert machine.assets[0].book.best_bid_tick == 10001


def test_a_symbol_in_another_spelling_is_followed_under_the_exchanges() -> None:
    machine = BotState(ME, [Asset("BTCUSDT", 0.1, 0.001)])
    machine.start(MonoNs(0))
    spelling = ErrorEvent(to_error(Contradicted("btcusdt", Stated.SYMBOL, "BTCUSDT", "btcusdt")))
    machine.hear([Batch((FeedEvent("btcusdt", whole(7)), spelling), ME)], *at(1))
    told(machine, rows((LOCAL | BUY | DEPTH, 100.5, 1), last_id=8))
    assert machine.confidence(0) is Confidence.SYNCED
    assert machine.assets[0].book.best_bid == 100.5


def test_a_restarted_connector_that_says_nothing_by_itself_is_registered_with_again() -> None:
    machine = state()
    machine.on_peer(Peer.SOURCE, MonoNs(1))
    machine.hear([Batch((FeedEvent("btcusdt", whole(7)),), ME)], *at(1), heartbeats=False)
    machine.on_peer(Peer.NOBODY, MonoNs(SECOND))
    assert machine.on_time(MonoNs(SECOND)) == []
    machine.on_peer(Peer.SOURCE, MonoNs(2 * SECOND))
    assert machine.on_time(MonoNs(2 * SECOND)) == [RegisterInstrument("btcusdt", 0.1, 0.001)]


def test_the_sources_connector_is_asked_when_it_is_silent_and_believed_only_when_it_answers() -> None:
    machine = state()
    machine.on_peer(Peer.SOURCE, MonoNs(1))
    machine.hear([Batch((FeedEvent("btcusdt", whole(7)),), ME)], *at(1), heartbeats=False)
    asked = [now for now in range(0, 6 * SECOND, SECOND // 10) if machine.on_time(MonoNs(now))]
    assert len(asked) >= 2, "a restart too quick to be seen leaves it deaf"
    assert machine.confidence(0) is Confidence.SYNCED
    machine.hear([Batch((FeedEvent("btcusdt", whole(8)),), ME)], *at(5 * SECOND), heartbeats=False)
    machine.on_time(MonoNs(7 * SECOND))
    assert machine.confidence(0) is Confidence.SYNCED, "it answers: only its market is quiet"
    machine.on_time(MonoNs(12 * SECOND))
    assert machine.confidence(0) is Confidence.STALE


def test_nobody_on_the_link_is_said() -> None:
    machine = state()
    machine.on_peer(Peer.NOBODY, MonoNs(1))
    assert machine.missing_ns(MonoNs(3 * SECOND)) == 3 * SECOND - 1
    assert machine.why(0) == "no connector of this name runs"
    told(machine, whole(7))
    assert machine.confidence(0) is Confidence.SYNCED
    machine.on_peer(Peer.NOBODY, MonoNs(4 * SECOND))
    assert machine.confidence(0) is Confidence.STALE, "a book of a connector that is gone"


def test_a_book_that_was_not_looked_after_for_long_is_stale() -> None:
    machine = state()
    told(machine, whole(7), now=SECOND)
    assert machine.confidence(0, MonoNs(2 * SECOND)) is Confidence.SYNCED
    assert machine.confidence(0, MonoNs(11 * SECOND)) is Confidence.STALE
    assert "10 s" in machine.why(0, MonoNs(11 * SECOND))


@given(st.lists(st.integers(-(10**18), 10**18), min_size=1, max_size=20), st.randoms())
def test_a_wall_clock_that_steps_changes_nothing_but_stamps(steps: list[int], rng: random.Random) -> None:
    still, stepping = state(), state()
    clock, now = 0, 0
    for step in steps:
        now, clock = now + rng.randrange(2 * SECOND), clock + step
        heard = rng.choice([[Batch((FeedEvent("btcusdt", whole(7)),), ME)], [SamplesLost(1)], [NewSession(1)], []])
        asked = [
            machine.hear(heard, MonoNs(now), WallNs(wall)).requests
            for machine, wall in ((still, now), (stepping, clock))
        ]
        assert asked[0] == asked[1]
        assert still.confidence(0, MonoNs(now)) is stepping.confidence(0, MonoNs(now))
