"""From samples to what a bot hears, sans-I/O: losses, restarts and batches are recognised here.

Behind the message of every sample that this project's connector sends stand 16 bytes: `session` (when the publisher
started, ns) and `seq` (one more for each sample). A sample without them comes from the source's own connector and is
taken as it is (docs/link.md).
"""

from collections.abc import Iterable
from struct import Struct
from typing import Final

from marketlink.errors import WireError
from marketlink.link.block import HEADER_BYTES, TRAILER_BYTES, decode_feed, feed_symbol
from marketlink.link.wire import Mark, decode_event
from marketlink.messages import TO_ALL, Batch, Feed, Heard, LiveEvent, NewSession, SamplesLost, Unreadable

TRAILER: Final = Struct("<QQ")
_PLAUSIBLE_SESSION: Final = 1_500_000_000_000_000_000
"""The source's fixed 512-byte samples could by chance leave 16 bytes of old memory behind a message; those are no time after 2017."""

Sample = bytes
"""The 16 bytes of header (destination, length of the message), then the whole payload."""


class Assembler:
    """Turns one publisher's samples, in order, into what one bot hears."""

    def __init__(self, bot_id: int) -> None:
        self._bot_id = bot_id
        self._session = 0
        self._next_seq = 0
        self._batch: list[LiveEvent] | None = None
        self._batch_to = TO_ALL
        self._run: list[Sample] = []  # feeds of one symbol, not decoded yet
        self._run_head = b""
        self._run_to = TO_ALL
        self._heard: list[Heard] = []
        self.checked = False  # whether the last sample said its session and number

    def take(self, samples: Iterable[Sample]) -> list[Heard]:
        """Return what these samples bring; an unfinished batch stays back until its end."""
        mine = (TO_ALL, self._bot_id)
        unpack = TRAILER.unpack_from  # the header has the trailer's form
        for sample in samples:
            to, length = unpack(sample)
            end = HEADER_BYTES + length
            if len(sample) == end + TRAILER_BYTES:
                session, seq = unpack(sample, end)
                if seq != self._next_seq or session != self._session:
                    self._unexpected(session, seq)
                self._next_seq = seq + 1
            else:
                self.checked = False
            if to not in mine:
                continue
            if sample.startswith(self._run_head, HEADER_BYTES) and self._run and to == self._run_to:
                self._run.append(sample)
            elif sample.startswith(b"\x02", HEADER_BYTES) and length > 1:
                self._end_run()
                self._run, self._run_to = [sample], to
                self._run_head = sample[HEADER_BYTES : HEADER_BYTES + 2 + sample[HEADER_BYTES + 1]]
            else:
                self._end_run()
                self._other(to, sample[HEADER_BYTES:end])
        if self._batch is None:
            self._end_run()
        heard, self._heard = self._heard, []
        return heard

    def _unexpected(self, session: int, seq: int) -> None:
        if session < _PLAUSIBLE_SESSION:
            return
        if session != self._session:
            if self._session:
                self._abandon()
                self._heard.append(NewSession(session))
            self._session = session
        elif self.checked:
            self._heard.append(SamplesLost((seq - self._next_seq) % (1 << 64)))
            self._abandon()
        self.checked = True

    def _abandon(self) -> None:
        """Hand over what there is of a batch whose end will not come, or not whole."""
        self._end_run()
        if self._batch:
            self._heard.append(Batch(tuple(self._batch), self._batch_to))
        self._batch = None

    def _end_run(self) -> None:
        if not self._run:
            return
        run, self._run = self._run, []
        try:
            self._add(self._run_to, Feed(feed_symbol(run[0]), decode_feed(run)))
        except WireError:
            for sample in run:
                self._other(self._run_to, sample[HEADER_BYTES : HEADER_BYTES + TRAILER.unpack_from(sample)[1]])

    def _other(self, to: int, message: bytes) -> None:
        try:
            event = decode_event(message)
        except WireError as error:
            self._heard.append(Unreadable(str(error)))
            return
        if not isinstance(event, Mark):
            self._add(to, event)
        elif event.end:
            if self._batch is not None:
                self._heard.append(Batch(tuple(self._batch), self._batch_to))
            self._batch = None
        else:
            self._abandon()
            self._batch, self._batch_to = [], to

    def _add(self, to: int, event: LiveEvent) -> None:
        if self._batch is None:
            self._heard.append(Batch((event,), to, framed=False))
        else:
            self._batch.append(event)
