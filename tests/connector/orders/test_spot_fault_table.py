"""The generated table of faults on Binance spot: every cell ends in the exchange's truth (see `fault_table`)."""

import pytest

from tests.connector.orders.fault_table import OPERATIONS, cells, run
from tests.connector.orders.test_fault_table import EVERY
from tests.connector.orders.world import World


@pytest.fixture(autouse=True)
def _spot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(World, "letter", "S")
    monkeypatch.setattr(World, "held", 1000)
    modify = World.modify
    # Spot changes no price, and a quantity only downwards.
    monkeypatch.setattr(
        World, "modify", lambda world, bot, number, price_tick, qty: modify(world, bot, number, 999, 0.5)
    )


@pytest.mark.parametrize("every", [EVERY, pytest.param(1, marks=pytest.mark.soak)])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_cell_ends_in_the_exchange_s_truth(operation: str, every: int) -> None:
    wrong: list[str] = []
    for cell in [cell for cell in cells() if cell.operation == operation][::every]:
        try:
            run(cell)
        except AssertionError as error:
            wrong.append(f"{cell}: {str(error)[:300]}")
    assert not wrong, f"{len(wrong)} cells:\n" + "\n".join(wrong)
