"""A signed client of a simulated exchange without a socket, for tests."""

from __future__ import annotations

from fractions import Fraction
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson
from venue_sim.accounts import Account
from venue_sim.auth import Key, payload_of, sign
from venue_sim.book import LoggedBook
from venue_sim.config import parse_fault
from venue_sim.desk import Desk, Reply
from venue_sim.exchange import Exchange, Rules
from venue_sim.face import Route
from venue_sim.faults import FaultScript
from venue_sim.limits import POOLS, OrderPool
from venue_sim.links import Deliver, Effect
from venue_sim.market import BookHistory as History
from venue_sim.market import BookState, Frame, Instrument, Trade, Update
from venue_sim.timeline import Timeline
from venue_sim.trade_desk import Credentials, TradeDesk
from venue_sim.trading import Trading
from venue_sim.venues.usdm import USDM, USDM_TRADE
from venue_sim.venues.usdm.streams import parse_target

COIN = Instrument("btcusdt", "0.10", "0.001", "BTC", "USDT")
START_MS = 1_700_000_000_000


class Still:
    """A market that does what a test says: its frames are those put into `frames`."""

    name = "still"
    total: int | None = None
    topics = frozenset({("btcusdt", "depth"), ("btcusdt", "trade")})
    recorded_streams: frozenset[str] = frozenset()
    exchange_start_ms = START_MS

    def __init__(self) -> None:
        self.instruments = {"btcusdt": COIN}
        bids, asks = [("100.00", "1.000"), ("99.90", "2.000")], [("100.10", "1.000"), ("100.20", "2.000")]
        self.books: dict[str, History] = {"btcusdt": LoggedBook(BookState(100, 0, 0, bids, asks))}
        self.frames: list[Frame] = []

    def next_due_ns(self) -> int | None:
        return 0 if self.frames else None

    def take(self, until_ns: int | None, limit: int) -> list[Frame]:
        out, self.frames = self.frames[:limit], self.frames[limit:]
        return out


class Client:
    """A signed client, and the events of its stream."""

    def __init__(self, *faults: dict[str, Any], pools: tuple[OrderPool, ...] = POOLS, form: str = "any") -> None:
        self.market = Still()
        script = FaultScript([parse_fault(fault) for fault in faults])
        rules = Rules(start_on_subscribe=False, user_stream_form=form)
        self.exchange = Exchange(self.market, Timeline(1.0), script, rules, USDM)
        self.exchange.timeline.start(0)
        accounts = {name: Account(name, Fraction(10_000)) for name in ("alice", "bob")}
        trading = Trading(self.market.instruments, accounts)
        keys = {"ka": Key("alice", "sa"), "kb": Key("bob", "sb")}
        self.exchange.let_trade(trading, USDM_TRADE)
        self.trade = TradeDesk(self.exchange, trading, keys, USDM_TRADE, pools)
        self.desk = Desk(self.exchange, trade=self.trade)
        self.now_ms = 0
        self.opened = 0
        self.effects: list[Effect] = []

    def ask(
        self, method: str, path: str, key: str = "ka", secret: str = "sa", signed: bool = True, **query: Any
    ) -> Reply:
        if signed:
            query = {**query, "timestamp": query.get("timestamp", START_MS + self.now_ms)}
        text = urlencode(query)
        if signed:
            text += "&signature=" + sign(text, secret)
        payload, signature = payload_of(text, "")
        who = Credentials(dict(parse_qsl(text)), key, payload, signature)
        now_ns = self.now_ms * 1_000_000
        reply = self.desk.ask(method, path, dict(parse_qsl(text)), "1", now_ns, 6000.0 + self.now_ms / 1000, who)
        assert isinstance(reply, Reply)
        return reply

    def order(self, method: str = "POST", **query: Any) -> Any:
        if method == "POST":
            limit = {"type": "LIMIT", "timeInForce": "GTC", "price": "100.00"} if "type" not in query else {}
            query = {"side": "BUY", "quantity": "1", **limit, **query}
        return orjson.loads(self.ask(method, "/fapi/v1/order", symbol="BTCUSDT", **query).body)

    def call(self, method: str, **parameters: Any) -> Any:
        """Ask over the WebSocket API; None when there is no answer."""
        reply = self.call_raw(method, **parameters)
        return None if reply.never or reply.hang_up else orjson.loads(reply.body)

    def call_raw(self, method: str, **parameters: Any) -> Reply:
        parameters = {"apiKey": "ka", "timestamp": START_MS + self.now_ms, **parameters}
        payload = "&".join(f"{name}={parameters[name]}" for name in sorted(parameters))
        text = orjson.dumps({"id": "7", "method": method, "params": {**parameters, "signature": sign(payload, "sa")}})
        return self.desk.ask_api(text, "1", self.now_ms * 1_000_000, 6000.0 + self.now_ms / 1000)

    def pass_ms(self, ms: int) -> None:
        """Let time pass, and what is due by then happen."""
        self.now_ms += ms
        self.trade.due(self.now_ms * 1_000_000, 6000.0 + self.now_ms / 1000)
        self.effects += self.exchange.tick(self.now_ms * 1_000_000)

    def api(self) -> int:
        """Open a connection of the WebSocket API."""
        self.opened += 1
        route = parse_target("/ws-fapi/v1")
        assert isinstance(route, Route)
        self.exchange.open(self.opened, route, 0)
        return self.opened

    def stream(self, address: str = "/private/ws?listenKey={}&events=ORDER_TRADE_UPDATE/ACCOUNT_UPDATE") -> int:
        key = orjson.loads(self.ask("POST", "/fapi/v1/listenKey", signed=False).body)["listenKey"]
        route = parse_target(address.format(key))
        assert isinstance(route, Route)
        self.opened += 1
        self.exchange.open(self.opened, route, 0)
        return self.opened

    def events(self, connection: int = 1) -> list[Any]:
        effects, self.effects = self.effects + self.exchange.flush(), []
        return [
            orjson.loads(payload)
            for effect in effects
            if isinstance(effect, Deliver) and effect.connection == connection
            for payload in effect.payloads
        ]

    def market_does(self, *messages: Update | Trade) -> None:
        for message in messages:
            kind = "depth" if isinstance(message, Update) else "trade"
            self.market.frames.append(Frame(0, "btcusdt", kind, 0, message))
        self.effects += self.exchange.advance(len(messages), self.now_ms * 1_000_000)
