"""Silence judged by habit: what is stale, what is only quiet, and that errors grow rarer. Times in milliseconds."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marketlink.run.staleness import Staleness, StalenessLimits, Verdict
from marketlink.times import MonoNs

UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
MS = 1_000_000
LIMITS = StalenessLimits(floor_ns=3000 * MS, age_ns=30_000 * MS)


class Bench:
    """One feed's staleness, a clock, and what was found: (when, what)."""

    def __init__(self, *streams: str) -> None:
        self.machine, self.now, self.found = Staleness(LIMITS), 0, list[tuple[int, str]]()
        self.asked: list[tuple[int, str]] = []
        self.streams = streams
        self.connect()

    def connect(self, *, grant: bool = True) -> None:
        self.machine.on_connected(MonoNs(self.now * MS))
        if grant:
            self.machine.on_granted(self.streams, MonoNs(self.now * MS))

    def hear(self, stream: str) -> None:
        self.machine.on_frame(stream.encode(), MonoNs(self.now * MS))

    def look(self) -> None:
        verdict = self.machine.check(MonoNs(self.now * MS), expected=True)
        self.found += [(self.now, stream) for stream in verdict.stale]
        self.asked += [(self.now, stream) for stream in verdict.asked]
        self.machine.on_granted(verdict.asked, MonoNs(self.now * MS))
        if verdict.silent_ns is not None:
            self.found.append((self.now, "all"))
            self.connect()

    def run(self, until: int, every: dict[str, int], step: int = 10) -> None:
        """Hear each stream every so many milliseconds, looking four times a second."""
        while self.now < until:
            self.now += step
            for stream, period in every.items():
                if self.now % period == 0:
                    self.hear(stream)
            if self.now % 250 == 0:
                self.look()


def test_a_busy_stream_silent_for_three_seconds_is_stale_while_another_runs() -> None:
    bench = Bench("depth", "other")
    bench.run(20_000, {"depth": 50, "other": 50})
    bench.run(22_900, {"other": 50})
    assert bench.found == []
    assert bench.machine.stale == frozenset()
    bench.run(23_000, {"other": 50})
    assert bench.found == [(23_000, "depth")]
    assert bench.machine.stale == {"depth"}


def test_a_stream_that_is_usually_quiet_is_not_stale_however_busy_the_others_are() -> None:
    bench = Bench("quiet", "other")
    bench.run(600_000, {"quiet": 20_000, "other": 50}, step=50)
    bench.run(1_800_000, {"other": 50}, step=50)
    assert bench.found == []


def test_the_pause_behind_a_burst_is_not_taken_for_the_end() -> None:
    bench = Bench("bursty", "other")
    for start in range(0, 600_000, 8000):
        for _ in range(20):
            bench.now += 1
            bench.hear("bursty")
        bench.run(start + 8000, {"other": 50}, step=10 if bench.now % 10 == 0 else 1)
    assert bench.found == []


@pytest.mark.parametrize("mean_ms", [30, 300, 1000, 3000, 10_000, 60_000])
def test_random_arrivals_of_any_rate_are_hardly_ever_taken_for_silence(mean_ms: int) -> None:
    rng = random.Random(mean_ms)
    bench = Bench("random", "other")
    next_ms = 0.0
    while bench.now < 3_600_000:
        bench.now += 250
        bench.hear("other")
        while next_ms <= bench.now:
            bench.hear("random")
            next_ms += rng.expovariate(1 / mean_ms)
        bench.look()
    assert len(bench.found) <= 2, bench.found


def test_a_connection_that_carries_nothing_any_more_is_found_at_once_and_before_any_stream_of_it() -> None:
    bench = Bench("a", "b", "quiet")
    bench.run(20_000, {"a": 50, "b": 500, "quiet": 9000})
    bench.run(23_500, {})
    assert bench.found == [(23_000, "all")]


def test_where_a_market_pauses_connections_are_made_anew_ever_more_rarely() -> None:
    bench = Bench("a", "b")
    bench.run(20_000, {"a": 50, "b": 50})
    bench.run(20_000 + 3_600_000, {}, step=250)
    times = [when for when, what in bench.found if what == "all"]
    waits = [later - earlier for earlier, later in zip([20_000, *times], times, strict=False)]
    assert waits[0] == 3000
    assert waits[1] == pytest.approx(9000, abs=500)
    assert all(wait > 150_000 for wait in waits[6:])
    assert len(times) < 30


def test_a_pause_that_comes_again_and_again_is_a_habit_soon() -> None:
    bench = Bench("a")
    for start in range(0, 600_000, 20_000):  # 15 s of data, 5 s of pause
        bench.run(start + 15_000, {"a": 50})
        bench.run(start + 20_000, {})
    assert len(bench.found) == 1


def test_a_book_whose_stream_pauses_alone_is_stale_once_and_not_to_and_fro() -> None:
    bench = Bench("paused", "other")
    bench.run(20_000, {"paused": 50, "other": 50})
    bench.run(600_000, {"other": 50}, step=50)
    assert bench.found == [(23_000, "paused")]
    waits = [later - earlier for (earlier, _), (later, _) in zip(bench.asked, bench.asked[1:], strict=False)]
    assert waits[:3] == pytest.approx([9000, 27_000, 81_000], abs=300)
    assert max(waits) <= 240_250
    bench.run(601_000, {"paused": 50, "other": 50})
    assert bench.machine.stale == frozenset()


def test_a_stale_stream_is_granted_again_only_by_its_next_frame() -> None:
    bench = Bench("a", "other")
    bench.run(20_000, {"a": 50, "other": 50})
    bench.run(24_000, {"other": 50})
    assert bench.machine.on_granted(["a"], MonoNs(bench.now * MS)) == []
    assert bench.machine.stale == {"a"}
    bench.run(24_500, {"a": 50, "other": 50})
    assert bench.machine.on_granted(["a"], MonoNs(bench.now * MS)) == ["a"]


def test_after_a_fault_of_an_hour_silence_is_noticed_as_soon_as_after_a_short_one() -> None:
    bench = Bench("a", "other")
    bench.run(20_000, {"a": 50, "other": 50})
    bench.run(3_600_000, {"other": 50}, step=50)
    bench.run(3_620_000, {"a": 50, "other": 50})
    bench.run(3_640_000, {"other": 50})
    assert len(bench.found) == 2
    assert bench.found[1][0] <= 3_620_000 + 9500


def test_a_process_that_was_stopped_does_not_blame_the_venue() -> None:
    bench = Bench("a", "b")
    bench.run(20_000, {"a": 50, "b": 50})
    bench.now += 60_000
    bench.look()
    bench.run(bench.now + 1000, {})
    bench.run(bench.now + 10_000, {"a": 50, "b": 50})
    assert bench.found == []


def test_what_waits_here_to_be_handled_is_no_silence_of_the_venues() -> None:
    bench = Bench("a", "b")
    bench.run(20_000, {"a": 50, "b": 50})
    for _ in range(100):
        bench.now += 250
        verdict = bench.machine.check(MonoNs(bench.now * MS), expected=True, held=True)
        assert verdict == Verdict()
    bench.run(bench.now + 2500, {})
    assert bench.found == []
    bench.run(bench.now + 1000, {})
    assert [what for _, what in bench.found] == ["all"]


def test_refusals_keep_no_connection_alive() -> None:
    bench = Bench()
    bench.run(29_750, {})
    assert bench.found == []
    bench.run(30_000, {})
    assert bench.found == [(30_000, "all")]


def test_a_habit_outlasts_its_connection() -> None:
    bench = Bench("a")
    bench.run(20_000, {"a": 50})
    bench.connect()
    bench.run(23_000, {})
    assert bench.found == [(23_000, "all")]


def test_what_is_not_wanted_any_more_is_forgotten() -> None:
    bench = Bench("a", "other")
    bench.run(20_000, {"a": 50, "other": 50})
    bench.machine.on_ended(["a", "never"])
    bench.run(60_000, {"other": 50})
    assert bench.found == []


def test_a_frame_of_no_known_stream_is_heard_as_the_connections() -> None:
    bench = Bench("a")
    while bench.now < 60_000:
        bench.now += 250
        bench.machine.on_frame(b"", MonoNs(bench.now * MS))
        bench.look()
    assert bench.found == []


@UNTIMED
@given(st.integers(), st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 6000)), max_size=200))
def test_no_verdict_comes_before_the_floor_and_the_look_is_never_late(seed: int, steps: list[tuple[str, int]]) -> None:
    bench, rng = Bench("a", "b", "c"), random.Random(seed)
    heard = dict.fromkeys("abc", 0)
    for stream, pause in steps:
        until = bench.now + pause
        while bench.now < until:
            due = bench.machine.due_ns(expected=True)
            assert bench.now * MS < due <= bench.now * MS + LIMITS.check_ns
            bench.now = min(until, -(-due // MS) + rng.randrange(3))
            before = len(bench.found)
            bench.look()
            for when, what in bench.found[before:]:
                silent = when - max(heard.values()) if what == "all" else when - heard[what]
                assert silent >= 3000
                if what == "all":
                    heard = dict.fromkeys("abc", when)
        heard[stream] = bench.now
        bench.hear(stream)
