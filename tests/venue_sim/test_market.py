from __future__ import annotations

from venue_sim.instruments import derive_instrument, named_instrument
from venue_sim.market import decimals, step_of


def test_steps_keep_the_digits_they_are_written_with() -> None:
    assert (decimals("0.10"), decimals("1")) == (2, 0)
    assert step_of(["61800.20", "61800.30", "58710.20"]) == "0.10"
    assert step_of(["3", "6"]) == "3"
    assert step_of([]) == "1"


def test_known_contracts_have_their_real_digits_and_unknown_ones_always_the_same() -> None:
    instrument, price = named_instrument("btcusdt")
    assert (instrument.tick_size, instrument.step_size, price) == ("0.10", "0.001", "61800.00")
    assert (instrument.base_asset, instrument.quote_asset) == ("BTC", "USDT")
    assert named_instrument("neverseenusdt") == named_instrument("neverseenusdt")


def test_recorded_digits_win_over_the_table() -> None:
    assert derive_instrument("btcusdt", [("61800.20", "0.014"), ("61800.30", "1.000")]).step_size == "0.001"
    assert derive_instrument("btcusdt", [("61800.25", "1"), ("61800.30", "1")]).tick_size == "0.05"
