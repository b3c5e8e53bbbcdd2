"""Compiled code on disk is good only for the sources that are compiled in."""

from pathlib import Path

from obi_mm import _jit, kernels


def test_a_stamp_changes_with_any_source_and_with_the_engine(tmp_path: Path) -> None:
    one, two = tmp_path / "one.py", tmp_path / "two.py"
    one.write_text("1")
    two.write_text("2")
    before = _jit.stamp_of([one, two], "2.4.4")
    assert _jit.stamp_of([one, two], "2.4.4") == before
    assert _jit.stamp_of([one, two], "2.4.5") != before
    two.write_text("3")
    assert _jit.stamp_of([one, two], "2.4.4") != before


def test_kernels_ask_all_sources_and_not_their_own_file_only() -> None:
    assert kernels.decide._cache._cache_file._source_stamp == _jit._stamp()  # type: ignore[attr-defined]
