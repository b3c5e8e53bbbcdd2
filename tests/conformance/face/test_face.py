"""What every face of venue-sim must do. A new face is one more row of `CASES`; nothing else here changes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl

import orjson
import pytest
import venue_sim
from hypothesis import given, settings
from hypothesis import strategies as st
from venue_sim.exchange import Exchange, Rules
from venue_sim.face import (
    Answered,
    AskDepth,
    AskWrong,
    Face,
    FrameLine,
    ListSubscriptions,
    Property,
    Refusal,
    Route,
    SnapshotLine,
    Subscribe,
    Unsubscribe,
    WrongRequest,
    packet_of,
    stream_of,
    update_of,
)
from venue_sim.faults import FaultScript
from venue_sim.instruments import named_instrument
from venue_sim.links import Deliver
from venue_sim.market import DEPTH, QUOTE, TRADE, BookState, Frame, Instrument, Message, Quote, Recorded, Trade, Update
from venue_sim.synthetic import SyntheticMarket
from venue_sim.timeline import Timeline
from venue_sim.venues.bybit import BYBIT
from venue_sim.venues.hyperliquid import HYPERLIQUID
from venue_sim.venues.papi import PAPI
from venue_sim.venues.usdm import USDM


@dataclass(frozen=True)
class Case:
    """A face and how a client speaks to it: an address for streams (wrapped or not) and the texts of requests.

    `named`: its addresses name streams; else they are asked for by message. `told` is what of a market's message the exchange tells,
    `number` what becomes of a request's number, `limited` the status of its refusals for weight.
    """

    face: Face
    address: Callable[[list[str], bool], str]
    subscribe: Callable[[list[str], int], str]
    depth: tuple[str, Callable[[str, int], dict[str, str]]]
    named: bool = True
    told: Callable[[Message], Message] = lambda message: message
    number: Callable[[int], int | str | None] = lambda number: number
    limited: Callable[[int], int] = lambda status: status

    def told_instrument(self, instrument: Instrument) -> Instrument:
        """What its list tells of a contract."""
        return self.face.rest.read_instruments(self.face.rest.instruments_body([instrument], 7, 2400))[
            instrument.symbol
        ]


def bybit_told(message: Message) -> Message:
    """One id, which is the last."""
    return (
        message._replace(first_id=message.last_id, prev_id=message.last_id - 1)
        if isinstance(message, Update)
        else message
    )


def hyperliquid_told(message: Message) -> Message:
    """One time, and of books no id."""
    message = message._replace(event_ms=message.transact_ms)
    match message:
        case Update():
            return message._replace(first_id=0, last_id=0, prev_id=0)
        case Quote():
            return message._replace(last_id=0)
        case _:
            return message._replace(insurance=False)


CASES = [
    Case(
        face,
        lambda streams, wrapped: (
            f"/public/stream?streams={'/'.join(streams)}" if wrapped else f"/public/ws/{'/'.join(streams)}"
        ),
        lambda streams, number: orjson.dumps({"method": "SUBSCRIBE", "params": streams, "id": number}).decode(),
        ("/fapi/v1/depth", lambda symbol, limit: {"symbol": symbol.upper(), "limit": str(limit)}),
    )
    for face in (USDM, PAPI)
] + [
    Case(
        BYBIT,
        lambda streams, wrapped: "/v5/public/linear",
        lambda streams, number: orjson.dumps({"op": "subscribe", "args": streams, "req_id": str(number)}).decode(),
        (
            "/v5/market/orderbook",
            lambda symbol, limit: {"category": "linear", "symbol": symbol.upper(), "limit": str(limit)},
        ),
        named=False,
        told=bybit_told,
        number=str,
        limited=lambda status: 403,
    ),
    Case(
        HYPERLIQUID,
        lambda streams, wrapped: "/ws",
        lambda streams, number: orjson.dumps(
            {
                "method": "subscribe",
                "subscription": dict(zip(("type", "coin"), streams[0].split(":"), strict=True)),
            }
        ).decode(),
        ("/info", lambda symbol, limit: {"type": "l2Book", "coin": symbol.upper()}),
        named=False,
        told=hyperliquid_told,
        number=lambda number: None,
        limited=lambda status: 429,
    ),
]
each_face = pytest.mark.parametrize("case", CASES, ids=lambda case: case.face.name)

IDS = st.integers(0, 1 << 52)
PRICES = st.decimals("0.01", "99999", places=2).map(str)
LEVELS = st.lists(st.tuples(PRICES, PRICES), max_size=5)
UPDATES = st.builds(Update, IDS, IDS, IDS, IDS, IDS, LEVELS, LEVELS)
TRADES = st.builds(Trade, IDS, IDS, IDS, PRICES, PRICES, st.booleans(), st.booleans())
QUOTES = st.builds(Quote, IDS, IDS, IDS, st.tuples(PRICES, PRICES), st.tuples(PRICES, PRICES))
MESSAGES: st.SearchStrategy[Message] = st.one_of(UPDATES, TRADES, QUOTES)
SYMBOLS = st.sampled_from(["btcusdt", "ethusdt", "1000pepeusdt"])


@each_face
@given(symbol=SYMBOLS, message=MESSAGES)
def test_a_recorded_message_reads_back_as_what_was_rendered(case: Case, symbol: str, message: Message) -> None:
    messages = case.face.messages
    packet, message = messages.render(symbol, message), case.told(message)
    line = messages.read_line(17, packet.wrapped)
    assert line == FrameLine(17, packet.stream, packet.wrapped, packet.data)
    assert messages.read_event_ms(packet.data) == message.event_ms
    name = messages.read_stream(packet.stream)
    assert (name.symbol, name.words) == (symbol, packet.words)
    if isinstance(message, Update):
        read = messages.read_update(packet.data)
        assert [[tuple(level) for level in side] for side in (read.bids, read.asks)] == [message.bids, message.asks]
        assert read[:5] == message[:5]
        assert messages.read_ids(packet.data) in (message[:3], None)
    if not isinstance(message, Trade):
        assert messages.read_quote_id(packet.data) == message.last_id == packet.last_id


@each_face
@given(symbol=SYMBOLS, message=MESSAGES)
def test_a_stencil_filled_with_its_own_values_is_the_message(case: Case, symbol: str, message: Message) -> None:
    stencil = case.face.messages.stencil(symbol, message)
    packet = case.face.messages.render(symbol, message)
    assert stencil.data % stencil.values == packet.data
    assert stencil.prefix + packet.data + stencil.suffix == packet.wrapped
    assert {name: getattr(case.told(message), name) for name in stencil.fields} == dict(
        zip(stencil.fields, stencil.values, strict=True)
    )


@each_face
@given(symbol=SYMBOLS, message=MESSAGES)
def test_a_frame_of_recorded_bytes_leaves_as_those_bytes(case: Case, symbol: str, message: Message) -> None:
    packet = case.face.messages.render(symbol, message)
    odd = packet.data + b" "
    kind = {Update: DEPTH, Trade: TRADE, Quote: QUOTE}[type(message)]
    frame = Frame(0, symbol, kind, packet.last_id, None, Recorded(packet.stream, packet.wrapped, odd))
    assert packet_of(case.face, frame)._replace(data=packet.data) == packet
    assert packet_of(case.face, frame).data is odd
    assert stream_of(case.face, frame) == packet.stream
    if isinstance(message, Update):
        assert update_of(case.face, frame)[:5] == case.told(message)[:5]


@each_face
@pytest.mark.parametrize("kind", [DEPTH, TRADE, QUOTE])
def test_the_streams_of_a_market_s_own_kinds_can_be_asked_for_and_are_delivered(case: Case, kind: str) -> None:
    talk, messages = case.face.talk, case.face.messages
    stream = messages.stream_of("btcusdt", kind)
    name = messages.read_stream(stream)
    assert (name.symbol, name.kind, name.speed) == ("btcusdt", kind, min(name.speed, 9))
    assert messages.slower(stream) is None
    for wrapped in (True, False):
        route = talk.parse_target(case.address([stream], wrapped))
        assert isinstance(route, Route)
        assert (route.combined, route.streams) == ((wrapped, (stream,)) if case.named else (True, ()))
        assert talk.delivers(route.category, stream)
    assert talk.parse_request(case.subscribe([stream], 7).encode()) == Subscribe(case.number(7), (stream,))


@each_face
@given(target=st.text(max_size=60) | st.text(alphabet="/wsstreampublicprivate?=@&", max_size=40))
def test_any_address_is_a_route_or_a_refusal_with_a_status(case: Case, target: str) -> None:
    found = case.face.talk.parse_target("/" + target)
    assert isinstance(found, Route) or (isinstance(found, Refusal) and 400 <= found.status < 600)


REQUESTS = (Subscribe, Unsubscribe, ListSubscriptions, Property, WrongRequest, Answered)


@each_face
@given(
    text=st.binary(max_size=60)
    | st.recursive(
        st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["method", "params", "id", "op", "args", "subscription", "type", "coin"]),
                inner,
                max_size=3,
            )
        ),
        max_leaves=6,
    ).map(orjson.dumps)
)
def test_any_text_is_a_request_and_a_wrong_one_has_an_answer_in_json(case: Case, text: bytes) -> None:
    request = case.face.talk.parse_request(text)
    assert isinstance(request, REQUESTS)
    if isinstance(request, WrongRequest | Answered):
        assert isinstance(orjson.loads(request.answer), dict)


@each_face
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    path=st.text(max_size=20),
    query=st.dictionaries(st.sampled_from(["symbol", "limit", "x"]), st.text(max_size=6), max_size=3),
    real=st.booleans(),
)
def test_any_rest_request_is_answered_and_has_a_weight(
    case: Case, method: str, path: str, query: dict[str, str], real: bool
) -> None:
    rest = case.face.rest
    question = rest.parse(method, case.depth[0] if real else "/" + path, query, ["btcusdt"])
    assert 0 <= question.weight <= rest.least_weight_per_minute
    if isinstance(question, AskWrong):
        assert 400 <= question.answer.status < 500
    if isinstance(question, AskDepth) and question.wrong is None:
        assert question.symbol == "btcusdt"


@each_face
def test_a_depth_body_holds_the_best_levels_and_reads_back_as_a_recorded_snapshot(case: Case) -> None:
    path, query = case.depth
    question = case.face.rest.parse("GET", path, query("btcusdt", 5), ["btcusdt"])
    assert isinstance(question, AskDepth)
    assert (question.symbol, question.wrong) == ("btcusdt", None)
    bids = [(f"{100 - at}.00", "1.0") for at in range(9)]
    asks = [(f"{101 + at}.00", "2.0") for at in range(9)]
    line = case.face.messages.read_line(1, case.face.rest.depth_body(BookState(9, 8, 7, bids, asks), 5))
    told = case.told(Update(9, 9, 9, 8, 7, bids[: question.limit], asks[: question.limit]))
    assert isinstance(told, Update)
    assert isinstance(line, SnapshotLine)
    assert line.state == BookState(told.last_id, told.event_ms, told.transact_ms, line.state.bids, line.state.asks)
    assert line.state.bids == bids[:5]
    assert line.state.asks == asks[:5]


@each_face
def test_refusals_for_weight_say_when_to_come_back(case: Case) -> None:
    rest = case.face.rest
    for status in (418, 429):
        answer = rest.too_many(status, 1_700_000_000_000, 17, 2400)
        assert answer.status == case.limited(status)
        if case.named:
            assert answer.headers["Retry-After"] == "17"
            assert isinstance(orjson.loads(answer.body), dict)
    assert rest.no_book().status == 503
    assert all("9" in value for value in rest.usage_headers(9).values())
    assert orjson.loads(rest.instruments_body([named_instrument("btcusdt")[0]], 5, 77))


@each_face
@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 50), wrapped=st.booleans(), frames=st.integers(1, 60))
def test_a_client_s_book_made_of_what_it_reads_is_the_true_book(
    case: Case, seed: int, wrapped: bool, frames: int
) -> None:
    """The whole way: address, subscription, delivery and reading, against the market's own book."""
    face = case.face
    market = SyntheticMarket(["btcusdt"], rate=0, seed=seed, start_ms=0, levels=4)
    start = market.books["btcusdt"].at()
    assert start is not None
    exchange = Exchange(market, Timeline(0.0), FaultScript(), Rules(), face)
    stream = face.messages.stream_of("btcusdt", DEPTH)
    route = face.talk.parse_target(case.address([stream], wrapped))
    assert isinstance(route, Route)
    exchange.open(1, route, 0)
    effects = [] if case.named else exchange.on_text(1, case.subscribe([stream], 1).encode(), 0)
    bids, asks = dict(start.bids), dict(start.asks)
    window = face.messages.window(stream)
    effects += exchange.pump(0, frames)
    if window is not None:  # it has a pace of its own: let that time pass
        market.take(None, 400)
        exchange.views.touch("btcusdt")
        exchange.timeline.reached(10**12, 0)
        effects += exchange.tick(0)
        bids, asks = {}, {}
    for effect in effects:
        assert isinstance(effect, Deliver)
        for payload in effect.payloads:
            if not case.named and not isinstance(face.messages.read_line(0, payload), FrameLine):
                continue  # the answer to the subscription
            if window is not None and (window.whole or b'"snapshot"' in payload):
                bids, asks = {}, {}
            line = face.messages.read_line(0, payload) if wrapped else FrameLine(0, stream, b"", payload)
            assert isinstance(line, FrameLine)
            update = face.messages.read_update(line.data)
            for side, changes in ((bids, update.bids), (asks, update.asks)):
                for price, quantity in changes:
                    side[price] = quantity
    state = market.books["btcusdt"].at()
    assert state is not None
    most = None if window is None else window.levels
    assert {price: quantity for price, quantity in bids.items() if float(quantity)} == dict(state.bids[:most])
    assert {price: quantity for price, quantity in asks.items() if float(quantity)} == dict(state.asks[:most])


WORDS = re.compile(
    r'venues\.|[uU]sdm|USDM|[bB]inance|[fp]api|PAPI|depthUpdate|bookTicker|@depth|@trade|X-MBX|listenKey|"(E|T|U|lastUpdateId)"'
    r"|[bB]ybit|orderbook\.|publicTrade|retCode|X-BAPI|[hH]yperliquid|l2Book",
)


def test_nothing_but_the_command_line_and_the_faces_knows_a_venue_s_word() -> None:
    folder = Path(venue_sim.__file__).parent
    wrong = {
        f"{path.name}:{number}": line
        for path in folder.glob("*.py")
        if path.name != "cli.py"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if WORDS.search(line)
    }
    assert not wrong


@each_face
def test_a_venue_of_this_face_can_be_followed(case: Case) -> None:
    face, symbols = case.face, ("btcusdt", "ethusdt")
    instruments = {symbol: named_instrument(symbol)[0] for symbol in symbols}
    body = face.rest.instruments_body(instruments.values(), 7, 2400)
    assert face.rest.read_instruments(body) == {s: case.told_instrument(one) for s, one in instruments.items()}
    assert face.rest.read_time(face.rest.time_body(1_700_000_000_123)) == 1_700_000_000_123
    path, _, query = face.rest.depth_target("btcusdt").partition("?")
    asked = face.rest.parse("GET", path, dict(parse_qsl(query)), symbols)
    assert isinstance(asked, AskDepth)
    assert (asked.symbol, asked.wrong) == ("btcusdt", None)
    for path in (face.rest.instruments_path, face.rest.time_path):
        assert not isinstance(face.rest.parse("GET", path, {}, symbols), AskWrong)
    streams = [face.messages.stream_of(symbol, kind) for symbol in symbols for kind in (DEPTH, TRADE, QUOTE)]
    route = face.talk.parse_target(face.talk.streams_target(streams))
    assert isinstance(route, Route)
    assert (route.streams, route.combined) == (tuple(streams) if case.named else (), True)
    assert all(face.talk.delivers(route.category, stream) for stream in streams)
