"""Looks at recordings after the fact: are they whole, is what they say of themselves true, and what can be mended."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from collector.day_file import DayFile, View, lock_holder
from collector.errors import CollectorError, FileInUse
from collector.manifest_file import (
    content_words,
    count,
    differences,
    document,
    key_of,
    make_manifest,
    manifest_path,
    read_manifest,
    runs_of,
    trusted,
    write_manifest,
)
from collector.members import mend
from collector.record import Content
from collector.rotation import Day
from collector.tally import Tally, goes_on

_NO_RECORDING = {Content.NO_RECORDING.value, Content.OTHER.value}


@dataclass(slots=True)
class Examined:
    """A recording: what it holds, `faults` that should not be, `notes` that a person should know. `manifest` is the true one, `writer` the
    process that writes it now."""

    path: Path
    size: int
    tally: Tally
    manifest: dict[str, Any]
    writer: int | None = None
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {"path": str(self.path), "size": self.size, "faults": self.faults, "notes": self.notes, **self.manifest}


def examine(recording: Path) -> Examined:
    """Read all of a recording and compare it with its manifest. Raises OSError."""
    stated = read_manifest(recording)
    tally, size, true = make_manifest(recording)
    found = Examined(recording, size, tally, true)
    holder = found.writer = lock_holder(recording.stat().st_ino)
    if true["content"] in _NO_RECORDING:
        found.faults.append(true["content"])
        return found
    if tally.file_bytes < size:
        _judge_end(found, holder)
    for count_of, what in (
        (tally.unreadable, "lines that can't be read"),
        (tally.foreign_day, "lines with a stamp of another day"),
    ):
        if count_of:
            found.faults.append(f"{count_of} {what}")
    unstated = [hole for hole in tally.gaps if not hole.stated]
    if unstated:
        first = unstated[0]
        found.faults.append(
            f"{len(unstated)} holes in the ids that no gap line states, the first behind {first.after_id} at {first.at_ns}"
        )
    if tally.stamps_back:
        found.notes.append(f"{tally.stamps_back} stamps lie before the one above")
    if holder is not None:
        found.notes.append(f"is being written by process {holder}")
    _judge_manifest(found, stated)
    _name_side_files(found)
    return found


def join_days(files: Sequence[Examined]) -> None:
    """Add the faults that only two days side by side show: a file that goes on must begin where the day before ends."""
    by_key = {(each.path.parent, key_of(each.path)): each for each in files}
    for each in files:
        key = key_of(each.path)
        assert key is not None
        before = by_key.get((each.path.parent, (key[0], Day(key[1] - 1))))
        if before is None or not each.tally.continued or goes_on(before.tally, each.tally):
            continue
        ours, theirs = each.tally.streams[each.tally.base], before.tally.streams[each.tally.base]
        each.faults.append(
            f"begins with update {ours.first_id}, which does not follow {theirs.last_id} of the day before, and no gap line says so"
        )


def repair(recording: Path) -> list[str]:
    """Mend a recording's end and write its manifest anew; say what was done. Raises CollectorError, OSError.

    One that is being written is left to its recorder. Nothing that was whole is touched, see `day_file`.
    """
    stated = read_manifest(recording)
    before = manifest_path(recording).exists()
    try:
        file = DayFile(recording)
    except FileInUse as error:
        return [f"left alone: it is being written by process {error.pid}"]
    try:
        done = [
            repair.text + ("" if repair.kept is None else f"; kept as {repair.kept.name}") for repair in file.repairs
        ]
        tally, _ = count(recording)
        true = document(recording, tally, runs_of(stated), content_words(recording))
        if stated is None or differences(true, stated):
            write_manifest(recording, true)
            done.append("the manifest was made anew" if before else "a manifest was made")
    finally:
        file.close()
    return done


def repair_all(files: Sequence[Path]) -> tuple[dict[Path, list[str]], dict[Path, str]]:
    """Repair recordings; return what was done to each, and why nothing could be done to some."""
    done: dict[Path, list[str]] = {}
    refused: dict[Path, str] = {}
    for path in files:
        try:
            done[path] = repair(path)
        except (CollectorError, OSError) as error:
            refused[path] = str(error)
    return done, refused


def _judge_end(found: Examined, holder: int | None) -> None:
    rest = found.size - found.tally.file_bytes
    if holder is not None:
        return
    fd = os.open(found.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        mended = mend(View(fd, found.size)[found.tally.file_bytes : found.size])
    finally:
        os.close(fd)
    where = f"from byte {found.tally.file_bytes} on, {rest} bytes"
    if mended.torn:
        found.faults.append(f"the end is torn {where}: `collector repair` brings back {mended.lines_saved} lines of it")
    else:
        found.faults.append(
            f"damaged {where}; {len(mended.data)} of them are whole members, which `collector repair` keeps"
        )


def _judge_manifest(found: Examined, stated: dict[str, Any] | None) -> None:
    if stated is None:
        found.notes.append("has no manifest: `collector repair` makes it")
        return
    reached = trusted(found.path, stated)
    if reached is None:
        found.faults.append("the manifest is of other bytes: `collector repair` makes it anew")
        return
    behind = found.tally.file_bytes - reached.file_bytes
    wrong = differences(found.tally.dump(), count(found.path, stated)[0].dump() if behind else stated)
    if wrong:
        found.faults.append(f"the manifest says otherwise: {', '.join(wrong)}")
    elif behind:
        found.notes.append(f"the manifest is {behind} bytes behind, as it is while the recorder runs and after a kill")


def _name_side_files(found: Examined) -> None:
    prefix = f"{found.path.name}."
    for side in sorted(found.path.parent.glob(f"{found.path.name}.*")):
        kind = side.name.removeprefix(prefix).partition("-")[0]
        if kind == "torn":
            found.faults.append(f"{side.name}: a repair was interrupted: `collector repair` ends it")
        elif kind in ("damaged", "stray"):
            found.notes.append(f"{side.name} holds what was taken out")
