"""A book that a venue shows in several streams: what bots are told of it, and when it is said to be out of step."""

import json
import random

from connector.effects import Effect, Publish, Resubscribe
from connector.hub import Hub
from marketlink.book.fused import FusedBook
from marketlink.events import DEPTH_CLEAR, KIND_MASK
from marketlink.messages import BotRequest, ErrorEvent, FeedEvent, RegisterInstrument
from marketlink.times import Moment, MonoNs, WallNs
from marketlink.venues.base import ExchangeInfo, Instrument, WeightLimit
from marketlink.venues.bybit import LINEAR_PUBLIC

SYMBOL = "BTCUSDT"


def moment(at: int) -> Moment:
    return Moment(MonoNs(at * 1_000_000), WallNs(at * 1_000_000))


class Bench:
    """A hub with one registered symbol, and a bot's book made of what is published."""

    def __init__(self) -> None:
        self.hub = Hub(LINEAR_PUBLIC, random.Random(1))
        self.at = 0
        self.book = FusedBook(0.1, 0.001)
        self.trouble: list[str] = []
        self.resubscribed: list[int] = []
        self.hub.on_info(
            ExchangeInfo({SYMBOL: Instrument(SYMBOL, 0.1, 0.001, "0.1", "0.001", True)}, WeightLimit(1, 1)), moment(0)
        )
        self.hub.on_request(BotRequest(1, RegisterInstrument("btcusdt", 0.1, 0.001)), moment(0))

    def take(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Publish(batch):
                    for event in batch.events:
                        if isinstance(event, FeedEvent):
                            if (event.events["ev"] & KIND_MASK == DEPTH_CLEAR).any():
                                self.book.clear()
                            self.book.apply(event.events)
                        elif isinstance(event, ErrorEvent):
                            self.trouble.append(str(event.error))
                case Resubscribe(_, window):
                    self.resubscribed.append(window)

    def send(
        self, depth: int, u: int, seq: int, bids: dict[str, str], asks: dict[str, str], kind: str = "delta"
    ) -> None:
        self.at += 1
        data = {"s": SYMBOL, "b": list(bids.items()), "a": list(asks.items()), "u": u, "seq": seq}
        body = {"topic": f"orderbook.{depth}.{SYMBOL}", "type": kind, "ts": self.at, "data": data, "cts": self.at}
        message = LINEAR_PUBLIC.decode(json.dumps(body).encode(), self.at)
        self.take(self.hub.on_message(message, moment(self.at)))

    @property
    def sides(self) -> tuple[list[float], list[float]]:
        bids, asks = self.book.bids(), self.book.asks()
        return [round(tick * 0.1, 1) for tick in bids[0]], [round(tick * 0.1, 1) for tick in asks[0]]


def test_the_quickest_stream_moves_the_best_levels_and_the_deepest_has_the_rest() -> None:
    bench = Bench()
    bench.send(1, 5, 90, {"99.9": "1"}, {"100.1": "1"}, "snapshot")
    assert bench.sides == ([], [])  # no book yet: the deepest stream says what there is
    bench.send(1000, 1, 100, {"99.9": "1", "99.8": "1"}, {"100.1": "1", "100.2": "1"}, "snapshot")
    assert bench.sides == ([99.9, 99.8], [100.1, 100.2])
    bench.send(1, 6, 105, {"100.1": "2"}, {"100.2": "1"}, "snapshot")
    assert bench.sides == ([100.1, 99.9, 99.8], [100.2])
    bench.send(1000, 2, 103, {"99.7": "3"}, {})  # older than the quickest word: it adds what that does not see
    assert bench.sides == ([100.1, 99.9, 99.8, 99.7], [100.2])
    bench.send(1000, 3, 106, {"100.1": "0", "99.9": "5"}, {"100.1": "0"})
    assert bench.sides == ([99.9, 99.8, 99.7], [100.2])
    assert bench.hub.markets[SYMBOL].book.levels().tobytes() != b""
    assert bench.book.bid_qty_at_tick(999) == 5.0
    assert bench.trouble == []


def test_a_hole_in_the_deepest_stream_is_told_and_costs_one_new_subscription() -> None:
    bench = Bench()
    bench.send(1000, 4, 100, {"99.9": "1"}, {"100.1": "1"}, "snapshot")
    bench.send(1000, 6, 102, {"99.8": "1"}, {})
    assert len(bench.trouble) == 1
    assert bench.resubscribed == [0]
    bench.send(1, 9, 103, {"99.9": "7"}, {"100.1": "1"}, "snapshot")
    assert bench.book.bid_qty_at_tick(999) == 1.0  # nothing is told of a book that is not known
    bench.send(1000, 1, 104, {"99.9": "2"}, {"100.1": "1"}, "snapshot")
    assert bench.sides == ([99.9], [100.1])
    assert bench.book.bid_qty_at_tick(999) == 2.0
    assert bench.hub.markets[SYMBOL].sync.in_sync


def test_a_hole_in_a_quicker_stream_takes_its_word_away_and_not_the_book() -> None:
    bench = Bench()
    bench.send(1000, 1, 100, {"99.9": "1", "99.8": "1"}, {"100.1": "1"}, "snapshot")
    bench.send(50, 7, 101, {"99.9": "4", "99.8": "1"}, {"100.1": "1"}, "snapshot")
    assert bench.book.bid_qty_at_tick(999) == 4.0
    bench.send(50, 9, 102, {"99.9": "0"}, {})
    assert bench.resubscribed == [50]
    assert bench.trouble == []
    assert bench.book.bid_qty_at_tick(999) == 1.0  # what the deepest stream says, until the quicker one is whole again
    assert bench.hub.markets[SYMBOL].sync.in_sync


def test_what_a_late_bot_is_told_is_the_book_that_the_others_have() -> None:
    bench = Bench()
    bench.send(1000, 1, 100, {"99.9": "1", "99.8": "1"}, {"100.1": "1"}, "snapshot")
    bench.send(1, 7, 101, {"99.9": "4"}, {"100.2": "1"}, "snapshot")
    whole = bench.hub.whole(SYMBOL, moment(99)).events[0]
    assert isinstance(whole, FeedEvent)
    late = FusedBook(0.1, 0.001)
    late.apply(whole.events)
    assert late.bids()[0].tolist() == bench.book.bids()[0].tolist()
    assert late.asks()[0].tolist() == bench.book.asks()[0].tolist() == [1002]
    assert set(whole.events["ival"].tolist()) == {101}


def test_a_first_book_that_quicker_streams_are_ahead_of_bears_their_id() -> None:
    bench = Bench()
    bench.send(1, 5, 110, {"99.9": "4"}, {"100.1": "1"}, "snapshot")
    bench.send(1000, 1, 100, {"99.9": "1", "99.8": "1"}, {"100.1": "1"}, "snapshot")
    assert bench.book.bid_qty_at_tick(999) == 4.0
    whole = bench.hub.whole(SYMBOL, moment(99)).events[0]
    assert isinstance(whole, FeedEvent)
    assert set(whole.events["ival"].tolist()) == {110}
    bench.send(1000, 1, 50, {"99.9": "1"}, {"100.1": "1"}, "snapshot")  # the exchange counts anew
    whole = bench.hub.whole(SYMBOL, moment(99)).events[0]
    assert isinstance(whole, FeedEvent)
    assert set(whole.events["ival"].tolist()) == {50}
