import io
import json
import logging
from collections import Counter

from collector.from_link import LinkCounts
from collector.from_venue import VenueCounts
from collector.rotation import Day
from collector.status import Progress, TerminalHandler, plain, summary
from collector.writer import FileCounts
from marketlink.times import SECOND_NS, MonoNs

COUNTS = {("a", Day(0)): FileCounts(10, 1000, 200, 1), ("b", Day(1)): FileCounts(5, 500, 100, 2)}


def at(seconds: int) -> MonoNs:
    return MonoNs(seconds * SECOND_NS)


def test_rate_is_of_the_time_since_the_line_before() -> None:
    progress = Progress(2, at(100))
    assert "15 lines (2/s)" in progress.line(COUNTS, at(110), "")
    assert "0:00:12" in progress.line(COUNTS, at(112), "")
    assert "(0/s)" in progress.line(COUNTS, at(114), "")


def test_summary_names_every_file_and_is_json() -> None:
    source = plain(VenueCounts(not_recorded=Counter({"x": 1}))) | plain(LinkCounts(gaps=Counter({"samples lost": 2})))
    report = json.loads(json.dumps(summary(COUNTS, 1.0, "duration", 0, source)))
    assert [each["file"] for each in report["files"]] == ["a_19700101.gz", "b_19700102.gz"]
    assert (report["lines"], report["ended"]) == (15, "duration")
    assert (report["source"]["gaps"], report["source"]["not_recorded"]) == ({"samples lost": 2}, {"x": 1})


def test_log_line_takes_the_place_of_the_status_line() -> None:
    stream = io.StringIO()
    handler = TerminalHandler(stream)
    handler.show("working")
    handler.emit(logging.LogRecord("x", logging.INFO, "", 0, "happened", None, None))
    assert stream.getvalue() == "\r\x1b[Kworking\r\x1b[Khappened\n"
