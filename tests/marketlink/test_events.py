"""The event record's kinds."""

import pytest
from marketlink.events import BUY, DEPTH, DEPTH_BBO, DEPTH_CLEAR, LOCAL, SELL, is_kind


@pytest.mark.parametrize(
    ("ev", "pattern", "holds"),
    [
        (LOCAL | BUY | DEPTH, DEPTH, True),
        (LOCAL | BUY | DEPTH, LOCAL | BUY, True),
        (LOCAL | BUY | DEPTH, SELL | DEPTH, False),
        (DEPTH_CLEAR, DEPTH, False),
        (DEPTH_BBO, DEPTH, False),
        (DEPTH, DEPTH_CLEAR, False),
    ],
)
def test_a_kind_is_a_number_and_not_bits(ev: int, pattern: int, holds: bool) -> None:
    assert is_kind(ev, pattern) is holds
