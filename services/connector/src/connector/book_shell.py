"""Carries out a book check: one connection, the snapshots it asks for, and printing."""

import asyncio
import contextlib
import json
import logging
import random
import signal
from collections.abc import Coroutine, Sequence
from dataclasses import asdict, dataclass

import typer
from marketlink.clock import SystemClock
from marketlink.errors import MalformedMessage, MarketlinkError, RateLimited, SettingsError
from marketlink.run.feed import Feed
from marketlink.run.http import VenueHttp, fetch_info
from marketlink.run.limits import WeightBudget
from marketlink.times import SECOND_NS, Moment, WallNs
from marketlink.venues.registry import Exchange

from connector.book_check import BookCheck, Copy, picture
from connector.effects import Effect, FetchSnapshot, Note, Resubscribe

log = logging.getLogger("connector")
_TICK_S = 0.1
_CLOSE_WITHIN_S = 30.0
_QUIET_S = 3.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to check and how. Empty roots are production's; `show_every` 0 shows nothing."""

    exchange: Exchange
    symbol: str
    duration_s: float = 60.0
    show_every: int = 50
    levels: int = 5
    stream_root: str = ""
    rest_root: str = ""
    as_json: bool = False


class BookShell:
    """A feed's listener; one event loop."""

    def __init__(self, wanted: Wanted, http: VenueHttp, check: BookCheck, group: asyncio.TaskGroup) -> None:
        venue = wanted.exchange.public
        self._wanted, self._http, self._check, self._group, self._venue = wanted, http, check, group, venue
        self._clock = SystemClock()
        url = venue.stream_url(wanted.stream_root or wanted.exchange.stream_root)
        self.feed = Feed(venue, url, self, rng=random.Random())
        self.feed.subscribe(check.streams)
        self._shown = 0

    def now(self) -> Moment:
        """This moment."""
        return Moment(self._clock.mono_ns(), self._clock.wall_ns())

    def on_connected(self) -> None:
        """Note a connection."""
        log.info("connected to %s", self.feed.url)

    def on_subscribed(self, streams: Sequence[str]) -> None:
        """Expect updates."""
        if self._check.streams[0] in streams:
            self._carry_out(self._check.live, self._check.on_subscribed(self.now()))

    def on_refused(self, streams: Sequence[str], error: str) -> None:
        """Tell what is refused."""
        log.error("refused: %s: %s", ", ".join(streams), error)

    def on_stale(self, streams: Sequence[str]) -> None:
        """Tell a silence."""
        log.warning("silent: %s", ", ".join(streams))

    def on_disconnected(self, reason: str) -> None:
        """Start anew."""
        log.warning("connection lost: %s", reason)
        self._carry_out(self._check.live, self._check.on_disconnected(self.now()))

    def on_frame(self, recv_ns: WallNs, frame: bytes) -> None:
        """Take a frame, and show the book now and then."""
        now = Moment(self._clock.mono_ns(), recv_ns)
        try:
            message = self._venue.decode(frame, recv_ns)
        except MalformedMessage as error:
            log.warning("%s", error)
            self._carry_out(
                self._check.live, self._check.live.carry_out(self._check.live.sync.on_bad_message(now.mono))
            )
            return
        live, closing = self._check.on_message(message, now)
        self._carry_out(self._check.live, live)
        if self._check.closing is not None:
            self._carry_out(self._check.closing, closing)
        every = self._wanted.show_every
        if (
            every
            and not self._wanted.as_json
            and self._check.updates >= self._shown + every
            and self._check.top() is not None
        ):
            self._shown = self._check.updates
            self._show()

    def _show(self) -> None:
        live = self._check.live
        typer.echo(
            f"update {self._check.updates:,}, id {live.last_id}, {live.book.bid_count}+{live.book.ask_count} levels"
        )
        for line in picture(live.book, self._wanted.levels):
            typer.echo(line)

    async def keep_time(self) -> None:
        """Let time pass for both books."""
        while True:
            await asyncio.sleep(_TICK_S)
            live, closing = self._check.on_time(self.now())
            self._carry_out(self._check.live, live)
            if self._check.closing is not None:
                self._carry_out(self._check.closing, closing)

    async def close(self) -> None:
        """Fetch the closing snapshot and wait until both books can be compared."""
        effects = self._check.close(self.now())
        if self._check.closing is None:
            return
        self._carry_out(self._check.closing, effects)
        end_ns = self._clock.mono_ns() + int(_CLOSE_WITHIN_S * SECOND_NS)
        while self._check.compared_at is None and self._clock.mono_ns() < end_ns:
            before = self._check.updates
            await asyncio.sleep(_TICK_S if not self._check.closing.known else _QUIET_S)
            if self._check.closing.known and self._check.updates == before:
                self._check.compare()

    def _carry_out(self, market: Copy, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case FetchSnapshot(_, ticket):
                    self._start(self._fetch(market, ticket))
                case Resubscribe():
                    self.feed.renew(self._check.streams[:1])
                case Note(level, text):
                    log.log(logging.getLevelNamesMapping()[level.name], "%s", text)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        self._group.create_task(work)

    async def _fetch(self, market: Copy, ticket: int) -> None:
        symbol = market.instrument.symbol
        try:
            body = await self._http.get(self._venue.snapshot_request(symbol))
            snapshot = self._venue.decode_snapshot(symbol, body, self._clock.wall_ns())
        except MarketlinkError as error:
            log.warning("no snapshot of %s: %s", symbol, error)
            retry_ns = int(error.retry_after_s * SECOND_NS) if isinstance(error, RateLimited) else 0
            effects = market.sync.on_snapshot_failed(ticket, self._clock.mono_ns(), retry_ns)
        else:
            effects = market.sync.on_snapshot(ticket, snapshot, self._clock.mono_ns())
        self._carry_out(market, self._check.on_snapshot(market, effects))


async def check_book(wanted: Wanted) -> bool:
    """Run a check and print its verdict; tell whether the book was right. Raises MarketlinkError."""
    venue = wanted.exchange.public
    async with VenueHttp(
        venue, wanted.rest_root or wanted.exchange.rest_root, WeightBudget(venue.weight_limit)
    ) as http:
        listed = (await fetch_info(venue, http)).instruments
        instrument = listed.get(venue.normal_symbol(wanted.symbol))
        if instrument is None:
            raise SettingsError("book", "SYMBOL", f"{venue.name} does not list {wanted.symbol}", "Correct it.")
        check = BookCheck(venue, instrument, random.Random())
        async with asyncio.TaskGroup() as group:
            shell = BookShell(wanted, http, check, group)
            asked = asyncio.Event()
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, asked.set)
            tasks = [group.create_task(shell.feed.run()), group.create_task(shell.keep_time())]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wanted.duration_s):
                    await asked.wait()
            for number in (signal.SIGINT, signal.SIGTERM):  # a second one ends it at once
                asyncio.get_running_loop().remove_signal_handler(number)
            await shell.close()
            verdict = check.verdict()
            for task in tasks:
                task.cancel()
    right = all(each.holds is not False for each in verdict)
    if wanted.as_json:
        summary = {"exchange": venue.name, "symbol": instrument.symbol, "right": right, "updates": check.updates}
        typer.echo(json.dumps({**summary, "judged": [asdict(each) for each in verdict]}))
    else:
        for each in verdict:
            typer.echo(f"{'-' if each.holds is None else 'ok' if each.holds else 'WRONG':<6} {each.name}: {each.text}")
    return right
