"""Back-off and Retry-After."""

import random
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marketlink.run.retry import MAX_RETRY_AFTER_S, Backoff, BackoffSettings, retry_after_remark, retry_after_s

UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
NOW_NS = int(datetime(2026, 3, 1, 12, 0, tzinfo=UTC).timestamp() * 1e9)


class NoJitter(random.Random):
    def uniform(self, a: float, b: float) -> float:
        return b


def test_delays_double_from_the_smallest_up_to_the_cap() -> None:
    backoff = Backoff(NoJitter())
    assert [backoff.delay_s() for _ in range(12)] == pytest.approx([0.1 * 2**n for n in range(10)] + [60.0, 60.0])


def test_a_connection_that_lasted_begins_the_delays_anew() -> None:
    backoff = Backoff(NoJitter())
    for _ in range(8):
        backoff.delay_s()
    assert backoff.delay_s(lasted_s=30.0) > 1
    assert backoff.delay_s(lasted_s=30.1) == pytest.approx(0.1)
    assert backoff.delay_s() == pytest.approx(0.2)


@UNTIMED
@given(st.integers(), st.lists(st.floats(0, 100), max_size=40), st.floats(1, 5), st.floats(0.01, 100))
def test_a_delay_is_never_above_the_cap_nor_below_half_of_the_smallest(
    seed: int, lasted: list[float], factor: float, cap: float
) -> None:
    settings = BackoffSettings(factor=factor, cap_s=cap)
    backoff = Backoff(random.Random(seed), settings)
    for each in lasted:
        delay = backoff.delay_s(each)
        assert min(settings.min_s, cap) / 2 <= delay <= cap


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("nan", None),
        ("soon", None),
        ("", None),
        ("inf", MAX_RETRY_AFTER_S),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30.0),
        ("Sun, 01 Mar 2026 12:00:30 -0000", 30.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("Sun, 01 Mar 2126 12:00:00 GMT", MAX_RETRY_AFTER_S),
        ("Sun, 01 Mar 9999 12:00:00 GMT", MAX_RETRY_AFTER_S),
        ("Fri, 31 Dec 9999 23:59:59 -2359", MAX_RETRY_AFTER_S),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 0.0),
        ("Sun, 01 Mar 99999 12:00:00 GMT", None),
        ("Sun, 01 Mar 2026 12:00:00 +9999999999999999999999", None),
        ("Sun, 01 Mar 12345678901234567890 12:00:00 GMT", None),
        ("9" * 5000, MAX_RETRY_AFTER_S),
        ("1e999", MAX_RETRY_AFTER_S),
        ("-1e999", 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, expected: float | None) -> None:
    assert retry_after_s(header, NOW_NS) == expected


DATES = st.builds(
    "{}, {} {} {} {}:{}:{} {}{}".format,
    st.sampled_from(["Sun", "x", ""]),
    st.integers(-(10**20), 10**20) | st.integers(1, 31),
    st.sampled_from(["Jan", "Feb", "Dec", "99", ""]),
    st.integers(-(10**20), 10**20) | st.integers(0, 9999),
    st.integers(-99, 99),
    st.integers(-99, 99),
    st.integers(-99, 10**20),
    st.sampled_from(["GMT", "+", "-", "", "EST"]),
    st.integers(0, 10**20),
)


@UNTIMED
@given(st.text() | DATES | st.from_regex(r"[-+0-9eE.,:; GMT_infa]{0,40}"), st.integers(-(10**20), 10**20))
def test_any_header_at_any_time_is_nothing_or_a_wait_of_three_days_at_most(header: str, wall_ns: int) -> None:
    wait_s = retry_after_s(header, wall_ns)
    assert wait_s is None or 0 <= wait_s <= MAX_RETRY_AFTER_S
    assert (retry_after_remark(header, wait_s) is None) == (wait_s is not None and wait_s < MAX_RETRY_AFTER_S)


def test_what_is_left_out_or_cut_is_said() -> None:
    assert retry_after_remark(None, None) is None
    assert retry_after_remark("7", 7.0) is None
    assert "'soon' can't be read" in (retry_after_remark("soon", None) or "")
    assert "taken as 3 days" in (retry_after_remark("1e9", MAX_RETRY_AFTER_S) or "")
