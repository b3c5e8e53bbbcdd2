"""The exchange's clock, measured."""

from connector.calls import clock_offset_ns
from hypothesis import given
from hypothesis import strategies as st
from marketlink.times import SECOND_NS

MS = 1_000_000


@given(st.integers(-3_600_000, 3_600_000), st.integers(0, 10_000), st.integers(0, 10_000))
def test_stamps_are_never_so_far_ahead_that_the_exchange_refuses_them(
    true_ms: int, there_ms: int, back_ms: int
) -> None:
    asked_ms = 1_700_000_000_000
    server_ms = asked_ms + there_ms + true_ms
    wall_ns = (asked_ms + there_ms + back_ms) * MS
    found = clock_offset_ns(server_ms, (there_ms + back_ms) * MS, wall_ns)
    ahead_ns = found - true_ms * MS
    assert ahead_ns <= SECOND_NS // 4
    if there_ms == back_ms <= 250:
        assert ahead_ns == 0
    assert ahead_ns >= -back_ms * MS, "nor further behind than the answer took"
