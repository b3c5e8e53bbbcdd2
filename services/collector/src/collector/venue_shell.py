"""Carries out a recording from an exchange: feeds, snapshots and time in one event loop."""

import asyncio
import difflib
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Final, Protocol, TypeVar

from marketlink.errors import MarketlinkError
from marketlink.venues.base import Instrument, PublicVenue

from collector.errors import UnknownSymbols
from collector.from_venue import Rest, VenueRecorder
from collector.stopping import Stop

log = logging.getLogger("collector")
_TICK_S: Final = 0.25


class FeedTask(Protocol):
    """What is needed of `marketlink.run.feed.Feed`."""

    def subscribe(self, streams: Iterable[str]) -> None:
        """Add streams, on every connection."""

    def renew(self, streams: Iterable[str]) -> None:
        """Subscribe to streams anew."""

    async def run(self) -> None:
        """Run until cancelled."""


def shards(venue: PublicVenue, symbols: Sequence[str]) -> list[Sequence[str]]:
    """Split symbols so that the streams of each part fit on one connection."""
    each = max(len(venue.recorded_streams(symbol)) for symbol in symbols)
    size = max(1, venue.max_streams // each)
    return [symbols[start : start + size] for start in range(0, len(symbols), size)]


def check_symbols(venue: PublicVenue, symbols: Sequence[str], listed: Mapping[str, Instrument]) -> None:
    """Warn of symbols that do not trade. Raises UnknownSymbols, with the nearest name for each."""
    unknown = [symbol for symbol in symbols if symbol not in listed]
    if unknown:
        names = {name.lower(): name for name in listed}
        near = {
            symbol: [names[each] for each in difflib.get_close_matches(symbol.lower(), names, n=1, cutoff=0.5)]
            for symbol in unknown
        }
        raise UnknownSymbols(venue.name, {symbol: found[0] if found else None for symbol, found in near.items()})
    for symbol in symbols:
        if not listed[symbol].trading:
            log.warning("%s is listed but does not trade now", symbol)


async def listed_or_warning(
    venue: PublicVenue, symbols: Sequence[str], fetch: Callable[[], Awaitable[Mapping[str, Instrument]]]
) -> list[str]:
    """Check the symbols against the exchange's list and return those that do not trade now.

    Goes on without when the list can't be had: all may trade then. Raises UnknownSymbols.
    """
    try:
        listed = await fetch()
    except MarketlinkError as error:
        log.warning("symbols are not checked: %s", error)
        return []
    check_symbols(venue, symbols, listed)
    return [symbol for symbol in symbols if not listed[symbol].trading]


class VenueShell:
    """Runs recorders over their feeds until it is time to stop."""

    def __init__(self, rest: Rest, stop: Stop, *, duration_s: float | None = None) -> None:
        self._rest, self._stop, self._duration_s = rest, stop, duration_s
        self._recorders: list[VenueRecorder] = []
        self._feeds: list[FeedTask] = []
        self._fetches: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None

    def ask(self, which: int, symbol: str) -> None:
        """Start to fetch a snapshot for a symbol of the recorder number `which`."""
        if self._group is None or self._stop.is_asked:
            return
        task = self._group.create_task(self._recorders[which].fetch(symbol, self._rest))
        self._fetches.add(task)
        task.add_done_callback(self._fetches.discard)

    def add(
        self, make: Callable[[Callable[[str], None]], VenueRecorder], feed: Callable[[VenueRecorder], FeedTask]
    ) -> None:
        """Add a recorder, made with the function it asks for snapshots, and its feed."""
        which = len(self._recorders)
        recorder = make(lambda symbol: self.ask(which, symbol))
        self._recorders.append(recorder)
        self._feeds.append(feed(recorder))
        self._feeds[-1].subscribe(recorder.streams)
        recorder.renew = lambda streams: self._feeds[which].renew(streams)

    async def run(self, extra: Callable[[], Coroutine[None, None, None]]) -> None:
        """Record until it is time to stop; `extra` runs beside it. Raises an ExceptionGroup of whatever ended it otherwise."""
        asked = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._stop.on_asked(lambda: loop.call_soon_threadsafe(asked.set))
        try:
            async with asyncio.TaskGroup() as self._group:
                for recorder in self._recorders:
                    recorder.begin()
                tasks = [self._group.create_task(feed.run()) for feed in self._feeds]
                tasks.append(self._group.create_task(self._tick()))
                tasks.append(self._group.create_task(extra()))
                try:
                    async with asyncio.timeout(self._duration_s):
                        await asked.wait()
                except TimeoutError:
                    self._stop.ask("duration")
                for recorder in self._recorders:
                    recorder.finish()
                for task in [*tasks, *self._fetches]:
                    task.cancel()
        finally:
            self._stop.on_asked(None)
            self._group = None

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            for recorder in self._recorders:
                recorder.on_time()


T = TypeVar("T")


async def until_stopped(stop: Stop, work: Awaitable[T]) -> T | None:
    """Await `work` and return its value, or leave it when it is time to stop: None. Raises what `work` raises."""
    loop, asked = asyncio.get_running_loop(), asyncio.Event()
    stop.on_asked(lambda: loop.call_soon_threadsafe(asked.set))
    working = asyncio.ensure_future(work)
    waiting = asyncio.ensure_future(asked.wait())
    try:
        await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        stop.on_asked(None)
        for each in (working, waiting):
            each.cancel()
        await asyncio.gather(working, waiting, return_exceptions=True)
