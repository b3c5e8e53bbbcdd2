"""What accounts see of the exchange: the trading that follows the market's books, and the events that reach the owners'
streams. A core: times are arguments.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum

from venue_sim.auth import Key
from venue_sim.delivery import deliver_hurt
from venue_sim.face import Face, Packet, message_of
from venue_sim.faults import Armed, FaultScript
from venue_sim.latency import Latencies
from venue_sim.links import Link
from venue_sim.market import Frame, Market
from venue_sim.orders import AccountPush, OrderPush, Push
from venue_sim.trade_face import PushText, TradeFace
from venue_sim.trading import Trading


class Quick(Enum):
    """When a fill's short message is told: never, or before or after its long one."""

    OFF = "off"
    BEFORE = "before"
    AFTER = "after"


class Told(Enum):
    """Whether an account is told of its wallet and position before it is told of the fill that moved them, or after."""

    BEFORE = "before"
    AFTER = "after"


class PrivateSide:
    """The trading of a market, and its accounts' streams. `keys` are the accounts of the streams' keys."""

    def __init__(
        self, market: Market, face: Face, links: Mapping[int, Link], script: FaultScript, sent: Counter[str]
    ) -> None:
        self._market = market
        self._messages = face
        self._links = links
        self._script = script
        self._sent = sent
        self._looked: set[str] = set()
        self._last_push_ns = 0
        self.trading: Trading | None = None
        self.face: TradeFace | None = None
        self.keys: dict[str, str] = {}
        self.secrets: Mapping[str, Key] = {}
        self.latencies = Latencies()
        self.quick = Quick.BEFORE
        self.account_told = Told.BEFORE

    def on_frame(self, frame: Frame, now_ms: int) -> list[Push]:
        """Let a frame reach the trading, unless its book is not known or already shows it."""
        if self.trading is None or frame.symbol not in self.trading.books:
            return []
        looked = self.look_at(frame.symbol, now_ms)
        if looked is not None or frame.symbol not in self._looked:
            return looked or []
        message = message_of(self._messages, frame)
        return [] if message is None else self.trading.on_message(frame.symbol, message, now_ms)

    def look_at(self, symbol: str, now_ms: int) -> list[Push] | None:
        """Show the trading a symbol's whole book when it has become known; forget it when it has become unknown. None
        when there was nothing to show."""
        history = self._market.books.get(symbol)
        if self.trading is None or history is None or history.last_id is None:
            self._looked.discard(symbol)
            return None
        if symbol in self._looked:
            return None
        book = history.at()
        if book is None:
            return None
        self._looked.add(symbol)
        return self.trading.on_book(symbol, book, now_ms)

    def look_at_all(self, now_ms: int) -> list[Push]:
        """Show the trading the true books it has not seen."""
        return [push for symbol in self._market.books for push in self.look_at(symbol, now_ms) or ()]

    def texts(self, pushes: Iterable[Push]) -> Iterator[tuple[PushText, list[str]]]:
        """What owners are told, with the keys of their streams."""
        if self.face is None:
            return
        for push in pushes if self.account_told is Told.BEFORE else _fills_first(pushes):
            keys = [key for key, account in self.keys.items() if account == push.account]
            long = self.face.push(push, self._market.instruments)
            short = self.face.quick(push) if self.quick is not Quick.OFF else None
            if short is not None:
                long = [short, *long] if self.quick is Quick.BEFORE else [*long, short]
            yield from ((text, keys) for text in long)

    def deliver(self, text: PushText, keys: list[str], now_ns: int, now_s: float) -> list[Armed]:
        """Send an event to the connections that want it; return the faults that hit it."""
        self._sent[text.event] += 1
        packet = Packet(text.symbol, text.event, text.words, b"", text.data, 0)
        hits = self._script.on_packet(packet, now_s) if self._script.watches_frames else []
        push_s = self.latencies.push_s()
        for link in self._links.values():
            wanted = link.private
            if wanted is None or self.face is None or (wanted.events and text.event not in wanted.events):
                continue
            mine = [hit for hit in hits if hit.fault.connection in (None, link.id)]
            more = self.face.again(text) if any(hit.fault.kind == "overfill" for hit in mine) else None
            for key in wanted.keys:
                if key not in keys:
                    continue
                for data in [text.data] if more is None else [text.data, more.data]:
                    wrapped = self.face.wrap(key, data) if link.combined else b""
                    if push_s and not mine:
                        due_ns = max(now_ns + int(push_s * 1e9), self._last_push_ns)
                        self._last_push_ns = due_ns
                        link.on_the_way.append((due_ns, wrapped if link.combined else data))
                    else:
                        deliver_hurt(link, packet._replace(wrapped=wrapped, data=data), mine, now_ns)
        return hits


def _fills_first(pushes: Iterable[Push]) -> Iterator[Push]:
    """Each fill before what it did to the account, which the trading tells first."""
    moved: Push | None = None
    for push in pushes:
        if moved is not None:
            if isinstance(push, OrderPush) and push.execution is not None:
                yield push
                yield moved
                moved = None
                continue
            yield moved
            moved = None
        if isinstance(push, AccountPush):
            moved = push
        else:
            yield push
    if moved is not None:
        yield moved
