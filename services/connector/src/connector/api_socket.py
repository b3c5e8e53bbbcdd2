"""Orders over the venue's WebSocket API: one connection kept open, answers found by their number.

Nothing is sent twice here. What this road can't carry now, because the connection is not there or has taken as many messages as it
may, goes by REST. What was sent and not answered, when the time is over or the connection ends, is unknown.
"""

import asyncio
import logging
import random
import ssl
from collections.abc import Callable
from typing import Final

from marketlink.clock import Clock
from marketlink.errors import MalformedMessage, Unreachable
from marketlink.run.http import VenueHttp
from marketlink.run.limits import WeightBudget
from marketlink.run.plain import PlainSocket
from marketlink.run.retry import Backoff
from marketlink.times import SECOND_NS
from marketlink.venues.base import WeightLimit
from marketlink.venues.trading import API_LOGIN, ApiAnswer, Call, Op, Signer, TradingVenue

log = logging.getLogger("connector")

CARRIED: Final = frozenset({Op.SUBMIT, Op.MODIFY, Op.CANCEL})
RESERVE: Final = 0.23  # of a second's messages: of Binance's nine two are kept for cancels
HANDSHAKE_WEIGHT: Final = 5


class ApiSocket:
    """The road. Limits are `http`'s, so that both roads together keep them."""

    def __init__(
        self,
        venue: TradingVenue,
        url: str,
        http: VenueHttp,
        signer: Signer,
        stamp_ms: Callable[[], int],
        window_ms: int,
        timeout_s: float,
        clock: Clock,
        rng: random.Random,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._venue, self._url, self._http, self._signer = venue, url, http, signer
        self._stamp_ms, self._window_ms, self._timeout_s = stamp_ms, window_ms, timeout_s
        self._clock, self._rng, self._tls = clock, rng, tls
        self._socket: PlainSocket | None = None
        messages = WeightLimit(venue.api_messages_per_s - 1, 1)  # a ping is one too
        self._room = WeightBudget(messages, RESERVE, slack_s=0.1)
        self._waiting: dict[str, asyncio.Future[ApiAnswer]] = {}
        self._number = 0

    def carries(self, call: Call, *, urgent: bool) -> bool:
        """Whether a request would go out at once on this road."""
        room = self._room.wait_ns(1, self._clock.mono_ns(), urgent=urgent) == 0
        return call.op in CARRIED and self._socket is not None and room

    async def call(
        self, call: Call, *, urgent: bool, patience_s: float, on_stamp: Callable[[int], None]
    ) -> ApiAnswer | None:
        """Send a request and return its answer; None, with nothing sent, when this road does not carry it any more.

        Raises NotSent when there is no room in the venue's limits, and Unreachable when no answer comes.
        """
        async with self._http.turn(call, urgent=urgent, patience_s=patience_s):
            socket = self._socket
            if socket is None or not self.carries(call, urgent=urgent):
                return None
            self._number += 1
            number, stamp_ms = str(self._number), self._stamp_ms()
            message = self._venue.api_request(call, number, self._signer, stamp_ms, self._window_ms)
            if message is None:
                return None
            on_stamp(stamp_ms)
            self._room.spend(1, self._clock.mono_ns())
            answer: asyncio.Future[ApiAnswer] = asyncio.get_running_loop().create_future()
            self._waiting[number] = answer
            try:
                async with asyncio.timeout(self._timeout_s):
                    await socket.send(message)
                    got = await answer
            except TimeoutError:
                raise Unreachable(self._venue.name, call.op.value, f"no answer in {self._timeout_s:g} s") from None
            finally:
                del self._waiting[number]
        self._http.observe_api(got)
        return got

    async def run(self) -> None:
        """Keep the connection open until cancelled."""
        backoff = Backoff(self._rng)
        while True:
            started = self._clock.mono_ns()
            why = await self._once()
            delay_s = backoff.delay_s((self._clock.mono_ns() - started) / SECOND_NS)
            log.warning("the WebSocket API: %s; orders go by REST; again in %.2f s", why, delay_s)
            await asyncio.sleep(delay_s)

    async def _once(self) -> str:
        self._http.budget.spend(HANDSHAKE_WEIGHT, self._clock.mono_ns())
        try:
            async with PlainSocket(self._venue.name, self._url, self._tls) as socket:
                login = self._venue.api_login(self._signer, self._stamp_ms(), self._window_ms)
                if login is None:
                    self._open(socket)
                else:
                    await socket.send(login)
                beating = asyncio.ensure_future(self._beat(socket))
                try:
                    async for frame in socket.messages():
                        answer = self._read(frame)
                        if answer is not None and answer.request_id == API_LOGIN:
                            if answer.status != 200:
                                return f"its login was refused: {answer.body[:200]!r}"
                            self._open(socket)
                        elif answer is not None:
                            self._take(answer)
                finally:
                    beating.cancel()
                    self._lost()
                return "closed by the exchange"
        except Unreachable as error:
            return error.why

    def _open(self, socket: PlainSocket) -> None:
        log.info("the WebSocket API is open: orders go over it")
        self._socket = socket

    async def _beat(self, socket: PlainSocket) -> None:
        beat = self._venue.api_beat
        while beat is not None:
            await asyncio.sleep(beat[0])
            try:
                await socket.send(beat[1])
            except Unreachable:
                return  # the reading ends too

    def _lost(self) -> None:
        """The connection has ended, and with it every answer that has not come."""
        self._socket = None
        open_ = [answer for answer in self._waiting.values() if not answer.done()]
        for answer in open_:
            answer.set_exception(Unreachable(self._venue.name, "the WebSocket API", "the connection ended"))
        if open_:
            log.warning("the WebSocket API: %d requests are without an answer", len(open_))

    def _read(self, frame: bytes) -> ApiAnswer | None:
        try:
            return self._venue.read_api(frame)
        except MalformedMessage as error:  # whose it was is not known: that request is without an answer
            log.warning("an answer of the WebSocket API left out: %s", error)
            return None

    def _take(self, answer: ApiAnswer) -> None:
        waiting = self._waiting.get(answer.request_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)
        elif waiting is None:
            log.info("an answer of the WebSocket API that nobody waits for: %s", answer.body[:200])
