"""What a recording holds, counted line by line and member by member: the core of manifests (docs/formats.md section 3).

The same lines give the same tally, whether they are counted while they are written or read afterwards, in one go or in parts:
`Tally.load(tally.dump())` goes on where the first one stopped.

    book:  as the day before ──(gap line, hole in the ids)──► unknown ──(whole book, and updates that join it)──► known
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from typing import Any, Final, Self
from zlib import crc32

from collector.record import CONNECTION_LOST, CONNECTOR_RESTARTED, RECORDER_STARTED
from collector.rotation import DAY_NS, Day
from collector.seen import DEPTH, SNAPSHOT, Gap, Seen, see

FORMAT: Final = 1
NOT_RUNNING: Final = "recorder was not running"
IDS_MISSING: Final = "ids missing"
_ENTRY_BYTES: Final = 1 << 20  # an entry of the index is closed at so many bytes of file,
_ENTRY_NS: Final = 60_000_000_000  # or at so much time


@dataclass(slots=True)
class Hole:
    """A place where something may be missing. `stated`: a gap line says so; otherwise only the ids show it.

    Times in ns: `at_ns` of the gap line, `from_ns` of the last line before (None: the file begins here), `to_ns` of the first data behind,
    `book_ns` of when the book is known again. Ids of depth and trades: the last before, the first behind; `follows_id` is what
    the first update behind follows (`after_id`: nothing of depth is missing); `book_id` of the whole book.
    """

    cause: str
    at_ns: int
    from_ns: int | None
    to_ns: int | None = None
    after_id: int | None = None
    follows_id: int | None = None
    before_id: int | None = None
    after_trade: int | None = None
    before_trade: int | None = None
    book_ns: int | None = None
    book_id: int | None = None
    lost: int = 0
    stated: bool = True

    @property
    def length_ns(self) -> int | None:
        """How long nothing was written; None while that is not known."""
        return None if self.from_ns is None or self.to_ns is None else self.to_ns - self.from_ns

    @property
    def _waits(self) -> bool:
        return None in (self.to_ns, self.before_id, self.before_trade, self.book_ns)


@dataclass(slots=True)
class Stream:
    """One stream of a file. `prev_id` is what its first update follows; `missing` counts left out trade ids, `repeated` what is not new.

    `contiguous`: its ids show whether one is missing. `start`, `end`: the ids since the last hole, behind `start`
    up to `end`; `candidate` is a whole book that no update has joined yet.
    """

    messages: int = 0
    events: int = 0
    first_id: int = 0
    last_id: int = 0
    prev_id: int | None = None
    missing: int = 0
    repeated: int = 0
    contiguous: bool = False
    start: int | None = None
    end: int | None = None
    candidate: int | None = None


@dataclass(slots=True)
class Entry:
    """Some whole members that follow each other: where they are, lines, times, and the checksum (CRC-32) of their bytes in the file."""

    offset: int
    file_bytes: int = 0
    members: int = 0
    lines: int = 0
    first_ns: int | None = None
    last_ns: int | None = None
    crc32: int = 0


@dataclass(slots=True)
class Tally:
    """The state; see the module. `file_bytes` is how far into the file it reaches, always the end of a member."""

    day: Day
    file_bytes: int = 0
    members: int = 0
    lines: int = 0
    text_bytes: int = 0
    unreadable: int = 0
    foreign_day: int = 0
    stamps_back: int = 0
    first_ns: int | None = None
    last_ns: int | None = None
    continued: bool = False
    book_known: bool = False
    reconnects: int = 0
    base: str = ""
    streams: dict[str, Stream] = field(default_factory=dict)
    gaps: list[Hole] = field(default_factory=list)
    anchors: list[tuple[int, int]] = field(default_factory=list)
    lag_min_ns: int | None = None
    lag_max_ns: int | None = None
    lag_buckets: dict[int, int] = field(default_factory=dict)
    index: list[Entry] = field(default_factory=list)
    _waiting: list[Hole] = field(default_factory=list)
    _member_lines: int = 0
    _member_first_ns: int | None = None

    def feed(self, text: bytes) -> None:
        """Count whole lines of the member that comes next."""
        day = self.day
        for line in text.split(b"\n"):
            if not line:
                continue
            self.lines += 1
            self._member_lines += 1
            self.text_bytes += len(line) + 1
            stamp, _, body = line.partition(b" ")
            if not stamp.isdigit():
                self.unreadable += 1
                continue
            at_ns = int(stamp)
            if at_ns // DAY_NS != day:
                self.foreign_day += 1
            if self._member_first_ns is None:
                self._member_first_ns = at_ns
            before_ns, self.last_ns = self.last_ns, at_ns
            if before_ns is None:
                self.first_ns = at_ns
            elif at_ns < before_ns:
                self.stamps_back += 1
            seen = see(body)
            if seen is None:
                self.unreadable += 1
            elif isinstance(seen, Seen):
                if before_ns is None:
                    self.continued = self.book_known = True
                self._data(at_ns, before_ns, seen)
            else:
                self._gap(at_ns, before_ns, seen)

    def end_member(self, parts: Iterable[bytes]) -> None:
        """Close the member whose lines were fed; `parts` are its bytes as they stand in the file."""
        entry = self.index[-1] if self.index else None
        spans_ns = 0 if entry is None or entry.first_ns is None else (self.last_ns or 0) - entry.first_ns
        if entry is None or entry.file_bytes >= _ENTRY_BYTES or spans_ns >= _ENTRY_NS:
            entry = Entry(self.file_bytes)
            self.index.append(entry)
        size = 0
        for part in parts:
            size += len(part)
            entry.crc32 = crc32(part, entry.crc32)
        entry.file_bytes += size
        entry.members += 1
        entry.lines += self._member_lines
        if self._member_first_ns is not None:
            if entry.first_ns is None:
                entry.first_ns = self._member_first_ns
            entry.last_ns = self.last_ns
        self.file_bytes += size
        self.members += 1
        self._member_lines, self._member_first_ns = 0, None

    def dump(self) -> dict[str, Any]:
        """Return everything as plain values for JSON."""
        return {
            "file_bytes": self.file_bytes,
            "members": self.members,
            "lines": self.lines,
            "text_bytes": self.text_bytes,
            "unreadable": self.unreadable,
            "foreign_day": self.foreign_day,
            "stamps_back": self.stamps_back,
            "first_ns": self.first_ns,
            "last_ns": self.last_ns,
            "continued": self.continued,
            "book_known": self.book_known,
            "reconnects": self.reconnects,
            "base": self.base,
            "streams": {name: asdict(stream) for name, stream in self.streams.items()},
            "gaps": [{**asdict(gap), "length_ns": gap.length_ns} for gap in self.gaps],
            "anchors": [{"ns": ns, "id": ident} for ns, ident in self.anchors],
            "lag_ms": self.lag_ms(),
            "lag_min_ns": self.lag_min_ns,
            "lag_max_ns": self.lag_max_ns,
            "lag_buckets": {str(key): count for key, count in sorted(self.lag_buckets.items())},
            "index": [asdict(entry) for entry in self.index],
        }

    @classmethod
    def load(cls, day: Day, data: Mapping[str, Any]) -> Self:
        """Return the tally that `dump` was called of, to go on with. Raises ValueError for anything else."""
        try:
            plain = {
                each.name: data[each.name] for each in fields(cls) if each.name in data and each.name not in _NESTED
            }
            tally = cls(**plain, day=day)
            tally.streams = {name: Stream(**stream) for name, stream in data["streams"].items()}
            tally.gaps = [Hole(**{key: gap[key] for key in _HOLE}) for gap in data["gaps"]]
            tally.anchors = [(each["ns"], each["id"]) for each in data["anchors"]]
            tally.lag_buckets = {int(key): count for key, count in data["lag_buckets"].items()}
            tally.index = [Entry(**entry) for entry in data["index"]]
            tally.file_bytes, tally.lines = int(data["file_bytes"]), int(data["lines"])
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a tally: {error!r}") from error
        tally._waiting = [gap for gap in tally.gaps if gap._waits]
        return tally

    def lag_ms(self) -> dict[str, float | None]:
        """How long after the exchange's time lines were stamped, ms: bounds exactly, percentiles to two parts in a hundred.

        It is the way from the exchange and the difference of both clocks in one: less than zero says that this clock is behind.
        """

        def share(part: float) -> float | None:
            left = part * sum(self.lag_buckets.values())
            for key, count in sorted(self.lag_buckets.items()):
                left -= count
                if left <= 0:
                    within = max(
                        (self.lag_min_ns or 0) / 1e6, min((self.lag_max_ns or 0) / 1e6, _middle_us(key) / 1000)
                    )
                    return round(within, 3)
            return None

        def ms(value: int | None) -> float | None:
            return None if value is None else round(value / 1e6, 3)

        return {"min": ms(self.lag_min_ns), "p50": share(0.5), "p99": share(0.99), "max": ms(self.lag_max_ns)}

    def lag_up_to(self, bounds_s: Sequence[float]) -> tuple[list[tuple[float, int]], float]:
        """Return how many lines were stamped up to so long after the exchange's time, for each bound, and the sum of all lags, s."""
        rows = [(_middle_us(key) / 1e6, count) for key, count in list(self.lag_buckets.items())]
        found = [(bound, sum(count for lag, count in rows if lag <= bound)) for bound in bounds_s]
        return [*found, (float("inf"), sum(count for _, count in rows))], sum(lag * count for lag, count in rows)

    def _gap(self, at_ns: int, before_ns: int | None, gap: Gap) -> None:
        cause = NOT_RUNNING if gap.reason == RECORDER_STARTED and before_ns is not None else gap.reason
        if gap.reason in (CONNECTION_LOST, CONNECTOR_RESTARTED):
            self.reconnects += 1
        self._open(Hole(cause, at_ns, before_ns, lost=gap.lost))
        for stream in self.streams.values():
            stream.start = stream.end = stream.candidate = None
        self.book_known = False

    def _open(self, hole: Hole) -> None:
        base, trades = self.streams.get(self.base), self.streams.get("trade")
        hole.after_id = (base.last_id or None) if base else None
        hole.after_trade = (trades.last_id or None) if trades else None
        self.gaps.append(hole)
        self._waiting.append(hole)

    def _data(self, at_ns: int, before_ns: int | None, seen: Seen) -> None:
        name = seen.stream
        stream = self.streams.get(name)
        if stream is None:
            stream = self.streams[name] = Stream(
                first_id=seen.first_id or seen.last_id,
                last_id=seen.last_id,
                prev_id=seen.prev_id,
                contiguous=seen.first_id > 0 and bool(_depth_of(name)),
            )
            if _depth_of(name) > _depth_of(self.base):
                self._rebase(name)
        elif name == "trade" and seen.last_id:
            if seen.last_id <= stream.last_id:
                stream.repeated += 1
            elif stream.start is not None:
                stream.missing += seen.first_id - stream.last_id - 1 if seen.first_id else 0
        if not seen.more:
            stream.messages += 1
        stream.events += seen.events
        if name == "trade":
            stream.start = 0  # one was seen since the last gap
        if seen.exch_ns and name != SNAPSHOT:
            self._lag(at_ns - seen.exch_ns)
        if self._waiting:
            self._fill(at_ns, seen)
        if name == SNAPSHOT:
            depth = self.streams.setdefault(DEPTH, Stream())
            self.base = self.base or DEPTH
            self._whole(at_ns, depth, seen.last_id)
        elif _depth_of(name):
            self._depth(at_ns, before_ns, stream, seen)
        stream.last_id = max(stream.last_id, seen.last_id)

    def _rebase(self, name: str) -> None:
        """Take the deepest stream for the book: what a shallower one said of the last gap no longer counts."""
        if self.base and self.gaps:
            hole = self.gaps[-1]
            hole.after_id = hole.follows_id = hole.before_id = hole.book_ns = hole.book_id = None
            self.anchors = [anchor for anchor in self.anchors if anchor[0] < hole.at_ns]
            self.book_known = False
            self._waiting = [each for each in self._waiting if each is not hole] + [hole]
        self.base = name

    def _depth(self, at_ns: int, before_ns: int | None, stream: Stream, seen: Seen) -> None:
        is_base = seen.stream == self.base
        if seen.whole:  # a whole book in the stream itself
            stream.start = stream.end = seen.last_id
            if is_base and not self.book_known:
                self._known(at_ns, seen.last_id)
            return
        if not seen.first_id:  # the ids of a connector's batches need not be contiguous
            return
        if not stream.first_id:
            stream.first_id, stream.prev_id, stream.contiguous = seen.first_id, seen.prev_id, True
        prev = _follows(seen)
        if stream.end is None:
            stream.start = prev
        elif prev != stream.end:
            if seen.last_id <= stream.end:
                stream.repeated += 1
                return
            hole = Hole(IDS_MISSING, at_ns, before_ns, at_ns, follows_id=prev, before_id=seen.first_id, stated=False)
            self._open(hole)
            hole.after_id = stream.end
            stream.start, stream.candidate = prev, None
            if is_base:
                self.book_known = False
            else:
                hole.book_ns = at_ns
        stream.end = seen.last_id
        if stream.candidate is not None:
            self._join(at_ns, stream)

    def _whole(self, at_ns: int, depth: Stream, last_id: int) -> None:
        """Take a whole book from REST: it joins updates that reach from before it to it."""
        if depth.end is None:
            depth.candidate = last_id
        else:
            depth.candidate = last_id
            self._join(at_ns, depth)

    def _join(self, at_ns: int, depth: Stream) -> None:
        assert depth.candidate is not None
        assert depth.start is not None
        assert depth.end is not None
        if depth.start > depth.candidate:  # the updates it would need are missing
            depth.candidate = None
        elif depth.end >= depth.candidate:
            if not self.book_known or not self.anchors:  # or of a file without gap lines, made by another program
                self._known(at_ns, depth.candidate)
            depth.candidate = None

    def _known(self, at_ns: int, book_id: int) -> None:
        self.book_known = True
        self.anchors.append((at_ns, book_id))
        for hole in self._waiting:
            if hole.book_ns is None:
                hole.book_ns, hole.book_id = at_ns, book_id

    def _fill(self, at_ns: int, seen: Seen) -> None:
        for hole in self._waiting:
            if hole.to_ns is None:
                hole.to_ns = at_ns
            if seen.stream == self.base and hole.before_id is None:
                hole.before_id = seen.first_id or seen.last_id
                hole.follows_id = _follows(seen)
            elif seen.stream == "trade" and hole.before_trade is None:
                hole.before_trade = seen.first_id or seen.last_id
        self._waiting = [hole for hole in self._waiting if hole._waits]

    def _lag(self, lag_ns: int) -> None:
        if self.lag_min_ns is None or lag_ns < self.lag_min_ns:
            self.lag_min_ns = lag_ns
        if self.lag_max_ns is None or lag_ns > self.lag_max_ns:
            self.lag_max_ns = lag_ns
        key = _bucket(lag_ns // 1000)
        self.lag_buckets[key] = self.lag_buckets.get(key, 0) + 1


_NESTED: Final = frozenset({"day", "streams", "gaps", "anchors", "lag_buckets", "index", "_waiting"})
_HOLE: Final = tuple(each.name for each in fields(Hole))


def _follows(seen: Seen) -> int | None:
    """The id that an update follows; None where ids need not be contiguous."""
    if seen.whole or not seen.first_id:
        return None
    return seen.first_id - 1 if seen.prev_id is None else seen.prev_id


def goes_on(before: Tally | None, after: Tally) -> bool:
    """Tell whether a day's file goes on where that of the day before ends: by its ids, where they show it."""
    if before is None or not before.lines or not after.continued:
        return False
    ours, theirs = after.streams.get(after.base), before.streams.get(after.base)
    if ours is None or theirs is None or not ours.contiguous:
        return True
    return theirs.last_id == (ours.first_id - 1 if ours.prev_id is None else ours.prev_id)


@cache
def _depth_of(stream: str) -> int:
    """How deep the book of a stream is, by its name; 0 for one that shows no book."""
    if stream in (DEPTH, "l2Book"):
        return 1
    kind, _, levels = stream.partition(".")
    return int(levels) if kind == "orderbook" and levels.isdigit() else 0


def _bucket(lag_us: int) -> int:
    """A bucket by size, 32 to each power of two; negative for lags below zero."""
    if lag_us < 0:
        return -1 - _bucket(-lag_us)
    shift = lag_us.bit_length() - 6
    return lag_us if shift < 0 else (shift << 5) + (lag_us >> shift)


def _middle_us(key: int) -> float:
    if key < 0:
        return -_middle_us(-1 - key)
    shift = (key >> 5) - 1
    return float(key) if shift < 0 else ((32 + (key & 31)) + 0.5) * 2.0**shift
