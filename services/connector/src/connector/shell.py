"""The connector's shell: sockets, shared memory, clocks and signals around the hub, in one event loop.

Frames are handled in the socket's read callback, from the bytes to the last sample sent, without a task switch. Bots'
requests are awaited in a thread, because the link's listeners block, and handled in the loop. What can be apart from the loop
is: `account`, `ending`, `wiring`, `upkeep`.
"""

import asyncio
import contextlib
import gc
import logging
import os
import random
import signal
import threading
import time
from collections.abc import Sequence
from typing import Final

import numpy as np
from marketlink.clock import Clock, SystemClock
from marketlink.errors import LinkError, MalformedMessage, MarketlinkError, RateLimited, VenueRefused
from marketlink.events import EVENT_DTYPE
from marketlink.link.port import ConnectorPort, Present
from marketlink.messages import Batch, BotRequest, ErrorEvent, FeedEvent, Progress
from marketlink.notices import Farewell, to_error
from marketlink.run.feed import Feed, FeedSettings
from marketlink.run.http import VenueHttp, fetch_info
from marketlink.run.limits import WeightBudget
from marketlink.run.metrics import Sample
from marketlink.run.network import ssl_context
from marketlink.run.retry import Backoff
from marketlink.times import SECOND_NS, Moment, WallNs
from marketlink.venues.base import BASE, ExchangeInfo, PublicVenue
from marketlink.venues.trading import Signer, TradingVenue

from connector.account import Account
from connector.config import ConnectorConfig
from connector.effects import (
    Answer,
    Ask,
    Effect,
    FetchSnapshot,
    Journal,
    Level,
    Note,
    Publish,
    Restream,
    Resubscribe,
    Subscribe,
    TellPrivate,
)
from connector.ending import Ending
from connector.errors import AccountUnusable
from connector.hot import HotPath
from connector.hub import Hub
from connector.left import Left
from connector.metrics import of_market, of_orders
from connector.outbox import Holding, Outbox
from connector.places import state_folder
from connector.upkeep import Upkeep
from connector.wiring import account_http, make_account, trader_maker

log = logging.getLogger("connector")

TICK_S: Final = 0.05
STATUS_S: Final = 60.0
SAMPLES_S: Final = 1.0
PRESENT_S: Final = 1.0
NO_ROOM_S: Final = 0.001
MOST_FAULTS: Final = 20
"""Faults of this program in a minute that are survived; with more it is better gone than wrong."""


class Shard:
    """One connection and the symbols on it."""

    def __init__(self, shell: "Shell", number: int) -> None:
        self._shell = shell
        self.symbols: list[str] = []
        config = shell.config
        settings = FeedSettings(data_age_s=config.data_age_s, stale_s=config.stale_s, ping_age_s=config.ping_age_s)
        url = shell.venue.stream_url(shell.config.stream_url)
        self.feed = Feed(shell.venue, url, self, settings=settings, rng=shell.rng, tls=shell.tls, hold=shell.hold)
        self.number = number

    def has_room(self, streams: int) -> bool:
        """Whether so many more streams fit."""
        per_symbol = len(self._shell.venue.live_streams("x"))
        return len(self.symbols) * per_symbol + streams <= self._shell.venue.max_streams

    def on_connected(self) -> None:
        """Note a connection."""
        log.info("connection %d: open to %s", self.number, self.feed.url)

    def on_subscribed(self, streams: Sequence[str]) -> None:
        """Pass on which symbols are live."""
        for window, symbols in self._depths_in(streams):
            self._shell.carry_out(self._shell.hub.on_subscribed(symbols, self._shell.now(), window))

    def on_refused(self, streams: Sequence[str], error: str) -> None:
        """Pass on which symbols are not."""
        symbols = [symbol for symbol in self.symbols if set(self._shell.venue.live_streams(symbol)) & set(streams)]
        self._shell.carry_out(self._shell.hub.on_refused(symbols, error, self._shell.now()))

    def on_stale(self, streams: Sequence[str]) -> None:
        """Pass on which symbols' books are sure no longer."""
        for window, symbols in self._depths_in(streams):
            self._shell.carry_out(self._shell.hub.on_stale(symbols, self._shell.now(), window))

    def _depths_in(self, streams: Sequence[str]) -> list[tuple[int, list[str]]]:
        """Which symbols' depth streams are among these, by window."""
        venue = self._shell.venue
        return [
            (window, [symbol for symbol in self.symbols if venue.depth_stream(symbol, window) in streams])
            for window in (BASE, *venue.windows)
        ]

    def on_frame(self, recv_ns: int, frame: bytes) -> None:
        """Handle a frame, to the last sample."""
        shell = self._shell
        now = Moment(shell.clock.mono_ns(), WallNs(recv_ns))
        message = None
        try:
            if shell.takes_short_way(frame, now):
                return
            message = shell.venue.decode(frame, recv_ns)
            effects = shell.hub.on_message(message, now)
        except MalformedMessage as error:
            effects = shell.hub.on_malformed(error, now)
        except LinkError as error:
            shell.fail(error)
            return
        except Exception as error:  # noqa: BLE001 the edge: whatever it is, the book it was about is not the exchange's now
            shell.on_fault(f"at a frame: {frame[:200]!r}")
            effects = shell.hub.on_failed_message(getattr(message, "symbol", None), error, now)
        shell.carry_out(effects)

    def on_disconnected(self, reason: str) -> None:
        """Pass on that this connection's books are out of sync; at the end of the process the farewell has said it."""
        shell = self._shell
        if not shell.stopping:
            shell.carry_out(shell.hub.on_disconnected(self.symbols, reason, shell.now()))


class Shell:
    """Carries out what the hub decides."""

    def __init__(
        self,
        name: str,
        venue: PublicVenue,
        config: ConnectorConfig,
        port: ConnectorPort,
        rng: random.Random,
        clock: Clock | None = None,
        trading: TradingVenue | None = None,
        signer: Signer | None = None,
    ) -> None:
        """With `trading` and `signer` orders are carried out; without, they are refused."""
        self.name, self.venue, self.config, self.rng = name, venue, config, rng
        self._trading = trading
        self.port, self.clock = port, clock or SystemClock()
        trades = trading is not None and signer is not None
        self.hub = Hub(venue, rng, None, trader_maker(config, trading) if trades and trading is not None else None)
        self.outbox = Outbox(
            port,
            lambda answer, book: self.hub.answer(answer, self.now(), book=book),
            lambda symbol: self.hub.whole(symbol, self.now()),
            lambda batch: self.hub.on_sent(batch, self.clock.mono_ns()),
        )
        self._holding = Holding(int(config.reader_hold_s * SECOND_NS))
        self._left = Left(state_folder(config.state_dir, name))
        self._pumping: asyncio.Handle | None = None
        self._faults: list[int] = []
        self._shards: list[Shard] = []
        self._fetches: dict[str, asyncio.Task[None]] = {}
        self._stop = asyncio.Event()
        self._failure: Exception | None = None
        self.left_open: list[str] = []  # orders that are open, or may be, at the end
        self._silent = False  # the farewell was said
        self.samples: list[Sample] = []
        """For Prometheus, renewed each second where a port is configured."""
        budget = WeightBudget(venue.weight_limit, config.weight_reserve)
        self.tls = ssl_context(config.ca_file) if config.ca_file is not None else None
        timeout_s = config.request_timeout_s
        market_root = config.market_api_url or config.api_url
        times = trading if trades and config.market_api_url else None  # only this host tells the time then
        self._http = VenueHttp(venue, market_root, budget, client_timeout_s=timeout_s, tls=self.tls, trading=times)
        self._account: Account | None = None
        if self.hub.trader is not None and trading is not None and signer is not None:
            self._account_http = account_http(config, venue, trading, budget, self.hub.trader, self.now, self.tls)
            self._account = make_account(
                name,
                config,
                trading,
                self.hub.trader,
                self._account_http,
                self._http,
                signer,
                self.carry_out,
                self.clock,
                rng,
                self.tls,
            )
        self._hot: HotPath | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._upkeep: Upkeep | None = None

    def attend(self) -> None:
        """Show on this machine that a connector of this name runs, and obey what a person wants of it. Raises AlreadyRunning."""
        folder = state_folder(self.config.state_dir, self.name)
        self._upkeep = Upkeep(self.name, self.venue.name, folder, self.hub.trader, self.config.watchdog)
        self.carry_out(self._upkeep.tick(self.now(), moving=False))

    def now(self) -> Moment:
        """This moment."""
        return Moment(self.clock.mono_ns(), self.clock.wall_ns())

    def carry_out(self, effects: list[Effect]) -> None:
        """Do what the hub wants, in order."""
        for effect in effects:
            match effect:
                case Publish() | Answer() if self._silent:
                    pass
                case Publish(batch):
                    if self._left.symbols:
                        self._keep(batch)
                    try:
                        self.outbox.put(batch)
                    except MarketlinkError as error:
                        self.fail(error)
                        return
                case Answer(symbol=symbol):
                    if symbol in self.hub.owners:
                        market = self.hub.markets[symbol]
                        self._left.keep(
                            symbol, self.hub.owners[symbol], np.concatenate([market.left, market.book.levels()])
                        )
                    self.outbox.answer(effect)
                case FetchSnapshot(symbol, ticket):
                    self._fetch(symbol, ticket)
                case Resubscribe(symbol, window):
                    shard = next(shard for shard in self._shards if symbol in shard.symbols)
                    shard.feed.renew([self.venue.depth_stream(symbol, window)])
                case Subscribe(symbol):
                    self._subscribe(symbol)
                case Ask():
                    assert self._account is not None
                    self._account.ask(effect)
                case Journal(record):
                    assert self._account is not None
                    self._account.keep(record)
                case TellPrivate(event):
                    try:
                        self.port.send_private(event)
                    except MarketlinkError as error:
                        self.fail(error)
                        return
                case Restream():
                    assert self._account is not None
                    self._account.restream()
                case Note(level, text):
                    log.log(logging.WARNING if level is Level.WARNING else logging.INFO, "%s", text)
        self._pump_soon()

    def _keep(self, batch: Batch) -> None:
        """Note what of the published levels bots of the source may hold."""
        for event in batch.events:
            if not isinstance(event, FeedEvent) or event.symbol not in self._left.symbols:
                continue
            if not self._left.add(event.symbol, event.events):
                self._left.add(event.symbol, event.events, self.hub.markets[event.symbol].book.levels())

    def _pump_soon(self) -> None:
        if self._pumping is None and self.outbox.busy:
            self._pumping = asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        """Publish a piece of what waits; the loop has a turn between two pieces."""
        self._pumping = None
        try:
            went = self.outbox.pump(self.clock.mono_ns())
        except MarketlinkError as error:
            self.fail(error)
            return
        except Exception:  # noqa: BLE001 the edge: one answer that can't be made must not keep the others
            self.on_fault("at an answer")
            went = True
        if went:
            self._pump_soon()
        elif self.outbox.busy:
            self._pumping = asyncio.get_running_loop().call_later(NO_ROOM_S, self._pump)

    @property
    def stopping(self) -> bool:
        """Whether this process is ending."""
        return self._stop.is_set()

    def hold(self) -> bool:
        """Whether the exchange's data is to wait a moment for readers that lag."""
        now = self.clock.mono_ns()
        return self._holding.is_wanted(self.outbox.lag(now), now)

    def takes_short_way(self, frame: bytes, now: Moment) -> bool:
        """Whether a frame went the short way, from its bytes to the last sample. Raises LinkError."""
        return self._hot is not None and not self._silent and self._hot.take(frame, now.wall, now.mono)

    def on_fault(self, where: str) -> None:
        """Log a fault of this program, now being handled; too many of them end it."""
        log.exception("a fault of this program %s", where)
        now = self.clock.mono_ns()
        self._faults = [*(then for then in self._faults if now - then < 60 * SECOND_NS), now]
        if len(self._faults) > MOST_FAULTS:
            self.fail(RuntimeError(f"{len(self._faults)} faults of this program in a minute"))

    def fail(self, error: Exception) -> None:
        """End this process for this reason."""
        self._failure = self._failure or error
        self._stop.set()

    def _subscribe(self, symbol: str) -> None:
        assert self._tasks is not None
        streams = self.venue.live_streams(symbol)
        shard = next((shard for shard in self._shards if shard.has_room(len(streams))), None)
        if shard is None:
            shard = Shard(self, len(self._shards) + 1)
            self._shards.append(shard)
            self._tasks.create_task(shard.feed.run())
        shard.symbols.append(symbol)
        shard.feed.subscribe(streams)

    def _fetch(self, symbol: str, ticket: int) -> None:
        assert self._tasks is not None
        under_way = self._fetches.pop(symbol, None)
        if under_way is not None:  # its answer would be refused: don't spend weight on it
            under_way.cancel()
        self._fetches[symbol] = self._tasks.create_task(self._fetch_snapshot(symbol, ticket))

    async def _fetch_snapshot(self, symbol: str, ticket: int) -> None:
        try:
            body = await self._http.get(self.venue.snapshot_request(symbol))
            recv_ns = self.clock.wall_ns()
            snapshot = self.venue.decode_snapshot(symbol, body, recv_ns)
        except (RateLimited, VenueRefused, MarketlinkError) as error:
            wait_ns = int(error.retry_after_s * SECOND_NS) if isinstance(error, RateLimited) else 0
            effects = self.hub.on_snapshot_failed(symbol, ticket, str(error), self.now(), wait_ns)
        else:
            effects = self.hub.on_snapshot(symbol, ticket, snapshot, self.now())
        self.carry_out(effects)

    async def _instruments(self) -> None:
        """Learn the exchange's instruments; nothing can be registered before."""
        backoff = Backoff(self.rng)
        while True:
            try:
                info = await fetch_info(self.venue, self._http)
            except MarketlinkError as error:
                wait_s = max(backoff.delay_s(), error.retry_after_s if isinstance(error, RateLimited) else 0.0)
                log.warning("the exchange's instruments can't be read: %s; again in %.1f s", error, wait_s)
                await asyncio.sleep(wait_s)
            else:
                limit = info.weight_limit
                log.info("%d instruments, request weight %d in %d s", len(info.instruments), limit.weight, limit.per_s)
                self._start_account(info)
                self.carry_out(self.hub.on_info(info, self.now()))
                return

    def _start_account(self, info: ExchangeInfo) -> None:
        trader, account = self.hub.trader, self._account
        if trader is None or account is None:
            return
        assert self._tasks is not None
        told = self._trading is not None and self._trading.limits_request() is None
        if told and info.order_limits and self._account_http.orders is not None:
            self._account_http.orders.set_limits(info.order_limits)
        trader.instruments = info.instruments
        account.begin(self._tasks)
        self.carry_out(trader.restore(account.left))
        self._tasks.create_task(self._hold_account(account))

    async def _hold_account(self, account: Account) -> None:
        try:
            await account.run()
        except AccountUnusable as error:
            self.fail(error)

    async def _tick(self) -> None:
        next_status = time.monotonic() + STATUS_S
        next_samples = time.monotonic()
        while True:
            await asyncio.sleep(TICK_S)
            now = self.now()
            if self._upkeep is not None:
                self.carry_out(self._upkeep.tick(now))
            self.carry_out(self.hub.on_time(now))
            if self.hub.trader is not None:
                self.carry_out(self.hub.trader.on_time(now))
            if self.config.metrics_port and time.monotonic() >= next_samples:
                next_samples += SAMPLES_S
                self.samples = self._sample(now)
            if time.monotonic() >= next_status:
                next_status += STATUS_S
                self._status()

    def _sample(self, now: Moment) -> list[Sample]:
        """Read the numbers here: whoever asks for them is another thread."""
        feeds = [shard.feed.counts for shard in self._shards]
        budget = self._http.budget
        found = list(of_market(self.hub, feeds, budget.used(now.mono), budget.limit.weight))
        return found if self.hub.trader is None else [*found, *of_orders(self.hub.trader)]

    def _status(self) -> None:
        hub = self.hub
        in_sync = sum(market.sync.in_sync for market in hub.markets.values())
        frames = sum(shard.feed.counts.frames for shard in self._shards)
        asked = sum(market.sync.counts.asked for market in hub.markets.values())
        text = "%d of %d books in sync, %d frames read, %d events published, %d snapshots asked, %d messages malformed"
        log.info(text, in_sync, len(hub.markets), frames, hub.counts.published_events, asked, hub.counts.malformed)

    def _listen(self, loop: asyncio.AbstractEventLoop, stopping: threading.Event) -> None:
        """Await bots' requests, in a thread of its own."""

        def take(requests: list[BotRequest]) -> None:
            for request in requests:
                if isinstance(request.request, Progress):
                    self.outbox.on_progress(request.bot_id, request.request, self.clock.mono_ns())
                    continue
                try:
                    effects = self.hub.on_request(request, self.now())
                except Exception as error:  # noqa: BLE001 the edge: whoever asked is answered
                    self.on_fault(f"at a request of bot {request.bot_id}")
                    effects = self.hub.on_failed_request(request, error)
                self.carry_out(effects)

        trader = self.hub.trader
        asks = trader is not None and trader.cares_for_absent

        def look(present: Present) -> None:
            assert trader is not None
            self.carry_out(trader.on_present(present, self.now()))

        due = time.monotonic() + PRESENT_S
        try:
            while not stopping.is_set():
                self.port.wait(TICK_S)
                if requests := self.port.requests():
                    loop.call_soon_threadsafe(take, requests)
                if asks and time.monotonic() >= due:
                    due = time.monotonic() + PRESENT_S
                    loop.call_soon_threadsafe(look, self.port.present())
        except Exception as error:  # noqa: BLE001 a thread's edge: whatever it is ends the process, with its reason
            if not stopping.is_set():
                loop.call_soon_threadsafe(self.fail, error)

    def _on_signal(self, number: int) -> None:
        if self._stop.is_set():
            log.warning("second signal: leaving at once")
            os._exit(128 + number)
        log.info("%s: shutting down", signal.Signals(number).name)
        self._stop.set()

    async def _wind_down(self) -> None:
        """End in order: first the orders, then bots are told. The farewell is the last thing they hear."""
        if self.hub.trader is not None and self._account is not None:
            ending = Ending(self.config, self.hub.trader, self._account, self.carry_out, self.now)
            self.left_open = await ending.run()
        farewell = Batch((ErrorEvent(to_error(Farewell("the connector has stopped"))),), framed=False)
        self.carry_out([Publish(farewell)])
        self._silent = True
        for _ in range(200):  # a long batch may still be on its way
            if not self.outbox.busy or self._failure is not None:
                break
            await asyncio.sleep(NO_ROOM_S)

    def warm_up(self) -> None:
        """Load what frames need, before the first of them."""
        _warm_up(self.venue)
        self._hot = HotPath(self.venue, self.hub, self.outbox, self.port, self._left.symbols)
        gc.collect()
        gc.freeze()  # all that was loaded stays: no collection need walk it again

    async def run(self) -> None:
        """Run until a signal. Raises what made going on impossible."""
        self.warm_up()  # before the loop takes the signals: compiling can take long, and must be ended by one
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal, number)
        if self.port.readers():
            left, owners = self._left.read()
            self.hub.on_left(left, owners)
        else:
            self._left.forget()
        stopping = threading.Event()
        listener = threading.Thread(target=self._listen, args=(loop, stopping), name="link", daemon=True)
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                listener.start()
                tasks.create_task(self._instruments())
                tasks.create_task(self._tick())
                await self._stop.wait()
                self._status()
                await self._wind_down()
                stopping.set()
                raise _Stopped
        except* _Stopped:
            pass
        finally:
            stopping.set()
            if self._upkeep is not None:
                if self.stopping:
                    self._upkeep.ends(orders_left=bool(self.left_open) and self.config.shutdown != "keep")
                self._upkeep.close()
            listener.join(2.0)
            await _close(self._http)
            if self._account is not None:
                self._account.close()
                await _close(self._account_http)
        if self._failure is not None:
            raise self._failure


async def _close(http: VenueHttp) -> None:
    """Close a client's connections, if that does not take long."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(1.0):  # wait_for can lose a cancellation
            await http.aclose()


class _Stopped(Exception):
    """Ends the task group: asked to stop."""


def _warm_up(venue: PublicVenue) -> None:
    """Load every kernel before the first frame: compiling in the read callback would hold up the feed."""
    from marketlink.book.fused import FusedBook
    from marketlink.link.block import load_kernels

    rows = np.zeros(2, EVENT_DTYPE)
    book = FusedBook(0.1, 0.001)
    book.fuse(rows, sequenced=True)
    book.levels()
    load_kernels()
    venue.warm_up()
