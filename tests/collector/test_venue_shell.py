import asyncio
import random

import pytest
from collector.errors import UnknownSymbols, WriteFailed
from collector.from_venue import VenueRecorder
from collector.rotation import Day
from collector.stopping import Stop
from collector.venue_shell import VenueShell, check_symbols, listed_or_warning, shards, until_stopped
from marketlink.errors import Unreachable
from marketlink.venues.base import Get, Instrument
from marketlink.venues.binance import USDM

LISTED = {name: Instrument(name, 0.1, 0.001, "0.1", "0.001", name != "dead") for name in ("btcusdt", "ethusdt", "dead")}


def test_streams_of_a_part_fit_on_one_connection() -> None:
    symbols = [f"s{n}" for n in range(150)]
    parts = shards(USDM, symbols)
    assert [symbol for part in parts for symbol in part] == symbols
    assert all(sum(len(USDM.recorded_streams(symbol)) for symbol in part) <= USDM.max_streams for part in parts)
    assert len(parts) == 3


def test_unknown_symbol_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UnknownSymbols, match=r"btcusd \(did you mean btcusdt\?\), qqqqq") as refused:
        check_symbols(USDM, ["ethusdt", "btcusd", "qqqqq"], LISTED)
    assert refused.value.nearest == {"btcusd": "btcusdt", "qqqqq": None}


def test_symbol_that_does_not_trade_is_recorded_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    check_symbols(USDM, ["dead"], LISTED)
    assert "dead" in caplog.text


def test_list_that_can_not_be_had_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def fetch() -> dict[str, Instrument]:
        raise Unreachable("v", "exchangeInfo", "refused")

    assert asyncio.run(listed_or_warning(USDM, ["nobody"], fetch)) == []
    assert "not checked" in caplog.text


class SilentFeed:
    def __init__(self, error: Exception | None = None) -> None:
        self.streams: list[str] = []
        self.error = error
        self.cancelled = False

    def subscribe(self, streams: object) -> None:
        self.streams += streams  # type: ignore[operator]

    async def run(self) -> None:
        if self.error is not None:
            raise self.error
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled = True


class NoRest:
    async def get(self, request: Get, *, urgent: bool = False) -> bytes:
        await asyncio.Event().wait()
        return b""


class NoSink:
    def offer(self, symbol: str, day: Day, text: bytes, lines: int = 1) -> bool:
        return True

    def take_hole(self, symbol: str) -> bool:
        return False


async def nothing() -> None:
    await asyncio.Event().wait()


def shell_with(feed: SilentFeed, stop: Stop, duration_s: float | None = None) -> VenueShell:
    shell = VenueShell(NoRest(), stop, duration_s=duration_s)
    shell.add(lambda ask: VenueRecorder(USDM, ["btcusdt"], NoSink(), ask, rng=random.Random(1)), lambda recorder: feed)
    return shell


def test_duration_ends_the_feeds() -> None:
    feed, stop = SilentFeed(), Stop()
    asyncio.run(shell_with(feed, stop, 0.01).run(nothing))
    assert (stop.reason, feed.cancelled) == ("duration", True)
    assert feed.streams == ["btcusdt@trade", "btcusdt@bookTicker", "btcusdt@depth@0ms"]


def test_stop_asked_in_another_thread_ends_the_feeds_and_a_snapshot_under_way() -> None:
    feed, stop = SilentFeed(), Stop()
    shell = shell_with(feed, stop)

    async def ask() -> None:
        shell.ask(0, "btcusdt")
        await asyncio.to_thread(stop.ask, "SIGTERM")
        await nothing()

    asyncio.run(shell.run(ask))
    assert feed.cancelled


def test_failed_write_in_a_feed_comes_out() -> None:
    failure = WriteFailed(USDM, 28)  # type: ignore[arg-type]
    with pytest.raises(ExceptionGroup) as group:
        asyncio.run(shell_with(SilentFeed(failure), Stop()).run(nothing))
    assert group.value.exceptions == (failure,)


def test_stop_leaves_what_would_take_longer() -> None:
    stop, ended = Stop(), []

    async def long_work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    stop.ask("SIGINT")
    asyncio.run(until_stopped(stop, long_work()))
    assert ended == ["cancelled"]
