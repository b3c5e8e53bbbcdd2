"""Opening, mending and refusing a recording, on a real file system."""

import gzip
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import EFBIG, EIO, ENOTSUP, EXDEV
from pathlib import Path

import pytest
from collector import day_file
from collector.day_file import DayFile
from collector.errors import FileInUse, WriteFailed
from collector.members import pack, whole_until

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


def test_file_that_is_no_gzip_file_is_kept_beside(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(b'1 {"plain":"text"}\n')
    reopened_and_appended(path)
    assert read(path) == [MORE]
    assert (tmp_path / "x.gz.damaged-0").read_bytes() == b'1 {"plain":"text"}\n'


def test_side_file_of_another_state_is_not_applied(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(CHAIN)
    (tmp_path / "x.gz.torn-99999").write_bytes(b"what")
    reopened_and_appended(path)
    assert read(path) == [*b"".join(TEXTS).splitlines(keepends=True), MORE]
    assert (tmp_path / "x.gz.damaged-99999").read_bytes() == b"what"


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
