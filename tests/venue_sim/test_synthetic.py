from __future__ import annotations

from collections import Counter

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from venue_sim.errors import BadMarket
from venue_sim.face import packet_of
from venue_sim.market import Frame, Market
from venue_sim.synthetic import SyntheticMarket
from venue_sim.venues.usdm import USDM

START_MS = 1_800_000_000_000
SYMBOLS = ["btcusdt", "ethusdt", "solusdt", "whoeverusdt", "dogeusdt"]


def check(market: Market, frames: list[Frame], starts: dict[str, tuple[int, dict[str, str], dict[str, str]]]) -> None:
    """Every invariant of USD-M market data, against a book kept here with plain dictionaries."""
    tops: dict[str, dict[str, str]] = {}
    last_event_ms = Counter[str]()
    trades: dict[str, int] = {}
    for each in frames:
        frame, kind = packet_of(USDM, each), each.kind
        value = orjson.loads(frame.wrapped)
        data = value["data"]
        assert value["stream"] == frame.stream
        assert orjson.loads(frame.data) == data
        assert data["s"] == frame.symbol.upper()
        assert data["E"] >= data["T"] > 0
        assert data["E"] >= last_event_ms[frame.stream]
        last_event_ms[frame.stream] = data["E"]
        last_id, bids, asks = starts[frame.symbol]
        if kind == "trade":
            assert trades.get(frame.symbol, data["t"] - 1) == data["t"] - 1
            trades[frame.symbol] = data["t"]
            assert float(data["q"]) > 0
        elif kind == "quote":
            assert float(data["b"]) < float(data["a"])
            assert data["u"] > last_id
            tops[frame.symbol] = data
        else:
            assert data["pu"] == last_id < data["U"] <= data["u"] == frame.last_id
            for side, changes in ((bids, data["b"]), (asks, data["a"])):
                for price, quantity in changes:
                    if float(quantity) == 0:
                        side.pop(price, None)
                    else:
                        side[price] = quantity
            starts[frame.symbol] = (data["u"], bids, asks)
            bid, ask = max(bids, key=float), min(asks, key=float)
            assert float(bid) < float(ask)
            if frame.symbol in tops:
                top = tops[frame.symbol]
                assert (top["b"], top["B"], top["a"], top["A"]) == (bid, bids[bid], ask, asks[ask])
                assert top["u"] <= data["u"]
    for symbol, (last_id, bids, asks) in starts.items():
        state = market.books[symbol].at()
        assert state is not None
        assert state.last_id == last_id
        assert dict(state.bids) == bids
        assert dict(state.asks) == asks
        assert [float(price) for price, _ in state.bids] == sorted(map(float, bids), reverse=True)


def books_of(market: Market) -> dict[str, tuple[int, dict[str, str], dict[str, str]]]:
    states = {symbol: book.at() for symbol, book in market.books.items()}
    return {symbol: (state.last_id, dict(state.bids), dict(state.asks)) for symbol, state in states.items() if state}


@settings(deadline=None, max_examples=12)
@given(seed=st.integers(0, 2**32), count=st.integers(1, 3), levels=st.sampled_from([0.0, 3.0, 20.0, 70.0]))
def test_chain_book_and_ticker_always_agree(seed: int, count: int, levels: float) -> None:
    market = SyntheticMarket(
        SYMBOLS[seed % 3 : seed % 3 + count], rate=1000, seed=seed, start_ms=START_MS, levels=levels
    )
    starts = books_of(market)
    check(market, market.take(None, 500), starts)


def test_a_long_run_keeps_its_depth_and_its_digits() -> None:
    market = SyntheticMarket(["btcusdt"], rate=2000, seed=7, start_ms=START_MS)
    starts = books_of(market)
    frames = market.take(None, 6_000)
    check(market, frames, starts)
    state = market.books["btcusdt"].at()
    assert state is not None
    assert 950 <= len(state.bids) <= 1600
    assert 950 <= len(state.asks) <= 1600
    assert all(price.endswith("0") and len(price.partition(".")[2]) == 2 for price, _ in state.bids), (
        "tick 0.10, two digits"
    )
    depths = [frame for frame in frames if frame.kind == "depth"]
    assert 15 < sum(packet_of(USDM, frame).data.count(b'["') for frame in depths) / len(depths) < 25
    assert {frame.kind for frame in frames} == {"depth", "quote", "trade"}


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not() -> None:
    def stream(seed: int, steps: list[int]) -> list[bytes]:
        market = SyntheticMarket(["btcusdt", "ethusdt"], rate=5000, seed=seed, start_ms=START_MS)
        return [packet_of(USDM, frame).wrapped for until in steps for frame in market.take(until * 10_000_000, 10**6)]

    assert stream(3, [1, 2, 5, 10]) == stream(3, [10])
    assert stream(3, [10]) != stream(4, [10])


@pytest.mark.parametrize(("rate", "seconds"), [(1000.0, 20), (2.0, 3000)])
def test_messages_come_at_the_asked_rate(rate: float, seconds: int) -> None:
    market = SyntheticMarket(["btcusdt"], rate=rate, seed=11, start_ms=START_MS, levels=1)
    frames = market.take(seconds * 1_000_000_000, 10**6)
    assert 0.9 < len(frames) / (rate * seconds) < 1.1


def test_messages_come_in_bursts() -> None:
    market = SyntheticMarket(["btcusdt"], rate=1000, seed=11, start_ms=START_MS, levels=1)
    per_slot = Counter(frame.due_ns // 50_000_000 for frame in market.take(8_000_000_000, 10**6))
    assert max(per_slot.values()) > 3 * sorted(per_slot.values())[len(per_slot) // 2]


def test_levels_nobody_knows_are_deleted_now_and_then() -> None:
    market = SyntheticMarket(["btcusdt"], rate=1000, seed=5, start_ms=START_MS)
    _, bids, _ = books_of(market)["btcusdt"]
    unknown = 0
    for frame in market.take(None, 3000):
        if frame.kind == "depth":
            for price, quantity in orjson.loads(packet_of(USDM, frame).data)["b"]:
                if float(quantity) == 0:
                    unknown += bids.pop(price, None) is None
                else:
                    bids[price] = quantity
    assert unknown > 0


def test_a_market_of_nothing_is_refused() -> None:
    with pytest.raises(BadMarket):
        SyntheticMarket([], rate=1, seed=1, start_ms=0)
    with pytest.raises(BadMarket):
        SyntheticMarket(["btcusdt"], rate=-1, seed=1, start_ms=0)
