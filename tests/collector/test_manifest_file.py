"""Manifests on disk: exact after every end of a recorder, also one that comes between a member and the manifest."""

import json
from pathlib import Path

import pytest
from collector.clock_check import ClockCheck
from collector.manifest_file import (
    Manifests,
    count,
    differences,
    make_manifest,
    manifest_path,
    read_manifest,
    recordings,
)
from collector.members import pack
from collector.record import Content
from collector.rotation import DAY_NS
from collector.writer import Writer, WriterSettings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marketlink.clock import ManualClock

from tests.collector.market import DAY, START_NS, SYMBOL, Line, recorded, text_of, write

SMALL = WriterSettings(flush_s=0.0, member_bytes=100)


def record(folder: Path, lines: list[Line], **facts: object) -> Manifests:
    clock = ManualClock(lines[0][0])
    manifests = Manifests("binancefutures", clock=clock)
    manifests.state(SYMBOL, **facts)
    writer = Writer(folder, SMALL, content=Content.DIRECT, clock=clock, keeper=manifests)
    writer.open(SYMBOL)
    writer.start()
    manifests.start()
    for line in lines:
        writer.put(SYMBOL, DAY, text_of([line]))
    writer.close()
    manifests.close()
    return manifests


def true_of(path: Path) -> dict[str, object]:
    return make_manifest(path)[2]


def stated_in(path: Path) -> dict[str, object]:
    stated = read_manifest(path)
    assert stated is not None
    return stated


def test_a_recorder_leaves_a_true_manifest_and_says_what_no_line_does(tmp_path: Path) -> None:
    record(tmp_path, recorded(range(20)), tick_size="0.1", lot_size="0.001", clock={"ahead_ns": 5})
    (path,) = recordings(tmp_path)
    stated = stated_in(path)
    assert differences(true_of(path), stated) == []
    (run,) = stated["runs"]  # type: ignore[misc]
    assert (run["source"], run["tick_size"], run["clock"]) == ("binancefutures", "0.1", {"ahead_ns": 5})
    assert stated["content"] == Content.DIRECT.value
    assert stated["lines"] == 62


def test_a_second_run_goes_on_and_both_are_told(tmp_path: Path) -> None:
    record(tmp_path, recorded(range(20)))
    record(tmp_path, recorded(range(40, 50)))
    (path,) = recordings(tmp_path)
    stated = stated_in(path)
    assert differences(true_of(path), stated) == []
    assert len(stated["runs"]) == 2  # type: ignore[arg-type]
    assert [gap["cause"] for gap in stated["gaps"]] == ["recorder started", "recorder was not running"]  # type: ignore[attr-defined]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.integers(0, 200), st.integers(0, 200), st.sampled_from(["kept", "gone", "torn", "empty"]))
def test_after_a_kill_the_next_run_makes_it_exact(
    tmp_path_factory: pytest.TempPathFactory, written: int, more: int, manifest: str
) -> None:
    """A kill leaves a manifest of any earlier moment, none, or (a power failure) half of one, and a file cut anywhere."""
    folder = tmp_path_factory.mktemp("m")
    path = write(folder, recorded(range(60)))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * written // 200])
    manifest_path(path).write_text(json.dumps(make_manifest(path)[2]))
    path.write_bytes(data[: len(data) * max(more, written) // 200])
    text = manifest_path(path).read_text()
    match manifest:
        case "gone":
            manifest_path(path).unlink()
        case "torn":
            manifest_path(path).write_text(text[: len(text) // 2])
        case "empty":
            manifest_path(path).write_text("")
    record(folder, recorded(range(100, 105)))
    assert differences(true_of(path), stated_in(path)) == []
    assert count(path)[0].dump() == count(path, stated_in(path))[0].dump()


def test_a_manifest_of_other_bytes_is_not_believed(tmp_path: Path) -> None:
    path = write(tmp_path, recorded(range(20)))
    stated = make_manifest(path)[2]
    write(tmp_path, recorded(range(30, 60)))
    assert count(path, stated)[0].dump() == count(path)[0].dump()


def test_a_manifest_that_can_not_be_written_does_not_end_the_recording(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manifest_path(tmp_path / f"{SYMBOL}_20241004.gz").mkdir()
    record(tmp_path, recorded(range(20)))
    (path,) = recordings(tmp_path)
    assert count(path)[0].lines == 62
    assert not list(tmp_path.glob(".*"))
    assert sum("no manifest" in message for message in caplog.messages) == 1


def test_a_fault_of_the_manifests_does_not_end_the_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(Manifests, "appended", fails)
    record(tmp_path, recorded(range(20)))
    (path,) = recordings(tmp_path)
    assert count(path)[0].lines == 62


def test_it_is_written_now_and_then_and_not_with_every_member(tmp_path: Path) -> None:
    clock = ManualClock(START_NS)
    manifests = Manifests("binancefutures", clock=clock)
    path = write(tmp_path, recorded(range(3)))
    manifests.appended(path, changed=False)
    manifests.turn()
    before = stated_in(path)["lines"]
    with path.open("ab") as file:
        file.write(pack(text_of(recorded(range(3, 5)))))
    manifests.appended(path, changed=False)
    manifests.turn()
    assert stated_in(path)["lines"] == before
    clock.advance(31_000_000_000)
    manifests.turn()
    assert stated_in(path)["lines"] != before
    assert differences(true_of(path), stated_in(path)) == []


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    steps=st.lists(st.sampled_from(["append", "turn", "part", "rewrite", "replace", "close"]), max_size=12),
    seed=st.integers(0, 99),
)
def test_whatever_happens_to_the_file_between_turns_it_is_exact_at_the_end(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str], seed: int
) -> None:
    """Members come whole or in parts, the file is cut and written anew in place or in another file of the name."""
    folder = tmp_path_factory.mktemp("m")
    manifests = Manifests("binancefutures", clock=ManualClock(START_NS))
    path = write(folder, recorded(range(3)))
    manifests.appended(path, changed=False)
    for number, step in enumerate(steps):
        member = pack(text_of(recorded(range(10 * number + seed, 10 * number + seed + 4))))
        match step:
            case "append":
                with path.open("ab") as file:
                    file.write(member)
                manifests.appended(path, changed=False)
            case "part":  # a turn in the middle of a write
                with path.open("ab", buffering=0) as file:
                    file.write(member[: len(member) // 2])
                    manifests.appended(path, changed=False)
                    manifests.turn()
                    file.write(member[len(member) // 2 :])
                manifests.appended(path, changed=False)
            case "rewrite":
                with path.open("r+b") as file:
                    file.truncate(0)
                    file.write(member)
                manifests.appended(path, changed=True)
            case "replace":
                path.unlink()
                path.write_bytes(member)
                manifests.appended(path, changed=True)
            case "close":
                manifests.closed(path)
                manifests.turn()
            case _:
                manifests.turn()
    manifests.appended(path, changed=False)
    manifests.closed(path)
    manifests.turn()
    assert differences(true_of(path), stated_in(path)) == []


def test_the_clock_is_bounded_by_the_quickest_answer() -> None:
    check = ClockCheck()
    check.on_answer(100, 300, 1200)
    check.on_answer(1000, 1050, 2025)
    check.on_answer(5000, 5200, 5200)  # bears no time: the decoder puts in that of receipt
    assert check.best is not None
    assert (check.best.ahead_ns, check.best.within_ns, check.best.at_ns) == (1000, 25, 1050)


def test_only_recordings_are_taken_for_them(tmp_path: Path) -> None:
    path = write(tmp_path / "in" / "side", recorded(range(3)))
    for name in ("btcusdt_2024.gz", "btcusdt_20241399.gz", f"{path.name}.torn-5", "x.txt"):
        (tmp_path / name).write_bytes(b"")
    assert recordings(tmp_path) == [path]
    assert DAY * DAY_NS < START_NS
