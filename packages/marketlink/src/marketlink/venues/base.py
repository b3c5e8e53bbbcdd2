"""What every venue's decoder returns, and what a feed and a connector need to know of a venue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from marketlink.book.rules import DepthUpdate, Rule, Snapshot
from marketlink.events import Events
from marketlink.venues.trading import OrderLimit


@dataclass(frozen=True, slots=True)
class OrderBounds:
    """What an instrument's orders must keep besides its steps; None where the exchange does not say."""

    min_notional: Decimal | None = None
    min_qty: Decimal | None = None
    max_qty: Decimal | None = None
    max_market_qty: Decimal | None = None
    min_price: Decimal | None = None
    max_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Instrument:
    """One tradable symbol; sizes as the exchange states them, as number and as text."""

    symbol: str  # as the exchange's streams spell it: lower case on Binance
    tick_size: float
    lot_size: float
    tick_text: str
    lot_text: str
    trading: bool
    bounds: OrderBounds = OrderBounds()
    base: str = ""  # the asset that is bought and sold, where the exchange names it
    contract: Decimal | None = (
        None  # what one contract is worth of the currency that prices are in, where quantities are contracts
    )

    def notional(self, qty: Decimal, price: Decimal) -> Decimal:
        """What a quantity is worth at a price."""
        return qty * (price if self.contract is None else self.contract)


@dataclass(frozen=True, slots=True, eq=False)
class Depth:
    """One depth message."""

    symbol: str
    update: DepthUpdate


@dataclass(frozen=True, slots=True, eq=False)
class Ticks:
    """Trades or best quotes: event records that need no synchroniser. May be empty where the message is to be left out."""

    symbol: str
    events: Events


@dataclass(frozen=True, slots=True)
class Answer:
    """The venue's answer to a subscription request; `error` is None when it was accepted."""

    request_id: int | str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class ShuttingDown:
    """The venue says that it will close this connection soon."""


@dataclass(frozen=True, slots=True)
class NotUsed:
    """A message of a kind that is not used (`known`), or not known; counted by its kind."""

    kind: str
    known: bool


VenueMessage = Depth | Ticks | Answer | ShuttingDown | NotUsed


@dataclass(frozen=True, slots=True)
class Heading:
    """What a recorder needs of a frame without decoding it: whose it is, and a depth update's ids."""

    symbol: str
    stream: str  # "depth", "trade", "bookTicker", ...
    first_id: int = 0
    last_id: int = 0
    prev_id: int | None = None


@dataclass(frozen=True, slots=True)
class Get:
    """A REST request: path, query, and its weight against the venue's limit."""

    path: str
    query: Mapping[str, str]
    weight: int


@dataclass(frozen=True, slots=True)
class WeightLimit:
    """So much weight in so many seconds for one address."""

    weight: int
    per_s: int


@dataclass(frozen=True, slots=True)
class ExchangeInfo:
    """What a venue says of itself: its instruments by symbol, its request limit, and its order limits where it states them."""

    instruments: Mapping[str, Instrument]
    weight_limit: WeightLimit
    order_limits: Sequence[OrderLimit] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A venue's error answer to a request: its own number, its words, and the end of a ban where the words name one."""

    code: int | None
    text: str
    until_ns: int | None = None  # wall clock


class PublicVenue(Protocol):
    """The public half of a venue: constants and pure functions."""

    @property
    def name(self) -> str:
        """The venue's name in messages, e.g. `binancefutures`."""

    @property
    def rule(self) -> Rule:
        """How its depth updates follow each other."""

    @property
    def max_streams(self) -> int:
        """How many streams one connection may carry."""

    @property
    def max_messages_per_s(self) -> int:
        """How many messages a client may send on one connection each second."""

    @property
    def used_weight_header(self) -> str:
        """The answer header that says how much weight this address has used."""

    @property
    def weight_limit(self) -> WeightLimit:
        """The request limit as documented, to start with; `decode_info` tells the true one."""

    def normal_symbol(self, symbol: str) -> str:
        """Spell a symbol as the venue's streams do."""

    def stream_url(self, root: str) -> str:
        """The public market data websocket below a configured root."""

    def warm_up(self) -> None:
        """Load what reading frames needs, before the first of them."""

    def reduced_root(self, url: str) -> str | None:
        """The root below a URL that names a route of an older style; None when it is a root already."""

    def depth_stream(self, symbol: str) -> str:
        """The stream of a symbol's depth: one of its live and recorded streams."""

    def live_streams(self, symbol: str) -> Sequence[str]:
        """The streams a connector needs."""

    def recorded_streams(self, symbol: str) -> Sequence[str]:
        """The streams a recorder takes."""

    def subscribe(self, streams: Sequence[str], request_id: int) -> bytes:
        """The message that subscribes to streams."""

    def unsubscribe(self, streams: Sequence[str], request_id: int) -> bytes:
        """The message that ends subscriptions."""

    def control(self, frame: bytes) -> Answer | ShuttingDown | None:
        """Read a frame about the connection itself; None for data and for what can't be read. Cheap for data."""

    def decode(self, frame: bytes, recv_ns: int) -> VenueMessage:
        """Decode a frame. Raises MalformedMessage."""

    def heading(self, frame: bytes) -> Heading | Answer | ShuttingDown | NotUsed:
        """Read only what a recorder needs of a frame. Raises MalformedMessage."""

    def snapshot_request(self, symbol: str) -> Get:
        """The request for a whole book."""

    def decode_snapshot(self, symbol: str, body: bytes, recv_ns: int) -> Snapshot:
        """Decode a whole book; its events are bids then asks, best first, of kind depth. Raises MalformedMessage."""

    def refusal(self, body: bytes) -> Refusal | None:
        """Read an error answer to a request; None when the body is not one."""

    def info_request(self) -> Get:
        """The request for the instruments and limits."""

    def decode_info(self, body: bytes) -> ExchangeInfo:
        """Decode them. Raises MalformedMessage."""
