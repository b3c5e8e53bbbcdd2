"""The watchdog's shell: looks at a connector's presence, and cancels its orders over REST when it is dead or stands still."""

import asyncio
import contextlib
import logging
import signal
from typing import Final

from marketlink import errors
from marketlink.clock import Clock, SystemClock
from marketlink.errors import MalformedMessage, SettingsError, Unreachable
from marketlink.run.http import VenueHttp
from marketlink.run.limits import WeightBudget
from marketlink.run.network import ssl_context
from marketlink.times import SECOND_NS
from marketlink.venues.base import PublicVenue, WeightLimit
from marketlink.venues.trading import Call, Op, OrderReport, Signer, TradingVenue, Verdict, judge

from connector.calls import clock_offset_ns
from connector.client_ids import ClientIds
from connector.config import ConnectorConfig
from connector.errors import AccountUnusable
from connector.guard import Guard, cancels_of, own_of
from connector.presence import Presence, look, place_for
from connector.sight import Sight

log = logging.getLogger("watchdog")

LOOK_S: Final = 0.05
WARM_S: Final = 20.0
"""The clock is measured so often; it keeps the connection open too."""
AGAIN_S: Final = 0.2
MOST_AGAIN_S: Final = 2.0
LATE_S: Final = 1.0
"""How often it is looked for orders that arrive late: a list of all symbols weighs much."""
PATIENCE_S: Final = 2.0
MARGIN_S: Final = 0.5
_MS_NS: Final = 1_000_000


class Watchdog:
    """Guards one name. Raises AlreadyRunning when another watchdog does."""

    def __init__(
        self,
        name: str,
        public: PublicVenue,
        venue: TradingVenue,
        config: ConnectorConfig,
        signer: Signer,
        silence_s: float,
        clock: Clock | None = None,
    ) -> None:
        self._name, self._venue, self._signer, self._config = name, venue, signer, config
        self._clock = clock or SystemClock()
        self._exchange = public.name
        self._presence = Presence(name, place_for(name, "w"))
        self._path = place_for(name, "c")
        self._guard = Guard(int(silence_s * SECOND_NS))
        self._ids = ClientIds(config.order_prefix)
        self._offset_ns, self._acting = 0, False
        self._stop = asyncio.Event()

        def client(root: str, limit: WeightLimit) -> VenueHttp:
            return VenueHttp(
                public,
                root,
                WeightBudget(limit, 0.0),
                client_timeout_s=config.order_timeout_s,
                tls=ssl_context(config.ca_file) if config.ca_file is not None else None,
                trading=venue,
                stamp_ms=lambda: (self._clock.wall_ns() + self._offset_ns) // _MS_NS,
                window_ms=config.recv_window_ms,
            )

        self._http = client(config.api_url, venue.weight_limit or public.weight_limit)
        self._public_http = client(config.market_api_url, public.weight_limit) if config.market_api_url else self._http

    async def run(self) -> bool:
        """Guard until a signal, or until there was cause to act; return whether there was. Raises AccountUnusable."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop.set)
        beating = asyncio.create_task(self._beat())
        try:
            await self._first_words()
            warming = asyncio.create_task(self._keep_warm())
            try:
                return await self._watch()
            finally:
                warming.cancel()
        finally:
            beating.cancel()
            self._presence.close()
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self._http.aclose(), 1.0)
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self._public_http.aclose(), 1.0)

    async def _first_words(self) -> None:
        if not self._config.order_prefix:
            log.warning("no order_prefix: orders of every connector of this account without one are this one's")
        await self._measure()
        found = await self._list()
        if found is not None:
            log.info("watching for connector %s; %d orders of its prefix are open", self._name, len(found))

    async def _watch(self) -> bool:
        guarding = False
        while not self._stop.is_set():
            sight = look(self._path)
            self._check_exchange(sight)
            why = self._guard.look(sight, self._clock.mono_ns())
            if why is not None:
                log.error("%s: its orders are cancelled", why)
                self._acting = True
                await self._clear()
                return True
            if self._guard.guarding != guarding:
                guarding = self._guard.guarding
                log.info("guarding" if guarding else "the connector has ended by itself")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._stop.wait()
        return False

    def _check_exchange(self, sight: Sight) -> None:
        """A watchdog that asks another exchange than its connector would see nothing open. Raises SettingsError."""
        told = sight.facts.get("exchange", self._exchange)
        if sight.alive and told != self._exchange:
            what = f"the connector {self._name!r} is on {told}, this watchdog on {self._exchange}"
            raise SettingsError("watchdog", "--exchange", what, f"Give --exchange {told}.")

    async def _beat(self) -> None:
        while True:
            self._presence.beat(self._clock.mono_ns())
            await asyncio.sleep(LOOK_S)

    async def _keep_warm(self) -> None:
        while True:
            await asyncio.sleep(WARM_S)
            await self._measure()

    async def _measure(self) -> None:
        before = self._clock.mono_ns()
        body = await self._ask(self._venue.server_time())
        if body is not None:
            with contextlib.suppress(MalformedMessage):
                travel_ns = self._clock.mono_ns() - before
                self._offset_ns = clock_offset_ns(self._venue.read_time(body), travel_ns, self._clock.wall_ns())

    async def _clear(self) -> None:
        """Cancel what is open until nothing is, and nothing can come any more: what was sent last may arrive late."""
        last_ns = self._clock.mono_ns() + int((self._config.recv_window_ms / 1000 + MARGIN_S) * SECOND_NS)
        count, clear, again_s = 0, False, AGAIN_S
        while True:
            if self._guard.moves(look(self._path), self._clock.mono_ns()):
                log.warning("a connector of the name moves again: it holds its orders itself; %d were cancelled", count)
                return
            asked_ns = self._clock.mono_ns()
            found = await self._list()
            again_s = min(2 * again_s, MOST_AGAIN_S) if found is None else AGAIN_S
            if found:
                clear = False
                calls = cancels_of(self._venue, found)
                await asyncio.gather(*(self._ask(call) for call in calls))
                count += len(found)
            elif found is not None:
                if not clear:
                    log.info("nothing of the connector is open; %d cancels were sent", count)
                clear = True
                if asked_ns >= last_ns:
                    return
            if self._stop.is_set():
                log.error("ended before it was sure that nothing is open: %s", "unknown" if found is None else found)
                return
            if not found:
                await asyncio.sleep(again_s if found is None else LATE_S)

    async def _list(self) -> list[OrderReport] | None:
        """The open orders of this prefix; None when the exchange does not say."""
        body = await self._ask(self._venue.open_orders())
        if body is None:
            return None
        try:
            return own_of(self._venue.read_open_orders(body), self._ids, self._clock.wall_ns())
        except MalformedMessage as error:
            log.warning("the list of open orders: %s", error)
            return None

    async def _ask(self, call: Call) -> bytes | None:
        """The body of a successful answer. What fails is said and asked again by whoever wants it."""
        try:
            signer, http = (self._signer, self._http) if call.keyed else (None, self._public_http)
            status, body, _ = await http.call(call, signer=signer, urgent=True, patience_s=PATIENCE_S)
        except (errors.NotSent, Unreachable) as error:
            log.warning("%s: %s", call.op.value, error)
            return None
        refusal = self._venue.read_refusal(status, body)
        if refusal is None:
            return body
        decision = judge(self._venue.decisions, call.op, refusal)
        log.warning("%s: HTTP %d code %s: %s", call.op.value, status, refusal.code, refusal.text)
        if decision.verdict is Verdict.CLOCK and call.op is not Op.TIME:
            await self._measure()
        if decision.verdict is Verdict.FATAL and not self._acting:
            raise AccountUnusable(f"{call.op.value}: code {refusal.code}: {refusal.text}. {decision.meaning}")
        return None
