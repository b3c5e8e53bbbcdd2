"""Venues with whole books in their streams: connector and collector against the simulated exchange of their own language."""

import gzip
import json
import threading
import time
from collections import Counter
from pathlib import Path

from data_convert import convert_recording
from marketlink.bot import BotInstrument, Confidence, LiveBot
from marketlink.link.iceoryx import IceoryxBotPort
from marketlink.link.settings import read_settings

from tests.rig import Rig
from tests.system.books import START_S

SYMBOL = "BTCUSDT"
DEPTHS = (1, 50, 200, 1000)


def bodies_of(path: Path) -> list[bytes]:
    """The lines of a recording without their stamps."""
    with gzip.open(path) as lines:
        return [line.rstrip(b"\n").split(b" ", 1)[1] for line in lines]


class Best:
    """A bot in a thread that compares its best levels with the exchange's at each id that it reaches."""

    def __init__(self, rig: Rig) -> None:
        settings = read_settings(rig.link)
        instrument = BotInstrument("by", SYMBOL, 0.1, 0.001, 100)
        self.bot = LiveBot([instrument], open_port=lambda which: IceoryxBotPort(which, None, settings))
        self.seen: dict[int, tuple[float, float, float, float]] = {}
        self.lost = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    @property
    def synced(self) -> bool:
        return self.bot.depth(0).confidence is Confidence.SYNCED

    def _follow(self) -> None:
        while not self._stop.wait(0.001):
            was = self.synced
            self.bot.elapse(2_000_000)
            depth = self.bot.depth(0)
            self.lost += was and not self.synced
            if self.synced:
                self.seen[depth.update_id] = (depth.best_bid, depth.best_bid_qty, depth.best_ask, depth.best_ask_qty)

    def close(self) -> None:
        self._stop.set()
        self._thread.join(10)
        self.bot.close()


def test_a_bybit_book_is_the_exchange_s_and_survives_its_troubles() -> None:
    with Rig() as rig:
        rig.exchange(
            "--venue", "bybit", "--market", "synthetic", "--symbols", "btcusdt", "--rate", "300", "--seed", "3"
        )
        rig.connector("by", exchange="bybit")
        bot = Best(rig)
        try:
            rig.until(lambda: bot.synced, START_S, "the bot to be in sync")
            time.sleep(2)
            for fault in (
                {"kind": "drop", "stream": "orderbook.1000", "count": 1},
                {"kind": "books_restart"},
                {"kind": "reset"},
            ):
                before = max(bot.seen)
                rig.ask("faults", fault)
                rig.until(lambda last=before: bot.synced and max(bot.seen) > last + 50, 30, f"sync after {fault}")
                time.sleep(1.5)
            assert bot.lost >= 2
            assert bot.synced
            checked = 0
            for last_id, best in sorted(bot.seen.items())[:400]:
                body = rig.ask("book", symbol="btcusdt", u=last_id, limit=1)["result"]
                (bid,), (ask,) = body["b"], body["a"]
                assert best == (*map(float, bid), *map(float, ask)), last_id
                checked += 1
            assert checked > 100
        finally:
            bot.close()
        assert rig.end("connector") == 0


def test_a_bybit_recording_has_every_frame_once_and_converts(tmp_path: Path) -> None:
    with Rig() as rig:
        rig.exchange(
            "--venue", "bybit", "--market", "synthetic", "--symbols", "btcusdt", "--rate", "200", "--seed", "4"
        )
        rig.direct_collector(tmp_path, ["btcusdt"], "--duration", 6, venue="bybit")
        assert rig.processes["direct"].wait(START_S) == 0, rig.log("direct")
        (path,) = tmp_path.glob("btcusdt_*.gz")
    bodies = [json.loads(body) for body in bodies_of(path)]
    assert bodies[0]["reason"] == "recorder started"
    frames = bodies[1:]
    kinds = Counter(frame["topic"] for frame in frames)
    assert set(kinds) == {f"publicTrade.{SYMBOL}", *(f"orderbook.{depth}.{SYMBOL}" for depth in DEPTHS)}
    for depth in DEPTHS[1:]:
        ids = [frame["data"]["u"] for frame in frames if frame["topic"] == f"orderbook.{depth}.{SYMBOL}"]
        assert ids == list(range(ids[0], ids[0] + len(ids)))
    converted = convert_recording(path)
    assert not converted.report.gaps or len(converted.report.gaps) == 1
    assert len(converted.events) > 100


def test_a_hyperliquid_recording_played_back_is_recorded_with_every_frame_once(
    shared_data: Path, tmp_path: Path
) -> None:
    capture = shared_data / "captures" / "hyperliquid_btcusd_20250126.gz"
    with Rig() as rig:
        wait = "l2Book:BTC,trades:BTC"
        rig.exchange(
            "--venue", "hyperliquid", "--market", "replay", "--capture", capture, "--speed", "10", "--wait-for", wait
        )
        rig.direct_collector(tmp_path, ["BTC"], "--duration", 8, venue="hyperliquid")
        assert rig.processes["direct"].wait(START_S) == 0, rig.log("direct")
        (path,) = tmp_path.glob("btc_*.gz")
    recorded = bodies_of(path)
    assert json.loads(recorded[0])["reason"] == "recorder started"
    assert [body for body in recorded if b'"e":"gap"' not in body] == bodies_of(capture)
