"""What waits to be published, and how fast it may go: a whole book must not overflow the queues of everybody who reads.

    short batch ──► out at once, unless a long one is on its way: then behind it, in order
    long batch  ──► out in slices, one a turn, while every reader that keeps up has room
    answer      ──► made when nothing else waits, from the book as it is then; asked for again before that, it is one answer, and
                    so are those of several bots for one symbol

Readers of this project say how far they have read (`Progress`); the source's say nothing, and are fast. A reader that stands still is
not waited for: it will notice what it lost.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from marketlink.link.port import ConnectorPort
from marketlink.messages import Batch, FeedEvent, Progress
from marketlink.times import SECOND_NS, MonoNs

from connector.effects import Answer

SLICE: Final = 512
"""Samples of a long batch that go out in one turn of the loop; an eighth of the readers' queue where that is less."""
STALLED_NS: Final = SECOND_NS // 5
"""A reader that lags and has not moved for so long is not waited for."""
FULL: Final = 0.5
"""A reader's queue that is fuller than this is waited for: the other half is for what comes unasked."""
SHARED: Final = 4
"""So many bots that wait for one symbol's book are sent it once, all of them: each answer passes through every queue anyway."""
LONGEST_NS: Final = SECOND_NS // 2
"""A long batch is on its way for so long at most, then it goes whatever the readers' room."""


@dataclass(slots=True)
class _Reader:
    seq: int
    moved: MonoNs


class Room:
    """How much room the readers have, of `buffer` samples each, as far as they say."""

    def __init__(self, buffer: int) -> None:
        self._buffer = buffer
        self._readers: dict[int, _Reader] = {}

    def on_progress(self, bot_id: int, seq: int, now: MonoNs) -> None:
        """Note how far a reader has read."""
        self._readers[bot_id] = _Reader(seq, now)

    def lag(self, next_seq: int, now: MonoNs) -> int:
        """How many samples the slowest reader that still moves is behind; a reader that is overrun is not waited for either."""
        most = 0
        for bot_id, reader in list(self._readers.items()):
            behind = next_seq - reader.seq
            if now - reader.moved > STALLED_NS and behind > self._buffer // 4:
                if behind > 100 * self._buffer:
                    del self._readers[bot_id]  # gone, or so far behind that its next word counts as its first
                continue
            if behind < self._buffer:
                most = max(most, behind)
        return most


class Holding:
    """Whether reading from the exchange waits for readers that lag: better late than lost, for at most `most_ns` in a burst.

    A fifth of the time in which nothing was held is credit for the next burst: a reader that is always too slow costs the
    others a fifth of their speed for a while, and then it loses what it can't read.
    """

    def __init__(self, most_ns: int) -> None:
        self._most_ns = self._left_ns = most_ns
        self._looked: MonoNs | None = None
        self._held = False

    def is_wanted(self, lag: float, now: MonoNs) -> bool:
        """Judge by how full the fullest queue of a moving reader is, 0 to 1."""
        passed_ns = 0 if self._looked is None else now - self._looked
        self._looked = now
        if self._held:
            self._left_ns = max(0, self._left_ns - passed_ns)
        else:
            self._left_ns = min(self._most_ns, self._left_ns + passed_ns // 5)
        self._held = lag > FULL and self._left_ns > (0 if self._held else self._most_ns // 10)
        return self._held


class Outbox:
    """Publishes batches in order over a port."""

    def __init__(
        self,
        port: ConnectorPort,
        make_answer: Callable[[Answer, bool], Batch],
        make_whole: Callable[[str], Batch],
        on_sent: Callable[[Batch], None],
    ) -> None:
        """`make_answer` makes a registration's answer, with or without the book; `make_whole` a symbol's book for everybody."""
        self._port, self._make_answer, self._make_whole, self._on_sent = port, make_answer, make_whole, on_sent
        self._room = Room(port.buffer_size)
        self._slice = max(1, min(SLICE, port.buffer_size // 8))
        self._waiting: deque[Batch] = deque()
        self._answers: dict[tuple[int, str], Answer] = {}
        self._slices: Iterator[None] | None = None
        self._long: Batch | None = None
        self._since: MonoNs | None = None
        self.answers_merged = 0

    @property
    def busy(self) -> bool:
        """Whether `pump` has something to do."""
        return self._slices is not None or bool(self._waiting) or bool(self._answers)

    @property
    def flows(self) -> bool:
        """Whether a short batch would go out at once: nothing that was put before it waits."""
        return self._slices is None and not self._waiting

    @property
    def longest(self) -> int:
        """How many rows a short batch has at most."""
        return self._slice

    def put(self, batch: Batch) -> None:
        """Publish a batch behind all that was put before. Raises LinkError."""
        if self.flows and not self._is_long(batch):
            self._send(batch)
        else:
            self._waiting.append(batch)

    def answer(self, answer: Answer) -> None:
        """Answer a registration when its turn comes."""
        key = (answer.bot_id, answer.symbol)
        self.answers_merged += key in self._answers
        self._answers[key] = answer

    def on_progress(self, bot_id: int, progress: Progress, now: MonoNs) -> None:
        """Note how far a reader has read."""
        if progress.session == self._port.session:
            self._room.on_progress(bot_id, progress.seq, now)

    def lag(self, now: MonoNs) -> float:
        """How full the fullest queue of a moving reader is, 0 to 1."""
        return self._room.lag(self._port.next_seq, now) / self._port.buffer_size

    def pump(self, now: MonoNs) -> bool:
        """Publish what may go now: at most a slice of a long batch. False: no room, look again in a moment. Raises LinkError."""
        if self._slices is None:
            self._begin()
        if self._slices is None:
            return True
        if self._since is None:
            self._since = now
        overdue = now - self._since >= LONGEST_NS
        if not overdue and self.lag(now) > FULL:
            return False
        for _ in self._slices:
            return True
        self._slices = self._since = None
        assert self._long is not None
        self._on_sent(self._long)
        self._begin()
        return True

    def _begin(self) -> None:
        """Send what is short, until a long batch begins or nothing is left."""
        while self._slices is None:
            if self._waiting:
                batch = self._waiting.popleft()
            elif self._answers:
                batch = self._next_answer()
            else:
                return
            if self._is_long(batch):
                self._long, self._slices = batch, self._port.sending(batch, self._slice)
            else:
                self._send(batch)

    def _next_answer(self) -> Batch:
        first = next(iter(self._answers.values()))
        alike = [answer for answer in self._answers.values() if answer.symbol == first.symbol]
        if len(alike) < SHARED:
            alike = [first]
        for answer in alike:
            del self._answers[(answer.bot_id, answer.symbol)]
        if len(alike) == 1:
            return self._make_answer(first, True)
        for answer in alike:  # what is said to each, sizes among it, comes before the book
            self._send(self._make_answer(answer, False))
        self.answers_merged += len(alike) - 1
        return self._make_whole(first.symbol)

    def _send(self, batch: Batch) -> None:
        self._port.send(batch)
        self._on_sent(batch)

    def _is_long(self, batch: Batch) -> bool:
        return sum(len(event.events) for event in batch.events if isinstance(event, FeedEvent)) > self._slice
