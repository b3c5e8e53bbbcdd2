from __future__ import annotations

import orjson
import pytest
from venue_sim.face import packet_of
from venue_sim.flood import FloodMarket
from venue_sim.venues.usdm import USDM


@pytest.fixture(scope="module")
def market() -> FloodMarket:
    return FloodMarket(
        ["btcusdt", "ethusdt"], USDM.messages, rate=0, seed=3, start_ms=1_800_000_000_000, block=600, levels=8
    )


def test_chain_and_book_hold_over_laps_and_every_sent_id_can_be_asked_for(market: FloodMarket) -> None:
    books = {}
    for symbol, history in market.books.items():
        state = history.at()
        assert state is not None
        books[symbol] = (state.last_id, dict(state.bids), dict(state.asks))
    asked = 0
    trades: dict[str, int] = {}
    for number in range(3 * market.length):
        each = market.take(None, 1)[0]
        frame, kind = packet_of(USDM, each), each.kind
        data = orjson.loads(frame.wrapped)["data"]
        assert orjson.loads(frame.data) == data
        if kind == "trade":
            assert data["t"] > trades.get(frame.symbol, 0)
            trades[frame.symbol] = data["t"]
        if kind != "depth":
            continue
        last_id, bids, asks = books[frame.symbol]
        assert data["pu"] == last_id < data["U"] <= data["u"] == frame.last_id
        for side, changes in ((bids, data["b"]), (asks, data["a"])):
            for price, quantity in changes:
                if float(quantity) == 0:
                    side.pop(price, None)
                else:
                    side[price] = quantity
        assert max(map(float, bids)) < min(map(float, asks))
        books[frame.symbol] = (data["u"], bids, asks)
        if number % 5 == 0:
            asked += 1
            history = market.books[frame.symbol]
            now, before = history.at(), history.at(data["pu"])
            assert now is not None
            assert before is not None
            assert (now.last_id, dict(now.bids), dict(now.asks)) == books[frame.symbol]
            assert before.last_id == data["pu"] == history.id_before(1)
            assert history.at(data["u"] + 1) is None
    assert asked > 50


def test_a_paced_flood_hands_out_only_what_is_due() -> None:
    paced = FloodMarket(["btcusdt"], USDM.messages, rate=1000, seed=3, start_ms=0, block=50, levels=2)
    assert len(paced.take(0, 100)) == 1
    assert len(paced.take(10_000_000, 100)) == 10
    assert paced.take(10_000_000, 100) == []
    assert paced.next_due_ns() == 11_000_000
