from datetime import UTC, datetime

import pytest
from collector.rotation import DAY_NS, Day, day_of, file_name, finished
from hypothesis import given
from hypothesis import strategies as st
from marketlink.times import MonoNs, WallNs


@given(st.integers(0, 2**63 - 1))
def test_name_carries_the_utc_day_of_the_stamp(stamp_ns: int) -> None:
    day = datetime.fromtimestamp(stamp_ns // 10**9, UTC)
    assert file_name("btcusdt", day_of(WallNs(stamp_ns))) == f"btcusdt_{day:%Y%m%d}.gz"


def test_last_nanosecond_of_a_day_is_not_the_next_day() -> None:
    assert day_of(DAY_NS - 1) == 0
    assert day_of(DAY_NS) == 1


@pytest.mark.parametrize("symbol", ["", "../etc/passwd", "a/b", ".hidden", "a\0b"])
def test_symbol_that_would_leave_the_directory_is_refused(symbol: str) -> None:
    with pytest.raises(ValueError, match="file name"):
        file_name(symbol, Day(0))


def test_only_an_idle_file_of_an_earlier_turn_is_finished() -> None:
    last = {("a", Day(1)): MonoNs(0), ("b", Day(1)): MonoNs(200), ("a", Day(2)): MonoNs(5), ("c", Day(2)): MonoNs(0)}
    assert finished(last, MonoNs(300), 300) == [("a", Day(1))]
    assert finished(last, MonoNs(299), 300) == []


@given(
    st.dictionaries(
        st.tuples(st.sampled_from("ab"), st.integers(1, 4).map(Day)), st.integers(0, 1000).map(MonoNs), max_size=8
    ),
    st.integers(1000, 3000).map(MonoNs),
    st.integers(1, 2000),
)
def test_file_a_symbol_wrote_to_last_is_never_finished(
    last: dict[tuple[str, Day], MonoNs], now: MonoNs, idle_ns: int
) -> None:
    closed = finished(last, now, idle_ns)
    for symbol in {key[0] for key in last}:
        newest = max(at for key, at in last.items() if key[0] == symbol)
        assert [key for key, at in last.items() if key[0] == symbol and at == newest and key not in closed]
    assert all(now - last[key] >= idle_ns for key in closed)
