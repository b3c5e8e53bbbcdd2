"""The order cases of column U and * on Binance COIN-M, which speaks USD-M's language in contracts and coins (docs/trading.md)."""

# ruff: noqa: F403

import pytest
from marketlink.orders import Side

from tests.connector.orders.test_cases_a_submit import *
from tests.connector.orders.test_cases_b_fills import *
from tests.connector.orders.test_cases_c_cancel import *
from tests.connector.orders.test_cases_d_modify import *
from tests.connector.orders.test_cases_e_unknown import *
from tests.connector.orders.test_cases_f_gaps import *
from tests.connector.orders.test_cases_g_owners import *
from tests.connector.orders.test_cases_h_account import *
from tests.connector.orders.test_cases_i_limits import *
from tests.connector.orders.test_cases_j_ending import *
from tests.connector.orders.world import World, kind_of

ELSEWHERE = {
    "test_case_023_the_quick_form_and_the_whole_one_are_one_fill": "COIN-M has no quick form",
    "test_case_104_account_and_order_updates_in_either_order": "its list has positions of nothing too, so none is told twice: below",
}
for name in ELSEWHERE:
    del globals()[name]
for name, case in list(globals().items()):
    if any(mark.name == "venues" and "U" not in mark.args[0] for mark in getattr(case, "pytestmark", ())):
        del globals()[name]  # of other exchanges' columns: COIN-M's is USD-M's


@pytest.fixture(autouse=True)
def _coinm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(World, "letter", "C")


@pytest.mark.parametrize("first", ["ACCOUNT_UPDATE", "TRADE"])
@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_case_104_account_and_order_updates_in_either_order_move_it_once(first: str, side: Side) -> None:
    world = World().start(7)
    world.travel(answer=100)
    world.push_road = lambda push: [1 if kind_of(push) == first else 40]
    world.submit(7, 1, side=side, price_tick=1002 if side is Side.BUY else 999, qty=0.5)
    world.settle()
    world.run(100)
    moved = [event.qty for event in world.positions if event.qty]
    assert moved == [0.5 * side] == [world.true_position()]
    world.check()
