"""What is written of an exchange's frames, and when snapshots are asked for; time, frames and answers are handed in."""

import asyncio
import json
import logging
import random

import pytest
from collector.from_venue import VenueRecorder
from collector.rotation import DAY_NS, Day, day_of
from hypothesis import given
from hypothesis import strategies as st
from marketlink.clock import ManualClock
from marketlink.errors import RateLimited, Unreachable
from marketlink.times import SECOND_NS, WallNs
from marketlink.venues.base import Get, PublicVenue
from marketlink.venues.binance import USDM
from marketlink.venues.bybit import LINEAR_PUBLIC

RECV_NS = 1_723_100_000_000_000_000


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

    def __init__(self, *symbols: str, venue: PublicVenue = USDM) -> None:
        self.clock = ManualClock(RECV_NS)
        self.renewed: list[str] = []
        self.room = True
        self.holes: set[str] = set()
        self.wrote: list[tuple[str, Day, bytes]] = []
        self.asked: list[str] = []
        self.answer: bytes | Exception = book(0)
        self.requests: list[Get] = []
        self.recorder = VenueRecorder(
            venue,
            symbols or ("btcusdt",),
            self,
            self.asked.append,
            rng=random.Random(1),
            clock=self.clock,
        )
        self.recorder.renew = self.renewed.extend

    def offer(self, symbol: str, day: Day, text: bytes, lines: int = 1) -> bool:
        assert text.count(b"\n") == lines
        if self.room:
            self.wrote += [(symbol, day, line) for line in text.splitlines(keepends=True)]
        return self.room

    def take_hole(self, symbol: str) -> bool:
        hole = symbol in self.holes
        self.holes.discard(symbol)
        return hole

    async def get(self, request: Get, *, urgent: bool = False) -> bytes:
        self.requests.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def frame(self, frame: bytes) -> None:
        self.recorder.on_frame(self.clock.wall_ns(), frame)

    def fetch(self, answer: bytes | Exception, symbol: str = "btcusdt") -> None:
        assert symbol in self.asked
        self.asked.remove(symbol)
        self.answer = answer
        asyncio.run(self.recorder.fetch(symbol, self))

    def words(self, symbol: str = "btcusdt") -> list[str]:
        """What was written of a symbol, in short: depth, book, trade, or a gap's reason."""
        found = []
        for name, _, text in self.wrote:
            data = json.loads(text.split(b" ", 1)[1])
            short = "book" if "lastUpdateId" in data else data.get("reason", data.get("stream", "").split("@")[-1][:5])
            found += [{"0ms": "depth"}.get(short, short)] if name == symbol else []
        return found

    def wait(self, seconds: float) -> None:
        for _ in range(int(seconds * 4)):
            self.clock.advance(SECOND_NS // 4)
            self.recorder.on_time()


def test_frame_is_written_untouched_with_its_stamp() -> None:
    bench = Bench()
    bench.frame(depth(1, 2, 0))
    assert bench.wrote == [("btcusdt", day_of(WallNs(RECV_NS)), b"%d %b\n" % (RECV_NS, depth(1, 2, 0)))]


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
    bench.clock.advance(70)
    bench.fetch(book(2))
    assert bench.wrote[-1] == ("btcusdt", day_of(WallNs(RECV_NS)), b"%d %b\n" % (RECV_NS + 70, book(2)))


def test_frames_are_written_while_out_of_sync_and_a_gap_costs_one_snapshot() -> None:
    bench = Bench()
    bench.frame(depth(1, 2, 0))
    bench.fetch(book(2))
    bench.wait(20)
    bench.frame(depth(9, 10, 8))
    bench.frame(depth(11, 12, 10))
    bench.fetch(book(11))
    assert bench.recorder.in_sync == 1
    assert (len(bench.wrote), len(bench.requests), bench.recorder.counts.out_of_sync) == (6, 2, 1)


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


TRADE = b'{"stream":"btcusdt@trade","data":{"e":"trade","E":2,"T":1,"s":"BTCUSDT","t":7,"p":"1","q":"1","X":"MARKET","m":true}}'
DEPTH_STREAM, TRADE_STREAM = "btcusdt@depth@0ms", "btcusdt@trade"


def synced(*symbols: str) -> Bench:
    bench = Bench(*symbols)
    bench.recorder.begin()
    bench.frame(depth(1, 2, 0))
    bench.fetch(book(2))
    bench.wait(20)
    assert bench.recorder.in_sync == 1
    return bench


def test_first_line_of_every_symbol_states_the_start_as_a_gap() -> None:
    bench = Bench("btcusdt", "ethusdt")
    bench.recorder.begin()
    assert [(name, day) for name, day, _ in bench.wrote] == [
        (n, day_of(WallNs(RECV_NS))) for n in ("btcusdt", "ethusdt")
    ]
    assert bench.wrote[0][2] == (
        b'1723100000000000000 {"e":"gap","E":1723100000000,"s":"BTCUSDT","ns":1723100000000000000,"reason":"recorder started"}\n'
    )


def test_two_spellings_of_a_symbol_are_one() -> None:
    bench = Bench("BTCUSDT", "btcusdt")
    bench.recorder.begin()
    bench.frame(depth(1, 2, 0))
    assert bench.words() == ["recorder started", "depth"]
    assert bench.recorder.streams == ["btcusdt@trade", "btcusdt@bookTicker", "btcusdt@depth@0ms"]


def test_hole_in_the_ids_is_stated_before_the_update_that_shows_it() -> None:
    bench = synced()
    bench.frame(depth(9, 10, 8))
    assert bench.words() == ["recorder started", "depth", "book", "book out of sync", "depth"]


def test_outage_is_one_gap_line_however_many_connections_it_takes() -> None:
    bench = synced()
    bench.recorder.on_stale([DEPTH_STREAM, TRADE_STREAM])
    for _ in range(3):
        bench.recorder.on_disconnected("closed")
        bench.recorder.on_connected()
    bench.frame(depth(21, 22, 20))
    assert bench.words()[3:] == ["stream silent", "depth"]
    bench.recorder.on_disconnected("closed")
    assert bench.words()[3:] == ["stream silent", "depth", "connection lost"]


def test_silent_stream_is_a_gap_once_and_its_next_update_gets_a_new_book() -> None:
    bench = synced()
    for _ in range(3):
        bench.recorder.on_stale([DEPTH_STREAM])
        bench.frame(TRADE)
    assert bench.words()[3:] == ["stream silent", "trade", "trade", "trade"]
    bench.frame(depth(3, 4, 2))
    bench.fetch(book(4))
    assert bench.recorder.in_sync == 1
    bench.recorder.on_stale([DEPTH_STREAM, "nobody@depth@0ms"])
    bench.recorder.on_stale([TRADE_STREAM])
    assert bench.words()[7:] == ["depth", "book", "stream silent"]


def test_frames_without_room_are_left_out_and_the_hole_is_stated_with_their_number() -> None:
    bench = synced()
    bench.room = False
    for last in range(4, 24, 2):
        bench.frame(depth(last - 1, last, last - 2))
    bench.wait(20)
    assert bench.asked == [], "a snapshot that can't be written is not asked for"
    bench.room = True
    bench.frame(depth(23, 24, 22))
    assert bench.words()[3:] == ["disk behind", "depth"]
    assert b'"lost":10}' in bench.wrote[-2][2]
    bench.fetch(book(24))
    assert bench.recorder.in_sync == 1
    assert (bench.recorder.counts.left_out, bench.recorder.hit) == (10, ["btcusdt"])


def test_snapshot_without_room_is_asked_for_again() -> None:
    bench = Bench()
    bench.recorder.begin()
    bench.frame(depth(1, 2, 0))
    bench.room = False
    bench.fetch(book(2))
    assert bench.recorder.in_sync == 0
    bench.room = True
    bench.wait(3)
    bench.fetch(book(2))
    assert bench.words() == ["recorder started", "depth", "disk behind", "book"]
    bench.frame(depth(3, 4, 2))
    assert bench.recorder.in_sync == 1


def test_file_that_lost_its_beginning_gets_a_new_book() -> None:
    bench = synced()
    bench.holes.add("btcusdt")
    bench.wait(3)
    bench.fetch(book(30))
    bench.wait(2)
    assert bench.recorder.in_sync == 1
    assert bench.words()[3:] == ["book"]


def test_symbol_without_any_frame_is_told_after_ten_seconds_and_ever_more_rarely(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench("btcusdt", "ethusdt")
    bench.recorder.begin()
    bench.frame(depth(1, 2, 0))
    bench.wait(9.75)
    assert "no frame" not in caplog.text
    bench.wait(90)
    told = [record.message for record in caplog.records if "no frame" in record.message]
    assert told == [f"ethusdt: no frame at all for {seconds} s" for seconds in (10, 20, 40, 80)]
    assert bench.recorder.unheard == ["ethusdt"]
    caplog.clear()
    bench.recorder.on_disconnected("closed")
    bench.wait(10)
    assert "btcusdt: no frame at all for 10 s" in caplog.text


@given(st.lists(st.tuples(st.sampled_from("dtgrsw"), st.integers(-2 * DAY_NS, 2 * DAY_NS)), max_size=40))
def test_stepping_wall_clock_changes_nothing_but_stamps(plan: list[tuple[str, int]]) -> None:
    """The same frames, troubles and waits with and without steps: the same lines and asks, and every line in the day of its stamp."""
    benches = [Bench(), Bench()]
    for bench, steps in zip(benches, (False, True), strict=True):
        last = 0
        bench.recorder.begin()
        for what, step_ns in plan:
            if steps:
                bench.clock.step_wall(step_ns)
            if what in "dg":
                first = last + (1 if what == "d" else 5)
                bench.frame(depth(first, first + 1, first - 1))
                last = first + 1
            elif what == "t":
                bench.frame(TRADE)
            elif what == "r":
                bench.recorder.on_disconnected("closed")
            elif what == "s" and bench.asked:
                bench.fetch(book(last))
            elif what == "w":
                bench.wait(2)
    plain, stepped = benches
    assert stepped.words() == plain.words()
    assert (stepped.asked, len(stepped.requests)) == (plain.asked, len(plain.requests))
    assert all(day == day_of(WallNs(int(text.split()[0]))) for _, day, text in stepped.wrote)


def bybit(u: int, depth: int = 1000, kind: str = "delta") -> bytes:
    data = {"s": "BTCUSDT", "b": [["1.0", "2"]], "a": [], "u": u, "seq": u}
    body = {"topic": f"orderbook.{depth}.BTCUSDT", "type": kind, "ts": 2, "data": data, "cts": 1}
    return json.dumps(body, separators=(",", ":")).encode()


def test_books_in_the_stream_are_recorded_as_frames_once_each_and_asked_for_by_subscribing_anew() -> None:
    bench = Bench("btcusdt", venue=LINEAR_PUBLIC)
    recorder = bench.recorder
    topics = [f"orderbook.{depth}.BTCUSDT" for depth in (1, 50, 200, 1000)]
    assert recorder.streams == ["publicTrade.BTCUSDT", *topics]
    recorder.begin()
    recorder.on_connected()
    recorder.on_subscribed(recorder.streams)
    frames = [bybit(40, kind="snapshot"), bybit(7, 50, "snapshot"), bybit(41), bybit(8, 50), bybit(9, 50), bybit(42)]
    for frame in frames:
        bench.frame(frame)
    assert recorder.in_sync == 1
    assert (bench.renewed, bench.asked) == ([], [])
    bench.frame(bybit(44))
    assert bench.renewed == ["orderbook.1000.BTCUSDT"]
    assert recorder.in_sync == 0
    bench.frame(bybit(45, kind="snapshot"))
    bench.frame(bybit(11, 50))
    assert bench.renewed == ["orderbook.1000.BTCUSDT", "orderbook.50.BTCUSDT"]
    assert recorder.in_sync == 1
    assert {symbol for symbol, _, _ in bench.wrote} == {"btcusdt"}
    bodies = [line.split(b" ", 1)[1].rstrip() for _, _, line in bench.wrote]
    gaps = [at for at, body in enumerate(bodies) if b'"e":"gap"' in body]
    assert gaps == [0, 7, 10]  # at the start, and before each frame that shows a hole
    assert [body for at, body in enumerate(bodies) if at not in gaps] == [
        *frames,
        bybit(44),
        bybit(45, kind="snapshot"),
        bybit(11, 50),
    ]
