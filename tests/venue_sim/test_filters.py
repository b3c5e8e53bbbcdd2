from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from venue_sim.filters import Limits, Rule, check_notional, check_price, check_quantity, parse_decimal
from venue_sim.market import Instrument

COIN = Instrument("btcusdt", "0.10", "0.001", "BTC", "USDT")


@pytest.mark.parametrize(
    ("price", "rule"),
    [
        ("100.10", None),
        ("100.1", None),
        ("100.15", Rule.PRICE_TICK),
        ("100.105", Rule.PRICE_PRECISION),
        ("0", Rule.PRICE_NOT_POSITIVE),
        ("-1", Rule.PRICE_NOT_POSITIVE),
        ("105.0", None),
        ("105.1", Rule.PRICE_TOO_HIGH),
        ("94.9", Rule.PRICE_TOO_LOW),
    ],
)
def test_prices_are_positive_on_ticks_and_within_the_band(price: str, rule: Rule | None) -> None:
    broken = check_price(Decimal(price), COIN, Limits(), Fraction(100))
    assert (None if broken is None else broken.rule) is rule


@pytest.mark.parametrize(
    ("quantity", "rule"),
    [
        ("0.001", None),
        ("0.0010", None),
        ("0.0015", Rule.QUANTITY_PRECISION),
        ("0", Rule.QUANTITY_NOT_POSITIVE),
        ("1000000.001", Rule.QUANTITY_TOO_LARGE),
    ],
)
def test_quantities_are_positive_and_on_steps(quantity: str, rule: Rule | None) -> None:
    broken = check_quantity(Decimal(quantity), COIN, Limits())
    assert (None if broken is None else broken.rule) is rule


def test_the_smallest_notional_names_its_bound() -> None:
    broken = check_notional(Fraction(4999), Decimal("0.001"), Limits())
    assert broken is not None
    assert (broken.rule, broken.bound) == (Rule.NOTIONAL, "5")
    assert check_notional(Fraction(5000), Decimal("0.001"), Limits()) is None


@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_whole_ticks_and_steps_always_pass_their_own_check(ticks: int, steps: int) -> None:
    assert check_price(Decimal(ticks) * Decimal("0.10"), COIN, Limits(), None) is None
    assert check_quantity(Decimal(steps % 10**8 + 1) * Decimal("0.001"), COIN, Limits()) is None


@given(st.text(max_size=8))
def test_only_plain_numbers_are_numbers(text: str) -> None:
    number = parse_decimal(text)
    assert number is None or (number.is_finite() and "e" not in text.lower())


@pytest.mark.parametrize("text", ["", "1e3", "NaN", "Infinity", "+1", " 1", "1_000", "١"])
def test_exponents_and_oddities_are_refused(text: str) -> None:
    assert parse_decimal(text) is None
