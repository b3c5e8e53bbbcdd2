"""How trading ends: no new orders, ours cancelled and seen to be gone, and a list of what is open, or may be."""

import asyncio
import logging
import time
from collections.abc import Callable

from marketlink.times import Moment

from connector.account import Account
from connector.config import ConnectorConfig
from connector.effects import Effect
from connector.trader import Trader

log = logging.getLogger("connector")

_AGAIN_S = 0.5
_LOOK_S = 0.01


class Ending:
    """Carries it out, by `shutdown` and within `shutdown_deadline_s`."""

    def __init__(
        self,
        config: ConnectorConfig,
        trader: Trader,
        account: Account,
        carry_out: Callable[[list[Effect]], None],
        now: Callable[[], Moment],
    ) -> None:
        self._config, self._trader, self._account, self._carry_out, self._now = config, trader, account, carry_out, now
        self._unconfirmed = False

    async def run(self) -> list[str]:
        """End, and return in words what is open at the exchange, or may be."""
        self._trader.accepting = False
        if self._config.shutdown != "keep":
            await self._cancel_all()
        left = self._left()
        kept = self._config.shutdown == "keep"
        for text in left:
            log.log(logging.INFO if kept else logging.ERROR, "left open, or not known to be closed: %s", text)
        await self._account.end_stream()
        return left

    async def _cancel_all(self) -> None:
        """Cancel until the exchange says that nothing is open, or the deadline comes."""
        trader, everything = self._trader, self._config.shutdown == "all"
        start_ns = trader.exchange_ns(self._now())
        if trader.is_clean(start_ns, everything=everything):
            return  # nothing was ever there
        log.info("cancelling %s", "everything" if everything else f"{len(trader.ledger.active)} orders")
        end = time.monotonic() + self._config.shutdown_deadline_s
        again, whose = 0.0, everything
        while (now_s := time.monotonic()) < end and not trader.is_clean(start_ns, everything=everything):
            if now_s >= again:
                again = now_s + _AGAIN_S
                effects = trader.cancel_everything(self._now()) if whose else trader.cancel_own(self._now())
                self._carry_out(effects or trader.verify(self._now(), everything=everything))
                whose = False
            await asyncio.sleep(_LOOK_S)
        if trader.is_clean(start_ns, everything=everything):
            log.info("nothing of %s is open at the exchange", "the symbols in use" if everything else "this connector")
        else:
            self._unconfirmed = not trader.ledger.active

    def _left(self) -> list[str]:
        trader = self._trader
        left: list[str] = []
        if self._unconfirmed:
            left.append("the exchange has not confirmed in time that nothing is open")
        for one in sorted(trader.ledger.active.values(), key=lambda one: one.client_id):
            side, price, qty = one.side.name.lower(), one.terms.price, one.terms.qty
            whose = f"{one.client_id}, bot {one.bot_id}, order {one.order_id}"
            left.append(f"{one.symbol} {side} {qty:f} at {price:f} ({whose}): {one.phase.value}")
        if not trader.instruments:  # what an earlier process left was never asked for
            left += [f"{client_id}: not asked for since the start" for client_id in self._account.left.orders]
        return left
