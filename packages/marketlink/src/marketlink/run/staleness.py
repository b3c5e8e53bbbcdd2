"""When a stream has gone silent, judged by its own habits: pure, time is an argument.

heard ──silent for too long──► stale, asked for anew ──again and again, ever later──► asked for anew
  ▲                              └──────────────── a frame ────────────────┐
  └────────────────────────────────────────────────────────────────────────┘

What is kept of a stream is its longest usual silence: a gap between two frames raises it, and it halves in `half_life_ns`. A mean would
not do: frames come in bursts, and the mean within a burst says nothing of the pause behind it. A stream is stale after `times`
its longest usual silence, at least `floor_ns`. One that is usually quiet for longer than `age_ns / times` is never judged alone.

The whole connection is judged in the same way, as one stream of all frames. It is silent no longer than any stream on it, so a connection
that carries nothing any more is found first, and a stale stream is one that is silent while others run.

An error teaches: the silence of a verdict counts as a usual one, so that the next verdict takes `times` as long. That is the
back-off where a market pauses, and why neither connection nor stream flaps.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from marketlink.times import MonoNs, after

UNHEARD: Final = -1
_START: Final = MonoNs(0)
_MOST: Final = 8  # times `age_ns`: the longest patience of all


@dataclass(frozen=True, slots=True)
class StalenessLimits:
    """`floor_ns`: no verdict before; `age_ns`: silence of a connection of which nothing is known yet.

    `deaf_ns`: where `check` comes later than this after the one before, this process did not listen meanwhile, and that time counts as
    no silence of the venue's.
    """

    floor_ns: int
    age_ns: int
    times: float = 3.0
    half_life_ns: int = 300_000_000_000
    deaf_ns: int = 1_000_000_000
    check_ns: int = 250_000_000


@dataclass(slots=True)
class Pace:
    """One stream's habits, and since when it is stale."""

    since_ns: MonoNs
    last_ns: MonoNs
    usual_ns: int = UNHEARD
    stale_at_ns: MonoNs | None = None
    ask_ns: MonoNs = _START  # when a stale stream is asked for anew
    wait_ns: int = 0
    learnt_ns: int = 0  # the longest usual silence by the time of the verdict


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a look at the clock found: streams newly `stale`, and all that are to be `asked` for anew (these among them)."""

    stale: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    silent_ns: int | None = None  # of the whole connection, which is to be made anew


class Staleness:
    """The streams of one feed over all of its connections; habits outlast a connection."""

    def __init__(self, limits: StalenessLimits) -> None:
        self._limits = limits
        self._known: dict[str, Pace] = {}
        self._live: dict[bytes, Pace] = {}  # granted on this connection, by the bytes of the name
        self._whole = Pace(_START, _START)
        self._begun = False
        self._checked_ns = self._faded_ns = _START

    @property
    def stale(self) -> frozenset[str]:
        """The streams that were stale at the last look."""
        return frozenset(stream for stream, pace in self._known.items() if pace.stale_at_ns is not None)

    def on_connected(self, now_ns: MonoNs) -> None:
        """Begin a connection: nothing is granted on it, nothing is stale."""
        if not self._begun:
            self._begun, self._whole.since_ns, self._faded_ns = True, now_ns, now_ns
        self._live.clear()
        for pace in self._known.values():
            pace.stale_at_ns = None
        self._whole.last_ns = self._checked_ns = now_ns

    def on_granted(self, streams: Iterable[str], now_ns: MonoNs) -> list[str]:
        """Expect frames of streams; return those that are granted for more than another try at a stale one."""
        fresh: list[str] = []
        for stream in streams:
            pace = self._known.setdefault(stream, Pace(now_ns, now_ns))
            self._live[stream.encode()] = pace
            if pace.stale_at_ns is None:
                pace.last_ns = now_ns
                fresh.append(stream)
        if fresh:
            self._whole.last_ns = max(self._whole.last_ns, now_ns)
        return fresh

    def on_ended(self, streams: Iterable[str]) -> None:
        """Forget streams."""
        for stream in streams:
            self._known.pop(stream, None)
            self._live.pop(stream.encode(), None)

    def on_frame(self, stream: bytes, now_ns: MonoNs) -> None:
        """Hear a frame of a stream. This is on the path of every frame: O(1), and nothing but what must be."""
        pace = self._whole
        gap_ns = now_ns - pace.last_ns
        if gap_ns > pace.usual_ns:
            pace.usual_ns = gap_ns
        pace.last_ns = now_ns
        found = self._live.get(stream)
        if found is not None:
            gap_ns = now_ns - found.last_ns
            if gap_ns > found.usual_ns:
                found.usual_ns = gap_ns
            found.last_ns = now_ns

    def check(self, now_ns: MonoNs, *, expected: bool, held: bool = False) -> Verdict:
        """Look at the clock; `expected` says whether anything is wanted on this connection, so that silence means something.

        `held`: something was read and is not handled yet, so the time since the last look is no silence of the venue's.
        """
        self._excuse(now_ns, held)
        self._fade(now_ns)
        limits, whole = self._limits, self._whole
        silent_ns = now_ns - whole.last_ns
        if expected and silent_ns >= self.patience_ns:
            whole.usual_ns = max(whole.usual_ns, silent_ns)
            return Verdict(silent_ns=silent_ns)
        stale, asked = [], []
        for stream, pace in self._known.items():
            if pace.stale_at_ns is not None:
                if pace.last_ns > pace.stale_at_ns:
                    pace.stale_at_ns, pace.usual_ns = None, pace.learnt_ns  # what a fault lasted is no habit
                elif now_ns >= pace.ask_ns:
                    asked.append(stream)
                    self._put_off(pace, now_ns)
            elif pace.usual_ns != UNHEARD and stream.encode() in self._live:
                limit_ns, silent_ns = self._limit_ns(pace, now_ns), now_ns - pace.last_ns
                if limit_ns is None or limit_ns > limits.age_ns:  # a silence that is allowed is a habit while it lasts
                    pace.usual_ns = max(pace.usual_ns, silent_ns)
                elif silent_ns >= limit_ns:
                    pace.usual_ns = pace.learnt_ns = max(pace.usual_ns, silent_ns)
                    pace.stale_at_ns, pace.wait_ns = now_ns, silent_ns
                    stale.append(stream)
                    asked.append(stream)
                    self._put_off(pace, now_ns)
        return Verdict(tuple(stale), tuple(asked))

    def due_ns(self, *, expected: bool) -> MonoNs:
        """When to look next."""
        look_ns = after(self._checked_ns, self._limits.check_ns)
        return min(look_ns, after(self._whole.last_ns, self.patience_ns)) if expected else look_ns

    @property
    def patience_ns(self) -> int:
        """For how long the connection may be silent: as long as its habit says, and at most `age_ns` unless it is known to be quiet."""
        limits, usual_ns = self._limits, self._whole.usual_ns
        most_ns = min(max(limits.age_ns, 2 * usual_ns), _MOST * limits.age_ns)
        limit_ns = self._limit_ns(self._whole, self._checked_ns) if self._live else None
        return most_ns if limit_ns is None else min(limit_ns, most_ns)

    def _limit_ns(self, pace: Pace, now_ns: MonoNs) -> int | None:
        """How much silence is too much; None before a habit could show."""
        limits = self._limits
        if pace.usual_ns == UNHEARD or now_ns - pace.since_ns < limits.times * limits.floor_ns:
            return None
        return max(limits.floor_ns, int(limits.times * pace.usual_ns))

    def _put_off(self, pace: Pace, now_ns: MonoNs) -> None:
        limits = self._limits
        pace.wait_ns = min(int(limits.times * pace.wait_ns), _MOST * limits.age_ns)
        pace.ask_ns = after(now_ns, pace.wait_ns)

    def _excuse(self, now_ns: MonoNs, held: bool) -> None:
        """Take out of every silence the time in which nobody listened here: a stopped process, a machine asleep, a slow reader."""
        late_ns = now_ns - self._checked_ns
        self._checked_ns = now_ns
        if held or late_ns > self._limits.deaf_ns:
            for pace in (self._whole, *self._live.values()):
                pace.last_ns = min(now_ns, after(pace.last_ns, late_ns))

    def _fade(self, now_ns: MonoNs) -> None:
        """Let habits fade, once a second."""
        passed_ns = now_ns - self._faded_ns
        if passed_ns < 1_000_000_000:
            return
        self._faded_ns = now_ns
        part = 0.5 ** (passed_ns / self._limits.half_life_ns)
        for pace in (self._whole, *self._known.values()):
            if pace.usual_ns > 0:
                pace.usual_ns = int(pace.usual_ns * part)
