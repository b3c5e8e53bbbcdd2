"""What is written of an exchange's frames, and when snapshots are asked for; time, frames and answers are handed in."""

import asyncio
import json
import logging
import random

import pytest
from collector.from_venue import VenueRecorder
from collector.rotation import Day, day_of
from marketlink.errors import RateLimited, Unreachable
from marketlink.venues.base import Get
from marketlink.venues.binance import USDM

RECV_NS = 1_723_100_000_000_000_000
SECOND_NS = 1_000_000_000


def depth(first: int, last: int, prev: int, symbol: str = "BTCUSDT") -> bytes:
    data = {
        "e": "depthUpdate",
        "E": 2,
        "T": 1,
        "s": symbol,
        "U": first,
        "u": last,
        "pu": prev,
        "b": [["1.0", "2"]],
        "a": [],
    }
    return json.dumps({"stream": f"{symbol.lower()}@depth@0ms", "data": data}, separators=(",", ":")).encode()


def book(last_id: int) -> bytes:
    return b'{"lastUpdateId":%d,"E":2,"T":1,"bids":[["1.0","2"]],"asks":[["1.1","2"]]}' % last_id


class Bench:
    """A recorder with its exchange in the test's hands."""

    def __init__(self, *symbols: str) -> None:
        self.now_ns = 0
        self.wrote: list[tuple[str, Day, bytes]] = []
        self.asked: list[str] = []
        self.answer: bytes | Exception = book(0)
        self.requests: list[Get] = []
        self.recorder = VenueRecorder(
            USDM,
            symbols or ("btcusdt",),
            self,
            self.asked.append,
            rng=random.Random(1),
            wall_ns=lambda: RECV_NS + self.now_ns,
            mono_ns=lambda: self.now_ns,
        )

    def put(self, symbol: str, day: Day, text: bytes, lines: int = 1) -> None:
        assert text.count(b"\n") == lines
        self.wrote.append((symbol, day, text))

    async def get(self, request: Get, *, urgent: bool = False) -> bytes:
        self.requests.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def frame(self, frame: bytes) -> None:
        self.recorder.on_frame(RECV_NS + self.now_ns, frame)

    def fetch(self, answer: bytes | Exception, symbol: str = "btcusdt") -> None:
        assert symbol in self.asked
        self.asked.remove(symbol)
        self.answer = answer
        asyncio.run(self.recorder.fetch(symbol, self))

    def wait(self, seconds: float) -> None:
        for _ in range(int(seconds * 4)):
            self.now_ns += SECOND_NS // 4
            self.recorder.on_time()


def test_frame_is_written_untouched_with_its_stamp() -> None:
    bench = Bench()
    bench.frame(depth(1, 2, 0))
    assert bench.wrote == [("btcusdt", day_of(RECV_NS), b"%d %b\n" % (RECV_NS, depth(1, 2, 0)))]


def test_first_update_asks_for_one_snapshot_and_a_lossless_stream_for_no_more() -> None:
    bench = Bench()
    bench.frame(depth(1, 2, 0))
    bench.frame(depth(3, 4, 2))
    bench.fetch(book(3))
    for last in range(6, 200, 2):
        bench.frame(depth(last - 1, last, last - 2))
        bench.wait(1)
    assert (bench.asked, len(bench.requests), bench.recorder.in_sync) == ([], 1, 1)


def test_snapshot_body_is_written_stamped_when_it_was_read() -> None:
    bench = Bench()
    bench.frame(depth(1, 2, 0))
    bench.now_ns = 70
    bench.fetch(book(2))
    assert bench.wrote[-1] == ("btcusdt", day_of(RECV_NS), b"%d %b\n" % (RECV_NS + 70, book(2)))


def test_frames_are_written_while_out_of_sync_and_a_gap_costs_one_snapshot() -> None:
    bench = Bench()
    bench.frame(depth(1, 2, 0))
    bench.fetch(book(2))
    bench.wait(20)
    bench.frame(depth(9, 10, 8))
    bench.frame(depth(11, 12, 10))
    bench.fetch(book(11))
    assert bench.recorder.in_sync == 1
    assert (len(bench.wrote), len(bench.requests), bench.recorder.counts.out_of_sync) == (5, 2, 1)


def test_snapshot_that_is_too_old_is_written_and_asked_for_again() -> None:
    bench = Bench()
    bench.frame(depth(11, 12, 10))
    bench.fetch(book(5))
    assert b'"lastUpdateId":5' in bench.wrote[-1][2]
    bench.wait(2)
    bench.fetch(book(12))
    assert bench.recorder.in_sync == 1


@pytest.mark.parametrize("error", [Unreachable("v", "depth", "timeout"), RateLimited("v", "depth", 429, "slow", 10.0)])
def test_failed_snapshot_is_asked_for_again_when_it_may_be(error: Exception) -> None:
    bench = Bench()
    bench.frame(depth(1, 2, 0))
    bench.fetch(error)
    bench.wait(1 if isinstance(error, Unreachable) else 9)
    assert bench.asked == (["btcusdt"] if isinstance(error, Unreachable) else [])
    bench.wait(2)
    assert bench.asked == ["btcusdt"]
    assert len(bench.wrote) == 1


def test_answer_that_is_no_snapshot_is_not_recorded() -> None:
    bench = Bench()
    bench.frame(depth(1, 2, 0))
    bench.fetch(b'{"nothing":1}')
    bench.wait(2)
    assert bench.asked == ["btcusdt"]
    assert len(bench.wrote) == 1


def test_reconnect_starts_the_book_anew() -> None:
    bench = Bench()
    bench.frame(depth(1, 2, 0))
    bench.fetch(book(2))
    bench.recorder.on_disconnected("closed")
    assert bench.recorder.in_sync == 0
    bench.wait(1)
    bench.frame(depth(21, 22, 20))
    bench.fetch(book(22))
    assert bench.recorder.in_sync == 1


def test_end_of_the_recording_is_no_trouble(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.frame(depth(1, 2, 0))
    bench.fetch(book(2))
    bench.recorder.finish()
    bench.recorder.on_disconnected("stopped")
    assert bench.recorder.counts.out_of_sync == 0
    assert not caplog.records


def test_only_one_snapshot_of_a_symbol_is_under_way() -> None:
    bench = Bench()
    bench.frame(depth(1, 2, 0))
    bench.recorder.on_disconnected("closed")
    bench.wait(60)
    bench.frame(depth(21, 22, 20))
    assert bench.asked == ["btcusdt"]
    bench.fetch(book(22))  # it serves the ask of the second connection
    assert bench.recorder.in_sync == 1


def test_quiet_symbol_gets_a_snapshot_all_the_same() -> None:
    bench = Bench()
    bench.recorder.on_subscribed(["btcusdt@depth@0ms"])
    bench.wait(3)
    assert bench.asked == ["btcusdt"]


def test_frame_of_another_symbol_is_counted_and_told_rarely(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    for n in range(1, 1501):
        bench.frame(depth(n, n, n - 1, "ETHUSDT"))
    assert bench.wrote == []
    assert sum(bench.recorder.counts.not_recorded.values()) == 1500
    assert len(caplog.records) == 2


def test_unreadable_frame_of_a_known_symbol_is_kept_and_the_book_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    bench = Bench()
    bench.frame(depth(1, 2, 0))
    bench.fetch(book(2))
    broken = depth(3, 4, 2).replace(b'"u":4', b'"u":"x"')
    bench.frame(broken)
    assert broken in bench.wrote[-1][2]
    assert bench.recorder.in_sync == 0


def test_unreadable_frame_of_nobody_is_counted() -> None:
    bench = Bench()
    bench.frame(b"\xff\x00 rubbish")
    assert bench.wrote == []
    assert sum(bench.recorder.counts.not_recorded.values()) == 1


def test_trades_and_quotes_are_written_and_ask_for_nothing() -> None:
    bench = Bench()
    trade = b'{"stream":"btcusdt@trade","data":{"e":"trade","E":2,"T":1,"s":"BTCUSDT","t":7,"p":"1","q":"1","X":"MARKET","m":true}}'
    quote = b'{"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":1,"s":"BTCUSDT","b":"1","B":"1","a":"2","A":"1","T":1,"E":2}}'
    for frame in (trade, quote):
        bench.frame(frame)
    assert [text.split(b" ", 1)[1][:-1] for _, _, text in bench.wrote] == [trade, quote]
    assert bench.asked == []


def test_a_symbol_whose_updates_fell_silent_is_begun_anew_by_its_next_one_and_others_are_not() -> None:
    bench = Bench("btcusdt", "ethusdt")
    for symbol in ("BTCUSDT", "ETHUSDT"):
        bench.frame(depth(5, 7, 4, symbol))
        bench.fetch(book(6), symbol.lower())
    assert bench.recorder.in_sync == 2
    bench.recorder.on_stale(["btcusdt@trade"])
    assert bench.recorder.in_sync == 2
    bench.recorder.on_stale(["btcusdt@depth@0ms", "never@depth@0ms"])
    assert bench.recorder.in_sync == 1
    bench.wait(1.0)
    bench.frame(depth(8, 9, 7))
    bench.wait(1.0)
    assert bench.asked == ["btcusdt"]
