"""Random troubles on the roads of Binance spot: all agree in the end (see `test_any_road`)."""

import pytest

from tests.connector.orders.test_any_road import run
from tests.connector.orders.world import World


@pytest.fixture(autouse=True)
def _spot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(World, "letter", "S")
    monkeypatch.setattr(World, "held", 1000)
    modify, prices = World.modify, {}
    submit = World.submit

    def submitted(world: World, bot: int, number: int, **changes: object) -> object:
        prices[(id(world), bot, number)] = changes.get("price_tick", 999)
        return submit(world, bot, number, **changes)

    def lowered(world: World, bot: int, number: int, price_tick: int, qty: float) -> None:
        modify(world, bot, number, prices.get((id(world), bot, number), price_tick), qty)  # type: ignore[arg-type]

    monkeypatch.setattr(World, "submit", submitted)
    monkeypatch.setattr(World, "modify", lowered)


@pytest.mark.parametrize("seed", range(12))
def test_all_agree_after_any_trouble(seed: int) -> None:
    run(seed, 60, 0.5)
