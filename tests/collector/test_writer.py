"""The writer's thread with a clock that stands still or is pushed; what it wrote is read the slow way."""

import os
import threading
from collections.abc import Callable
from errno import ENOSPC
from pathlib import Path

import pytest
from collector import writer as writer_module
from collector.day_file import DayFile
from collector.errors import CollectorError, FileInUse, WriteFailed
from collector.rotation import DAY_NS, Day, day_of, file_name
from collector.writer import Writer, WriterSettings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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


def test_midnight_opens_the_next_file_without_closing_the_last(tmp_path: Path, read: Read) -> None:
    before, after = MIDNIGHT_NS - 1, MIDNIGHT_NS
    write_all(tmp_path, [("a", before, line(before, 1)), ("a", after, line(after, 2)), ("a", before, line(before, 3))])
    assert read(tmp_path / file_name("a", day_of(before))) == [line(before, 1), line(before, 3)]
    assert read(tmp_path / file_name("a", day_of(after))) == [line(after, 2)]


def test_late_line_is_appended_to_a_finished_day(tmp_path: Path, read: Read) -> None:
    before = MIDNIGHT_NS - 1
    now_s = [0.0]
    writer = Writer(tmp_path, SMALL, wall_ns=lambda: MIDNIGHT_NS, mono_s=lambda: now_s[0])
    path = tmp_path / file_name("a", day_of(before))
    writer._append(("a", day_of(before)), line(before, 1), 1)
    earlier = path.read_bytes()
    writer._close_finished()
    assert list(writer._files) == [("a", day_of(before))]
    now_s[0] = 300.0
    writer._close_finished()
    assert not writer._files
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


def test_file_that_is_moved_away_is_made_anew(tmp_path: Path, read: Read) -> None:
    writer = Writer(tmp_path, SMALL)
    key = ("a", Day(1))
    writer._append(key, line(1, 1), 1)
    (tmp_path / file_name(*key)).rename(tmp_path / "away.gz")
    writer._append(key, line(1, 2), 1)
    writer.close()
    assert read(tmp_path / "away.gz") == [line(1, 1)]
    assert read(tmp_path / file_name(*key)) == [line(1, 2)]


def test_second_writer_of_the_same_file_is_refused_at_the_start(tmp_path: Path) -> None:
    first, second = (Writer(tmp_path, wall_ns=lambda: MIDNIGHT_NS) for _ in range(2))
    first.open("a")
    with pytest.raises(FileInUse):
        second.open("a")
    first.close()
    second.close()
