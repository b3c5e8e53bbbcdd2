"""The account's half of the shell: signed requests, the account's stream, the exchange's clock, the journal.

What is sent and what comes back is the trader's business; here are the sockets, and the time stamps in requests.
"""

import asyncio
import contextlib
import logging
import random
import ssl
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from marketlink import errors
from marketlink.clock import Clock
from marketlink.errors import MalformedMessage
from marketlink.run.http import VenueHttp
from marketlink.run.plain import PlainSocket
from marketlink.run.retry import Backoff
from marketlink.times import SECOND_NS, Moment
from marketlink.venues.trading import ORDER_OPS, Call, Op, Refusal, Signer, StreamStep, TradingVenue, Verdict, judge

from connector.api_socket import ApiSocket
from connector.calls import NoAnswer, NotSent, Outcome, Replied, clock_offset_ns
from connector.effects import Ask, Effect, Level, Note
from connector.errors import AccountUnusable
from connector.journal import JournalFile
from connector.restored import Restored, read_records
from connector.trader import Trader

log = logging.getLogger("connector")

KEEP_S: Final = 1800.0
"""A listen key lives for an hour; it is prolonged each half."""
CLOCK_S: Final = 60.0
LOGIN_S: Final = 10.0
"""An account's stream that has not answered its login by then is opened anew."""
PATIENCE_S: Final = 30.0
"""The longest wait of a question for room in the limits; it is asked again anyway."""
_MS_NS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """The keys of the configuration that are about the account."""

    stream_root: str
    stream_form: str
    timeout_s: float
    window_ms: int
    clock_alarm_ms: float
    dead_man_s: float = 0.0


class Account:
    """Carries out what the trader asks for."""

    def __init__(
        self,
        trader: Trader,
        venue: TradingVenue,
        http: VenueHttp,
        public_http: VenueHttp,
        signer: Signer,
        settings: AccountSettings,
        journal: JournalFile,
        carry_out: Callable[[list[Effect]], None],
        clock: Clock,
        rng: random.Random,
        tls: ssl.SSLContext | None = None,
        api: ApiSocket | None = None,
    ) -> None:
        """`api`: the road of orders, where it is not REST's; what it can't carry goes by REST.

        What needs no key is asked of `public_http`.
        """
        self._api = api
        self._trader, self._venue, self._http, self._public_http, self._signer = (
            trader,
            venue,
            http,
            public_http,
            signer,
        )
        self._settings, self._journal, self._carry_out = settings, journal, carry_out
        self._clock, self._rng, self._tls = clock, rng, tls
        self._restream = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None
        self._key = ""
        self._alarmed = False
        self.left: Restored = read_records(journal.read())
        journal.start(self.left.records())

    def now(self) -> Moment:
        """This moment."""
        return Moment(self._clock.mono_ns(), self._clock.wall_ns())

    def ask(self, effect: Ask) -> None:
        """Send a request; what becomes of it goes to the trader."""
        assert self._tasks is not None
        self._tasks.create_task(self._send(effect))

    def keep(self, record: Mapping[str, object]) -> None:
        """Append to the journal."""
        self._journal.put(record)

    def restream(self) -> None:
        """Open the account's stream anew."""
        self._restream.set()

    def close(self) -> None:
        """End the journal."""
        self._journal.close()

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        """Take requests from here on, each a task of its own; what restored orders ask does not wait for `run`."""
        self._tasks = tasks

    async def run(self) -> None:
        """Hold the account's stream until cancelled. Raises AccountUnusable."""
        tasks = self._tasks
        assert tasks is not None
        await self._measure_clock()
        await self._check_mode()
        await self._check_protection()
        await self._read_limits()
        tasks.create_task(self._watch_clock())
        if self._api is not None:
            tasks.create_task(self._api.run())
        backoff = Backoff(self._rng)
        while True:
            started = self._clock.mono_ns()
            self._restream.clear()
            why = await self._stream_once()
            self._carry_out(self._trader.on_stream_lost(why, self.now()))
            delay_s = backoff.delay_s((self._clock.mono_ns() - started) / SECOND_NS)
            log.warning("the account's stream: %s; again in %.2f s", why, delay_s)
            await asyncio.sleep(delay_s)

    # -- requests -----------------------------------------------------------------------------------------------------

    async def _send(self, effect: Ask) -> None:
        outcome = await self._call(effect.call, effect.urgent, effect.number)
        self._carry_out(self._trader.on_outcome(effect.number, outcome, self.now()))

    async def _call(self, call: Call, urgent: bool, number: int = 0) -> Outcome:
        left_ns = self._clock.mono_ns()
        patience_s = self._settings.timeout_s if call.op in ORDER_OPS else PATIENCE_S

        def on_stamp(stamp_ms: int) -> None:
            nonlocal left_ns
            left_ns = self._clock.mono_ns()  # its turn has come
            self._trader.on_sent(number, stamp_ms * _MS_NS)

        try:
            if self._api is not None and self._api.carries(call, urgent=urgent):
                answer = await self._api.call(call, urgent=urgent, patience_s=patience_s, on_stamp=on_stamp)
                if answer is not None:
                    return Replied(answer.status, answer.body)
            http = self._http if call.keyed else self._public_http
            status, body, _ = await http.call(
                call,
                signer=self._signer if call.keyed else None,
                urgent=urgent,
                patience_s=patience_s,
                on_stamp=on_stamp,
            )
        except errors.NotSent as error:
            return NotSent(str(error))
        except errors.Unreachable as error:
            return NoAnswer(str(error))
        if call.op is Op.TIME and status == 200:
            with contextlib.suppress(MalformedMessage):
                self._on_clock(self._venue.read_time(body), left_ns)
        return Replied(status, body)

    def _on_clock(self, server_ms: int, left_ns: int) -> None:
        """Take the exchange's time, which was asked for at `left_ns`."""
        travel_ns = self._clock.mono_ns() - left_ns
        self._trader.offset_ns = clock_offset_ns(server_ms, travel_ns, self._clock.wall_ns())
        off_ms = abs(self._trader.offset_ns) / _MS_NS
        alarm = off_ms > self._settings.clock_alarm_ms
        if alarm and not self._alarmed:
            text = "this machine's clock is %.0f ms off the exchange's: requests are stamped with the exchange's time"
            log.warning(text, off_ms)
        self._alarmed = alarm

    async def _measure_clock(self) -> None:
        backoff = Backoff(self._rng)
        while True:
            outcome = await self._call(self._venue.server_time(), True)
            if isinstance(outcome, Replied) and outcome.status == 200:
                return
            delay_s = backoff.delay_s()
            log.warning("the exchange's clock can't be read: %s; again in %.1f s", outcome, delay_s)
            await asyncio.sleep(delay_s)

    async def _watch_clock(self) -> None:
        while True:
            await asyncio.sleep(CLOCK_S * self._rng.uniform(0.9, 1.1))
            await self._call(self._venue.server_time(), False)

    async def _asked(self, call: Call, what: str) -> bytes | None:
        """The body of a successful answer; None, said in the log, where none comes. Raises AccountUnusable."""
        outcome = await self._call(call, True)
        if not isinstance(outcome, Replied):
            log.warning("%s: %s", what, outcome.why)
            return None
        refusal = self._venue.read_refusal(outcome.status, outcome.body)
        if refusal is None:
            return outcome.body
        log.warning("%s", await self._refused(call.op, refusal, what))
        return None

    async def _refused(self, op: Op, refusal: Refusal, what: str) -> str:
        """What is to be said of a refusal; a wrong clock is measured first. Raises AccountUnusable when nothing can go on."""
        decision = judge(self._venue.decisions, op, refusal)
        if decision.verdict is Verdict.FATAL:
            raise AccountUnusable(f"{what}: code {refusal.code}: {refusal.text}. {decision.meaning}")
        if decision.verdict is Verdict.CLOCK:  # whoever asks again does so with a better time
            await self._call(self._venue.server_time(), True)
        return f"{what}: HTTP {refusal.status} code {refusal.code}: {refusal.text}"

    async def _check_mode(self) -> None:
        backoff, call = Backoff(self._rng), self._venue.hedge_mode()
        if call is None:
            return
        while True:
            body = await self._asked(call, "the account's position mode")
            if body is not None:
                break
            await asyncio.sleep(backoff.delay_s())
        if self._venue.read_hedge_mode(body):
            remedy = "Switch it to one-way mode (close positions and orders first)."
            raise AccountUnusable(
                f"the account keeps positions in two ways (hedge mode), which is not traded. {remedy}"
            )

    async def _read_limits(self) -> None:
        """Learn the account's order limits where only the account tells them; the documented ones hold until then."""
        call = self._venue.limits_request()
        if call is None or self._http.orders is None:
            return
        body = await self._asked(call, "the account's order limits")
        if body is None:
            return
        try:
            limits = self._venue.read_order_limits(body)
        except MalformedMessage as error:
            log.warning("the account's order limits: %s; the documented ones hold", error)
            return
        if limits:
            self._http.orders.set_limits(limits)
            log.info("order limits: %s", ", ".join(f"{one.most} in {one.per_s} s" for one in limits))

    async def _check_protection(self) -> None:
        """Where the exchange protects a whole account, say whether it does so for this one; demanded, it must. Raises AccountUnusable."""
        after_s = int(self._settings.dead_man_s)
        call, protect = self._venue.protection(), self._venue.protect(after_s)
        if call is None or protect is None:
            return
        backoff = Backoff(self._rng)
        while (body := await self._asked(call, "disconnect protection")) is None and after_s:  # noqa: ASYNC110
            await asyncio.sleep(backoff.delay_s())
        enabled = body is not None and self._venue.read_protection(body)
        if not after_s:
            word = "can be had (dead_man_s)" if enabled else "is not enabled for this account; a watchdog does it"
            log.info("cancelling orders when this process is gone: the exchange's protection %s", word)
        elif not enabled:
            raise AccountUnusable(
                "dead_man_s: disconnect protection is not enabled for this account. "
                "Have the exchange enable it, or leave dead_man_s out and guard the connector with a watchdog."
            )
        else:
            while await self._asked(protect, "setting disconnect protection") is None:  # noqa: ASYNC110
                await asyncio.sleep(backoff.delay_s())
            log.info("the exchange cancels every order of the account when its stream is gone for %d s", after_s)

    # -- the account's stream -----------------------------------------------------------------------------------------

    async def _stream_once(self) -> str:
        self._key = ""
        if (call := self._venue.stream_start()) is not None:
            body = await self._asked(call, "a key for the account's stream")
            if body is None:
                return "no key"
            try:
                self._key = self._venue.read_stream_key(body)
            except MalformedMessage as error:
                return str(error)
        url = self._venue.stream_url(self._settings.stream_root, self._key, self._settings.stream_form)
        try:
            async with PlainSocket(self._venue.name, url, self._tls) as socket:
                return await self._read(socket)
        except errors.Unreachable as error:
            return error.why

    async def _read(self, socket: PlainSocket) -> str:
        opened = asyncio.Event()
        tasks = [
            asyncio.ensure_future(each)
            for each in (
                self._read_events(socket, opened),
                self._keep_key(),
                self._restream.wait(),
                self._open_in_time(opened),
                self._beat(socket),
            )
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if tasks[2] in done:
                return "opened anew"
            return str(next(task for task in tasks if task in done).result())
        finally:
            for each in tasks:
                each.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read_events(self, socket: PlainSocket, opened: asyncio.Event) -> str:
        now_ms = self._trader.exchange_ns(self.now()) // _MS_NS
        steps = deque(self._venue.stream_login(self._signer, now_ms, self._settings.window_ms))
        if not await self._step(socket, steps):
            self._opened(opened)
        async for raw in socket.messages():
            try:
                messages = self._venue.read_private(raw)
            except MalformedMessage as error:  # it may have been an order's: what it said is fetched
                note = Note(Level.WARNING, f"event of the account left out: {error}")
                self._carry_out([note, *self._trader.on_malformed(self.now())])
                continue
            for message in messages:
                if not isinstance(message, StreamStep):
                    self._carry_out(self._trader.on_private(message, self.now()))
                elif message.refusal is not None:
                    return await self._refused(Op.STREAM_START, message.refusal, "the account's stream")
                elif not opened.is_set() and not await self._step(socket, steps):
                    self._opened(opened)
        return "closed by the exchange"

    async def _step(self, socket: PlainSocket, steps: deque[bytes]) -> bool:
        """Send what comes next; False when there is nothing more."""
        if steps:
            await socket.send(steps.popleft())
            return True
        return False

    def _opened(self, opened: asyncio.Event) -> None:
        opened.set()
        log.info("the account's stream is open")
        self._carry_out(self._trader.on_stream_open(self.now()))

    async def _open_in_time(self, opened: asyncio.Event) -> str:
        """End a stream that does not answer its login."""
        try:
            async with asyncio.timeout(LOGIN_S):
                await opened.wait()
        except TimeoutError:
            return f"its login was not answered in {LOGIN_S:g} s"
        return await _never()

    async def _beat(self, socket: PlainSocket) -> str:
        beat = self._venue.stream_beat
        while beat is not None:
            await asyncio.sleep(beat[0])
            try:
                await socket.send(beat[1])
            except errors.Unreachable as error:
                return error.why
        return await _never()

    async def _keep_key(self) -> str:
        while True:
            await asyncio.sleep(KEEP_S * self._rng.uniform(0.9, 1.0))
            call = self._venue.stream_keep(self._key)
            if call is not None and await self._asked(call, "prolonging the account's stream") is None:
                return "its key can't be prolonged"

    async def end_stream(self) -> None:
        """Give the key back."""
        if self._key and (call := self._venue.stream_end(self._key)) is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._call(call, False)


async def _never() -> str:
    return await asyncio.Future[str]()
