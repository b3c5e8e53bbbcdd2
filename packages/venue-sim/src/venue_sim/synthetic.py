"""An endless market of seeded order flow for any number of symbols: the same seed, start and options give the same
bytes.

Arrivals are Poisson, switched between a quiet and a busy rate (busy an eighth of the time at four times the mean),
which gives the bursts real markets have; the mean over time is `rate` messages a second over all symbols and
streams.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from random import Random

from venue_sim.book import DEFAULT_KEEP, LoggedBook, pack
from venue_sim.errors import BadMarket
from venue_sim.flow import SymbolFlow
from venue_sim.instruments import named_instrument
from venue_sim.market import DEPTH, QUOTE, TRADE, Frame, Instrument, Update

NOMINAL_RATE = 20_000.0
_BUSY_FACTOR, _BUSY_S = 4.0, 0.05
_QUIET_FACTOR, _QUIET_S = 4.0 / 7.0, 0.35
_DEPTH_SHARE, _TRADE_SHARE = 0.2, 0.2


class SyntheticMarket:
    """Seeded order flow as a `Market`. `rate` 0 means frames are always due and 20,000 of them make a second of
    exchange time."""

    def __init__(
        self,
        symbols: Sequence[str],
        *,
        rate: float,
        seed: int,
        start_ms: int,
        levels: float = 20.0,
        keep: int = DEFAULT_KEEP,
    ) -> None:
        if not symbols:
            raise BadMarket("--symbols", "at least one symbol is needed")
        if rate < 0 or levels < 0:
            raise BadMarket("--rate/--levels", "must not be negative")
        self.name = "synthetic"
        self._rng = Random(seed)
        self._rate = rate or NOMINAL_RATE
        self.exchange_start_ms = start_ms
        self.total: int | None = None
        self._flows = []
        for symbol in dict.fromkeys(symbol.lower() for symbol in symbols):
            instrument, price = named_instrument(symbol)
            self._flows.append(SymbolFlow(instrument, price, self._rng, levels))
        self.instruments: Mapping[str, Instrument] = {flow.instrument.symbol: flow.instrument for flow in self._flows}
        self._logs = {flow.instrument.symbol: LoggedBook(flow.initial(start_ms), keep) for flow in self._flows}
        self.topics: frozenset[tuple[str, str]] = frozenset(
            (symbol, kind) for symbol in self.instruments for kind in (DEPTH, QUOTE, TRADE)
        )
        self.recorded_streams: frozenset[str] = frozenset()
        self._busy = False
        self._switch_s = self._rng.expovariate(1 / _QUIET_S)
        self._now_s = 0.0
        self._ready: deque[Frame] = deque()
        self._produce()

    @property
    def books(self) -> Mapping[str, LoggedBook]:
        """The true books by symbol."""
        return self._logs

    def next_due_ns(self) -> int | None:
        """When the next frame is due; there always is one."""
        return self._ready[0].due_ns

    def take(self, until_ns: int | None, limit: int) -> list[Frame]:
        """Hand out the frames due; see `Market.take`."""
        out: list[Frame] = []
        while len(out) < limit and (until_ns is None or self._ready[0].due_ns <= until_ns):
            frame = self._ready.popleft()
            out.append(frame)
            if isinstance(frame.value, Update):
                self._logs[frame.symbol].append(frame.last_id, pack(frame.value))
            if not self._ready:
                self._produce()
        return out

    def _produce(self) -> None:
        rng = self._rng
        self._wait()
        due_ns = int(self._now_s * 1e9)
        now_ms = self.exchange_start_ms + due_ns // 1_000_000
        flow = self._flows[0] if len(self._flows) == 1 else rng.choice(self._flows)
        draw = rng.random() * (1 - _TRADE_SHARE / 2)
        if draw < _DEPTH_SHARE:
            self._ready.extend(flow.depth(due_ns, now_ms))
        elif draw < _DEPTH_SHARE + _TRADE_SHARE / 2:
            frames = flow.trade(due_ns, now_ms)
            self._wait()  # a trade is two messages
            self._ready.extend(frames)
        else:
            self._ready.extend(flow.quote(due_ns, now_ms))

    def _wait(self) -> None:
        """Move to the next arrival: one unit of exponential waiting, used up at the rate of each phase passed."""
        left = self._rng.expovariate(1.0)
        while True:
            rate = self._rate * (_BUSY_FACTOR if self._busy else _QUIET_FACTOR)
            room = (self._switch_s - self._now_s) * rate
            if left <= room:
                self._now_s += left / rate
                return
            left -= room
            self._now_s = self._switch_s
            self._busy = not self._busy
            self._switch_s += self._rng.expovariate(1 / (_BUSY_S if self._busy else _QUIET_S))
