"""What the account as a whole is worth: asked for, told, and held against `uni_mmr_min`."""

from decimal import Decimal
from typing import Any

import orjson
import pytest
from connector.calls import Replied
from connector.effects import TellPrivate
from connector.risk import Mode
from marketlink.orders import Status
from marketlink.private import AccountState, Balance
from marketlink.venues.trading import Op

from tests.connector.orders.world import VENUES, World

GOOD = {
    "uniMMR": "8.5", "accountEquity": "100", "accountInitialMargin": "50", "accountMaintMargin": "12",
    "accountStatus": "NORMAL", "updateTime": 1_700_000_000_000,
}  # fmt: skip


def answer(**changes: Any) -> Replied:
    return Replied(200, orjson.dumps({**GOOD, **changes}))


def test_the_account_is_asked_for_and_told() -> None:
    world = World(of=VENUES["P"]).start(7)
    told = [effect.event for effect in world.told if isinstance(effect, TellPrivate)]
    (account,) = [event for event in told if isinstance(event, AccountState)]
    (balance,) = [event for event in told if isinstance(event, Balance)]
    assert (account.equity, account.status) == (Decimal(1_000_000), "NORMAL")
    assert (balance.asset, balance.wallet, balance.total) == ("USDT", Decimal(1_000_000), Decimal(1_000_000))
    world.run(29_000)
    assert (len(world.asks(Op.ACCOUNT)), len(world.asks(Op.BALANCES))) == (6, 1)
    assert world.trader.margin.facts["equity"] == "1000000.00000000"


def test_nothing_is_asked_before_the_stream_is_there() -> None:
    world = World(of=VENUES["P"], uni_mmr_min=Decimal(1))
    world.run(200)
    assert not world.asked
    assert not world.trader.ready


def test_an_exchange_that_tells_nothing_is_not_asked() -> None:
    world = World().start(7)
    world.run(10_000)
    assert not world.asks(Op.ACCOUNT, Op.BALANCES)
    assert world.trader.margin.facts == {}


@pytest.mark.parametrize(("ratio", "mode"), [("1.30", Mode.ACTIVE), ("1.20", Mode.ACTIVE), ("1.19", Mode.HALTED)])
@pytest.mark.parametrize("by", ["answer", "event"])
def test_a_ratio_below_the_least_halts(ratio: str, mode: Mode, by: str) -> None:
    world = World(of=VENUES["P"], uni_mmr_min=Decimal("1.2")).start(7)
    seen = world.submit(7, 1)
    world.settle()
    if by == "answer":
        world.answers[Op.ACCOUNT] = [answer(uniMMR=ratio, updateTime=1_700_000_009_000)]
        world.run(6_000)
    else:
        event = {"e": "riskLevelChange", "E": 1_700_000_009_000, "u": ratio, "s": "MARGIN_CALL", "eq": "30", "m": "15"}
        world.tell(orjson.dumps(event))
    assert world.trader.risk.mode is mode
    if mode is Mode.HALTED:
        assert "uniMMR 1.19 is below 1.2" in world.trader.risk.why
        assert world.submit(7, 2).last.status is Status.EXPIRED
        world.cancel(7, 1)  # cancels pass
        world.settle()
        assert seen.last.status is Status.CANCELED
    world.check()


def test_without_word_of_the_account_no_orders_are_taken_and_with_it_they_are_again() -> None:
    world = World(of=VENUES["P"], uni_mmr_min=Decimal("1.2")).start(7)
    assert world.trader.ready
    world.answers[Op.ACCOUNT] = [Replied(502, b"<html>")] * 8
    world.run(36_000)
    assert "margin has not been told" in world.trader.lacks
    seen = world.submit(7, 1)
    assert (seen.last.status, seen.states) == (Status.EXPIRED, ["refused"])
    world.run(10_000)
    assert world.trader.ready
    assert world.trader.counts.remarks["questions about the account that failed"] == 8


def test_word_that_is_older_than_the_last_changes_nothing() -> None:
    world = World(of=VENUES["P"], uni_mmr_min=Decimal("1.2")).start(7)
    world.tell(orjson.dumps({"e": "riskLevelChange", "E": 1, "u": "0.5", "s": "MARGIN_CALL", "eq": "30", "m": "15"}))
    assert world.trader.risk.mode is Mode.ACTIVE
