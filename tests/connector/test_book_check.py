"""A book that is right is found right, and each way of being wrong is found: on a small market, on a capture, and from outside."""

import gzip
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from connector.book_check import BookCheck, Top, Tops, picture, within_both
from connector.effects import Effect, FetchSnapshot
from marketlink.book.fused import FusedBook
from marketlink.times import Moment, MonoNs, WallNs
from marketlink.venues.base import Instrument
from marketlink.venues.binance import USDM

from tests.rig import Rig

SHARED = Path(os.environ.get("MARKETLINK_SHARED") or Path(__file__).resolve().parents[3] / "shared/data")
CAPTURE = SHARED / "captures/usdm_btcusdt_20240808.gz"
INSTRUMENT = Instrument("btcusdt", 0.1, 0.001, "0.1", "0.001", trading=True)


class Bench:
    """A check whose snapshots the test answers."""

    def __init__(self) -> None:
        self.check = BookCheck(USDM, INSTRUMENT, random.Random(1))
        self.at = 0
        self.tickets: dict[int, int] = {}
        self._keep(0, self.check.on_subscribed(self.now()))

    def now(self) -> Moment:
        self.at += 1_000_000
        return Moment(MonoNs(self.at), WallNs(self.at))

    def frame(self, frame: bytes) -> None:
        now = self.now()
        live, closing = self.check.on_message(USDM.decode(frame, now.wall), now)
        self._keep(0, live)
        self._keep(1, closing)

    def depth(self, n: int, bid: str, ask: str, qty: str = "2", prev: int | None = None) -> None:
        ids = {"U": 10 * n - 3, "u": 10 * n, "pu": 10 * n - 10 if prev is None else prev}
        sides = {"b": [[bid, qty]], "a": [[ask, qty]]}
        data = {"e": "depthUpdate", "E": n, "T": n, "s": "BTCUSDT", **ids, **sides}
        self.frame(json.dumps({"stream": "btcusdt@depth@0ms", "data": data}).encode())

    def quote(self, ident: int, bid: str, ask: str, qty: str = "2") -> None:
        best = {"s": "BTCUSDT", "b": bid, "B": qty, "a": ask, "A": qty, "T": 1, "E": 1}
        data = {"e": "bookTicker", "u": ident, **best}
        self.frame(json.dumps({"stream": "btcusdt@bookTicker", "data": data}).encode())

    def snapshot(self, body: bytes, which: int = 0) -> None:
        market = self.check.closing if which else self.check.live
        assert market is not None
        now = self.now()
        effects = market.sync.on_snapshot(
            self.tickets[which], USDM.decode_snapshot("btcusdt", body, now.wall), now.mono
        )
        self._keep(which, self.check.on_snapshot(market, effects))

    def close(self) -> None:
        self._keep(1, self.check.close(self.now()))

    def verdict(self) -> list[bool | None]:
        return [each.holds for each in self.check.verdict()]

    def _keep(self, which: int, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, FetchSnapshot):
                self.tickets[which] = effect.ticket


def whole(last_id: int, bids: list[list[str]], asks: list[list[str]]) -> bytes:
    return json.dumps({"lastUpdateId": last_id, "E": 1, "T": 1, "bids": bids, "asks": asks}).encode()


def right_market(last_qty: str = "1") -> Bench:
    bench = Bench()
    bench.depth(1, "10.0", "11.0")
    bench.snapshot(whole(10, [["10.0", "2"], ["9.0", "1"]], [["11.0", "2"], ["12.0", "1"]]))
    bench.quote(10, "10.0", "11.0")
    bench.depth(2, "10.1", "11.0")
    bench.quote(20, "10.1", "11.0")
    bench.depth(3, "10.1", "10.9")
    bench.quote(30, "10.1", "10.9")
    bench.quote(31, "10.1", "10.9", "3")
    bench.close()
    bench.depth(4, "9.5", "12.5")
    bids = [["10.1", "2"], ["10.0", "2"], ["9.5", "2"], ["9.0", last_qty]]
    bench.snapshot(whole(40, bids, [["10.9", "2"], ["11.0", "2"]]), 1)
    bench.depth(5, "8.0", "13.0")
    return bench


def test_a_right_book_is_found_right() -> None:
    bench = right_market()
    assert bench.verdict() == [True, True, True, True]
    # 12.0 lies beyond the snapshot's reach and is no difference
    assert bench.check.tops.compared == 2
    assert (bench.check.compared_at, bench.check.levels_compared) == (40, 6)


def test_a_level_that_differs_from_the_closing_snapshot_is_found() -> None:
    bench = right_market(last_qty="7")
    assert bench.verdict() == [True, True, True, False]
    assert "bid 9: 1 here, 7 there" in bench.check.verdict()[3].text


def test_only_what_both_snapshots_reach_is_compared() -> None:
    assert within_both((10.0, 30.0), (9.0, 40.0)) == (10.0, 30.0)
    assert within_both((10.0, 30.0), (12.0, 25.0)) == (12.0, 25.0)


def test_a_quote_that_says_otherwise_is_found() -> None:
    bench = Bench()
    bench.depth(1, "10.0", "11.0")
    bench.snapshot(whole(10, [["10.0", "2"]], [["11.0", "2"]]))
    bench.depth(2, "10.0", "11.0")
    bench.quote(20, "10.0", "11.0", "5")
    bench.quote(21, "10.0", "11.0")
    assert bench.verdict() == [True, True, False, False]
    assert "2 x 10 | 11 x 2 at update 20 against 5 x 10" in bench.check.verdict()[2].text


def test_a_crossed_book_is_found() -> None:
    bench = Bench()
    bench.depth(1, "10.0", "11.0")
    bench.snapshot(whole(10, [["10.0", "2"]], [["11.0", "2"]]))
    bench.depth(2, "10.0", "9.0")
    assert bench.check.crossed == 1
    assert bench.verdict()[1] is False


def test_a_hole_in_the_ids_is_told_and_a_book_that_is_lost_at_the_end_is_wrong() -> None:
    bench = Bench()
    bench.depth(1, "10.0", "11.0")
    bench.snapshot(whole(10, [["10.0", "2"]], [["11.0", "2"]]))
    bench.depth(3, "10.0", "11.0")
    assert bench.check.live.losses == 1
    assert bench.verdict()[0] is False
    assert "not in step" in bench.check.verdict()[0].text


def test_nothing_at_all_is_not_right() -> None:
    assert Bench().verdict() == [False, False, False, False]


def test_tops_and_quotes_are_compared_whichever_comes_first() -> None:
    a, b = Top(10, 1, 2, 3, 4), Top(20, 1, 2, 3, 5)
    for order in (["tt", "qqq"], ["qqq", "tt"], ["q", "t", "qq", "t"]):
        tops = Tops()
        mine, theirs = iter([a, b]), iter([Top(8, 1, 2, 3, 4), Top(15, 1, 2, 3, 5), Top(25, 9, 9, 9, 9)])
        for each in "".join(order):
            tops.on_top(next(mine)) if each == "t" else tops.on_quote(next(theirs))
        assert (tops.compared, tops.wrong) == (2, 0), order
    lone = Tops()
    lone.on_top(a)
    lone.on_quote(Top(11, 1, 2, 3, 4))
    assert lone.compared == 0, "what held at 10 was said before"
    lone.forget()


def test_the_picture_shows_both_sides() -> None:
    book = FusedBook(0.1, 0.001)
    book.apply(USDM.decode_snapshot("x", whole(1, [["10.0", "2"], ["9.9", "1"]], [["10.1", "3"]]), 1).events)
    first, second = picture(book, 5)
    assert first.split() == ["2", "10", "|", "10.1", "3"]
    assert second.split() == ["1", "9.9", "|"]


@pytest.mark.skipif(not CAPTURE.exists(), reason="the captures of ../shared/data are not here")
def test_a_recorded_market_agrees_with_its_own_best_quotes() -> None:
    bench = Bench()
    with gzip.open(CAPTURE) as file:
        for n, line in enumerate(file):
            body = line.partition(b" ")[2].rstrip(b"\n")
            if body.startswith(b'{"lastUpdateId"'):
                bench.snapshot(body)
            elif b"@trade" not in body[:40]:
                bench.frame(body)
            if n == 30_000:
                break
    assert bench.verdict()[:3] == [True, True, True]
    assert bench.check.tops.compared > 1500


@pytest.mark.parametrize("venue", [("usdm", "binancefutures", "ok"), ("bybit", "bybit", "-")])
def test_a_simulated_exchange_is_found_right_from_outside(venue: tuple[str, str, str]) -> None:
    with Rig() as rig:
        rig.exchange("--venue", venue[0], "--symbol", "btcusdt", "--seed", "3")
        roots = ("--stream-url", rig.addresses["ws"], "--api-url", rig.addresses["rest"])
        words = ("book", venue[1], "btcusdt", "--duration", "4", "--show-every", "20", *roots)
        done = subprocess.run(
            [sys.executable, "-m", "connector", *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=150,
            env=rig.environment,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{venue[2]:<6} equal to a closing snapshot" in done.stdout
    assert "update" in done.stdout.splitlines()[0]


@pytest.mark.parametrize(("words", "code"), [(("nowhere", "btcusdt"), 2), (("binancefutures",), 2)])
def test_wrong_words_are_said(words: tuple[str, ...], code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "connector", "book", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert "Traceback" not in done.stderr
