"""A manifest beside each recording: `{symbol}_{YYYYMMDD}.manifest.json`, what the file holds, derived from it (docs/formats.md section 3).

    recording opened ──► manifest read, its checksums compared ──► what is behind it is counted ──► written now and then

It is only ever written whole, under another name first. It may lag behind the recording, and after a kill it does: whoever reads it next
goes on counting where it ends. What a recording itself does not say (`runs`: version, sizes, clock) is kept from manifest to manifest.
"""

import contextlib
import json
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from errno import ENOTDIR
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import orjson
from marketlink.clock import Clock, SystemClock
from marketlink.times import SECOND_NS, MonoNs, after

from collector.day_file import View
from collector.members import first_text, walk
from collector.record import content_of
from collector.rotation import EPOCH, Day, FileKey
from collector.tally import FORMAT, Tally

log = logging.getLogger("collector")
WRITE_S: Final = 30.0
SUFFIX: Final = ".manifest.json"
_RECORDING: Final = re.compile(r"(?P<symbol>.+)_(?P<day>\d{8})\.gz")
_PART: Final = 1 << 20
_PIECE: Final = 1 << 14  # text that is counted in one go: half a millisecond in which no other thread runs
_PAUSE_S: Final = 0.0002
_LOOK_S: Final = 1.0
Run = dict[str, Any]


def manifest_path(recording: Path) -> Path:
    """Return where a recording's manifest is."""
    return recording.with_name(recording.name.removesuffix(".gz") + SUFFIX)


def key_of(recording: Path) -> FileKey | None:
    """Return symbol and day of a recording's name; None for a name of another form."""
    found = _RECORDING.fullmatch(recording.name)
    if found is None:
        return None
    try:
        return found["symbol"], Day(date.fromisoformat(found["day"]).toordinal() - EPOCH)
    except ValueError:
        return None


def recordings(directory: Path) -> list[Path]:
    """Return the recordings in a directory and below it, folder by folder and by name. Raises OSError."""
    if not directory.is_dir():
        raise NotADirectoryError(ENOTDIR, os.strerror(ENOTDIR), str(directory))
    found = [path for path in directory.rglob("*.gz") if key_of(path) and path.is_file() and not path.is_symlink()]
    return sorted(found)


def read_manifest(recording: Path) -> dict[str, Any] | None:
    """Return a recording's manifest; None where there is none that can be read."""
    try:
        found = orjson.loads(manifest_path(recording).read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("format") == FORMAT else None


def document(recording: Path, tally: Tally, runs: Iterable[Run], content: str | None) -> dict[str, Any]:
    """Return a manifest's content."""
    symbol, _, _ = recording.name.rpartition("_")
    return {
        "format": FORMAT,
        "file": recording.name,
        "symbol": symbol,
        "day": date.fromordinal(EPOCH + tally.day).isoformat(),
        "software": f"collector {version('collector')}",
        "content": content,
        "runs": list(runs),
        **tally.dump(),
    }


def write_manifest(recording: Path, content: Mapping[str, Any]) -> None:
    """Put a manifest in the place of the one before, whole or not at all. Raises OSError."""
    path = manifest_path(recording)
    unfinished = path.with_name(f".{path.name}.tmp")
    try:
        unfinished.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
        os.replace(unfinished, path)
    except OSError:
        with contextlib.suppress(OSError):  # of a full disk half of one may be there
            unfinished.unlink()
        raise


def count(recording: Path, known: Mapping[str, Any] | None = None) -> tuple[Tally, int]:
    """Count a recording's whole members, and return with them the file's size: more than `file_bytes` where its end is not whole.

    With a manifest that agrees with the file's bytes, only what is behind it is read as lines. Raises OSError.
    """
    key = key_of(recording)
    assert key is not None
    fd = os.open(recording, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        data = View(fd, os.fstat(fd).st_size)
        tally = _trusted(key[1], data, known) or Tally(key[1])
        _count_on(tally, data)
        return tally, len(data)
    finally:
        os.close(fd)


def trusted(recording: Path, known: Mapping[str, Any]) -> Tally | None:
    """Return the tally of a manifest, if all that it vouches for stands in the recording. Raises OSError."""
    key = key_of(recording)
    assert key is not None
    fd = os.open(recording, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        return _trusted(key[1], View(fd, os.fstat(fd).st_size), known)
    finally:
        os.close(fd)


def content_words(recording: Path) -> str | None:
    """Return what a recording's lines are, in words; None while they do not say. Raises OSError."""
    fd = os.open(recording, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        found = content_of(first_text(View(fd, os.fstat(fd).st_size), _PART))
        return None if found is None else found.value
    finally:
        os.close(fd)


def runs_of(known: Mapping[str, Any] | None) -> list[Run]:
    """Return the runs that a manifest tells of."""
    runs = (known or {}).get("runs")
    return [run for run in runs if isinstance(run, dict)] if isinstance(runs, list) else []


def make_manifest(recording: Path, known: Mapping[str, Any] | None = None) -> tuple[Tally, int, dict[str, Any]]:
    """Count a recording; return tally, size, and the manifest with the runs that the one before tells of. Raises OSError."""
    tally, size = count(recording, known)
    return tally, size, document(recording, tally, runs_of(known or read_manifest(recording)), content_words(recording))


@dataclass(slots=True)
class _Counted:
    """A recording that is being written, as far as it was counted. `place`: device and inode of the file."""

    place: tuple[int, int]
    tally: Tally
    runs: list[Run]
    content: str | None = None
    due: MonoNs | None = None


class Manifests:
    """Keeps the manifests of the recordings that one writer writes: a thread of its own reads what was written, and counts it.

    Neither receiving nor writing waits for it, and between small pieces it gives way to them. A manifest that can't be written never
    ends a recording: it is told once, and made by the next run or by `collector repair`.
    """

    def __init__(self, source: str, *, clock: Clock | None = None, write_s: float = WRITE_S) -> None:
        self._clock, self._write_ns = clock or SystemClock(), int(write_s * SECOND_NS)
        self._run: Run = {"source": source, "software": f"collector {version('collector')}"}
        self._facts: dict[str, Run] = {}
        self._began_ns = self._clock.wall_ns()
        self._lock = threading.Lock()
        self._news: dict[Path, bool] = {}  # recordings with new members, and whether they are closed
        self._changed: set[Path] = set()
        self._counted: dict[Path, _Counted] = {}
        self._told: set[Path] = set()
        self._look_s = min(_LOOK_S, write_s)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, name="collector-manifests", daemon=True)

    def state(self, symbol: str, **facts: Any) -> None:
        """Note what is known of this run and no line says: sizes, the clock; it replaces what was noted under the same name."""
        self._facts[symbol] = {**self._facts.get(symbol, {}), **facts}

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def appended(self, recording: Path, *, changed: bool) -> None:
        """Hear that a member was appended; `changed`: what was before it is not what it was."""
        with self._lock:
            self._news[recording] = False
            if changed:
                self._changed.add(recording)

    def closed(self, recording: Path) -> None:
        """Hear that a recording is closed."""
        with self._lock:
            self._news[recording] = True

    def open_tallies(self) -> list[tuple[str, Tally]]:
        """Return the symbols of the recordings that are open, and what is in them; from any thread, to be read at once."""
        return [(path.name.rpartition("_")[0], one.tally) for path, one in list(self._counted.items())]

    def close(self, within_s: float = 5.0) -> None:
        """Count what is left and write all manifests. What takes longer is left to the next run or `collector repair`, and said."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(within_s)
            if self._thread.is_alive():
                log.warning("manifests are behind their recordings: `collector repair` makes them exact")

    def turn(self) -> None:
        """Count what was written since the last turn, and write the manifests that are due."""
        with self._lock:
            news, self._news = self._news, {}
            changed, self._changed = self._changed, set()
        for recording, is_closed in news.items():
            if recording in changed:
                self._counted.pop(recording, None)
            try:
                self._go_on(recording)
            except OSError as error:
                self._tell(recording, error)
            if is_closed and recording in self._counted:
                self._write(recording)
                del self._counted[recording]
        now_ns = self._clock.mono_ns()
        for recording, counted in self._counted.items():
            if counted.due is not None and counted.due <= now_ns:
                self._write(recording)

    def _work(self) -> None:
        try:
            while not self._ending.wait(self._look_s):
                self.turn()
            self.turn()
            for recording in self._counted:
                self._write(recording)
        except Exception as error:
            log.exception("manifests are no longer written: %s", error)

    def _give_way(self) -> None:
        if not self._ending.is_set():
            time.sleep(_PAUSE_S)

    def _go_on(self, recording: Path) -> None:
        fd = os.open(recording, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            found = os.fstat(fd)
            place, data = (found.st_dev, found.st_ino), View(fd, found.st_size)
            counted = self._counted.get(recording)
            begins = counted is None or counted.place != place or counted.tally.file_bytes > found.st_size
            if counted is None or begins:
                counted = self._counted[recording] = self._begin(recording, data, place)
            _count_on(counted.tally, data, self._give_way)
        finally:
            os.close(fd)
        if counted.content is None:
            counted.content = content_words(recording)
        if counted.due is None:
            counted.due = after(self._clock.mono_ns(), self._write_ns)
        if begins:
            self._write(recording)

    def _begin(self, recording: Path, data: View, place: tuple[int, int]) -> _Counted:
        key = key_of(recording)
        assert key is not None
        known = read_manifest(recording)
        before = [run for run in runs_of(known) if run.get("started_ns") != self._began_ns]
        runs = [*before, {"started_ns": self._began_ns, **self._run}]
        return _Counted(place, _trusted(key[1], data, known) or Tally(key[1]), runs)

    def _write(self, recording: Path) -> None:
        counted = self._counted[recording]
        counted.due = None
        symbol, _, _ = recording.name.rpartition("_")
        counted.runs[-1] = {**counted.runs[-1], **self._facts.get(symbol, {})}
        try:
            write_manifest(recording, document(recording, counted.tally, counted.runs, counted.content))
        except OSError as error:
            self._tell(recording, error)

    def _tell(self, recording: Path, error: OSError) -> None:
        if recording not in self._told:
            self._told.add(recording)
            log.warning("%s: no manifest: %s; `collector repair` makes it", recording, error.strerror or error)


def differences(found: Mapping[str, Any], stated: Mapping[str, Any]) -> list[str]:
    """Return the names in which a manifest says otherwise than its file; what the file alone does not tell is not compared."""
    told = ("software", "runs")
    return [name for name in found if name not in told and _plain(found[name]) != _plain(stated.get(name))]


def _plain(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _trusted(day: Day, data: View, known: Mapping[str, Any] | None) -> Tally | None:
    """The tally of a manifest, if all that it vouches for stands in the file."""
    if known is None:
        return None
    try:
        tally = Tally.load(day, known)
    except ValueError:
        return None
    end = 0
    for entry in tally.index:
        if entry.offset != end or end + entry.file_bytes > len(data):
            return None
        crc = 0
        for part in _parts(data, end, end + entry.file_bytes):
            crc = crc32(part, crc)
        if crc != entry.crc32:
            return None
        end += entry.file_bytes
    return tally if end == tally.file_bytes else None


def _count_on(tally: Tally, data: View, give_way: Callable[[], None] | None = None) -> None:
    """Count the whole members behind what was counted; `give_way` is called between pieces of them."""
    begin = tally.file_bytes
    for text, end in walk(data, begin):
        at = 0
        while at < len(text):
            to = len(text) if give_way is None else (text.find(b"\n", at + _PIECE) + 1 or len(text))
            tally.feed(text[at:to])
            at = to
            if give_way is not None:
                give_way()
        if end is not None:
            tally.end_member(_parts(data, begin, end))
            begin = end


def _parts(data: View, begin: int, end: int) -> Iterator[bytes]:
    for at in range(begin, end, _PART):
        yield data[at : min(at + _PART, end)]
