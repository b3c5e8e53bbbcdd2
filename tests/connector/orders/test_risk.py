"""The gate before every order: each rule refuses by name and numbers, and the worst case is never beyond the limit."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from connector.lifecycle import Phase
from connector.risk import Mode, Risk, RiskLimits, View, Wanted
from connector.tracked import Terms, Tracked
from hypothesis import given
from hypothesis import strategies as st
from marketlink.orders import OrderType, Side, TimeInForce
from marketlink.times import SECOND_NS, MonoNs, after
from marketlink.venues.base import OrderBounds

from tests.connector.orders.world import LIVE_COIN

BOUNDS = OrderBounds(
    min_price=Decimal("1.00"), max_price=Decimal(1000), min_qty=Decimal("0.001"), max_qty=Decimal(100),
    max_market_qty=Decimal(50), min_notional=Decimal(5),
)  # fmt: skip
COIN = replace(LIVE_COIN, bounds=BOUNDS)
NOW = MonoNs(10 * SECOND_NS)
ZERO = Decimal(0)
VIEW = View(COIN, Decimal("100.05"), 0.0, (ZERO, ZERO))
GOOD = Wanted("btcusdt", Side.BUY, OrderType.LIMIT, Decimal("99.90"), Decimal(1))


def tracked(side: Side, qty: str, *, phase: Phase = Phase.LIVE, wanted: str = "", filled: str = "0") -> Tracked:
    one = Tracked(
        "c", 7, 1, 1, "btcusdt", Decimal("0.1"), 0.1, side, OrderType.LIMIT, TimeInForce.GTC,
        Terms(Decimal(100), Decimal(qty)), phase=phase,
    )  # fmt: skip
    one.filled = Decimal(filled)
    one.wanted = Terms(Decimal(99), Decimal(wanted)) if wanted else None
    return one


def ask(limits: dict[str, Any], wanted: dict[str, Any], view: dict[str, Any]) -> tuple[str, str]:
    broken = Risk(RiskLimits(**limits), {}).check(replace(GOOD, **wanted), replace(VIEW, **view), NOW)
    return ("", "") if broken is None else (broken.rule, broken.text)


D = Decimal
RULES: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any], str, str]] = [
    ({}, {"qty": D("0.0015")}, {}, "lot_size", "0.0015"),
    ({}, {"price": D("99.95")}, {}, "tick_size", "99.95"),
    ({}, {"price": D("0.5")}, {}, "min_price", "0.5 is below 1.00"),
    ({}, {"price": D("1000.1")}, {}, "max_price", "1000.1 is above 1000"),
    ({}, {"qty": D(101)}, {}, "max_quantity", "101 is above 100"),
    ({}, {"qty": D(51), "order_type": OrderType.MARKET, "price": ZERO}, {}, "max_quantity", "51 is above 50"),
    ({}, {"qty": D("0.01")}, {}, "min_notional", "0.9990"),
    ({}, {"qty": D("0.01"), "order_type": OrderType.MARKET, "price": ZERO}, {}, "min_notional", "1.0005"),
    ({}, {}, {"instrument": replace(COIN, trading=False)}, "trading", "btcusdt"),
    ({"max_order_qty": D("0.5")}, {}, {}, "max_order_qty", "1 is more than 0.5"),
    ({"max_order_notional": D(50)}, {}, {}, "max_order_notional", "99.90 is more than 50"),
    ({"max_order_notional": D(50)}, {"order_type": OrderType.MARKET, "price": ZERO}, {"mid": None}, "max_order_notional", "not known"),
    ({"stale_book_ms": 500}, {}, {"age_ms": 501.0}, "stale_book_ms", "501 ms old"),
    ({"stale_book_ms": 500}, {}, {"mid": None}, "stale_book_ms", "not known"),
    ({"price_band_bps": D(10)}, {}, {}, "price_band_bps", "15.0 bps"),
    ({"price_band_bps": D(10)}, {}, {"mid": None}, "price_band_bps", "not known"),
    ({"max_open_orders": 1}, {}, {"active": (tracked(Side.SELL, "1"),)}, "max_open_orders", "1 orders are open"),
    ({"max_position": D("1.5")}, {}, {"position": (ZERO, D("0.6"))}, "max_position", "0.6 and all that could execute make 1.6"),
    ({"max_position": D("1.5")}, {}, {"position": None}, "max_position", "not known"),
    ({"max_position": D("1.5")}, {}, {"active": (tracked(Side.BUY, "1", phase=Phase.SUBMIT_IN_DOUBT),)}, "max_position", "make 2"),
    ({"max_position": D("1.5")}, {}, {"active": (tracked(Side.BUY, "0.2", wanted="0.7"),)}, "max_position", "make 1.7"),
    ({"max_account_notional": D(150)}, {}, {"others_notional": D(60)}, "max_account_notional", "159.90 is more than 150"),
    ({"max_account_notional": D(150)}, {"order_type": OrderType.MARKET, "price": ZERO}, {"mid": None}, "max_account_notional", "not known"),
]  # fmt: skip


@pytest.mark.parametrize(("limits", "wanted", "view", "rule", "numbers"), RULES)
def test_every_rule_refuses_by_name_and_numbers(
    limits: dict[str, Any], wanted: dict[str, Any], view: dict[str, Any], rule: str, numbers: str
) -> None:
    told, text = ask(limits, wanted, view)
    assert told == rule
    assert numbers in text


def test_without_limits_and_within_them_everything_passes() -> None:
    limits = RiskLimits(D(1), D(100), D(1), D(200), D(20), 1, 1, 1000)
    assert Risk(RiskLimits(), {}).check(GOOD, VIEW, NOW) is None
    assert Risk(limits, {}).check(GOOD, VIEW, NOW) is None
    assert Risk(RiskLimits(max_order_qty=D("0.1")), {"btcusdt": limits}).check(GOOD, VIEW, NOW) is None


def test_orders_a_second_are_counted_for_a_second() -> None:
    risk = Risk(RiskLimits(max_orders_s=2), {})
    for _ in range(2):
        assert risk.check(GOOD, VIEW, NOW) is None
        risk.count(NOW)
    broken = risk.check(GOOD, VIEW, after(NOW, SECOND_NS - 1))
    assert broken is not None
    assert broken.rule == "max_orders_s"
    assert risk.check(GOOD, VIEW, after(NOW, SECOND_NS)) is None


def test_the_modes() -> None:
    risk = Risk(RiskLimits(), {})
    risk.mode, risk.why = Mode.HALTED, "by hand"
    broken = risk.check(GOOD, VIEW, NOW)
    assert broken is not None
    assert (broken.rule, "by hand" in broken.text) == ("halted", True)
    risk.mode = Mode.REDUCING
    long, short = replace(VIEW, position=(D(1), D(2))), replace(VIEW, position=(D(-2), D(-1)))
    sell = replace(GOOD, side=Side.SELL, price=D("100.10"))
    assert risk.check(sell, long, NOW) is None
    assert risk.check(GOOD, short, NOW) is None
    for wanted, view in [
        (GOOD, long),
        (sell, short),
        (sell, VIEW),
        (GOOD, VIEW),
        (replace(sell, qty=D("1.001")), long),  # the position may be as small as 1
        (sell, replace(long, active=(tracked(Side.SELL, "0.1"),))),  # with that one it could turn
        (sell, replace(long, position=None)),
    ]:
        broken = risk.check(wanted, view, NOW)
        assert broken is not None
        assert broken.rule == "reducing"


orders = st.builds(
    tracked,
    st.sampled_from([Side.BUY, Side.SELL]),
    st.sampled_from(["0.5", "1", "2"]),
    phase=st.sampled_from([Phase.SENT, Phase.LIVE, Phase.SUBMIT_IN_DOUBT, Phase.CANCELING, Phase.MODIFYING]),
    wanted=st.sampled_from(["", "0.4", "1.5"]),
    filled=st.sampled_from(["0", "0.3"]),
)


@given(
    st.lists(orders, max_size=6), st.integers(-3, 3), st.sampled_from([Side.BUY, Side.SELL]),
    st.sampled_from(["0.5", "1", "3"]), st.booleans(), st.data(),
)  # fmt: skip
def test_what_passes_can_not_bring_the_position_beyond_the_limit(
    active: list[Tracked], lots: int, side: Side, qty: str, modify: bool, data: st.DataObject
) -> None:
    """Whatever part of everything that is open executes, each order in its old or its new terms."""
    limit = D(4)
    replaced = data.draw(st.sampled_from(active)) if modify and active else None
    if replaced is not None:
        side = replaced.side
    wanted = replace(GOOD, side=side, qty=D(qty), replaces=replaced)
    view = replace(VIEW, position=(D(lots), D(lots)), active=tuple(active))
    broken = Risk(RiskLimits(max_position=limit), {}).check(wanted, view, NOW)
    if broken is not None:
        assert broken.rule == "max_position"
        return
    position = D(lots)
    for one in active:
        terms = [one.terms.qty, *([one.wanted.qty] if one.wanted else []), *([D(qty)] if one is replaced else [])]
        could = max(ZERO, data.draw(st.sampled_from(terms)) - one.filled)
        if one.side is side:
            position += could * int(one.side)
    if replaced is None:
        position += D(qty) * int(side)
    assert position * int(side) <= limit or abs(position) <= abs(D(lots))
