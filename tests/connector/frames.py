"""Two connectors without sockets, one of which takes the short way, and frames of every kind to tell them apart."""

import json
import random
from collections.abc import Iterator

import numpy as np
from connector.effects import Answer, Effect, FetchSnapshot, Publish
from connector.hot import HotPath
from connector.hub import Hub
from connector.outbox import Outbox
from hypothesis import strategies as st
from marketlink.book.rules import Snapshot
from marketlink.errors import MalformedMessage
from marketlink.events import BUY, DEPTH, LOCAL, SELL, Events, empty_events
from marketlink.link.assembly import TRAILER
from marketlink.link.port import LoanedSamples
from marketlink.link.wire import encode_event
from marketlink.messages import Batch, BotRequest, RegisterInstrument
from marketlink.times import Moment, MonoNs, WallNs
from marketlink.venues.base import ExchangeInfo, Instrument, PublicVenue, WeightLimit

SESSION = 1_700_000_000_000_000_000
WALL = 1_723_161_256_300_000_000
FIRST = 5_000_000_000
MARK = 0xEE


class Loaned:
    """Samples in a row, filled with what no message is."""

    def __init__(self, count: int, size: int = 128) -> None:
        self.size = size
        self.places = 16 * 3 + np.arange(count, dtype=np.int64)[::-1] * (size + 16)  # in any order
        self.memory = np.full(16 * 6 + count * (size + 16), MARK, np.uint8)

    def taken(self, count: int) -> list[bytes]:
        """What the first ones say; afterwards they are as new."""
        samples = []
        for place in self.places[:count].tolist():
            _, length = TRAILER.unpack_from(self.memory, place)
            end = place + 16 + length + 16
            assert end <= place + 16 + self.size
            samples.append(self.memory[place:end].tobytes())
            self.memory[place:end] = MARK
        assert (self.memory == MARK).all(), "written where no sample is"
        return samples


class Port:
    """A publisher's end that keeps the bytes of its samples."""

    def __init__(self, buffer_size: int, ahead: int | None) -> None:
        self.buffer_size, self.session, self.next_seq = buffer_size, SESSION, 0
        self.samples: list[bytes] = []
        self._loaned = Loaned(ahead) if ahead else None

    def send(self, batch: Batch) -> None:
        for _ in self.sending(batch, 1 << 30):
            pass

    def sending(self, batch: Batch, most: int) -> Iterator[None]:
        messages = [message for event in batch.events for message in encode_event(event)]
        if batch.framed:
            messages = [b"\x00", *messages, b"\x01"]
        for number, message in enumerate(messages, 1):
            self.samples.append(
                TRAILER.pack(batch.to, len(message)) + message + TRAILER.pack(self.session, self.next_seq)
            )
            self.next_seq += 1
            if not number % most:
                yield

    def loaned(self) -> LoanedSamples | None:
        return self._loaned

    def send_loaned(self, count: int) -> None:
        assert self._loaned is not None
        self.samples += self._loaned.taken(count)
        self.next_seq += count


class World:
    """A connector's cores, from frames to samples."""

    def __init__(
        self, venue: PublicVenue, *, short: bool, buffer_size: int = 10_000, tick: float = 0.1, lot: float = 0.001
    ) -> None:
        self.venue, self.port, self.now = venue, Port(buffer_size, 256 if short else None), 1_000_000_000
        self.hub = Hub(venue, random.Random(1))
        self.outbox = Outbox(
            self.port,  # type: ignore[arg-type]
            lambda answer, book: self.hub.answer(answer, self.moment, book=book),
            lambda symbol: self.hub.whole(symbol, self.moment),
            lambda batch: self.hub.on_sent(batch, self.moment.mono),
        )
        self.kept: set[str] = set()
        self.hot = HotPath(venue, self.hub, self.outbox, self.port, self.kept)  # type: ignore[arg-type]
        self.tickets: list[int] = []
        instrument = Instrument("btcusdt", tick, lot, str(tick), str(lot), True)
        self.carry_out(self.hub.on_info(ExchangeInfo({"btcusdt": instrument}, WeightLimit(2400, 60)), self.moment))

    @property
    def moment(self) -> Moment:
        return Moment(MonoNs(self.now), WallNs(WALL + self.now))

    def carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Publish(batch):
                    self.outbox.put(batch)
                case Answer():
                    self.outbox.answer(effect)
                case FetchSnapshot(_, ticket):
                    self.tickets.append(ticket)

    def register(self, bot_id: int = 1) -> None:
        self.carry_out(self.hub.on_request(BotRequest(bot_id, RegisterInstrument("btcusdt", 0.1, 0.001)), self.moment))

    def frame(self, frame: bytes) -> None:
        """As the shell does."""
        self.now += 1_000_000
        now = self.moment
        try:
            if self.hot.take(frame, now.wall, now.mono):
                return
            effects = self.hub.on_message(self.venue.decode(frame, now.wall), now)
        except MalformedMessage as error:
            effects = self.hub.on_malformed(error, now)
        self.carry_out(effects)

    def pump(self) -> None:
        while self.outbox.busy and self.outbox.pump(self.moment.mono):
            pass

    def snapshot(self, last_id: int, events: Events) -> None:
        if self.tickets:
            ticket = self.tickets.pop()
            self.carry_out(self.hub.on_snapshot("btcusdt", ticket, Snapshot(last_id, events), self.moment))

    def state(self) -> object:
        """All that this connector knows."""
        market = self.hub.markets["btcusdt"]
        sync, book = market.sync, market.book
        return (
            self.port.samples,
            self.port.next_seq,
            (sync.phase, sync.last_id, sync.counts, sync.due_ns, sync._old_in_a_row, sync._old_since),
            (market.updates, market.changed, market.last_exch_ns, market.book_known),
            book.levels().tobytes(),
            book._state.tolist(),
            (self.hub.counts, self.hub._last_sent),
            self.outbox.busy,
        )


def whole_book(levels: int = 300) -> Events:
    """A book around the price 100."""
    events = empty_events(2 * levels)
    events["ev"][:levels], events["ev"][levels:] = LOCAL | BUY | DEPTH, LOCAL | SELL | DEPTH
    events["px"][:levels] = 100 - np.arange(1, levels + 1) / 10
    events["px"][levels:] = 100 + np.arange(1, levels + 1) / 10
    events["qty"], events["exch_ts"], events["local_ts"] = 1.0, WALL, WALL
    return events


def depth(first: int, last: int, prev: int, bids: object, asks: object, **more: object) -> bytes:
    """A depth frame of futures, as the exchange writes it, but for what is stated."""
    stream = more.pop("stream", "btcusdt@depth@0ms")
    data = {"e": "depthUpdate", "E": 1_723_161_256_299, "T": 1_723_161_256_298, "s": "BTCUSDT", "U": first, "u": last}
    data |= {"pu": prev, "b": bids, "a": asks} | more
    data = {key: value for key, value in data.items() if value is not None}
    return json.dumps({"stream": stream, "data": data}, separators=(",", ":")).encode()


prices = st.one_of(
    st.integers(900, 1100).map(lambda tick: f"{tick / 10:.2f}"),
    st.sampled_from(
        ["0", "0.00", "1e3", "-5", "100.123456789012345678", "99.999999999", "9" * 17, "9" * 25, "", "100", "099.1"]
    ),
)
usual_prices = st.integers(960, 1040).map(lambda tick: f"{tick / 10:.2f}")
quantities = st.sampled_from(["0.000", "0", "0.0004", "0.001", "1.5", "3", "12345.678", "1e1", "99999999999999999"])
usual_quantities = st.sampled_from(["0.000", "0.0004", "0.001", "1.5", "3"])


def sides(
    price: st.SearchStrategy[str], quantity: st.SearchStrategy[str], most: int
) -> st.SearchStrategy[list[list[str]]]:
    """One side's levels."""
    return st.lists(st.tuples(price, quantity).map(list), max_size=most)


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, object]:
    """What a frame says, but for its ids."""
    if draw(st.integers(0, 3)):
        return {
            "bids": draw(sides(usual_prices, usual_quantities, 12)),
            "asks": draw(sides(usual_prices, usual_quantities, 12)),
        }
    body: dict[str, object] = {"bids": draw(sides(prices, quantities, 5)), "asks": draw(sides(prices, quantities, 5))}
    body |= draw(
        st.sampled_from(
            [
                {},
                {"s": "ETHUSDT"},
                {"s": "btcusdt"},
                {"s": ""},
                {"s": "BTCUSD\u00c4"},
                {"st": 1},
                {"st": 2},
                {"T": None},
                {"e": "trade"},
                {"T": 10**17},
                {"stream": "ethusdt@depth@0ms"},
                {"stream": "btcusdt@depth@100ms"},
                {"stream": "btcusdt@trade"},
                {"ps": "BTCUSDT"},
                {"x": {"a": [1, "\u20ac"]}},
            ]
        )
    )
    return body
