"""What is there and what is missing of each day, as rows, a table and a page."""

from collector.rotation import DAY_NS, Day
from collector.survey import AFTER, BEFORE, NO_FILE, calendar, rows, table
from collector.tally import Tally

from tests.collector.market import DAY, START_NS, STEP_NS, Line, gap, recorded, text_of

NOW_NS = (DAY + 9) * DAY_NS


def tally_of(lines: list[Line], day: Day = DAY) -> Tally:
    tally = Tally(day)
    tally.feed(text_of(lines))
    tally.end_member([text_of(lines)])
    return tally


def moved(lines: list[Line], by_ns: int) -> list[Line]:
    return [(stamp_ns + by_ns, body) for stamp_ns, body in lines]


def test_a_day_says_when_it_begins_and_ends_and_what_is_missing_between() -> None:
    (row,) = rows({("", "btcusdt", DAY): ("x.gz", tally_of(recorded([*range(10), *range(50, 60)])))}, NOW_NS)
    assert [each.cause for each in row.missing] == [BEFORE, "connection lost", AFTER]
    assert row.missing[0].to_ns == START_NS + 5_000_000
    assert row.missing[1].to_ns - row.missing[1].from_ns == 41 * STEP_NS - 2
    assert abs(row.share - 20 * STEP_NS / DAY_NS) < 1e-4
    assert row.date == "2024-10-04"


def test_days_that_go_on_into_each_other_have_no_hole_at_midnight() -> None:
    one, two = recorded(range(10)), moved(recorded(range(10, 20), begins=False), DAY_NS)
    files = {("", "a", DAY): ("1", tally_of(one)), ("", "a", Day(DAY + 1)): ("2", tally_of(two, Day(DAY + 1)))}
    first, second = rows(files, NOW_NS)
    assert [each.cause for each in first.missing] == [BEFORE]
    assert [each.cause for each in second.missing] == [AFTER]


def test_a_day_without_a_file_between_two_is_named() -> None:
    files = {
        ("", "a", DAY): ("1", tally_of(recorded(range(10)))),
        ("", "a", Day(DAY + 2)): ("2", tally_of(moved(recorded(range(10)), 2 * DAY_NS), Day(DAY + 2))),
        ("side", "b", DAY): ("3", tally_of(recorded(range(10)))),
    }
    found = rows(files, NOW_NS)
    assert [(row.symbol, row.day - DAY, bool(row.file)) for row in found] == [
        ("a", 0, True),
        ("a", 1, False),
        ("a", 2, True),
        ("b", 0, True),
    ]
    assert (found[1].share, found[1].missing[0].cause) == (0.0, NO_FILE)


def test_of_today_only_what_is_over_counts() -> None:
    lines = recorded(range(10))
    (row,) = rows({("", "a", DAY): ("1", tally_of(lines))}, lines[-1][0])
    assert [each.cause for each in row.missing] == [BEFORE]


def test_table_and_page_name_what_is_missing_and_never_say_all_of_a_day_with_a_hole() -> None:
    lines = [*recorded(range(10)), gap(START_NS + 3600 * 10 * STEP_NS)]
    found = rows({("<in>", "a&b", DAY): ("1", tally_of(lines))}, NOW_NS)
    assert "01:00:00.900 to" not in table(found)
    text, page = table(found), calendar(found)
    assert BEFORE in text
    assert "recorder was not running" in text
    assert "a&amp;b 2024 <small>&lt;in&gt;</small>" in page
    assert page.count("<td") == 31
    assert "100%" not in text
    nearly = tally_of([(DAY * DAY_NS, b"{}"), *recorded(range(1)), (DAY * DAY_NS + DAY_NS - 1, b"{}")])
    assert "100%" not in table(rows({("", "a", DAY): ("1", nearly)}, NOW_NS))
