"""Real sequences of the exchange's account stream, fed into the ledger: order by order they end right, whatever happens on the way."""

import itertools
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
from connector.ledger import Executed, Ledger, Told
from connector.lifecycle import Phase
from connector.tracked import Terms, Tracked
from marketlink.orders import OrderType, Side, Status
from marketlink.times import Moment, MonoNs, WallNs
from marketlink.venues.binance import USDM_TRADING
from marketlink.venues.binance.words import TIMES_IN_FORCE, TYPES
from marketlink.venues.trading import Fill, OrderReport

NOW = Moment(MonoNs(1), WallNs(1_772_461_924_000_000_000))
TICK = {"achusdt": "0.000001"}


def sequences(shared_data: Path) -> list[list[dict[str, Any]]]:
    """The USD-M ones; a frame of spot has no `e` on its outside."""
    path = shared_data / "payloads" / "binance_user_data_real_sequences.json"
    items = json.loads(path.read_text())["items"]
    return [item["sequence"] for item in items if all("e" in frame for frame in item["sequence"])]


def begin(order: dict[str, Any]) -> tuple[Ledger, Tracked]:
    """A ledger in which the order of a sequence was just sent."""
    symbol = order["s"].lower()
    ledger = Ledger(2_000_000_000, (200_000_000,))
    tracked = Tracked(
        order["c"], 7, 1, 1, symbol, Decimal(TICK[symbol]), float(TICK[symbol]), Side[order["S"]],
        TYPES[order["o"]], TIMES_IN_FORCE[order["f"]], Terms(Decimal(order["p"]), Decimal(order["q"])),
    )  # fmt: skip
    ledger.add(tracked)
    return ledger, tracked


def feed(ledger: Ledger, tracked: Tracked, frames: list[dict[str, Any]]) -> tuple[list[Told], list[Executed]]:
    told: list[Told] = []
    executed: list[Executed] = []
    for frame in frames:
        for message in USDM_TRADING.read_private(orjson.dumps(frame)):
            assert isinstance(message, OrderReport | Fill)
            effects = (
                ledger.on_push(tracked, message, NOW)
                if isinstance(message, OrderReport)
                else ledger.on_fill(tracked, message, NOW)
            )
            told += [one for one in effects if isinstance(one, Told)]
            executed += [one for one in effects if isinstance(one, Executed) and not one.again]
    return told, executed


@pytest.mark.parametrize("twice", [False, True])
def test_every_captured_order_ends_right_in_any_order_of_its_events(shared_data: Path, twice: bool) -> None:
    found = sequences(shared_data)
    assert len(found) == 2
    for frames in found:
        last = frames[-1]["o"]
        for order in itertools.permutations(frames * (2 if twice else 1)):
            ledger, tracked = begin(frames[0]["o"])
            told, executed = feed(ledger, tracked, list(order))
            assert (tracked.phase, tracked.final) == (Phase.ENDED, Status.FILLED)
            assert tracked.exchange_id == str(last["i"])
            assert tracked.filled == tracked.told == Decimal(last["z"])
            (fill,) = [one.fill for one in executed]
            assert (fill.trade_id, fill.price, fill.fee) == (str(last["t"]), Decimal(last["L"]), Decimal(last["n"]))
            assert sum(one.order.exec_qty for one in told) == float(last["z"])
            assert [one.order.status for one in told].count(Status.FILLED) == 1
            assert told[-1].order.exch_timestamp == last["T"] * 1_000_000
            assert not ledger.active


def test_a_captured_end_alone_is_enough(shared_data: Path) -> None:
    for frames in sequences(shared_data):
        ledger, tracked = begin(frames[0]["o"])
        told, _ = feed(ledger, tracked, frames[-1:])
        assert told[-1].order.status is Status.FILLED
        assert told[-1].order.order_type is (OrderType.LIMIT if frames[0]["o"]["o"] == "LIMIT" else OrderType.MARKET)
        assert not ledger.active


def test_a_captured_fill_by_its_quick_form_first_is_one_fill(shared_data: Path) -> None:
    for frames in sequences(shared_data):
        o = frames[-1]["o"]
        lite = {"e": "TRADE_LITE", "E": o["T"], "T": o["T"], **{key: o[key] for key in "sqpmcSLlti"}}
        for order in itertools.permutations([*frames, lite]):
            ledger, tracked = begin(frames[0]["o"])
            _, executed = feed(ledger, tracked, list(order))
            assert tracked.final is Status.FILLED
            assert len(executed) == 1
