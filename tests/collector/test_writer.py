"""The writer's thread with a clock that stands still or is pushed; what it wrote is read the slow way."""

import os
import threading
from collections.abc import Callable
from errno import ENOSPC
from pathlib import Path
from typing import Any

import pytest
from collector import writer as writer_module
from collector.day_file import DayFile
from collector.errors import CollectorError, FileInUse, WriteFailed, WriteStalled
from collector.rotation import DAY_NS, Day, day_of, file_name
from collector.writer import Writer, WriterSettings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marketlink.clock import ManualClock
from marketlink.times import SECOND_NS

Read = Callable[[Path], list[bytes]]
MIDNIGHT_NS = 20_000 * DAY_NS
SMALL = WriterSettings(flush_s=0.0, member_bytes=100)


def line(stamp_ns: int, n: int) -> bytes:
    return b'%d {"n":%d}\n' % (stamp_ns, n)


def write_all(directory: Path, lines: list[tuple[str, int, bytes]], how: WriterSettings = SMALL) -> Writer:
    writer = Writer(directory, how)
    writer.start()
    for symbol, stamp_ns, text in lines:
        writer.put(symbol, day_of(stamp_ns), text)
    writer.close()
    return writer


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(-3, 3), st.integers(1, 80)), max_size=60),
    st.sampled_from([WriterSettings(), SMALL, WriterSettings(flush_s=0.0, member_bytes=1, max_waiting=1)]),
)
def test_every_line_is_read_back_in_order_from_the_file_of_its_day(
    tmp_path_factory: pytest.TempPathFactory, read: Read, plan: list[tuple[str, int, int]], how: WriterSettings
) -> None:
    directory = tmp_path_factory.mktemp("w")
    lines = [
        (symbol, MIDNIGHT_NS + offset, line(MIDNIGHT_NS + offset, n) * size)
        for n, (symbol, offset, size) in enumerate(plan)
    ]
    writer = write_all(directory, lines, how)
    expected: dict[str, bytes] = {}
    for symbol, stamp_ns, text in lines:
        name = file_name(symbol, day_of(stamp_ns))
        expected[name] = expected.get(name, b"") + text
    assert {name: b"".join(read(directory / name)) for name in os.listdir(directory)} == expected
    assert sum(each.text_bytes for each in writer.counts.values()) == sum(map(len, expected.values()))


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from("ab"), st.integers(-2 * DAY_NS, 2 * DAY_NS), st.sampled_from([0, 100, 400]), st.booleans()
        ),
        max_size=40,
    )
)
def test_stepping_wall_clock_changes_stamps_and_never_what_is_written(
    tmp_path_factory: pytest.TempPathFactory, read: Read, plan: list[tuple[str, int, int, bool]]
) -> None:
    """Steps of up to two days either way, over midnight and back: a line goes to the day of its stamp, in the order it came."""
    folder = tmp_path_factory.mktemp("w")
    clock, expected = ManualClock(MIDNIGHT_NS), {}
    writer = Writer(folder, SMALL, clock=clock)
    for n, (symbol, step_ns, wait_s, close) in enumerate(plan):
        clock.step_wall(step_ns)
        clock.advance(wait_s * SECOND_NS)
        stamp_ns = clock.wall_ns()
        writer._append((symbol, day_of(stamp_ns)), line(stamp_ns, n), 1)
        expected.setdefault(file_name(symbol, day_of(stamp_ns)), []).append(line(stamp_ns, n))
        if close:
            writer._close_finished()
            assert (symbol, day_of(stamp_ns)) in writer._files, "the file in use was closed"
    writer.close()
    assert {name: read(folder / name) for name in os.listdir(folder)} == expected


def test_midnight_opens_the_next_file_without_closing_the_last(tmp_path: Path, read: Read) -> None:
    before, after = MIDNIGHT_NS - 1, MIDNIGHT_NS
    write_all(tmp_path, [("a", before, line(before, 1)), ("a", after, line(after, 2)), ("a", before, line(before, 3))])
    assert read(tmp_path / file_name("a", day_of(before))) == [line(before, 1), line(before, 3)]
    assert read(tmp_path / file_name("a", day_of(after))) == [line(after, 2)]


def test_late_line_is_appended_to_a_finished_day(tmp_path: Path, read: Read) -> None:
    before = MIDNIGHT_NS - 1
    clock = ManualClock(MIDNIGHT_NS)
    writer = Writer(tmp_path, SMALL, clock=clock)
    path = tmp_path / file_name("a", day_of(before))
    writer._append(("a", day_of(before)), line(before, 1), 1)
    earlier = path.read_bytes()
    writer._close_finished()
    assert list(writer._files) == [("a", day_of(before))]
    clock.advance(1)
    writer._append(("a", day_of(MIDNIGHT_NS)), line(MIDNIGHT_NS, 5), 1)
    clock.advance(300 * SECOND_NS)
    writer._close_finished()
    assert list(writer._files) == [("a", day_of(MIDNIGHT_NS))]
    writer._append(("a", day_of(before)), line(before, 2), 1)
    writer.close()
    assert path.read_bytes().startswith(earlier)
    assert read(path) == [line(before, 1), line(before, 2)]


def test_restart_on_the_same_day_appends(tmp_path: Path, read: Read) -> None:
    write_all(tmp_path, [("a", MIDNIGHT_NS, line(MIDNIGHT_NS, 1))])
    earlier = (tmp_path / file_name("a", day_of(MIDNIGHT_NS))).read_bytes()
    write_all(tmp_path, [("a", MIDNIGHT_NS, line(MIDNIGHT_NS, 2))])
    path = tmp_path / file_name("a", day_of(MIDNIGHT_NS))
    assert path.read_bytes().startswith(earlier)
    assert read(path) == [line(MIDNIGHT_NS, 1), line(MIDNIGHT_NS, 2)]


def test_quiet_file_is_readable_while_the_writer_runs(tmp_path: Path, read: Read) -> None:
    written = threading.Event()
    writer = Writer(tmp_path, WriterSettings(flush_s=0.01))
    record = writer._record

    def told(*args: object) -> None:
        record(*args)  # type: ignore[arg-type]
        written.set()

    writer._record = told  # type: ignore[method-assign, assignment]
    writer.start()
    writer.put("a", Day(20_000), line(1, 1))
    assert written.wait(30)
    assert read(tmp_path / file_name("a", Day(20_000))) == [line(1, 1)]
    writer.close()


def test_producer_waits_when_too_much_is_unwritten_and_nothing_is_dropped(tmp_path: Path, read: Read) -> None:
    gate = threading.Event()
    writer = Writer(tmp_path, WriterSettings(flush_s=0.0, max_waiting=50))
    append = writer._append

    def held(*args: object) -> None:
        gate.wait(30)
        append(*args)  # type: ignore[arg-type]

    writer._append = held  # type: ignore[method-assign, assignment]
    writer.start()
    done = threading.Event()

    def produce() -> None:
        for n in range(20):
            writer.put("a", Day(1), line(5, n))
        done.set()

    producer = threading.Thread(target=produce)
    producer.start()
    assert not done.wait(0.2)
    gate.set()
    producer.join(30)
    writer.close()
    assert read(tmp_path / file_name("a", Day(1))) == [line(5, n) for n in range(20)]


def hung_writer(directory: Path, clock: ManualClock, gate: threading.Event, **more: Any) -> Writer:
    """A writer whose worker waits at the gate, as in write(2) on a disk that hangs."""
    writer = Writer(directory, WriterSettings(flush_s=0.0, max_waiting=50), clock=clock, **more)
    append, entered = writer._append, threading.Event()

    def held(*args: object) -> None:
        entered.set()
        gate.wait(60)
        append(*args)  # type: ignore[arg-type]

    writer._append = held  # type: ignore[method-assign, assignment]
    writer.start()
    writer.put("a", Day(1), line(5, 0))
    assert entered.wait(30)
    return writer


def test_offer_never_waits_and_refuses_until_half_is_written(tmp_path: Path, read: Read) -> None:
    gate = threading.Event()
    writer = hung_writer(tmp_path, ManualClock(), gate)
    took = [writer.offer("a", Day(1), line(5, n)) for n in range(1, 20)]
    assert took.index(False) < 8
    assert not any(took[took.index(False) :])
    assert writer._waiting < 50 + 20
    gate.set()
    writer.close()
    assert len(read(tmp_path / file_name("a", Day(1)))) == 1 + sum(took)


def test_put_gives_up_when_the_recorder_ends_and_the_disk_takes_nothing(tmp_path: Path) -> None:
    gate, clock, ending = threading.Event(), ManualClock(), threading.Event()
    writer = hung_writer(tmp_path, clock, gate, is_ending=ending.is_set)
    while writer.offer("a", Day(1), line(5, 1)):
        pass
    refused: list[CollectorError] = []

    def produce() -> None:
        try:
            writer.put("a", Day(1), line(5, 2))
        except CollectorError as error:
            refused.append(error)

    producer = threading.Thread(target=produce)
    producer.start()
    clock.advance(11 * SECOND_NS)
    producer.join(0.5)
    assert producer.is_alive(), "gave up although the recorder goes on"
    ending.set()
    producer.join(30)
    assert isinstance(refused[0], WriteStalled)
    gate.set()
    writer.close()


def test_close_gives_up_with_words_when_the_disk_takes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gate, clock = threading.Event(), ManualClock()
    writer = hung_writer(tmp_path, clock, gate)
    clock.advance(11 * SECOND_NS)
    with pytest.raises(WriteStalled, match="not written and lost"):
        writer.close()
    assert "a second signal ends at once" in caplog.text
    gate.set()
    writer.close()


def test_failure_reaches_the_producer_and_other_files_are_completed(
    tmp_path: Path, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = DayFile.append

    def full(self: DayFile, member: bytes) -> None:
        if self.path.name.startswith("a_"):
            raise WriteFailed(self.path, ENOSPC)
        append(self, member)

    monkeypatch.setattr(DayFile, "append", full)
    failed = threading.Event()
    writer = Writer(tmp_path, WriterSettings(flush_s=0.05), on_failed=failed.set)
    writer.start()
    writer.put("a", Day(1), line(1, 1))
    writer.put("b", Day(1), line(1, 2))
    assert failed.wait(30)
    with pytest.raises(WriteFailed, match="No space"):
        writer.put("a", Day(1), line(1, 3))
    with pytest.raises(WriteFailed):
        writer.close()
    assert read(tmp_path / file_name("b", Day(1))) == [line(1, 2)]
    assert read(tmp_path / file_name("a", Day(1))) == []


def test_waiting_producer_is_freed_by_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: DayFile, member: bytes) -> None:
        raise WriteFailed(self.path, ENOSPC)

    monkeypatch.setattr(DayFile, "append", full)
    writer = Writer(tmp_path, WriterSettings(flush_s=0.0, max_waiting=1))
    writer.start()

    def produce_for_ever() -> None:
        while True:
            writer.put("a", Day(1), line(1, 1))

    with pytest.raises(WriteFailed):
        produce_for_ever()
    with pytest.raises(WriteFailed):
        writer.close()


def test_bug_in_the_worker_reaches_the_producer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "pack", lambda text: 1 / 0)
    failed = threading.Event()
    writer = Writer(tmp_path, WriterSettings(flush_s=0.0), on_failed=failed.set)
    writer.start()
    writer.put("a", Day(1), line(1, 1))
    assert failed.wait(30)
    with pytest.raises(CollectorError, match="ZeroDivision"):
        writer.close()


GAP = b'1 {"e":"gap","E":0,"s":"A","ns":1,"reason":"file changed"}\n'


def test_file_that_is_moved_away_is_made_anew_and_says_that_its_beginning_is_missing(
    tmp_path: Path, read: Read
) -> None:
    writer = Writer(tmp_path, SMALL)
    key = ("a", Day(1))
    writer._append(key, line(1, 1), 1)
    (tmp_path / file_name(*key)).rename(tmp_path / "away.gz")
    writer._append(key, line(1, 2), 1)
    assert (writer.take_hole("b"), writer.take_hole("a"), writer.take_hole("a")) == (False, True, False)
    writer.close()
    assert read(tmp_path / "away.gz") == [line(1, 1)]
    assert read(tmp_path / file_name(*key)) == [GAP, line(1, 2)]


@pytest.mark.parametrize("length", [0, 25])
def test_file_cut_by_another_program_stays_readable_and_says_so(
    tmp_path: Path, read: Read, caplog: pytest.LogCaptureFixture, length: int
) -> None:
    writer = Writer(tmp_path, SMALL)
    path = tmp_path / file_name("a", Day(1))
    writer._append(("a", Day(1)), line(1, 1), 1)
    os.truncate(path, length)
    writer._append(("a", Day(1)), line(1, 2), 1)
    assert read(path) == [GAP, line(1, 2)]
    assert writer.take_hole("a")
    writer._append(("a", Day(1)), line(1, 3), 1)
    assert read(path) == [GAP, line(1, 2), line(1, 3)]
    assert "another program" in caplog.text
    writer.close()
    assert writer.counts["a", Day(1)].lines == 4


def test_second_writer_of_the_same_file_is_refused_at_the_start(tmp_path: Path) -> None:
    first, second = (Writer(tmp_path, clock=ManualClock(MIDNIGHT_NS)) for _ in range(2))
    first.open("a")
    with pytest.raises(FileInUse):
        second.open("a")
    first.close()
    second.close()
