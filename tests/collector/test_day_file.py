"""Opening, mending and refusing a recording, on a real file system."""

import gzip
import os
import resource
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import EFBIG, EIO, ENOTSUP, EXDEV
from pathlib import Path

import pytest
from collector import day_file
from collector.day_file import DayFile
from collector.errors import FileInUse, NotOurs, WriteFailed
from collector.members import mend, pack, whole_until
from collector.record import Content
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Read = Callable[[Path], list[bytes]]
TEXTS = [b"".join(b'%d {"n":%d}\n' % (7 * i, i * j) for i in range(5 * j)) for j in range(1, 4)]
CHAIN = b"".join(map(pack, TEXTS))
MORE = b'9 {"more":1}\n'


def reopened_and_appended(path: Path) -> DayFile:
    file = DayFile(path)
    file.append(pack(MORE))
    file.close()
    return file


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_new_file_is_a_gzip_file_before_anything_is_recorded(tmp_path: Path) -> None:
    file = DayFile(tmp_path / "x.gz")
    assert gzip.decompress((tmp_path / "x.gz").read_bytes()) == b""
    file.close()


@pytest.mark.parametrize("missing", ["link", "open"])
def test_file_system_without_nameless_files_will_do(
    tmp_path: Path, read: Read, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    real = os.open

    def refuse(*args: object, **more: object) -> int:
        if missing == "open" and int(args[1]) & os.O_TMPFILE != os.O_TMPFILE:  # type: ignore[call-overload]
            return real(*args)  # type: ignore[arg-type]
        raise OSError(ENOTSUP if missing == "open" else EXDEV, "not here")

    monkeypatch.setattr(day_file.os, missing, refuse)
    file = DayFile(tmp_path / "x.gz")
    with pytest.raises(FileInUse):
        DayFile(tmp_path / "x.gz")
    file.append(pack(MORE))
    file.close()
    assert read(tmp_path / "x.gz") == [MORE]


def test_file_torn_at_any_byte_keeps_whole_members_and_whole_lines(tmp_path: Path, read: Read) -> None:
    all_lines = b"".join(TEXTS).splitlines(keepends=True)
    for cut in range(len(CHAIN) + 1):
        path = tmp_path / f"{cut}.gz"
        path.write_bytes(CHAIN[:cut])
        whole = whole_until(CHAIN[:cut])
        file = reopened_and_appended(path)
        lines = read(path)
        certain = gzip.decompress(CHAIN[:whole]).splitlines(keepends=True) if whole else []
        assert path.read_bytes().startswith(CHAIN[:whole])
        assert lines[-1] == MORE
        assert lines[:-1] == all_lines[: len(lines) - 1]
        assert len(lines) - 1 >= len(certain)
        assert bool(file.repairs) == (cut > whole)
    assert not [name for name in os.listdir(tmp_path) if not name.endswith(".gz")]


@pytest.mark.parametrize("after", ["side file", "cut", "half an append", "whole append"])
def test_repair_that_was_interrupted_is_done_again(tmp_path: Path, read: Read, after: str) -> None:
    cut = len(CHAIN) - 12
    start = whole_until(CHAIN[:cut])
    wanted = tmp_path / "wanted.gz"
    wanted.write_bytes(CHAIN[:cut])
    DayFile(wanted).close()
    saved = wanted.read_bytes()[start:]
    left = {"side file": CHAIN[:cut], "cut": CHAIN[:start], "half an append": CHAIN[:start] + saved[:9]}
    path = tmp_path / "x.gz"
    path.write_bytes(left.get(after, CHAIN[:start] + saved))
    (tmp_path / f"x.gz.torn-{start}").write_bytes(CHAIN[start:cut])
    reopened_and_appended(path)
    assert read(path) == [*read(wanted), MORE]
    assert sorted(os.listdir(tmp_path)) == ["wanted.gz", "x.gz"]


def test_damage_in_the_middle_costs_only_its_member_and_keeps_the_original(tmp_path: Path, read: Read) -> None:
    first, second = len(pack(TEXTS[0])), len(pack(TEXTS[1]))
    broken = bytearray(CHAIN)
    broken[first + second - 6] ^= 1  # in the second member's checksum
    path = tmp_path / "x.gz"
    path.write_bytes(broken)
    file = reopened_and_appended(path)
    assert read(path) == [*(TEXTS[0] + TEXTS[2]).splitlines(keepends=True), MORE]
    (repair,) = file.repairs
    assert repair.bytes_cut == second
    assert repair.kept is not None
    assert repair.kept.read_bytes() == bytes(broken)[first:]


DIRECT = b'1 {"stream":"btcusdt@trade","data":{"e":"trade"}}\n'
LINK = b'1 {"e":"trade","E":1,"s":"BTCUSDT","p":"1","q":"1","m":true,"ns":1}\n'
OLD_LINK = b'1 {"e":"depthUpdate","E":1,"s":"BTCUSDT","b":[["1","2"]],"a":[]}\n'
BARE = b'1 {"e":"depthUpdate","E":1,"T":1,"s":"BTCUSDT","U":1,"u":2,"pu":0,"b":[],"a":[]}\n'
SNAPSHOT = b'1 {"lastUpdateId":5,"E":2,"T":1,"bids":[],"asks":[]}\n'
GAP = b'1 {"e":"gap","E":1,"s":"BTCUSDT","ns":1,"reason":"recorder started"}\n'
BYBIT = b'1 {"topic":"orderbook.50.BTCUSDT","data":{}}\n'


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        (DIRECT, {Content.DIRECT}),
        (SNAPSHOT, {Content.DIRECT}),
        (BARE, {Content.DIRECT}),
        (GAP * 3 + DIRECT, {Content.DIRECT}),
        (b"1 unreadable frame\n" + DIRECT, {Content.DIRECT}),
        (LINK, {Content.LINK}),
        (OLD_LINK, {Content.LINK}),
        (GAP + LINK, {Content.LINK}),
        (GAP, {Content.DIRECT, Content.LINK}),
        (b"", {Content.DIRECT, Content.LINK}),
        (BYBIT, set()),
        (b"time,price\n1,2\n", set()),
    ],
)
@pytest.mark.parametrize("cut", [0, 5])
def test_recording_of_another_dialect_or_of_nothing_is_refused_and_not_touched(
    tmp_path: Path, text: bytes, fits: set[Content], cut: int
) -> None:
    path = tmp_path / "x.gz"
    data = pack(b"") + pack(text)
    path.write_bytes(data[: len(data) - cut])  # also with a torn end, which must not be mended in a foreign file
    before = path.read_bytes()
    for content in (Content.DIRECT, Content.LINK):
        if content in fits:
            DayFile(path, content).close()
        else:
            with pytest.raises(NotOurs, match="another directory"):
                DayFile(path, content)
            assert path.read_bytes() == before or fits


@pytest.mark.parametrize("text", [b'1 {"plain":"text"}\n', b"PK\x03\x04 an archive"])
def test_file_that_is_no_gzip_file_is_refused_and_not_touched(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(text)
    with pytest.raises(NotOurs, match="no recording"):
        DayFile(path, Content.DIRECT)
    assert path.read_bytes() == text
    assert os.listdir(tmp_path) == ["x.gz"]


def test_file_of_zeros_is_damage_of_a_recording_and_kept_beside(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(bytes(5000))
    reopened_and_appended(path)
    assert read(path) == [MORE]
    assert (tmp_path / "x.gz.damaged-0").read_bytes() == bytes(5000)


def test_side_file_of_another_state_is_not_applied(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(CHAIN)
    (tmp_path / "x.gz.torn-99999").write_bytes(b"what")
    file = reopened_and_appended(path)
    assert read(path) == [*b"".join(TEXTS).splitlines(keepends=True), MORE]
    assert (tmp_path / "x.gz.stray-99999").read_bytes() == b"what"
    assert "x.gz.stray-99999" in str(file.repairs[0])


SIDES = st.one_of(
    st.binary(max_size=60),
    st.builds(lambda start, stop: CHAIN[start:stop], st.integers(0, len(CHAIN)), st.integers(0, len(CHAIN))),
    st.lists(st.sampled_from(TEXTS), max_size=2).map(lambda texts: b"".join(map(pack, texts))),
    st.builds(lambda text, cut: pack(text)[:cut], st.sampled_from([*TEXTS, MORE, b""]), st.integers(0, 60)),
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    side=SIDES,
    start=st.one_of(st.sampled_from([0, len(pack(TEXTS[0])), len(CHAIN)]), st.integers(0, len(CHAIN) + 50)),
    cut=st.one_of(st.just(0), st.integers(0, len(CHAIN))),
)
def test_stray_side_file_never_costs_a_whole_line(
    tmp_path_factory: pytest.TempPathFactory, read: Read, side: bytes, start: int, cut: int
) -> None:
    folder = tmp_path_factory.mktemp("stray")
    path, data = folder / "x.gz", CHAIN[: len(CHAIN) - cut]
    path.write_bytes(data)
    (folder / f"x.gz.torn-{start}").write_bytes(side)
    whole = data[: whole_until(data)]
    reopened_and_appended(path)
    assert path.read_bytes().startswith(whole)
    assert read(path)[-1] == MORE
    found = b"".join(read(path)[:-1])
    lines = gzip.decompress(whole) if whole else b""
    torn = zlib.decompressobj(31).decompress(data[len(whole) :]) if data != whole else b""
    assert found.startswith(lines + torn[: torn.rfind(b"\n") + 1]), "lines of the recording are gone"
    kept = [each.read_bytes() for each in folder.iterdir() if each != path]
    mended = mend(side).data
    assert side in kept or not mended or gzip.decompress(mended) in found, "what was taken away is kept"


@pytest.mark.parametrize("name", ["x.gz", "x.gz.torn-{start}", "x.gz.torn-{start}.tmp"])
def test_symbolic_link_is_never_followed(tmp_path: Path, read: Read, name: str) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(CHAIN[:-5])
    folder = tmp_path / "data"
    folder.mkdir()
    path, start = folder / "x.gz", whole_until(CHAIN[:-5])
    if name != "x.gz":
        path.write_bytes(CHAIN[:-5])
    (folder / name.format(start=start)).symlink_to(victim)
    if name == "x.gz":
        with pytest.raises(NotOurs, match="symbolic link"):
            DayFile(path)
    else:
        reopened_and_appended(path)
        assert read(path)[-1] == MORE
    assert victim.read_bytes() == CHAIN[:-5]


def test_dangling_link_makes_no_file_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "x.gz").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NotOurs, match="symbolic link"):
        DayFile(tmp_path / "x.gz")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    "change", ["emptied", "cut in a member", "cut at a member", "rubbish appended", "member appended"]
)
def test_file_changed_by_another_program_is_noticed_and_readable_at_the_next_append(
    tmp_path: Path, read: Read, change: str
) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(CHAIN)
    file = DayFile(path)
    first = len(pack(TEXTS[0]))
    length = {"emptied": 0, "cut in a member": first + 20, "cut at a member": first}.get(change)
    more = {"rubbish appended": b"rubbish" * 9, "member appended": pack(MORE)}.get(change, b"")
    with path.open("r+b") as other:
        other.truncate(len(CHAIN) if length is None else length)
        other.seek(0, os.SEEK_END)
        other.write(more)
    assert file.look_again() is (length is not None)
    assert "another program" in str(file.repairs[0])
    file.append(pack(MORE))
    assert not file.look_again()
    file.close()
    assert read(path)[-1] == MORE
    if length is None:
        assert b"".join(read(path)).startswith(b"".join(TEXTS))


def test_second_process_is_refused_and_told_who_writes(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    code = """if True:
        import sys
        from pathlib import Path
        from collector.day_file import DayFile
        file = DayFile(Path(sys.argv[1]))
        print(1, flush=True)
        sys.stdin.read()
    """
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == b"1\n"
            before = path.read_bytes()
            with pytest.raises(FileInUse) as refused:
                DayFile(path)
            assert refused.value.pid == other.pid
            assert str(other.pid) in str(refused.value)
            assert path.read_bytes() == before
        finally:
            other.kill()
            other.communicate()
    DayFile(path).close()  # the lock died with its owner


def test_append_that_does_not_fit_leaves_whole_members_only(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "x.gz"
    file = DayFile(path)
    file.append(pack(TEXTS[0]))
    before = path.read_bytes()
    with largest_file(len(before) + 10), pytest.raises(WriteFailed) as failed:
        file.append(pack(TEXTS[1]))
    assert failed.value.errno == EFBIG
    assert str(path) in str(failed.value)
    assert path.read_bytes() == before
    file.append(pack(TEXTS[2]))  # there is room again
    file.close()
    assert read(path) == (TEXTS[0] + TEXTS[2]).splitlines(keepends=True)


def test_repair_without_room_touches_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(CHAIN[:-5])
    with largest_file(10), pytest.raises(WriteFailed):
        DayFile(path)
    assert path.read_bytes() == CHAIN[:-5]
    assert os.listdir(tmp_path) == ["x.gz"]


def test_disk_error_names_path_and_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = DayFile(tmp_path / "x.gz")

    def broken(fd: int, data: bytes) -> int:
        raise OSError(EIO, "no")

    monkeypatch.setattr(day_file.os, "write", broken)
    with pytest.raises(WriteFailed, match=r"x\.gz.*errno 5"):
        file.append(pack(MORE))
    monkeypatch.undo()
    file.close()


def test_moved_file_is_noticed(tmp_path: Path) -> None:
    file = DayFile(tmp_path / "x.gz")
    assert not file.is_displaced()
    (tmp_path / "x.gz").rename(tmp_path / "y.gz")
    assert file.is_displaced()
    file.close()
