"""Two recordings of one symbol and day become one: what either lacks is taken from the other. Lines in, lines out; no file, no clock.

    A ─┐  units (a line, or a connector's batch), by stream and id     ┌─► lines in order of their stamps, a stream's in order of its ids
    B ─┴─► what both have is one, with the earlier stamp ──(30 s)──────┴─► how much each filled for the other

Stamps are those of the recorder that heard it first. Where one filled what the other lacked, a later id is not stamped before an earlier
one: a reader of both would have had them in this order. A gap line stays only where both were blind at once.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from collector.record import BOOK_OUT_OF_SYNC, RECORDER_STARTED, gap_line
from collector.seen import DEPTH, SNAPSHOT, Gap, Seen, see
from collector.tally import IDS_MISSING, NOT_RUNNING, Hole, Tally

WINDOW_NS: Final = 30_000_000_000
_STEP_NS: Final = 5_000_000_000
_BY_ID: Final = (DEPTH, "trade")  # one message an id; of others two may bear the same
_SECOND_NS: Final = 1_000_000_000
_SECONDS: Final = 10  # in so many seconds both had lines: enough to have something in common
Order = tuple[int, int]


@dataclass(slots=True)
class Unit:
    """What is one in both recordings. `order` sorts those of one stream, where its ids do; `sides` is 1 for A, 2 for B, 3 for both."""

    stream: str
    ident: tuple[object, ...]
    order: Order | None
    stamp_ns: int
    bodies: list[bytes]
    sides: int
    seq: int = 0


@dataclass(slots=True)
class Merged:
    """How it went. `only`: lines that one alone had; `earlier`: of lines in both, which heard them first.

    `filled`: gaps of one that the other filled, by side; `left`: places where both lack something; `late`: lines that came too late to be
    put in their place, and `repeated`: that stood twice in one recording; both are not in the result. `compared`: units that are in both;
    `differ`: with different words under the same id.
    """

    lines: int = 0
    both: int = 0
    only: Counter[str] = field(default_factory=Counter)
    only_by_stream: dict[str, Counter[str]] = field(default_factory=lambda: {"a": Counter(), "b": Counter()})
    earlier: Counter[str] = field(default_factory=Counter)
    filled: dict[str, list[Hole]] = field(default_factory=lambda: {"a": [], "b": []})
    left: int = 0
    late: int = 0
    repeated: int = 0
    compared: int = 0
    differ: int = 0
    ahead_ns: list[int] = field(default_factory=list)

    @property
    def b_behind_ns(self) -> int | None:
        """How much later B stamped what both have, at the middle: its way and its clock; None where nothing is in both."""
        return sorted(self.ahead_ns)[len(self.ahead_ns) // 2] if self.ahead_ns else None


def refusal(a: Tally, b: Tally, of_a: Mapping[str, Any], of_b: Mapping[str, Any]) -> str | None:
    """Say why two recordings can't be of the same market, by what their manifests tell; None where they may be."""
    if a.day != b.day:
        return "they are of two days"
    if of_a["content"] != of_b["content"]:
        return f"one is {of_a['content']}, the other {of_b['content']}"
    sources = [{run.get("source") for run in each["runs"] if "source" in run} for each in (of_a, of_b)]
    if (
        all(sources)
        and not sources[0] & sources[1]
        and not any(str(name).startswith("connector ") for each in sources for name in each)
    ):
        return f"one was recorded from {_words(sources[0])}, the other from {_words(sources[1])}"
    depths = [each.streams.get(each.base) for each in (a, b)]
    if depths[0] and depths[1] and (depths[0].prev_id is None) != (depths[1].prev_id is None):
        return "the updates of one name the id they follow (futures), those of the other do not (spot)"
    return None


class Merging:
    """Merges the units of two recordings; `a` and `b` are what they hold."""

    def __init__(self, symbol: str, a: Tally, b: Tally) -> None:
        self._symbol, self._name = symbol, symbol.upper()
        self.result = Merged()
        self._tallies = (a, b)
        self._by_id = all(each.base == DEPTH and each.streams[DEPTH].last_id for each in (a, b))
        self._held: dict[tuple[object, ...], Unit] = {}
        self._last: dict[str, tuple[Order, int]] = {}  # of each ordered stream: what was given out last, and its stamp
        self._seq = 0
        self._seconds: tuple[set[int], set[int]] = (set(), set())
        self._gaps = self._judge_gaps()

    @property
    def is_two_markets(self) -> bool:
        """Whether what was compared can't be the same market: nothing in common, or other words under the same ids."""
        result = self.result
        apart = result.compared == 0 and len(self._seconds[0] & self._seconds[1]) >= _SECONDS
        return apart or result.differ * 2 > result.compared > 0

    def run(self, a: Iterable[bytes], b: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the lines of the merged recording, some at a time; `a` and `b` are texts of whole lines."""
        for order, stamp_ns, reason, lost in self._gaps:
            line = gap_line(self._symbol, stamp_ns, reason, lost, name=self._name).text
            body = line.rstrip(b"\n").partition(b" ")[2]
            unit = Unit(DEPTH if order else "", (order, stamp_ns), order, stamp_ns, [body], 0, -1)
            self._held[unit.ident] = unit
        sources = [self._units(a, 1), self._units(b, 2)]
        reached: list[int | None] = [0, 0]
        flushed_ns = 0
        while reached[0] is not None or reached[1] is not None:
            side = min((at, number) for number, at in enumerate(reached) if at is not None)[1]
            heard = next(sources[side], None)
            if heard is None:
                reached[side] = None
                continue
            reached[side] = max(reached[side] or 0, heard.stamp_ns)
            self._hold(heard)
            horizon_ns = min(at for at in reached if at is not None) - WINDOW_NS
            if horizon_ns >= flushed_ns + _STEP_NS:
                flushed_ns = horizon_ns
                yield self._give(horizon_ns)
        yield self._give(None)

    def _next(self) -> int:
        self._seq += 1
        return self._seq

    def _hold(self, unit: Unit) -> None:
        self._seconds[unit.sides - 1].add(unit.stamp_ns // _SECOND_NS)
        known = self._held.get(unit.ident)
        if known is None:
            last = self._last.get(unit.stream)
            if unit.order is not None and last is not None and unit.order <= last[0]:
                self.result.late += len(unit.bodies)
                return
            unit.seq = self._next()
            self._held[unit.ident] = unit
            return
        if known.sides & unit.sides:
            self.result.repeated += len(unit.bodies)
            return
        self.result.compared += 1
        self.result.both += len(known.bodies)
        self.result.differ += known.bodies != unit.bodies
        known.sides |= unit.sides
        first = "a" if (unit.stamp_ns < known.stamp_ns) == (unit.sides == 1) else "b"
        if unit.stamp_ns != known.stamp_ns:
            self.result.earlier[first] += len(known.bodies)
        if len(self.result.ahead_ns) < 100_000:
            behind_ns = unit.stamp_ns - known.stamp_ns
            self.result.ahead_ns.append(behind_ns if unit.sides == 2 else -behind_ns)
        known.stamp_ns = min(known.stamp_ns, unit.stamp_ns)

    def _give(self, until_ns: int | None) -> bytes:
        streams: dict[str, list[Unit]] = {}
        for unit in self._held.values():
            if unit.order is not None:
                streams.setdefault(unit.stream, []).append(unit)
        for name, units in streams.items():
            units.sort(key=lambda unit: (unit.order, unit.seq))
            _, stamp_ns = self._last.get(name, ((0, 0), 0))
            seq = -1
            for unit in units:
                stamp_ns = unit.stamp_ns = max(stamp_ns, unit.stamp_ns)
                seq = unit.seq = max(seq, unit.seq)
        due = [unit for unit in self._held.values() if until_ns is None or unit.stamp_ns <= until_ns]
        due.sort(key=lambda unit: (unit.stamp_ns, unit.seq, unit.order or (0, 0)))
        parts: list[bytes] = []
        for unit in due:
            del self._held[unit.ident]
            if unit.order is not None:
                self._last[unit.stream] = (unit.order, unit.stamp_ns)
            self.result.lines += len(unit.bodies)
            if unit.sides in (1, 2):
                side = "a" if unit.sides == 1 else "b"
                self.result.only[side] += len(unit.bodies)
                self.result.only_by_stream[side][unit.stream] += len(unit.bodies)
            parts += [b"%d %b\n" % (unit.stamp_ns, body) for body in unit.bodies]
        return b"".join(parts)

    def _units(self, texts: Iterable[bytes], side: int) -> Iterator[Unit]:
        """Group lines: a connector's batch is one unit, every other line one of its own. Gap lines are left to `_judge_gaps`."""
        batch: Unit | None = None
        for text in texts:
            for line in text.split(b"\n"):
                stamp, _, body = line.partition(b" ")
                if not stamp.isdigit():
                    continue
                seen = see(body)
                if isinstance(seen, Gap):
                    continue
                unit = self._unit(int(stamp), body, seen, side)
                if batch is not None and seen is not None and seen.stream == DEPTH:
                    batch.bodies.append(body)
                    if seen.whole:
                        batch.order, batch.ident = (seen.last_id, 1), (DEPTH, seen.last_id, "whole")
                    if not seen.more:
                        yield batch
                        batch = None
                elif seen is not None and seen.more:
                    batch = unit
                else:
                    yield unit
        if batch is not None:
            yield batch

    def _unit(self, stamp_ns: int, body: bytes, seen: Seen | None, side: int) -> Unit:
        if seen is None:
            return Unit("", ("", body), None, stamp_ns, [body], side)
        name, ident = seen.stream, seen.last_id
        if name == SNAPSHOT:
            return Unit(name, (name, ident), None, stamp_ns, [body], side)
        if name == DEPTH and not seen.first_id:  # recorded from a connector
            return Unit(
                name, (name, ident, "whole" if seen.whole else ""), (ident, int(seen.whole)), stamp_ns, [body], side
            )
        if name in _BY_ID and ident:
            return Unit(name, (name, ident), (ident, 0), stamp_ns, [body], side)
        order = None if not ident else (seen.exch_ns, ident) if name.startswith("orderbook") else (ident, 0)
        return Unit(name, (name, ident, body), order, stamp_ns, [body], side)

    def _judge_gaps(self) -> list[tuple[Order | None, int, str, int]]:
        """Tell which gaps the other recording fills; return the others: where they go, a stamp, the reason and what is known lost."""
        spans = [_spans(tally, by_id=self._by_id) for tally in self._tallies]
        joined = _joined([*spans[0], *spans[1]])
        every = sorted((hole for tally in self._tallies for hole in tally.gaps), key=lambda hole: hole.at_ns)
        for side, tally in zip("ab", self._tallies, strict=True):
            for hole in tally.gaps:
                after, before = _ends(hole, by_id=self._by_id)
                if any(
                    start < (before or start + 1)
                    and (after or end - 1) < end
                    and (after is None or start <= after)
                    and (before is None or before <= end)
                    for start, end in joined
                ):
                    self.result.filled[side].append(hole)
        places: list[tuple[Order | None, int, str, int]] = []
        lowest = joined[0][0] if joined else 0
        if not any(
            tally.continued and own and own[0][0] <= lowest for tally, own in zip(self._tallies, spans, strict=True)
        ):
            first = next((hole for hole in every if hole.from_ns is None), None)
            begins = [tally.first_ns for tally in self._tallies if tally.first_ns is not None]
            stamp_ns, reason = (
                (min(begins, default=0), RECORDER_STARTED) if first is None else (first.at_ns, first.cause)
            )
            places.append(((0, -1) if self._by_id else None, stamp_ns, reason, 0))
        for (_, end), (start, _) in itertools.pairwise(joined):
            over = [hole for hole in every if _is_over(hole, end, start, by_id=self._by_id)]
            cause = over[0].cause if over else IDS_MISSING
            reason = {NOT_RUNNING: RECORDER_STARTED, IDS_MISSING: BOOK_OUT_OF_SYNC}.get(cause, cause)
            lost = sum(hole.lost for hole in over)
            places.append(((end, 2), 0, reason, lost) if self._by_id else (None, end + 1, reason, lost))
        self.result.left = len(places)
        return places


def _spans(tally: Tally, *, by_id: bool) -> list[tuple[int, int]]:
    """What a recording has without a gap in between, each span by what it follows and where it ends: ids, else times."""
    base = tally.streams.get(tally.base)
    found: list[tuple[int, int]] = []
    start: int | None
    last: int | None
    if by_id:
        assert base is not None
        start, last = (
            (base.first_id if base.prev_id is None else base.prev_id) if tally.continued else None,
            base.last_id,
        )
        if start is not None and base.contiguous and base.prev_id is None:
            start -= 1
    else:
        start, last = tally.first_ns if tally.continued else None, tally.last_ns
    for hole in tally.gaps:
        after, before = _ends(hole, by_id=by_id)
        if start is not None and after is not None:
            found.append((start, after))
        start = before
    if start is not None and last is not None:
        found.append((start, last))
    return found


def _ends(hole: Hole, *, by_id: bool) -> tuple[int | None, int | None]:
    """The last before a gap and what the first behind it follows: ids, else times."""
    if not by_id:
        return hole.from_ns, hole.to_ns
    return hole.after_id, hole.before_id if hole.follows_id is None else hole.follows_id


def _joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans that touch or overlap made one, in order."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def _is_over(hole: Hole, after: int, before: int, *, by_id: bool) -> bool:
    start, end = _ends(hole, by_id=by_id)
    return (start is None or start < before) and (end is None or end > after)


def _words(names: Sequence[object] | set[object]) -> str:
    return ", ".join(sorted(map(str, names)))
