"""The whole way from hub to bot, sample by sample, with queues that overflow: what a bot believes is the exchange's book."""

import random
from collections import deque
from collections.abc import Iterator

from connector.effects import Answer, Effect, FetchSnapshot, Publish
from connector.hub import Hub
from connector.outbox import LONGEST_NS, STALLED_NS, Holding, Outbox, Room
from hypothesis import given, settings
from hypothesis import strategies as st
from marketlink.book.rules import DepthUpdate, Snapshot
from marketlink.bot.state import Asset, BotState, Confidence
from marketlink.events import BUY, DEPTH, LOCAL, SELL, Events, empty_events
from marketlink.link.assembly import TRAILER, Assembler
from marketlink.link.port import Peer
from marketlink.link.wire import encode_event
from marketlink.messages import Batch, BotRequest, FeedEvent, Progress, RegisterInstrument
from marketlink.times import SECOND_NS, Moment, MonoNs, WallNs
from marketlink.venues.base import Depth, ExchangeInfo, Instrument, WeightLimit
from marketlink.venues.binance import USDM

SESSION = 1_700_000_000_000_000_000
MS = SECOND_NS // 1000


class Wire:
    """A port whose readers' queues drop the oldest sample when they are full, as the library's do."""

    def __init__(self, buffer: int) -> None:
        self.buffer_size, self.session, self.next_seq = buffer, SESSION, 0
        self.queues: list[deque[bytes]] = []
        self.overruns = 0

    def _put(self, to: int, message: bytes) -> None:
        sample = TRAILER.pack(to, len(message)) + message + TRAILER.pack(self.session, self.next_seq)
        self.next_seq += 1
        for queue in self.queues:
            self.overruns += len(queue) == self.buffer_size
            queue.append(sample)

    def send(self, batch: Batch) -> None:
        for _ in self.sending(batch, 1 << 30):
            pass

    def sending(self, batch: Batch, most: int) -> Iterator[None]:
        messages = [message for event in batch.events for message in encode_event(event)]
        if batch.framed:
            messages = [b"\x00", *messages, b"\x01"]
        for number, message in enumerate(messages, 1):
            self._put(batch.to, message)
            if not number % most:
                yield

    def readers(self) -> int:
        return len(self.queues)

    def requests(self) -> list[BotRequest]:
        return []

    def wait(self, timeout_s: float) -> bool:
        return False

    def close(self) -> None:
        """Nothing is held."""


class Bot:
    """A bot's end, as the real one is: assembler, state, progress told each eighth of the queue."""

    def __init__(self, number: int, wire: Wire, now: MonoNs) -> None:
        self.number, self.queue = number, deque[bytes](maxlen=wire.buffer_size)
        wire.queues.append(self.queue)
        self.assembler = Assembler(number)
        self.state = BotState(number, [Asset("btcusdt", 0.1, 0.001)])
        self.state.on_peer(Peer.OURS, now)
        self.requests = [BotRequest(number, request) for request in self.state.start(now)]
        self.unsaid = 0

    def read(self, most: int, now: Moment, every: int) -> None:
        samples = [self.queue.popleft() for _ in range(min(most, len(self.queue)))]
        changes = self.state.hear(self.assembler.take(samples), *now)
        self.unsaid += len(samples)
        position = self.assembler.position
        if position is not None and (self.unsaid >= every or changes.requests):
            self.requests.append(BotRequest(self.number, Progress(*position)))
            self.unsaid = 0
        self.requests += [BotRequest(self.number, request) for request in changes.requests]


class World:
    """An exchange with a book of so many levels a side, a connector and bots, with time moved by hand."""

    def __init__(self, seed: int, levels: int, buffer: int) -> None:
        self.rng = random.Random(seed)
        self.now = 0
        self.true = {(BUY, 100_000 - n): 1.0 for n in range(levels)} | {(SELL, 100_001 + n): 1.0 for n in range(levels)}
        self.last_id = 10
        self.history: dict[int, dict[tuple[int, int], float]] = {}
        self.wire = Wire(buffer)
        self.hub = Hub(USDM, random.Random(1))
        self.outbox = Outbox(
            self.wire,
            lambda answer, book: self.hub.answer(answer, self.moment, book=book),
            lambda symbol: self.hub.whole(symbol, self.moment),
            lambda batch: self.hub.on_sent(batch, self.moment.mono),
        )
        instrument = Instrument("btcusdt", 0.1, 0.001, "0.1", "0.001", True)
        self.hub.on_info(ExchangeInfo({"btcusdt": instrument}, WeightLimit(2400, 60)), self.moment)
        self.bots: list[Bot] = []

    @property
    def moment(self) -> Moment:
        return Moment(MonoNs(self.now), WallNs(self.now))

    def join(self) -> Bot:
        self.bots.append(Bot(len(self.bots) + 1, self.wire, self.moment.mono))
        return self.bots[-1]

    def rows(self, changes: dict[tuple[int, int], float]) -> Events:
        rows = empty_events(len(changes))
        for row, ((side, tick), qty) in zip(rows, changes.items(), strict=True):
            row["ev"], row["px"], row["qty"], row["ival"] = LOCAL | side | DEPTH, tick / 10, qty, self.last_id
        return rows

    def trade(self, changed: int) -> None:
        """Change so many levels, and tell the connector."""
        changes = {}
        for _ in range(changed):
            side, tick = self.rng.choice(list(self.true))
            changes[(side, tick)] = float(self.rng.randrange(1, 5))
        before, self.last_id = self.last_id, self.last_id + 1
        self.true.update(changes)
        self.history[self.last_id] = dict(self.true)
        message = Depth("btcusdt", DepthUpdate(before + 1, self.last_id, before, self.rows(changes)))
        self.carry_out(self.hub.on_message(message, self.moment))

    def carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Publish(batch):
                    self.outbox.put(batch)
                case Answer():
                    self.outbox.answer(effect)
                case FetchSnapshot(symbol, ticket):
                    snapshot = Snapshot(self.last_id, self.rows(self.true))
                    self.carry_out(self.hub.on_snapshot(symbol, ticket, snapshot, self.moment))

    def turn(self, reads: int) -> None:
        """One turn of the loop, a millisecond: requests, a piece of what waits, time; then every bot reads so many samples."""
        self.now += MS
        for bot in self.bots:
            for request in bot.requests:
                if isinstance(request.request, Progress):
                    self.outbox.on_progress(request.bot_id, request.request, self.moment.mono)
                else:
                    self.carry_out(self.hub.on_request(request, self.moment))
            bot.requests.clear()
        self.outbox.pump(self.moment.mono)
        self.carry_out(self.hub.on_time(self.moment))
        for bot in self.bots:
            had = bot.state.assets[0].update_id
            bot.read(reads, self.moment, self.wire.buffer_size // 8)
            if bot.state.assets[0].update_id != had:
                self.check(bot)

    def check(self, bot: Bot) -> bool:
        """Whether a bot has a book; if so, it must be the exchange's as of the update that the bot names."""
        asset = bot.state.assets[0]
        if bot.state.confidence(0) is not Confidence.SYNCED:
            return False
        true = self.history.get(asset.update_id)
        if true is not None:
            levels = asset.book.levels()
            mine = {(int(row["ev"]) & (BUY | SELL), round(float(row["px"]) * 10)): float(row["qty"]) for row in levels}
            assert mine == true
        return True


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32), st.sampled_from([3, 20, 60]), st.sampled_from([40, 150]))
def test_whatever_is_lost_on_the_way_a_synced_book_is_the_exchanges(seed: int, levels: int, buffer: int) -> None:
    world = World(seed, levels, buffer)
    rng = random.Random(seed)
    world.join()
    for _ in range(80):
        if rng.random() < 0.02 and len(world.bots) < 4:
            world.join()
        for _ in range(rng.choice([0, 1, 1, 8])):
            world.trade(rng.randrange(4))
        world.turn(rng.choice([0, 1, 5, 30, 1000]))
    for _ in range(20_000):  # it gets there, once the readers keep up
        world.turn(1000)
        if all(world.check(bot) for bot in world.bots):
            break
    else:
        raise AssertionError("a bot never got its book")


def test_a_late_joiners_book_does_not_overflow_readers_that_keep_up() -> None:
    world = World(1, 120, 120)  # the book is twice as long as a queue
    for _ in range(3):
        world.join()
    for turn in range(600):
        if turn in (200, 300):
            world.join()
        if turn % 5 == 0:
            world.trade(3)
        world.turn(20)
    assert all(world.check(bot) for bot in world.bots)
    assert world.wire.overruns == 0
    assert [bot.state.lost_samples for bot in world.bots] == [0] * 5


def test_many_bots_that_ask_at_once_share_one_book() -> None:
    world = World(1, 120, 400)
    first = world.join()
    for _ in range(200):
        world.turn(60)
        world.trade(1)
    before = world.wire.next_seq
    for _ in range(30):
        world.join()
    for turn in range(300):
        if turn % 5 == 0:
            world.trade(1)
        world.turn(100)
    assert all(world.check(bot) for bot in world.bots)
    assert world.wire.next_seq - before < 241 * 3 + 30 * 4 + 60 * 3 + 400
    assert first.state.lost_samples == world.wire.overruns == 0


def test_repeats_of_a_registration_that_waits_are_one_answer() -> None:
    world = World(1, 100, 400)
    bot = world.join()
    world.turn(10)
    world.trade(1)
    repeated = BotRequest(bot.number, RegisterInstrument("btcusdt", 0.1, 0.001))
    before = world.wire.next_seq
    for _ in range(50):
        world.carry_out(world.hub.on_request(repeated, world.moment))
    for _ in range(500):
        world.turn(1000)
    assert world.wire.next_seq - before < 3 * 210
    assert world.outbox.answers_merged >= 48


def test_a_reader_that_stands_still_is_waited_for_only_so_long() -> None:
    room = Room(1000)
    room.on_progress(1, 0, MonoNs(0))
    assert room.lag(600, MonoNs(1)) == 600
    assert room.lag(600, MonoNs(1 + STALLED_NS)) == 0
    room.on_progress(1, 300, MonoNs(2 + STALLED_NS))
    assert room.lag(600, MonoNs(3 + STALLED_NS)) == 300
    assert room.lag(1400, MonoNs(3 + STALLED_NS)) == 0, "it is overrun and will notice"


def test_data_is_held_back_for_a_burst_and_not_for_a_reader_that_is_always_slow() -> None:
    holding = Holding(SECOND_NS)
    held = sum(holding.is_wanted(0.9, MonoNs(n * MS)) for n in range(20_000))
    assert 1000 <= held <= 1000 + 20_000 // 5
    calm = Holding(SECOND_NS)
    assert not any(calm.is_wanted(0.4, MonoNs(n * MS)) for n in range(1000))
    assert not Holding(0).is_wanted(0.9, MonoNs(0))


def test_a_long_batch_goes_out_in_the_end_whatever_the_readers_say() -> None:
    wire = Wire(100)
    outbox = Outbox(wire, lambda answer, book: Batch(), lambda symbol: Batch(), lambda batch: None)
    outbox.on_progress(1, Progress(SESSION, 0), MonoNs(0))
    outbox.put(Batch((FeedEvent("x", empty_events(300)),)))
    outbox.put(Batch())
    now = MonoNs(0)
    while outbox.busy and now < 2 * LONGEST_NS:
        now = MonoNs(now + MS)
        outbox.on_progress(1, Progress(SESSION, wire.next_seq - 90), now)  # moves, and never has room
        outbox.pump(now)
    assert not outbox.busy
    assert wire.next_seq == 304


def test_nothing_overtakes_a_long_batch() -> None:
    wire = Wire(10_000)
    wire.queues.append(deque(maxlen=10_000))
    outbox = Outbox(wire, lambda answer, book: Batch(), lambda symbol: Batch(), lambda batch: None)
    batches = [Batch((FeedEvent("x", empty_events(count)),)) for count in (1, 2000, 2, 700, 3)]
    for batch in batches:
        outbox.put(batch)
    while outbox.busy:
        outbox.pump(MonoNs(0))
    heard = Assembler(5).take(wire.queues[0])
    assert [len(one.events[0].events) for one in heard if isinstance(one, Batch)] == [1, 2000, 2, 700, 3]  # type: ignore[union-attr]
