"""From samples to what a bot hears, sans-I/O: losses, restarts and batches are recognised here.

Behind the message of every sample that this project's connector sends stand 16 bytes: `session` (when the publisher
started, ns) and `seq` (one more for each sample). A sample without them comes from the source's own connector and is
taken as it is (docs/link.md).

A framed batch is handed over whole or not at all. Of a batch that lost a sample, at whichever end, only what stands for
itself is heard, bare: trades, orders, positions, errors. Rows of its book are not: half a replacement looks like a whole
one, and every book is unknown by then, because the loss is told first.
"""

from collections.abc import Iterable
from struct import Struct
from typing import Final

import numpy as np

from marketlink.errors import WireError
from marketlink.events import KIND_MASK, TRADE, Events
from marketlink.link.block import HEADER_BYTES, TRAILER_BYTES, decode_feed
from marketlink.link.held import HeldReader
from marketlink.link.kernels import END, ROWS
from marketlink.link.wire import FEED, Mark, decode_event
from marketlink.messages import TO_ALL, Batch, FeedEvent, Heard, LiveEvent, NewSession, SamplesLost, Unreadable

TRAILER: Final = Struct("<QQ")
_PLAUSIBLE: Final = (1_500_000_000_000_000_000, 1 << 61)
"""Times of 2017 to 2043. The source's fixed 512-byte samples could by chance leave 16 bytes of old memory behind a message, and what an
encoded message has (text, prices, times doubled by their sign) is none of these."""
_UNNUMBERED: Final = 0
SOURCE_BYTES: Final = HEADER_BYTES + 512
"""Header and payload of each of the source's samples."""

Sample = bytes
"""The 16 bytes of header (destination, length of the message), then the whole payload."""


def bears_trailer(size: int, end: int) -> bool:
    """Whether numbers stand behind a message that ends at `end`, in a sample of so many bytes.

    A sample may be longer than its message. Where it is as long as the source's samples all are, it is one of ours only if it ends with the
    trailer: behind a message of the source's stands what was there before.
    """
    return size == end + TRAILER_BYTES or end + TRAILER_BYTES < size < SOURCE_BYTES


class Assembler:
    """Turns one publisher's samples, in order, into what one bot hears."""

    def __init__(self, bot_id: int) -> None:
        self._bot_id = bot_id
        self._session: int | None = None  # None: nothing was heard yet
        self._publisher = 0
        self._next_seq = 0
        self._open: dict[int, list[LiveEvent]] = {}  # batches that have begun, by destination: the source nests them
        self._torn = False  # since the last mark something is missing: what comes may be the rest of a batch
        self._run: list[Sample] = []  # feeds of one symbol, not decoded yet
        self._pieces: list[Events] = []  # what stands before it, decoded
        self._run_head = b""
        self._run_to = TO_ALL
        self._heard: list[Heard] = []

    @property
    def checked(self) -> bool:
        """Whether the last sample said its session and number."""
        return bool(self._session)

    @property
    def position(self) -> tuple[int, int] | None:
        """The session that is heard and the number of its next sample; None while samples bear no number."""
        return (self._session, self._next_seq) if self._session else None

    def take(self, samples: Iterable[Sample], publisher: int = 0) -> list[Heard]:
        """Return what these samples bring; an unfinished batch stays back until its end."""
        self.gather(samples, publisher)
        return self.settled()

    def gather(self, samples: Iterable[Sample], publisher: int = 0) -> None:
        """Take samples; `settled` returns what they bring.

        `publisher` tells whose samples they are where they bear no number: another one than before is a restart.
        """
        mine = (TO_ALL, self._bot_id)
        unpack = TRAILER.unpack_from  # the header has the trailer's form
        if publisher and publisher != self._publisher:
            if self._publisher and self._session == _UNNUMBERED:
                self._restarted(_UNNUMBERED)
            self._publisher = publisher
        for sample in samples:
            to, length = unpack(sample)
            end = HEADER_BYTES + length
            session = seq = 0
            if bears_trailer(len(sample), end):
                session, seq = unpack(sample, end)
            if _PLAUSIBLE[0] < session < _PLAUSIBLE[1]:
                if seq != self._next_seq or session != self._session:
                    self._unexpected(session, seq)
                self._next_seq = seq + 1
            elif self._session != _UNNUMBERED:
                if self._session is None:
                    self._session = _UNNUMBERED
                else:
                    self._restarted(_UNNUMBERED)
            if to not in mine:
                continue
            if end > len(sample):
                self._end_run()
                self._unreadable(f"{length} bytes stated, {len(sample) - HEADER_BYTES} there", book=True)
            elif self._runs and to == self._run_to and sample.startswith(self._run_head, HEADER_BYTES):
                self._run.append(sample)
            elif sample.startswith(b"\x02", HEADER_BYTES) and length > 1:
                self._end_run()
                self._run, self._run_to = [sample], to
                self._run_head = sample[HEADER_BYTES : HEADER_BYTES + 2 + sample[HEADER_BYTES + 1]]
            else:
                self._end_run()
                self._other(to, sample[HEADER_BYTES:end])

    def take_ordinary(self, reader: HeldReader) -> None:
        """Take what was read in place: marks and rows that bear the numbers expected; `settled` returns what they bring."""
        self._next_seq = reader.next_seq
        for index, (kind, own, first, last) in enumerate(reader.found()):
            to = self._bot_id if own else TO_ALL
            if kind != ROWS:
                self._end_run()
                self._mark(to, end=kind == END)
                continue
            head = reader.heads[index]
            begins = head[: 2 + int(head[1])].tobytes()
            if not self._runs or to != self._run_to or begins != self._run_head:
                self._end_run()
                self._run_to, self._run_head = to, begins
            self._decode_run()
            self._pieces.append(reader.events[first:last].copy())

    def settled(self) -> list[Heard]:
        """Return what was taken, but for an unfinished batch."""
        if self._run_to not in self._open:
            self._end_run()
        heard, self._heard = self._heard, []
        return heard

    @property
    def _runs(self) -> bool:
        return bool(self._run or self._pieces)

    def _unexpected(self, session: int, seq: int) -> None:
        if session == self._session and seq > self._next_seq:
            self._lost(seq - self._next_seq)
        elif self._session is None:
            self._session, self._torn = session, seq > 0  # joined late, perhaps inside a batch
        else:  # numbers never go back within a session
            self._restarted(session)

    def _restarted(self, session: int) -> None:
        self._end_run()
        self._heard.append(NewSession(session))
        self._tear()
        self._session = session

    def _lost(self, count: int) -> None:
        self._end_run()
        self._heard.append(SamplesLost(count))
        self._tear()

    def _tear(self) -> None:
        """Hand over what of the unfinished batches stands for itself, and trust no row of a book until the next mark."""
        torn, self._open = self._open, {}
        self._torn = True
        for to, events in torn.items():
            for event in events:
                self._bare(to, event)

    def _decode_run(self) -> None:
        """Have rows of what came as bytes; what can't be read is heard of by itself, and ends what stands before it."""
        if not self._run:
            return
        run, self._run = self._run, []
        try:
            self._pieces.append(decode_feed(run))
        except WireError:
            self._end_run()
            for sample in run:
                self._other(self._run_to, sample[HEADER_BYTES : HEADER_BYTES + TRAILER.unpack_from(sample)[1]])

    def _end_run(self) -> None:
        self._decode_run()
        if self._pieces:
            pieces, self._pieces = self._pieces, []
            events = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
            self._add(self._run_to, FeedEvent(self._run_head[2:].decode(), events))

    def _other(self, to: int, message: bytes) -> None:
        try:
            event = decode_event(message)
        except WireError as error:
            self._unreadable(str(error), book=message[:1] == bytes((FEED,)))
            return
        if isinstance(event, Mark):
            self._mark(to, end=event.end)
        else:
            self._add(to, event)

    def _mark(self, to: int, *, end: bool) -> None:
        events = self._open.pop(to, None)
        if end:
            if events is not None:
                self._heard.append(Batch(tuple(events), to))
        else:
            if events is not None:  # its end never came: only a loss explains that, numbered or not
                self._open[to] = events
                self._lost(1)
            self._open[to] = []
        self._torn = False

    def _unreadable(self, reason: str, *, book: bool) -> None:
        self._heard.append(Unreadable(reason))
        if book:  # whatever it said of a book is lost
            self._lost(1)

    def _add(self, to: int, event: LiveEvent) -> None:
        events = self._open.get(to)
        if events is not None:
            events.append(event)
        elif self._torn:
            self._bare(to, event)
        else:
            self._heard.append(Batch((event,), to, framed=False))

    def _bare(self, to: int, event: LiveEvent) -> None:
        if isinstance(event, FeedEvent):
            trades = (event.events["ev"] & np.uint64(KIND_MASK)) == TRADE
            if not trades.any():
                return
            event = FeedEvent(event.symbol, event.events[trades])
        self._heard.append(Batch((event,), to, framed=False))
