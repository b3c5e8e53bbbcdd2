"""What a bot makes of what it hears."""

import itertools
import random

from hypothesis import given
from hypothesis import strategies as st
from marketlink.bot.state import ASK_AGAIN_NS, SILENT_NS, Asset, BotState, Confidence
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
from marketlink.messages import (
    Batch,
    ErrorEvent,
    ErrorKind,
    Feed,
    LiveError,
    NewSession,
    PositionEvent,
    RegisterInstrument,
    SamplesLost,
)

ME = 9
SECOND = 1_000_000_000


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
    machine.hear([Batch((Feed("btcusdt", events),), to, framed)], now)


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
    changes = machine.hear([SamplesLost(4)], 2 * SECOND)
    assert changes.requests == [RegisterInstrument("btcusdt", 0.1, 0.001)]
    assert machine.confidence(0) is Confidence.UNKNOWN
    assert machine.lost_samples == 4
    assert machine.hear([SamplesLost(1)], 2 * SECOND + 1).requests == [], "asked again in a hot loop"
    told(machine, whole(9), 3 * SECOND, to=ME)
    assert machine.confidence(0) is Confidence.SYNCED


def test_new_session_asks_anew() -> None:
    machine = state()
    told(machine, whole(7), to=ME)
    assert machine.hear([NewSession(1)], 2 * SECOND).requests == [RegisterInstrument("btcusdt", 0.1, 0.001)]
    assert machine.confidence(0) is Confidence.UNKNOWN


def test_unanswered_registration_is_sent_again_ever_more_slowly() -> None:
    machine, sent = state(), []
    for now in range(0, 60 * SECOND, SECOND // 10):
        if machine.on_time(now):
            sent.append(now)
    gaps = [later - earlier for earlier, later in itertools.pairwise(sent)]
    assert sent[0] == ASK_AGAIN_NS
    assert gaps == sorted(gaps)
    assert gaps[-1] == 10 * SECOND


def test_empty_reply_answers_the_registration() -> None:
    machine = state()
    machine.hear([Batch((), ME)], 1)
    assert machine.on_time(30 * SECOND) == []
    assert machine.confidence(0) is Confidence.UNKNOWN


def test_interruption_makes_the_named_book_stale_until_it_is_replaced() -> None:
    machine = BotState(ME, [Asset("btcusdt", 0.1, 0.001), Asset("ethusdt", 0.1, 0.001)])
    machine.start(0)
    for symbol in ("btcusdt", "ethusdt"):
        machine.hear([Batch((Feed(symbol, whole(7)),))], 1)
    error = LiveError(ErrorKind.CONNECTION_INTERRUPTED, {"symbol": "ethusdt", "state": "out_of_sync", "reason": "gap"})
    machine.hear([Batch((ErrorEvent(error),), framed=False)], 2)
    assert [machine.confidence(number) for number in (0, 1)] == [Confidence.SYNCED, Confidence.STALE]
    assert machine.why(1) == "gap"
    machine.hear([Batch((Feed("ethusdt", whole(9)),))], 3)
    assert machine.confidence(1) is Confidence.SYNCED


def test_sources_interruption_without_a_symbol_makes_every_book_stale() -> None:
    machine = state()
    told(machine, whole(7))
    machine.hear([Batch((ErrorEvent(LiveError(ErrorKind.CONNECTION_INTERRUPTED, "reset")),), framed=False)], 2)
    assert machine.confidence(0) is Confidence.STALE


def test_reply_with_a_book_that_is_out_of_sync_is_stale() -> None:
    machine = state()
    error = LiveError(ErrorKind.CONNECTION_INTERRUPTED, {"symbol": "btcusdt", "reason": "resynchronising"})
    machine.hear([Batch((Feed("btcusdt", whole(7)), ErrorEvent(error)), ME)], 1)
    assert machine.confidence(0) is Confidence.STALE


def test_silence_of_a_connector_that_heartbeats_makes_books_stale() -> None:
    machine = state()
    told(machine, whole(7), 1, to=ME)
    machine.on_time(1 + SILENT_NS)
    assert machine.confidence(0) is Confidence.SYNCED
    machine.on_time(2 + SILENT_NS)
    assert machine.confidence(0) is Confidence.STALE
    machine.hear([Batch()], 3 + SILENT_NS)
    assert machine.confidence(0) is Confidence.SYNCED


def test_silence_of_the_sources_connector_means_nothing() -> None:
    machine = state()
    machine.hear([Batch((Feed("btcusdt", whole(7)),), ME)], 1, heartbeats=False)
    machine.on_time(100 * SECOND)
    assert machine.confidence(0) is Confidence.SYNCED


def test_unknown_symbol_is_told_and_asked_for_rarely() -> None:
    machine = state()
    detail = {"symbol": "btcusdt", "msg": "no instrument 'btcusdt'", "refused": True}
    machine.hear([Batch((ErrorEvent(LiveError(ErrorKind.CUSTOM, detail, 1)),), ME)], 1)
    assert "no instrument" in machine.why(0)
    assert machine.on_time(30 * SECOND) == []


def test_newest_position_stands() -> None:
    machine = state()
    for qty, ts in ((1.0, 10), (2.0, 20), (3.0, 15)):
        machine.hear([Batch((PositionEvent("btcusdt", qty, ts),), framed=False)], 1)
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
