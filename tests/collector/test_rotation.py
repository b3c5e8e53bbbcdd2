from datetime import UTC, datetime

import pytest
from collector.rotation import DAY_NS, Day, day_of, file_name, finished
from hypothesis import given
from hypothesis import strategies as st


@given(st.integers(0, 2**63 - 1))
def test_name_carries_the_utc_day_of_the_stamp(stamp_ns: int) -> None:
    day = datetime.fromtimestamp(stamp_ns // 10**9, UTC)
    assert file_name("btcusdt", day_of(stamp_ns)) == f"btcusdt_{day:%Y%m%d}.gz"


def test_last_nanosecond_of_a_day_is_not_the_next_day() -> None:
    assert day_of(DAY_NS - 1) == 0
    assert day_of(DAY_NS) == 1


@pytest.mark.parametrize("symbol", ["", "../etc/passwd", "a/b", ".hidden", "a\0b"])
def test_symbol_that_would_leave_the_directory_is_refused(symbol: str) -> None:
    with pytest.raises(ValueError, match="file name"):
        file_name(symbol, Day(0))


def test_only_an_idle_file_of_another_day_is_finished() -> None:
    last = {("a", Day(1)): 0.0, ("b", Day(1)): 200.0, ("a", Day(2)): 0.0}
    assert finished(last, Day(2), 300.0, 300.0) == [("a", Day(1))]
    assert finished(last, Day(2), 299.0, 300.0) == []
