from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from venue_sim.config import parse_fault
from venue_sim.exchange import Exchange, Rules
from venue_sim.face import Route
from venue_sim.faults import FaultScript
from venue_sim.links import Close, Deliver, Effect, Eof, Ping, Reset
from venue_sim.recording import parse_line
from venue_sim.replay import ReplayMarket
from venue_sim.synthetic import SyntheticMarket
from venue_sim.timeline import Phase, Timeline
from venue_sim.venues.spot import SPOT
from venue_sim.venues.usdm import USDM
from venue_sim.venues.usdm.streams import Category, parse_target

MS = 1_000_000
ALL = "btcusdt@depth@0ms/btcusdt@bookTicker/btcusdt@trade"


def exchange_of(
    bodies: list[bytes], *faults: dict[str, Any], speed: float = 0.0, rules: Rules | None = None
) -> Exchange:
    lines = [parse_line(b"%d %b" % (at * MS, body), USDM.messages.read_line) for at, body in enumerate(bodies)]
    market = ReplayMarket("test", [lambda: lines], USDM.messages)
    return Exchange(
        market, Timeline(speed), FaultScript([parse_fault(fault) for fault in faults]), rules or Rules(), USDM
    )


def connect(
    exchange: Exchange, target: str = f"/public/stream?streams={ALL}", number: int = 1, now_ns: int = 0
) -> None:
    route = parse_target(target)
    assert isinstance(route, Route)
    exchange.open(number, route, now_ns)


def texts(effects: list[Effect], number: int = 1) -> list[bytes]:
    return [
        payload
        for effect in effects
        if isinstance(effect, Deliver) and effect.connection == number
        for payload in effect.payloads
    ]


def frames_in(bodies: list[bytes]) -> list[bytes]:
    return [body for body in bodies if body.startswith(b'{"stream"')]


def test_wrapped_and_bare_connections_get_the_exact_bytes_in_order(small: list[bytes]) -> None:
    exchange = exchange_of(small)
    connect(exchange)
    connect(exchange, f"/public/ws/{ALL}", 2)
    effects = exchange.pump(0, 100)
    assert texts(effects) == frames_in(small)
    assert texts(effects, 2) == [body[body.index(b'"data":') + 7 : -1] for body in frames_in(small)]
    assert exchange.done


def test_nothing_moves_before_somebody_subscribes_and_time_begins_then(small: list[bytes]) -> None:
    exchange = exchange_of(small, speed=1.0)
    assert exchange.pump(10**12, 100) == []
    connect(exchange, "/public/stream", now_ns=10**12)
    assert exchange.timeline.phase is Phase.WAITING
    exchange.on_text(1, b'{"method":"SUBSCRIBE","params":["btcusdt@markPrice"],"id":1}', 10**12)
    assert exchange.timeline.phase is Phase.WAITING, "a stream this market does not have starts nothing"
    answer = exchange.on_text(1, b'{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":2}', 10**12)
    assert texts(answer) == [b'{"result":null,"id":2}']
    assert texts(exchange.pump(10**12 + 4 * MS, 100)) == [small[4]]
    assert exchange.position == 4


def test_a_frame_goes_only_to_connections_with_its_stream_on_a_path_of_its_category(small: list[bytes]) -> None:
    exchange = exchange_of(small)
    connect(exchange, "/public/stream?streams=btcusdt@trade")
    connect(exchange, "/market/stream?streams=btcusdt@trade", 2)
    connect(exchange, "/private/stream?streams=btcusdt@trade", 3)
    connect(exchange, "/stream?streams=btcusdt@trade", 4)
    effects = exchange.pump(0, 100)
    trades = [small[4], small[8]]
    assert [texts(effects, number) for number in (1, 2, 3, 4)] == [trades, [], [], trades]


def test_a_market_can_wait_for_all_its_streams(small: list[bytes]) -> None:
    exchange = exchange_of(small, rules=Rules(wait_for=frozenset(ALL.split("/"))))
    connect(exchange, "/public/stream?streams=btcusdt@depth@0ms/btcusdt@trade")
    assert exchange.pump(0, 100) == []
    connect(exchange, "/public/stream?streams=btcusdt@bookTicker", 2)
    effects = exchange.pump(0, 100)
    assert len(texts(effects) + texts(effects, 2)) == 9


def test_an_unpaced_market_stands_still_while_nobody_listens(small: list[bytes]) -> None:
    exchange = exchange_of(small)
    connect(exchange)
    first = texts(exchange.pump(0, 4))
    exchange.closed(1)
    assert exchange.pump(0, 100) == []
    assert exchange.next_due_ns(0) is None
    connect(exchange, number=2)
    assert first + texts(exchange.pump(0, 100), 2) == frames_in(small)


def test_a_paced_market_goes_on_without_listeners(small: list[bytes]) -> None:
    exchange = exchange_of(small, speed=1.0)
    connect(exchange)
    exchange.closed(1)
    exchange.pump(9 * MS, 100)
    assert exchange.done


def test_unsubscribed_streams_stop_and_the_list_says_so(small: list[bytes]) -> None:
    exchange = exchange_of(small)
    connect(exchange)
    exchange.on_text(1, b'{"method":"UNSUBSCRIBE","params":["btcusdt@trade","btcusdt@bookTicker"],"id":1}', 0)
    answer = texts(exchange.on_text(1, b'{"method":"LIST_SUBSCRIPTIONS","id":7}', 0))
    assert [orjson.loads(text) for text in answer] == [{"result": ["btcusdt@depth@0ms"], "id": 7}]
    assert all(b"@depth" in text for text in texts(exchange.pump(0, 100)))


def test_more_than_two_hundred_streams_are_refused_whole(small: list[bytes]) -> None:
    exchange = exchange_of(small)
    connect(exchange, "/public/ws")
    many = [f"s{number}@trade" for number in range(200)]
    assert texts(exchange.on_text(1, orjson.dumps({"method": "SUBSCRIBE", "params": many, "id": 1}), 0)) == [
        b'{"result":null,"id":1}'
    ]
    answer = orjson.loads(
        texts(exchange.on_text(1, b'{"method":"SUBSCRIBE","params":["one@trade","two@trade"],"id":2}', 0))[0]
    )
    assert answer["error"]["code"] == 2
    assert len(exchange.links[1].streams) == 200


def test_the_eleventh_message_within_a_second_ends_the_connection(small: list[bytes]) -> None:
    exchange = exchange_of(small)
    connect(exchange, "/public/ws")
    for at in range(10):
        assert not any(
            isinstance(effect, Close)
            for effect in exchange.on_text(1, b'{"method":"LIST_SUBSCRIPTIONS","id":1}', at * 50 * MS)
        )
    assert exchange.on_message(1, 600 * MS) == [Close(1, 1008, "Too many requests")]
    assert exchange.links == {}


def test_a_dropped_message_is_still_part_of_the_true_book(small: list[bytes]) -> None:
    exchange = exchange_of(small, {"kind": "drop", "stream": "depth", "after_message": 2})
    connect(exchange)
    lost = small[5]
    assert texts(exchange.pump(0, 100)) == [body for body in frames_in(small) if body != lost]
    book = exchange.market.books["btcusdt"].at(120)
    assert book is not None
    assert ("100.2", "1.500") in book.asks
    assert exchange.script.fired[0].hit == "btcusdt@depth@0ms u=120"


def test_duplicate_reorder_and_corrupt_do_what_they_say(small: list[bytes]) -> None:
    all_frames = frames_in(small)
    exchange = exchange_of(small, {"kind": "duplicate", "stream": "trade"})
    connect(exchange)
    expected = [copy for body in all_frames for copy in ([body, body] if body == small[4] else [body])]
    assert texts(exchange.pump(0, 100)) == expected

    exchange = exchange_of(small, {"kind": "reorder", "stream": "depth", "after_message": 1})
    connect(exchange, "/public/stream?streams=btcusdt@depth@0ms")
    assert texts(exchange.pump(0, 100)) == [small[0], small[5], small[2], small[7], small[9]]

    exchange = exchange_of(small, {"kind": "corrupt", "stream": "depth", "count": 2})
    connect(exchange)
    got = texts(exchange.pump(0, 100))
    bad = []
    for text in got:
        try:
            orjson.loads(text)
        except orjson.JSONDecodeError:
            bad.append(text)
    assert len(got) == len(all_frames)
    assert len(bad) == 2


def test_the_last_message_of_a_stream_is_not_lost_by_reordering(small: list[bytes]) -> None:
    exchange = exchange_of(small, {"kind": "reorder", "stream": "depth", "after_message": 4})
    connect(exchange)
    assert sorted(texts(exchange.pump(0, 100))) == sorted(frames_in(small))


def test_a_fault_for_one_connection_leaves_the_other_alone(small: list[bytes]) -> None:
    exchange = exchange_of(small, {"kind": "drop", "count": 0, "connection": 2})
    connect(exchange)
    connect(exchange, number=2)
    effects = exchange.pump(0, 100)
    assert texts(effects) == frames_in(small)
    assert texts(effects, 2) == []


@pytest.mark.parametrize(
    ("fault", "effect"),
    [
        ({"kind": "eof"}, Eof(1)),
        ({"kind": "reset"}, Reset(1)),
        ({"kind": "close", "code": 1011, "reason": "why"}, Close(1, 1011, "why")),
        ({"kind": "disconnect_24h"}, Close(1, 1001, "24 hours")),
    ],
)
def test_a_connection_ends_right_after_the_message_it_was_told_to(
    small: list[bytes], fault: dict[str, Any], effect: Effect
) -> None:
    exchange = exchange_of(small, {**fault, "after_message": 3})
    connect(exchange)
    effects = exchange.pump(0, 100)
    assert texts(effects) == frames_in(small)[:3]
    assert effects[-1] == effect
    assert exchange.links == {}


def test_a_connection_ends_at_its_time(small: list[bytes]) -> None:
    exchange = exchange_of(small, {"kind": "eof", "at_s": 0.004}, speed=1.0)
    connect(exchange)
    assert exchange.tick(3 * MS) == []
    assert exchange.tick(4 * MS) == [Eof(1)]
    assert exchange.script.fired[0].hit == "connection 1"


@pytest.mark.parametrize(("mode", "lost"), [("lose", 4), ("delay", 0)])
def test_a_stall_loses_what_is_sent_meanwhile_or_delays_it(small: list[bytes], mode: str, lost: int) -> None:
    all_frames = frames_in(small)
    exchange = exchange_of(small, {"kind": "stall", "after_message": 2, "for_s": 0.006, "mode": mode}, speed=1.0)
    connect(exchange)
    got = texts(exchange.pump(1 * MS, 100))
    assert exchange.is_stalled(1)
    assert exchange.pump(6 * MS, 100) == []
    assert exchange.tick(6 * MS) == []
    got += texts(exchange.tick(7 * MS)) + texts(exchange.pump(9 * MS, 100))
    assert got == all_frames[:2] + all_frames[2 + lost :]


def test_the_server_pings_watches_for_pongs_and_can_be_told_not_to(small: list[bytes]) -> None:
    rules = Rules(ping_interval_s=10, pong_timeout_s=25, connection_age_s=0)
    exchange = exchange_of(small, rules=rules)
    connect(exchange)
    second = 10**9
    assert [type(effect) for effect in exchange.tick(10 * second)] == [Ping]
    exchange.on_pong(1)
    assert [type(effect) for effect in exchange.tick(20 * second)] == [Ping]
    assert [type(effect) for effect in exchange.tick(30 * second)] == [Ping]
    assert exchange.tick(45 * second) == [Close(1, 1008, "Pong timeout")]

    exchange = exchange_of(small, {"kind": "no_pings", "for_s": 30}, rules=rules)
    connect(exchange)
    exchange.tick(0)
    assert exchange.tick(29 * second) == []
    assert [type(effect) for effect in exchange.tick(30 * second)] == [Ping]


def test_a_connection_is_closed_when_it_is_too_old(small: list[bytes]) -> None:
    exchange = exchange_of(small, rules=Rules(ping_interval_s=0, connection_age_s=5))
    connect(exchange)
    assert exchange.tick(5 * 10**9 - 1) == []
    assert exchange.tick(5 * 10**9) == [Close(1, 1001, "24 hours")]


def test_a_shutdown_is_announced_and_then_happens(small: list[bytes]) -> None:
    exchange = exchange_of(small, {"kind": "server_shutdown", "delay_s": 2}, rules=Rules(ping_interval_s=0))
    connect(exchange)
    assert orjson.loads(texts(exchange.tick(0))[0])["e"] == "serverShutdown"
    assert texts(exchange.pump(MS, 100)) == frames_in(small), "data goes on until then"
    assert exchange.tick(2 * 10**9) == [Close(1, 1001, "server shutdown")]


def test_a_paused_market_moves_only_by_steps(small: list[bytes]) -> None:
    exchange = exchange_of(small, speed=1.0)
    exchange.timeline.pause(0)
    connect(exchange)
    assert exchange.pump(10**12, 100) == []
    assert texts(exchange.advance(2, 10**12)) == frames_in(small)[:2]
    assert (exchange.position, exchange.market_s(10**13)) == (2, 0.001)
    exchange.timeline.resume(10**13)
    assert texts(exchange.pump(10**13 + MS, 100)) == [small[2]]


def test_slower_depth_streams_are_made_when_they_are_not_recorded(make: SimpleNamespace) -> None:
    bodies = [make.depth(11 + at, 11 + at, 10 + at, f"{1 + at % 3}.0:{at}.0") for at in range(1, 1000)]
    exchange = exchange_of(bodies)
    connect(exchange, "/public/ws/btcusdt@depth@100ms/btcusdt@depth")
    effects = exchange.pump(0, 10_000) + exchange.tick(0)
    updates = [orjson.loads(text) for text in texts(effects)]
    fast = [update for update in updates if update["u"] - update["U"] < 110]
    slow = [update for update in updates if update["u"] - update["U"] > 110]
    for chain, count in ((fast, 10), (slow, 4)):
        assert len(chain) == count
        assert chain[0]["pu"] == 11
        assert chain[-1]["u"] == 1010
        assert all(after["pu"] == before["u"] for before, after in pairwise(chain))


def test_boundary_snapshots_hold_delivery_at_the_edge_of_an_update(small: list[bytes]) -> None:
    for mode, last_id in (("u", 120), ("inside", 116)):
        exchange = exchange_of(small, speed=1.0)
        connect(exchange)
        exchange.pump(3 * MS, 100)
        boundary = exchange.request_boundary("btcusdt", mode, 0.5, 3 * MS)
        assert boundary is not None
        assert boundary.book is None
        sent = texts(exchange.pump(6 * MS, 100))
        assert sent == [small[4]], "what comes before the update goes out, the update itself does not"
        assert boundary.book is not None
        assert boundary.book.last_id == last_id
        assert ("100.2", "1.500") in boundary.book.asks
        assert exchange.pump(400 * MS, 100) == []
        assert texts(exchange.pump(600 * MS, 100)) == frames_in(small)[4:]

    exchange = exchange_of(small, speed=1.0)
    connect(exchange)
    assert exchange.request_boundary("btcusdt", "pu", 0.5, 0) is None, "no book yet"
    exchange.pump(3 * MS, 100)
    boundary = exchange.request_boundary("btcusdt", "pu", 0.5, 3 * MS)
    assert boundary is not None
    assert boundary.book is not None
    assert boundary.book.last_id == 110
    assert exchange.pump(400 * MS, 100) == []
    assert texts(exchange.pump(503 * MS, 100)) == frames_in(small)[3:]


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 1000),
    kinds=st.lists(st.sampled_from(["drop", "duplicate", "reorder", "corrupt"]), max_size=3),
    chance=st.sampled_from([0.05, 0.5, 1.0]),
    steps=st.lists(st.integers(1, 40), min_size=1, max_size=12),
)
def test_whatever_the_faults_the_book_is_the_one_of_the_frames_that_left(
    seed: int, kinds: list[str], chance: float, steps: list[int]
) -> None:
    """The book asked for between pumps equals the one of a twin market that was asked for exactly as many frames."""
    market = SyntheticMarket(["btcusdt"], rate=0, seed=seed, start_ms=0, levels=4)
    twin = SyntheticMarket(["btcusdt"], rate=0, seed=seed, start_ms=0, levels=4)
    faults = [parse_fault({"kind": kind, "probability": chance, "count": 0, "seed": seed}) for kind in kinds]
    exchange = Exchange(market, Timeline(0.0), FaultScript(faults), Rules(), USDM)
    exchange.open(1, Route(Category.PUBLIC, True, tuple(ALL.split("/"))), 0)
    for step in steps:
        exchange.pump(0, step)
        twin.take(None, step)
        assert market.books["btcusdt"].at() == twin.books["btcusdt"].at()
    assert exchange.position == sum(steps)


def test_only_a_pong_with_the_payload_of_a_ping_answers_it() -> None:
    market = SyntheticMarket(["btcusdt"], rate=0, seed=1, start_ms=0)
    rules = Rules(ping_interval_s=1.0, pong_timeout_s=5.0)
    exchange = Exchange(market, Timeline(1.0), FaultScript(), rules, USDM)
    route = USDM.talk.parse_target("/public/ws")
    assert isinstance(route, Route)
    exchange.open(1, route, 0)
    second = 1_000_000_000
    (ping,) = exchange.tick(second)
    assert isinstance(ping, Ping)
    exchange.on_pong(1, b"something else")
    assert exchange.links[1].unanswered_ping_ns == second
    exchange.on_pong(1, ping.payload)
    assert exchange.links[1].unanswered_ping_ns is None
    exchange.tick(3 * second)
    exchange.on_pong(1, b"")
    assert any(isinstance(effect, Close) for effect in exchange.tick(9 * second))


def test_a_connection_that_asks_for_microseconds_gets_them_and_another_one_does_not() -> None:
    market = SyntheticMarket(["btcusdt"], rate=0, seed=1, start_ms=1_700_000_000_000)
    exchange = Exchange(market, Timeline(0.0), FaultScript(), Rules(), SPOT)
    for number, unit in ((1, ""), (2, "&timeUnit=MICROSECOND")):
        route = SPOT.talk.parse_target(f"/stream?streams=btcusdt@depth@100ms{unit}")
        assert isinstance(route, Route)
        exchange.open(number, route, 0)
    told = {effect.connection: effect.payloads for effect in exchange.pump(0, 20) if isinstance(effect, Deliver)}
    assert len(told[1]) == len(told[2]) > 0
    for plain, fine in zip(told[1], told[2], strict=True):
        ms, us = (orjson.loads(text)["data"] for text in (plain, fine))
        assert us.pop("E") == ms.pop("E") * 1000
        assert us == ms
