"""Refusals make the next orders wait, longer each time; post-only ones do not; too many in a row end it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marketlink.notices import OrderProblem
from obi_mm.backoff import FIRST_S, LONGEST_S, BackOff, Kind, kind_of


@pytest.mark.parametrize(
    ("text", "code", "kind"),
    [
        ("post-only would have crossed: Due to the order could not be executed as maker", -5022, Kind.POST_ONLY),
        ("not sent: the account's stream is not there yet", None, Kind.NOT_READY),
        ("trading is not configured on this connector: the order was not sent to the exchange", None, Kind.NO_TRADING),
        ("Margin is insufficient.", -2019, Kind.REFUSED),
        ("max_position: 5 is more than 4", None, Kind.REFUSED),
    ],
)
def test_what_a_refusal_means(text: str, code: int | None, kind: Kind) -> None:
    assert kind_of(OrderProblem("btcusdt", 1, text, "submit", code, "", "refused")) is kind


def test_waits_double_up_to_a_minute_and_the_last_refusal_ends_it() -> None:
    back_off, now_s, waits = BackOff(9), 0.0, []
    for _ in range(8):
        assert not back_off.refused(Kind.REFUSED, now_s)
        waits.append(back_off.until_s - now_s)
        now_s = back_off.until_s
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, LONGEST_S, LONGEST_S]
    assert back_off.refused(Kind.REFUSED, now_s)


def test_orders_refused_together_count_once_and_an_accepted_one_begins_anew() -> None:
    back_off = BackOff(3)
    for _ in range(6):
        assert not back_off.refused(Kind.REFUSED, 10.0)
    back_off.accepted(10.1)  # sent beside the refused ones
    assert (back_off.in_a_row, back_off.waits(10.9), back_off.waits(11.0)) == (1, True, False)
    back_off.accepted(11.0)
    assert back_off.in_a_row == 0


@given(st.lists(st.tuples(st.floats(0, 100), st.sampled_from([Kind.POST_ONLY, Kind.NOT_READY])), max_size=50))
def test_what_passes_by_itself_never_ends_the_run(refusals: list[tuple[float, Kind]]) -> None:
    back_off, now_s = BackOff(1), 0.0
    for passed_s, kind in refusals:
        now_s += passed_s
        assert not back_off.refused(kind, now_s)
        assert back_off.until_s <= now_s + FIRST_S
        assert kind is Kind.NOT_READY or not back_off.waits(now_s) or back_off.until_s > 0
