"""One websocket connection to a venue's public data, kept alive: subscribed, watched, and made again when it ends.

Frames reach the listener synchronously from the socket's read callback, so a slow listener slows the reading and nothing is queued.
Every wait has an end, every end has a reason, and every reason but a bug of the listener leads to a new connection.
"""

import asyncio
import functools
import logging
import random
import ssl
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Protocol

from websockets.exceptions import ConnectionClosed, InvalidStatus, InvalidURI, WebSocketException
from websockets.uri import parse_uri

from marketlink.clock import Clock, SystemClock
from marketlink.errors import SettingsError
from marketlink.run.network import proxy_of, ssl_context, tls_words
from marketlink.run.plain import Connect
from marketlink.run.retry import Backoff, BackoffSettings, retry_after_remark, retry_after_s
from marketlink.run.staleness import Staleness, StalenessLimits
from marketlink.run.stamped import StampedConnection
from marketlink.run.subscriptions import SubscriptionLimits, Subscriptions
from marketlink.times import SECOND_NS, MonoNs, WallNs, after
from marketlink.venues.base import Answer, Beat, PublicVenue

log = logging.getLogger(__name__)


class FeedListener(Protocol):
    """Who takes what a feed brings. A listener that raises ends the feed: that is a bug of the listener's."""

    def on_connected(self) -> None:
        """Note a new connection, nothing subscribed yet."""

    def on_subscribed(self, streams: Sequence[str]) -> None:
        """Note that the venue acknowledged these streams."""

    def on_refused(self, streams: Sequence[str], error: str) -> None:
        """Note that the venue refused these streams, or refuses them with another error now; they are asked for again."""

    def on_stale(self, streams: Sequence[str]) -> None:
        """Note that granted streams have gone silent while others run: nothing is sure of them until their next frame.

        They are asked for anew, again and again, and `on_subscribed` does not tell of that.
        """

    def on_frame(self, recv_ns: WallNs, frame: bytes) -> None:
        """Take a data frame, in order of arrival, stamped with the wall clock at the read of its last bytes."""

    def on_disconnected(self, reason: str) -> None:
        """Note the end of a connection: once for every `on_connected`, and no frame comes between the two calls.

        Not after an error of the listener's own: the connection was not at fault, and `Feed.run` raises the error.
        """


@dataclass(frozen=True, slots=True)
class FeedSettings:
    """Patience and sizes. `lifetime_s` ends a connection before the venue's 24 hours do; the jitter shortens or lengthens it.

    `stale_s` is the silence that is never too long for a stream or a connection, however busy it was; `data_age_s` the one that is
    too long for a connection of which nothing is known (see `staleness`). `retry_s` is the first wait of a refused subscription.
    """

    connect_timeout_s: float = 10.0
    answer_timeout_s: float = 10.0
    data_age_s: float = 30.0
    stale_s: float = 3.0
    ping_age_s: float = 300.0
    keepalive_s: float = 20.0
    close_timeout_s: float = 1.0
    lifetime_s: float = 23 * 3600 + 50 * 60
    lifetime_jitter_s: float = 300.0
    shutdown_delay_s: float = 3.0
    batch: int = 50
    retry_s: float = 0.5
    max_size: int = 16 * 2**20
    backoff: BackoffSettings = field(default_factory=BackoffSettings)


class End(Enum):
    """Why a connection ended, or did not come about."""

    CONNECT = "connect failed"
    CLOSED = "closed by the venue"
    DATA_AGE = "no data"
    PING_AGE = "no ping"
    UNANSWERED = "subscription not answered"
    SEND = "sending failed"
    LIFETIME = "end of planned lifetime"
    SHUTDOWN = "venue is shutting down"
    LISTENER = "listener failed"
    STOPPED = "stopped"


QUIET_ENDS: Final = frozenset({End.LIFETIME, End.SHUTDOWN, End.STOPPED})


@dataclass(slots=True)
class FeedCounts:
    """What happened since the feed began; `ends` counts reconnect reasons by the text of `End`."""

    connections: int = 0
    frames: int = 0
    bytes: int = 0
    pings: int = 0
    refused: int = 0
    unanswered: int = 0
    stale: int = 0
    last_recv_ns: WallNs = field(default_factory=lambda: WallNs(0))
    ends: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Ended:
    """How one attempt at a connection went."""

    end: End
    detail: str
    lasted_s: float = 0.0
    retry_after_s: float = 0.0


class Feed:
    """One connection of one venue; see `run`. All methods belong to the event loop's thread."""

    def __init__(
        self,
        venue: PublicVenue,
        url: str,
        listener: FeedListener,
        *,
        settings: FeedSettings | None = None,
        rng: random.Random,
        clock: Clock | None = None,
        tls: ssl.SSLContext | None = None,
        hold: Callable[[], bool] = lambda: False,
    ) -> None:
        """`tls` is what `ssl_context` makes, by default of the environment; while `hold` says so, what comes is not handled yet.

        Raises SettingsError when the URL is not a websocket's, or the environment's authorities or proxy can't be used.
        """
        try:
            secure = parse_uri(url).secure
        except (InvalidURI, ValueError) as error:
            raise SettingsError("feed", "url", str(error), "Give a ws:// or wss:// URL.") from error
        self._proxy = proxy_of(url)
        # The context is for the exchange, for the proxy, or for both.
        self._tls = (tls or ssl_context()) if secure or (self._proxy or "").startswith("https:") else None
        self._secure = secure
        self.venue, self.url, self.listener = venue, url, listener
        self.counts = FeedCounts()
        self._settings, self._rng, self._hold = settings or FeedSettings(), rng, hold
        clock = clock or SystemClock()
        self._wall_ns, self._mono_ns = clock.wall_ns, clock.mono_ns
        spacing_ns = 2 * SECOND_NS // venue.max_messages_per_s  # half of what is allowed: pongs and pings count as well
        answer_ns = int(self._settings.answer_timeout_s * SECOND_NS)
        self._subscriptions = Subscriptions(
            SubscriptionLimits(
                venue.max_streams,
                min(venue.max_batch, self._settings.batch),
                spacing_ns,
                answer_ns,
                int(self._settings.retry_s * SECOND_NS),
            )
        )
        age_ns = int(self._settings.data_age_s * SECOND_NS)
        self._staleness = Staleness(StalenessLimits(int(self._settings.stale_s * SECOND_NS), age_ns))
        self._session: _Session | None = None

    @property
    def silent(self) -> frozenset[str]:
        """The wanted streams that bring nothing although they should: refused and not granted since, or stale."""
        return self._subscriptions.refused | self._staleness.stale

    def subscribe(self, streams: Iterable[str]) -> None:
        """Add streams, now and on every later connection. Raises ValueError when one connection can't carry them all."""
        self._subscriptions.want(streams)
        if self._session is not None:
            self._session.changed.set()

    def unsubscribe(self, streams: Iterable[str]) -> None:
        """Remove streams."""
        self._subscriptions.unwant(streams)
        if self._session is not None:
            self._session.changed.set()

    def renew(self, streams: Iterable[str]) -> None:
        """End streams that are granted, and ask for them anew: so a venue is asked for what it sends at a stream's beginning."""
        self._subscriptions.renew(streams)
        if self._session is not None:
            self._session.changed.set()

    async def run(self) -> None:
        """Connect, and connect again, until cancelled. Raises what the listener raises."""
        backoff = Backoff(self._rng, self._settings.backoff)
        if self._proxy is not None:  # without the password in it
            log.info("feed %s: through the proxy %s of the environment", self.url, self._proxy.rpartition("@")[2])
        while True:
            ended = await self._connect_once()
            self.counts.ends[ended.end.value] += 1
            delay_s = max(backoff.delay_s(ended.lasted_s), ended.retry_after_s)
            level = logging.INFO if ended.end in QUIET_ENDS else logging.WARNING
            log.log(level, "feed %s: %s (%s); again in %.2f s", self.url, ended.end.value, ended.detail, delay_s)
            await asyncio.sleep(delay_s)

    async def _connect_once(self) -> _Ended:
        session = _Session(self.venue, self.listener, self._subscriptions, self._staleness, self.counts, self._mono_ns)
        ended = _Ended(End.STOPPED, "cancelled")
        connection = None
        try:
            connection = await self._connect(session)
            session.open()
            self._session = session
            ended = await self._keep(session, connection)
        except InvalidStatus as error:
            ended = self._turned_away(error)
        except (OSError, EOFError, WebSocketException) as error:  # TimeoutError is an OSError
            ended = _Ended(End.CONNECT, tls_words(error, self.url) or f"{type(error).__name__}: {error}")
        finally:
            self._session = None
            session.close(f"{ended.end.value}: {ended.detail}")
            if connection is not None:
                await self._hang_up(connection, politely=ended.end in QUIET_ENDS)
        session.raise_failure()
        return ended

    async def _connect(self, session: "_Session") -> Any:
        settings, tls = self._settings, dict[str, Any]()
        if self._secure:
            tls["ssl"] = self._tls
        if self._proxy is not None and self._proxy.startswith("https:"):
            tls["proxy_ssl"] = self._tls
        make: Any = functools.partial(StampedConnection, sink=session, wall_ns=self._wall_ns, hold=self._hold)
        try:
            return await Connect(
                self.url,
                create_connection=make,
                compression=None,
                proxy=self._proxy,
                **tls,
                max_size=settings.max_size,
                max_queue=None,
                open_timeout=settings.connect_timeout_s,
                ping_interval=settings.keepalive_s,
                ping_timeout=3 * settings.keepalive_s,  # its answer may stand behind much that is not handled yet
                close_timeout=settings.close_timeout_s,
            )
        except (ValueError, OverflowError) as error:  # what an answer or an address can't be made into
            raise OSError(f"{type(error).__name__}: {error}") from error

    def _turned_away(self, error: InvalidStatus) -> _Ended:
        """Say how the handshake was answered, and take from it when to come back."""
        headers, status = error.response.headers, error.response.status_code
        stated = next(iter(headers.get_all("Retry-After")), None)
        wait_s = retry_after_s(stated, self._wall_ns())
        if (remark := retry_after_remark(stated, wait_s)) is not None:
            log.warning("feed %s: HTTP %d: %s", self.url, status, remark)
        words = f"HTTP {status}"
        if 300 <= status < 400 and (places := headers.get_all("Location")):
            words += f", which points to {places[0][:200]!r}: not followed. If it is right, configure that address"
        return _Ended(End.CONNECT, words, retry_after_s=wait_s or 0.0)

    async def _keep(self, session: "_Session", connection: Any) -> _Ended:
        """Send what is to be sent and watch the clocks, until the connection is over."""
        settings, subscriptions = self._settings, self._subscriptions
        jitter_s = settings.lifetime_jitter_s * self._rng.uniform(-1.0, 1.0)
        planned_ns = after(session.opened_ns, int((settings.lifetime_s + jitter_s) * SECOND_NS))
        shutdown_ns: MonoNs | None = None
        beat = self.venue.beat
        beat_ns = session.opened_ns if beat is not None else None  # when the next one is sent: the first at once

        def over(end: End, detail: str) -> _Ended:
            return _Ended(end, detail, (self._mono_ns() - session.opened_ns) / SECOND_NS)

        while True:
            session.changed.clear()
            now_ns = self._mono_ns()
            ping_due_ns = after(session.ping_ns, int(settings.ping_age_s * SECOND_NS))
            if session.shutting_down and shutdown_ns is None:
                shutdown_ns = after(now_ns, int(self._rng.uniform(0.0, settings.shutdown_delay_s) * SECOND_NS))
            if session.closing is not None:
                return over(End.LISTENER if session.failed else End.CLOSED, session.closing)
            if (late := subscriptions.overdue(now_ns)) is not None:
                self.counts.unanswered += len(late.streams)
                return over(End.UNANSWERED, f"{len(late.streams)} streams in {settings.answer_timeout_s:g} s")
            silent_ns = session.look(now_ns, held=connection.held_bytes > 0)
            if silent_ns is not None:
                return over(End.DATA_AGE, f"{silent_ns / SECOND_NS:.1f} s")
            if now_ns >= ping_due_ns:
                return over(End.PING_AGE, f"{settings.ping_age_s:g} s")
            if now_ns >= planned_ns:
                return over(End.LIFETIME, f"{(now_ns - session.opened_ns) / SECOND_NS:.0f} s")
            if shutdown_ns is not None and now_ns >= shutdown_ns:
                return over(End.SHUTDOWN, "as announced")
            message: bytes | None = None
            if beat is not None and beat_ns is not None and now_ns >= beat_ns:
                message, beat_ns = beat[1], after(now_ns, int(beat[0] * SECOND_NS))
            elif (request := subscriptions.next_request(now_ns)) is not None:
                write = self.venue.subscribe if request.subscribe else self.venue.unsubscribe
                message = write(request.streams, request.request_id)
            if message is not None:
                try:
                    async with asyncio.timeout(settings.answer_timeout_s):
                        await connection.send(message.decode())
                except (ConnectionClosed, OSError) as error:
                    if session.closing is None:
                        return over(End.SEND, f"{type(error).__name__}: {error}")
                continue
            look_ns = self._staleness.due_ns(expected=subscriptions.any_wanted)
            dues = (look_ns, ping_due_ns, planned_ns, shutdown_ns, beat_ns, subscriptions.due_ns())
            due_ns = min(due for due in dues if due is not None)
            try:
                async with asyncio.timeout(max(0.0, (due_ns - self._mono_ns()) / SECOND_NS)):
                    await session.changed.wait()
            except TimeoutError:
                pass

    async def _hang_up(self, connection: Any, *, politely: bool) -> None:
        """Close so that nothing is left behind; a peer that no longer answers is waited for no longer than this."""
        timeout_s = self._settings.close_timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                if politely:
                    await connection.close()
        except (TimeoutError, OSError, WebSocketException):
            pass
        finally:
            connection.transport.abort()
        try:
            async with asyncio.timeout(timeout_s):
                await connection.wait_closed()
        except TimeoutError:
            pass


class _Session:
    """One connection as its listener sees it; the sink of its messages."""

    def __init__(
        self,
        venue: PublicVenue,
        listener: FeedListener,
        subscriptions: Subscriptions,
        staleness: Staleness,
        counts: FeedCounts,
        mono_ns: Callable[[], MonoNs],
    ) -> None:
        self._venue, self._listener, self._subscriptions, self._counts = venue, listener, subscriptions, counts
        self._staleness, self._mono_ns = staleness, mono_ns
        self._open = self._done = False
        self._failure: Exception | None = None
        self.changed = asyncio.Event()
        self.closing: str | None = None
        self.shutting_down = False
        self.opened_ns = self.ping_ns = mono_ns()

    def open(self) -> None:
        """Announce the connection, if a frame in the handshake's own read has not done so already."""
        if self._open or self._done:
            return
        self._open = True
        self.opened_ns = self.ping_ns = self._mono_ns()
        self._counts.connections += 1
        self._subscriptions.on_connected()
        self._staleness.on_connected(self.opened_ns)
        self._tell(self._listener.on_connected)

    def close(self, reason: str) -> None:
        """Announce the end; whatever still comes in is dropped."""
        if self._open and not self._done and not self.failed:
            self._done = True
            self._tell(self._listener.on_disconnected, reason)
        self._done = True

    def raise_failure(self) -> None:
        """Raise what the listener raised, if it did."""
        if self._failure is not None:
            raise self._failure

    @property
    def failed(self) -> bool:
        """Whether the listener raised."""
        return self._failure is not None

    def look(self, now_ns: MonoNs, *, held: bool) -> int | None:
        """Tell of streams that have gone silent; return for how long the whole connection has been, if that is too long."""
        verdict = self._staleness.check(now_ns, expected=self._subscriptions.any_wanted, held=held)
        if verdict.asked:
            self._subscriptions.renew(verdict.asked)
        if verdict.stale:
            self._counts.stale += len(verdict.stale)
            log.warning("feed: %s: silent while others run: %s", self._venue.name, ", ".join(verdict.stale))
            self._tell(self._listener.on_stale, verdict.stale)
        return verdict.silent_ns

    def on_message(self, recv_ns: WallNs, message: bytes) -> None:
        """Take a message of the venue."""
        if self._done or self._failure is not None:
            return
        if not self._open:
            self.open()
        control = self._venue.control(message)
        if control is None:
            counts = self._counts
            counts.frames += 1
            counts.bytes += len(message)
            counts.last_recv_ns = recv_ns
            self._staleness.on_frame(self._venue.stream_key(message), self._mono_ns())
            try:
                self._listener.on_frame(recv_ns, message)
            except Exception as error:  # noqa: BLE001 - carried out of the read callback, raised by `run`
                self._fail(error)
            return
        if isinstance(control, Answer):
            self._on_answer(control)
        elif isinstance(control, Beat):
            self.on_ping()
            return
        else:
            self.shutting_down = True
        self.changed.set()

    def on_ping(self) -> None:
        """Note a ping of the venue's, or its answer to a beat."""
        self.ping_ns = self._mono_ns()
        self._counts.pings += 1

    def on_closing(self, reason: str) -> None:
        """Note that nothing more will come."""
        if self.closing is None:
            self.closing = reason
        self.changed.set()

    def _on_answer(self, answer: Answer) -> None:
        now_ns = self._mono_ns()
        settled = self._subscriptions.on_answer(answer, now_ns)
        if settled is None or not settled.request.subscribe:
            if settled is not None:
                self._staleness.on_ended(settled.changed)
            if answer.error is not None:
                log.warning("feed: %s answered %s", self._venue.name, answer.error)
        elif settled.error is None:
            if fresh := self._staleness.on_granted(settled.request.streams, now_ns):
                self._tell(self._listener.on_subscribed, tuple(fresh))
        else:
            self._counts.refused += len(settled.request.streams)
            if settled.changed:
                words = f"{len(settled.changed)} streams, {', '.join(settled.changed[:3])}"
                log.warning("feed: %s refused %s ...: %s", self._venue.name, words, settled.error)
                self._tell(self._listener.on_refused, settled.changed, settled.error)

    def _tell(self, callback: Callable[..., None], *arguments: object) -> None:
        try:
            callback(*arguments)
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        if self._failure is None:
            self._failure = error
        self.on_closing(f"{type(error).__name__}: {error}")
