"""`obi-mm live` as its user meets it: alone, restarted, and told wrong sizes."""

import re
import signal
from pathlib import Path

import pytest
from obi_mm.decisions import Header, LoggedSymbol, begin_log, read_log
from obi_mm.errors import LogError

from tests.rig import Rig

STAMPED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (INFO|WARNING) [\w.-]+ \S")
HEADER = Header((LoggedSymbol("btcusdt", 0.1, 0.001),), {}, "test")


def test_a_connector_that_does_not_exist_is_said_and_a_restart_keeps_the_log_of_before(tmp_path: Path) -> None:
    log, before = tmp_path / "mine.obilog", b""
    with Rig() as rig:
        for label in ("first", "second"):
            rig.start(label, "obi_mm", "live", "-s", "btcusdt", "-n", "nope", "--dry-run", "-o", log)
            rig.until(lambda label=label: "'nope'" in rig.log(label), 90, "the warning")
            assert rig.end(label, signal.SIGINT) == 0
            lines = rig.log(label).splitlines()
            assert any("WARNING" in one and "no connector 'nope' runs here; waiting for it" in one for one in lines)
            assert lines[-1] == "nothing was heard from a connector named 'nope'"
            assert all(STAMPED.match(one) for one in lines[:-1]), lines
            before = before or log.read_bytes()
        assert log.read_bytes() == before
        assert f"{log} is kept; the decisions of this run go to {tmp_path / 'mine-2.obilog'}" in rig.log("second")
        assert "mine-2.obilog" in (rig.folder / "second.out").read_text()
    assert len(read_log(tmp_path / "mine-2.obilog").decisions) == 0


def test_a_tick_size_that_is_not_the_exchanges_ends_live_with_code_two_and_a_sentence(tmp_path: Path) -> None:
    with Rig() as rig:
        rig.exchange("--symbols", "btcusdt", "--rate", 100)
        rig.connector()
        process = rig.start(
            "live", "obi_mm", "live", "-s", "btcusdt:0.01:0.001", "--dry-run", "--plain", "-o", tmp_path / "x"
        )
        rig.until(lambda: process.poll() is not None, 90, "the end of live")
        assert process.returncode == 2, rig.log("live")
        said = rig.log("live").splitlines()[-1]
        assert said.startswith("obi-mm: ")
        assert "tick" in said
        assert "0.1" in said
        assert "Traceback" not in rig.log("live", 1000)


def test_every_log_has_a_file_of_its_own_unless_it_may_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "new" / "live.obilog"
    for name in ("live.obilog", "live-2.obilog", "live-3.obilog"):
        with begin_log(path, HEADER, replace=False) as writer:
            assert writer.path == path.with_name(name)
    (path.with_name("live-2.obilog")).unlink()
    with begin_log(path, HEADER, replace=False) as writer:
        assert writer.path.name == "live-2.obilog"
    path.write_bytes(b"mine")
    with begin_log(path, HEADER, replace=True) as writer:
        assert writer.path == path
    assert read_log(path).header == HEADER


def test_a_log_that_can_not_be_written_is_an_error_in_words(tmp_path: Path) -> None:
    for path in (tmp_path, Path("/dev/full"), Path("/dev/null/x")):
        with pytest.raises(LogError, match="can't be written"):
            begin_log(path, HEADER, replace=False)
    begin_log(Path("/dev/null"), HEADER, replace=False).close()
    assert not Path("/dev/null-2").exists()
