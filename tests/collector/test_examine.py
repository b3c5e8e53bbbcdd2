"""verify finds what is wrong and nothing else; repair mends it and loses nothing."""

import gzip
import json
import random
from pathlib import Path

import pytest
from collector.day_file import DayFile
from collector.examine import examine, join_days, repair
from collector.manifest_file import make_manifest, manifest_path, write_manifest
from collector.members import pack
from collector.rotation import Day

from tests.collector.market import DAY, START_NS, depth, recorded, text_of, write


def made(folder: Path) -> Path:
    path = write(folder, recorded(range(60)))
    write_manifest(path, make_manifest(path)[2])
    return path


def test_what_is_whole_has_no_fault(tmp_path: Path) -> None:
    found = examine(made(tmp_path))
    assert (found.faults, found.notes) == ([], [])
    assert json.loads(json.dumps(found.plain()))["lines"] == 182


def test_a_recording_without_a_manifest_is_whole_all_the_same(tmp_path: Path) -> None:
    found = examine(write(tmp_path, recorded(range(60))))
    assert found.faults == []
    assert "no manifest" in found.notes[0]


@pytest.mark.parametrize("name", ["lines", "streams", "gaps", "index", "anchors"])
def test_a_manifest_that_says_otherwise_is_a_fault_and_made_anew(tmp_path: Path, name: str) -> None:
    path = made(tmp_path)
    stated = json.loads(manifest_path(path).read_text())
    stated[name] = 5 if name == "lines" else {} if name == "streams" else []
    manifest_path(path).write_text(json.dumps(stated))
    assert "manifest" in examine(path).faults[0]
    assert repair(path) == ["the manifest was made anew"]
    assert examine(path).faults == []


def test_a_manifest_that_is_behind_is_no_fault(tmp_path: Path) -> None:
    path = made(tmp_path)
    with path.open("ab") as file:
        file.write(pack(text_of(recorded(range(60, 62), begins=False)[:3])))
    found = examine(path)
    assert found.faults == []
    assert "behind" in found.notes[0]


@pytest.mark.parametrize("cut", [1, 9, 60, 300])
def test_a_torn_end_is_found_and_mended_without_losing_a_line(tmp_path: Path, cut: int) -> None:
    path = made(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[:-cut])
    whole = examine(path)
    assert "torn" in whole.faults[0]
    done = repair(path)
    assert "lines of them saved" in done[0]
    after = examine(path)
    assert after.faults == []
    assert after.tally.lines >= whole.tally.lines
    assert gzip.decompress(data).startswith(gzip.decompress(path.read_bytes()))
    assert repair(path) == []


def test_damage_is_named_and_repair_keeps_the_original(tmp_path: Path) -> None:
    path = made(tmp_path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    before = examine(path)
    assert before.faults[0].startswith("damaged")
    repair(path)
    after = examine(path)
    assert after.tally.lines > before.tally.lines, "members behind the damage are kept"
    assert any("holds what was taken out" in note for note in after.notes)
    kept = next(tmp_path.glob("*.damaged-*")).read_bytes()
    assert bytes(data).endswith(kept)
    assert all(not hole.stated for hole in after.tally.gaps[1:]), "what the damage cost shows in the ids"


def test_any_one_wrong_byte_is_found(tmp_path: Path) -> None:
    path = made(tmp_path)
    data, rng = path.read_bytes(), random.Random(5)
    for _ in range(25):
        at = rng.randrange(len(data))
        changed = bytearray(data)
        changed[at] ^= 1 << rng.randrange(8)
        path.write_bytes(changed)
        assert examine(path).faults, at


def test_holes_that_no_gap_line_states_are_faults(tmp_path: Path) -> None:
    path = write(tmp_path, [line for line in recorded(range(60)) if line[1] != depth(30)])
    assert "1 holes in the ids that no gap line states, the first behind 1290" in examine(path).faults[0]


def test_unreadable_lines_and_other_days_are_faults(tmp_path: Path) -> None:
    path = write(tmp_path, [*recorded(range(5)), (START_NS, b"{"), (START_NS * 2, depth(5))])
    assert len(examine(path).faults) == 2


def test_something_else_is_no_recording_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "btcusdt_20241004.gz"
    path.write_bytes(gzip.compress(b"a,b,c\n1,2,3\n"))
    before = path.read_bytes()
    assert "no recording" in examine(path).faults[0]
    with pytest.raises(Exception, match="no recording"):
        repair(path)
    assert path.read_bytes() == before


def test_one_that_is_being_written_is_left_to_its_recorder(tmp_path: Path) -> None:
    path = made(tmp_path)
    writing = DayFile(path)
    try:
        assert "left alone" in repair(path)[0]
        with path.open("ab") as file:
            file.write(pack(b"x" * 100)[:20])
        assert examine(path).faults == []
    finally:
        writing.close()


def test_days_that_do_not_follow_each_other_are_a_fault(tmp_path: Path) -> None:
    day_ns = 86_400_000_000_000
    ends = write(tmp_path, recorded(range(10)))
    later = [(stamp_ns + day_ns, body) for stamp_ns, body in recorded(range(10, 20), begins=False)]
    goes_on = write(tmp_path, later, day=Day(DAY + 1))
    found = [examine(ends), examine(goes_on)]
    join_days(found)
    assert [each.faults for each in found] == [[], []]
    write(tmp_path, later[3:], day=Day(DAY + 1))
    found = [examine(ends), examine(goes_on)]
    join_days(found)
    assert "does not follow 1090 of the day before" in found[1].faults[-1]
