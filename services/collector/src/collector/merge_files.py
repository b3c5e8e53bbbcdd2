"""Carries out a merge: files in, a new folder out. The sources are only read."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collector.day_file import View
from collector.errors import Refused
from collector.examine import Examined, examine
from collector.manifest_file import document, key_of, make_manifest, write_manifest
from collector.members import pack, walk
from collector.merging import Merged, Merging, refusal

_MEMBER: int = 1 << 20


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one symbol's day. `merged` is None where only one side had it: it was copied."""

    path: Path
    sources: tuple[Path, ...]
    merged: Merged | None

    def lines(self) -> list[str]:
        """Say it in words, A and B by their paths."""
        if self.merged is None:
            return [f"{self.path.name}: only in {self.sources[0].parent}: copied"]
        result = self.merged
        found = [f"{self.path.name}: {result.lines:,} lines, {result.both:,} in both"]
        for side, source in zip("ab", self.sources, strict=True):
            other = "b" if side == "a" else "a"
            streams = ", ".join(
                f"{count:,} {name or 'other'}" for name, count in result.only_by_stream[other].most_common()
            )
            lengths = [hole.length_ns for hole in result.filled[side] if hole.length_ns is not None]
            found.append(
                f"  {source}: heard {result.earlier[side]:,} first; lacked {result.only[other]:,} lines"
                f"{f' ({streams})' if streams else ''}; {len(result.filled[side])} of its gaps ({sum(lengths) / 1e9:.1f} s) are filled"
            )
        behind_ns = result.b_behind_ns
        if behind_ns is not None:
            found.append(f"  {self.sources[1]} stamps {behind_ns / 1e6:+.3f} ms after {self.sources[0]} (median)")
        found.append(f"  {result.left} places where something is missing in both")
        for count, words in (
            (result.differ, "with different content under one id; that of who heard it first, or A, stands"),
            (result.late, "lines more than 30 s apart in the two: they are left out. Do the clocks agree?"),
            (result.repeated, "lines twice in the same recording: once in the result"),
        ):
            if count:
                found.append(f"  {count:,} {words}")
        return found

    def plain(self) -> dict[str, Any]:
        """Return it for JSON."""
        base = {"path": str(self.path), "sources": [str(each) for each in self.sources], "copied": self.merged is None}
        result = self.merged
        if result is None:
            return base
        sides = {
            side: {
                "only": result.only[side],
                "only_by_stream": dict(result.only_by_stream[side]),
                "earlier": result.earlier[side],
                "gaps_filled": len(result.filled[side]),
                "gaps_filled_ns": sum(hole.length_ns or 0 for hole in result.filled[side]),
            }
            for side in "ab"
        }
        names = ("lines", "both", "left", "late", "repeated", "differ", "b_behind_ns")
        return {**base, **{name: getattr(result, name) for name in names}, **sides}


def pairs(a: Path, b: Path) -> list[tuple[Path, ...]]:
    """Return what belongs together: two files, or the recordings of two folders by name. Raises Refused."""
    if a.is_file() and b.is_file():
        if key_of(a) is None or key_of(a) != key_of(b):
            raise Refused(f"{a.name} and {b.name} are not one symbol's day: both must be named alike")
        return [(a, b)]
    for folder in (a, b):
        if not folder.is_dir():
            raise Refused(f"{folder} is no folder")
    found = [{path.name: path for path in folder.glob("*.gz") if key_of(path)} for folder in (a, b)]
    names = sorted(found[0] | found[1])
    if not names:
        raise Refused(f"there is no recording in {a} and {b}")
    return [tuple(each[name] for each in found if name in each) for name in names]


def merge(sources: tuple[Path, ...], into: Path) -> Outcome:
    """Merge two recordings of a symbol's day, or copy one that is alone. Raises Refused, OSError; then nothing is left in `into`."""
    target = into / sources[0].name
    if any(target.resolve() == each.resolve() for each in sources):
        raise Refused(f"{target} is one of the sources: merge into another folder")
    if target.exists():
        raise Refused(f"{target} is there already: merge into another folder")
    examined = [examine(source) for source in sources]
    for each in examined:
        if each.tally.file_bytes < each.size and each.writer is None:
            raise Refused(f"{each.path}: {each.faults[0]}")
    unfinished = target.with_name(f".{target.name}.tmp")
    try:
        merged: Merged | None = None
        if len(examined) == 2:
            merged = _merge(examined, unfinished)
        else:
            _copy(examined[0], unfinished)
        os.replace(unfinished, target)
    finally:
        unfinished.unlink(missing_ok=True)
    tally, _, _ = make_manifest(target)
    runs = {json.dumps(run, sort_keys=True): run for each in examined for run in each.manifest["runs"]}
    write_manifest(target, document(target, tally, runs.values(), examined[0].manifest["content"]))
    return Outcome(target, sources, merged)


def _copy(one: Examined, target: Path) -> None:
    with target.open("xb") as out:
        for part in _bytes(one):
            out.write(part)


def _merge(examined: list[Examined], target: Path) -> Merged:
    a, b = examined
    why = refusal(a.tally, b.tally, a.manifest, b.manifest)
    if why is not None:
        raise Refused(f"{a.path} and {b.path} are not the same market: {why}")
    key = key_of(a.path)
    assert key is not None
    merging = Merging(key[0], a.tally, b.tally)
    with target.open("xb") as out:
        text = b""
        for part in merging.run(_texts(a), _texts(b)):
            text += part
            while len(text) >= _MEMBER:
                cut = text.index(b"\n", _MEMBER - 1) + 1
                out.write(pack(text[:cut]))
                text = text[cut:]
        out.write(pack(text))
        out.flush()
        os.fdatasync(out.fileno())
    if merging.is_two_markets:
        result = merging.result
        what = f"{result.differ:,} of {result.compared:,} differ" if result.compared else "nothing is in both"
        raise Refused(
            f"{a.path} and {b.path} are not the same market, or their clocks are far apart: of the same time, and {what}"
        )
    return merging.result


def _texts(one: Examined) -> Iterator[bytes]:
    """The text of the whole members that were examined: one that is being written may have grown since."""
    fd = os.open(one.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        for text, _ in walk(View(fd, one.tally.file_bytes)):
            yield text
    finally:
        os.close(fd)


def _bytes(one: Examined) -> Iterator[bytes]:
    fd = os.open(one.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        data = View(fd, one.tally.file_bytes)
        for at in range(0, len(data), _MEMBER):
            yield data[at : min(at + _MEMBER, len(data))]
    finally:
        os.close(fd)
