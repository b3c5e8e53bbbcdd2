from __future__ import annotations

from typing import Any

import orjson
import pytest
from venue_sim.config import parse_fault
from venue_sim.desk import Desk, Reply, Ticket
from venue_sim.exchange import Exchange, Rules
from venue_sim.faults import FaultScript
from venue_sim.synthetic import SyntheticMarket
from venue_sim.timeline import Timeline
from venue_sim.venues.usdm import USDM

DEPTH = "/fapi/v1/depth"


def desk_of(*faults: dict[str, Any], **options: Any) -> tuple[Exchange, Desk]:
    market = SyntheticMarket(["btcusdt", "ethusdt"], rate=0, seed=1, start_ms=1_800_000_000_000, levels=5)
    exchange = Exchange(
        market,
        Timeline(0.0),
        FaultScript([parse_fault(fault) for fault in faults]),
        Rules(start_on_subscribe=False),
        USDM,
    )
    exchange.timeline.start(0)
    exchange.pump(0, 300)
    return exchange, Desk(exchange, **options)


def ask(desk: Desk, path: str = DEPTH, epoch_s: float = 6000.0, **query: str) -> Reply:
    answer = desk.ask("GET", path, query, "127.0.0.1", 0, epoch_s)
    if isinstance(answer, Ticket):
        reply = desk.poll(answer, 0, epoch_s)
        assert reply is not None
        return reply
    return answer


def test_depth_is_the_true_book_cut_to_the_limit() -> None:
    exchange, desk = desk_of()
    book = exchange.market.books["btcusdt"].at()
    assert book is not None
    body = orjson.loads(ask(desk, symbol="BTCUSDT", limit="5").body)
    assert list(body) == ["lastUpdateId", "E", "T", "bids", "asks"]
    assert body["lastUpdateId"] == book.last_id
    assert [tuple(level) for level in body["bids"]] == book.bids[:5]
    assert len(orjson.loads(ask(desk, symbol="btcusdt").body)["asks"]) == 500


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({}, -1102),
        ({"symbol": "NOPE"}, -1121),
        ({"symbol": "BTCUSDT", "limit": "7"}, -4021),
        ({"symbol": "BTCUSDT", "limit": "x"}, -1100),
    ],
)
def test_wrong_depth_requests_are_400_with_the_exchange_s_code(query: dict[str, str], code: int) -> None:
    reply = ask(desk_of()[1], **query)
    assert (reply.status, orjson.loads(reply.body)["code"]) == (400, code)


def test_weights_are_counted_shown_and_enforced() -> None:
    _, desk = desk_of(weight_per_minute=50, patience=1)
    assert ask(desk, symbol="BTCUSDT", limit="1000").headers["X-MBX-USED-WEIGHT-1M"] == "20"
    assert ask(desk, "/fapi/v1/ping").headers["X-MBX-USED-WEIGHT-1M"] == "21"
    assert ask(desk, symbol="BTCUSDT", limit="1000").status == 200
    refused = ask(desk, symbol="BTCUSDT", limit="1000", epoch_s=6030.0)
    assert (refused.status, refused.headers["Retry-After"], orjson.loads(refused.body)["code"]) == (429, "30", -1003)
    banned = ask(desk, symbol="BTCUSDT", limit="1000", epoch_s=6030.0)
    assert (banned.status, banned.headers["Retry-After"]) == (418, "120")
    assert b"banned until 6150000" in banned.body
    assert ask(desk, "/fapi/v1/time", epoch_s=6149.0).status == 418
    assert ask(desk, "/fapi/v1/time", epoch_s=6151.0).status == 200
    assert desk.peak_weight == 41
    assert [seen.status for seen in desk.depth_requests["btcusdt"]] == [200, 200, 429, 418]


@pytest.mark.parametrize(
    ("fault", "status", "text"),
    [
        ({"kind": "status", "status": 500}, 500, b'"code":-1000'),
        ({"kind": "status", "status": 503}, 503, b"Unknown error"),
        ({"kind": "status", "status": 403}, 403, b"<html>"),
        ({"kind": "status", "status": 429, "retry_after_s": 7}, 429, b"Too many requests"),
        ({"kind": "status", "status": 418, "retry_after_s": 9}, 418, b"banned until 6009000"),
        ({"kind": "empty_body"}, 200, b""),
        ({"kind": "html_body"}, 502, b"<html>"),
    ],
)
def test_request_faults_answer_what_they_say_once(fault: dict[str, Any], status: int, text: bytes) -> None:
    _, desk = desk_of({**fault, "path": DEPTH})
    assert ask(desk, "/fapi/v1/time").status == 200
    reply = ask(desk, symbol="BTCUSDT")
    assert reply.status == status
    assert text in reply.body
    assert reply.headers.get("Retry-After") == (str(fault["retry_after_s"]) if "retry_after_s" in fault else None)
    assert "X-MBX-USED-WEIGHT-1M" in reply.headers
    assert ask(desk, symbol="BTCUSDT").status == 200


def test_slow_and_never_are_left_to_the_shell() -> None:
    _, desk = desk_of({"kind": "slow", "delay_s": 1.5}, {"kind": "timeout"})
    assert ask(desk, symbol="BTCUSDT").delay_s == 1.5
    assert ask(desk, symbol="BTCUSDT").never
    assert desk.requests[f"{DEPTH} never"] == 1


def test_a_stale_snapshot_is_a_true_older_book() -> None:
    exchange, desk = desk_of({"kind": "stale_snapshot", "updates": 5})
    history = exchange.market.books["btcusdt"]
    older = history.id_before(5)
    body = orjson.loads(ask(desk, symbol="BTCUSDT", limit="1000").body)
    state = history.at(older)
    assert state is not None
    assert body["lastUpdateId"] == older
    assert older is not None
    assert history.last_id is not None
    assert older < history.last_id
    assert [tuple(level) for level in body["bids"]] == state.bids[:1000]


def test_an_inside_snapshot_is_the_true_book_with_an_id_within_the_last_update() -> None:
    exchange, desk = desk_of(inside=True)
    history = exchange.market.books["btcusdt"]
    book = history.at()
    assert book is not None
    first_id = history.first_id_of(book.last_id)
    body = orjson.loads(ask(desk, symbol="BTCUSDT", limit="1000").body)
    assert first_id is not None
    assert first_id <= body["lastUpdateId"] < book.last_id
    assert [tuple(level) for level in body["bids"]] == book.bids[:1000]


def test_an_inside_snapshot_waits_for_an_update_of_more_than_one_id() -> None:
    market = SyntheticMarket(["btcusdt"], rate=0, seed=1, start_ms=0, levels=5)
    exchange = Exchange(market, Timeline(0.0), FaultScript(), Rules(start_on_subscribe=False), USDM)
    desk = Desk(exchange, inside=True)
    ticket = desk.ask("GET", DEPTH, {"symbol": "BTCUSDT"}, "", 0, 0.0)
    assert isinstance(ticket, Ticket)
    assert desk.poll(ticket, 0, 0.0) is None
    exchange.timeline.start(0)
    history = market.books["btcusdt"]
    answered = 0
    for _ in range(500):
        exchange.pump(0, 1)
        reply = desk.poll(ticket, 0, 0.0)
        first_id = history.first_id_of(history.last_id)
        assert (reply is None) == (first_id is None or first_id == history.last_id)
        answered += reply is not None
    assert answered > 100


def test_a_boundary_snapshot_comes_when_the_update_is_reached_or_is_given_up() -> None:
    exchange, desk = desk_of({"kind": "boundary_snapshot", "mode": "u", "for_s": 1.0, "count": 2})
    ticket = desk.ask("GET", DEPTH, {"symbol": "BTCUSDT"}, "", 0, 0.0)
    assert isinstance(ticket, Ticket)
    assert desk.poll(ticket, 0, 0.0) is None
    before = exchange.last_sent_id["btcusdt"]
    exchange.pump(1, 1000)
    reply = desk.poll(ticket, 1, 0.0)
    assert reply is not None
    answered = orjson.loads(reply.body)["lastUpdateId"]
    assert answered > before == exchange.last_sent_id["btcusdt"], "the update itself has not been sent"
    exchange.pump(2 * 10**9, 1)
    assert exchange.last_sent_id["btcusdt"] == answered

    late = desk.ask("GET", DEPTH, {"symbol": "BTCUSDT"}, "", 0, 0.0)
    assert isinstance(late, Ticket)
    desk.poll(late, 0, 0.0)
    assert desk.give_up(late, 0.0).status == 503
    assert exchange.boundaries.waiting == []


def test_other_endpoints_answer() -> None:
    exchange, desk = desk_of()
    assert ask(desk, "/fapi/v1/ping").body == b"{}"
    assert orjson.loads(ask(desk, "/fapi/v1/time").body) == {"serverTime": exchange.exchange_ms(0)}
    assert [entry["symbol"] for entry in orjson.loads(ask(desk, "/fapi/v1/exchangeInfo").body)["symbols"]] == [
        "BTCUSDT",
        "ETHUSDT",
    ]
    unknown = ask(desk, "/fapi/v1/nothing")
    assert (unknown.status, orjson.loads(unknown.body)["code"]) == (404, -5000)
