from __future__ import annotations

import orjson
import pytest
from venue_sim.face import (
    ListSubscriptions,
    Private,
    Property,
    Refusal,
    Request,
    Route,
    Subscribe,
    Unsubscribe,
    WrongRequest,
)
from venue_sim.instruments import named_instrument
from venue_sim.market import BookState
from venue_sim.venues.usdm import rest, streams
from venue_sim.venues.usdm.streams import Category


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/public/ws", Route(Category.PUBLIC, False, ())),
        ("/public/ws/btcusdt@trade", Route(Category.PUBLIC, False, ("btcusdt@trade",))),
        (
            "/public/stream?streams=a@trade/b@depth@0ms/a@trade",
            Route(Category.PUBLIC, True, ("a@trade", "b@depth@0ms")),
        ),
        ("/public/stream?streams=a%40trade%2Fb%40trade", Route(Category.PUBLIC, True, ("a@trade", "b@trade"))),
        ("/market/stream", Route(Category.MARKET, True, ())),
        (
            "/private/ws?listenKey=k&events=ACCOUNT_UPDATE",
            Route(Category.PRIVATE, False, (), Private(("k",), frozenset({"ACCOUNT_UPDATE"}), "query_events")),
        ),
        ("/stream?streams=a@trade", Route(Category.RETIRED, True, ("a@trade",))),
        ("/ws", Route(Category.RETIRED, False, ())),
        ("/ws/a@trade/b@trade", Route(Category.RETIRED, False, ("a@trade", "b@trade"))),
        ("/ws/pqia91ma19a5s61cv6a81va65sdf19v8a65a1", Route(Category.RETIRED, False, ())),
        ("/", Refusal(404, "Not Found")),
        ("/public", Refusal(404, "Not Found")),
        ("/other/ws", Refusal(404, "Not Found")),
    ],
)
def test_addresses_are_routes(target: str, expected: Route | Refusal) -> None:
    assert streams.parse_target(target) == expected


@pytest.mark.parametrize(
    ("stream", "category"),
    [
        ("btcusdt@depth", Category.PUBLIC),
        ("btcusdt@depth@0ms", Category.PUBLIC),
        ("btcusdt@depth20@100ms", Category.PUBLIC),
        ("btcusdt@depth@50ms", None),
        ("btcusdt@bookTicker", Category.PUBLIC),
        ("!bookTicker", Category.PUBLIC),
        ("btcusdt@trade", Category.PUBLIC),
        ("btcusdt@aggTrade", Category.MARKET),
        ("btcusdt@markPrice@1s", Category.MARKET),
        ("btcusdt@kline_1m", Category.MARKET),
        ("!miniTicker@arr", Category.MARKET),
        ("btcusdt", None),
    ],
)
def test_streams_belong_to_categories(stream: str, category: Category | None) -> None:
    assert streams.category_of(stream) is category


def test_a_route_delivers_its_own_category_and_the_retired_path_only_public_streams() -> None:
    assert streams.delivers(Category.PUBLIC, "a@trade")
    assert not streams.delivers(Category.MARKET, "a@trade")
    assert not streams.delivers(Category.PUBLIC, "a@markPrice")
    assert streams.delivers(Category.RETIRED, "a@depth@0ms")
    assert not streams.delivers(Category.RETIRED, "a@markPrice")
    assert not streams.delivers(Category.PRIVATE, "a@trade")


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        (b'{"method":"SUBSCRIBE","params":["a@trade"],"id":1}', Subscribe(1, ("a@trade",))),
        (b'{"method":"UNSUBSCRIBE","params":["a@trade"],"id":"xY9"}', Unsubscribe("xY9", ("a@trade",))),
        (b'{"method":"LIST_SUBSCRIPTIONS","id":3}', ListSubscriptions(3)),
        (b'{"method":"SET_PROPERTY","params":["combined",true],"id":4}', Property(4, True)),
        (b'{"method":"GET_PROPERTY","params":["combined"],"id":5}', Property(5, None)),
    ],
)
def test_requests_are_read(text: bytes, request_: Request) -> None:
    assert streams.parse_request(text) == request_


@pytest.mark.parametrize(
    ("text", "code", "request_id"),
    [
        (b"{", 3, None),
        (b"[]", 2, None),
        (b'{"id":1}', 2, 1),
        (b'{"method":"DANCE","id":1}', 2, 1),
        (b'{"method":"SUBSCRIBE","id":1}', 2, 1),
        (b'{"method":"SUBSCRIBE","params":"a@trade","id":1}', 2, 1),
        (b'{"method":"SUBSCRIBE","params":[1],"id":"q"}', 2, "q"),
        (b'{"method":"SUBSCRIBE","params":[],"id":-1}', 2, None),
        (b'{"method":"SUBSCRIBE","params":[],"id":1.5}', 2, None),
        (b'{"method":"SET_PROPERTY","params":["colour",true],"id":1}', 0, 1),
        (b'{"method":"SET_PROPERTY","params":["combined",3],"id":1}', 1, 1),
    ],
)
def test_wrong_requests_are_answered_with_the_error_shape(text: bytes, code: int, request_id: object) -> None:
    request = streams.parse_request(text)
    assert isinstance(request, WrongRequest)
    answer = orjson.loads(request.answer)
    assert answer["error"]["code"] == code
    assert isinstance(answer["error"]["msg"], str)
    assert answer["id"] == request_id


def test_depth_weights_are_the_published_ones() -> None:
    assert [rest.depth_weight(limit) for limit in (5, 10, 20, 50, 100, 500, 1000, 7, 5000)] == [
        2,
        2,
        2,
        2,
        5,
        10,
        20,
        None,
        None,
    ]


def test_a_depth_body_has_the_exchange_s_keys_order_and_strings() -> None:
    body = rest.depth_body(BookState(9, 8, 7, [("2.10", "1.0"), ("2.00", "3.0")], [("2.20", "1")]), 1)
    assert body == b'{"lastUpdateId":9,"E":8,"T":7,"bids":[["2.10","1.0"]],"asks":[["2.20","1"]]}'


def test_exchange_info_lists_limits_and_filters() -> None:
    info = orjson.loads(rest.instruments_body([named_instrument("btcusdt")[0]], 5))
    symbol = info["symbols"][0]
    filters = {entry["filterType"]: entry for entry in symbol["filters"]}
    assert (symbol["symbol"], symbol["contractType"], symbol["status"], symbol["pricePrecision"]) == (
        "BTCUSDT",
        "PERPETUAL",
        "TRADING",
        2,
    )
    assert (filters["PRICE_FILTER"]["tickSize"], filters["LOT_SIZE"]["stepSize"]) == ("0.10", "0.001")
    assert {"MARKET_LOT_SIZE", "MIN_NOTIONAL"} <= filters.keys()
    assert {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400} in info[
        "rateLimits"
    ]
