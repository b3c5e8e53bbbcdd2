"""The short way of a depth frame: from its bytes to the readers in one compiled step (`marketlink.hot`), with nothing of Python between.

It is for what is ordinary: a book in sync, the update that follows, nothing that waits to go out before it. Everything else, and all that
the step does not surely know, is left to the general way, before anything has changed. What goes this way is told and counted as there.
"""

from collections.abc import Container
from typing import Final

from marketlink.link.port import ConnectorPort
from marketlink.times import MonoNs
from marketlink.venues.base import PublicVenue
from marketlink.venues.grammar import QuickDepth

from connector.books import Market
from connector.hub import Hub
from connector.outbox import Outbox

_NAME_FROM: Final = 12
_NAME_WITHIN: Final = 120
"""Where in a frame the closing quote of the second word, its stream's name, is looked for."""


class HotPath:
    """The short way of one connector's frames."""

    def __init__(self, venue: PublicVenue, hub: Hub, outbox: Outbox, port: ConnectorPort, kept: Container[str]) -> None:
        """`kept` are the symbols whose rows somebody notes as they go out: they go the general way."""
        from marketlink.hot.step import DepthStep, Scratch  # here, because it compiles

        self._hub, self._outbox, self._port, self._kept = hub, outbox, port, kept
        self._grammar = venue.depth_grammar if isinstance(venue, QuickDepth) else None
        self._samples = port.loaned() if self._grammar is not None else None
        self._make, self._scratch = DepthStep, Scratch()
        self._ways: dict[bytes, tuple[Market, DepthStep]] = {}
        self._markets = 0
        self.taken = self.left = 0  # depth frames that went this way, and that could not

    def take(self, frame: bytes, recv_ns: int, now: MonoNs) -> bool:
        """Take a frame to the last sample; False: it is for the general way, and nothing has changed. Raises LinkError."""
        if len(self._hub.markets) != self._markets:
            self._learn()
        way = self._ways.get(frame[: frame.find(b'"', _NAME_FROM, _NAME_WITHIN) + 1])
        if way is None:
            return False
        market, step = way
        sync = market.sync
        assert self._grammar is not None
        if (
            not sync.steady
            or not self._outbox.flows
            or market.instrument.symbol in self._kept
            or self._grammar.is_foreign(frame)
        ):
            self.left += 1
            return False
        count = step.run(frame, recv_ns, market.book, sync.last_id, self._port.next_seq)
        if count < 0:
            self.left += 1
            return False
        sync.advance(step.last_id)
        market.on_updated(step.exch_ts, now)
        self._port.send_loaned(count)
        self._hub.on_sent_rows(count - 2, now)
        self.taken += 1
        return True

    def _learn(self) -> None:
        """Make the ways of markets that are new."""
        self._markets = len(self._hub.markets)
        if self._grammar is None or self._samples is None:
            return
        known = {market.instrument.symbol for market, _ in self._ways.values()}
        for symbol, market in self._hub.markets.items():
            start = None if symbol in known else self._grammar.start(symbol)
            if start is None:
                continue
            try:
                step = self._make(
                    self._grammar,
                    symbol,
                    market.book,
                    self._samples,
                    self._port.session,
                    self._outbox.longest,
                    self._scratch,
                )
            except ValueError:  # a name too long for it
                continue
            self._ways[start] = market, step
