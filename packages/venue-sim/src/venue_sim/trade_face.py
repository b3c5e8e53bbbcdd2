"""The trading half of the face port: private requests as values, and the exchange's words for their answers and for
what is pushed to the owner of an account.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from venue_sim.auth import Denied, Key
from venue_sim.face import Body, RequestId
from venue_sim.filters import Broken, Rule
from venue_sim.limits import OrderPool
from venue_sim.market import Instrument
from venue_sim.orders import Execution, NewOrder, OrderState, Push
from venue_sim.trading import Trading


@dataclass(frozen=True, slots=True)
class OrderRef:
    """An order by its id or, without one, by its client id."""

    symbol: str
    order_id: int | None
    client_id: str | None


@dataclass(frozen=True, slots=True)
class Place:
    """Take a new order; `whole` asks for its state after matching instead of an acknowledgement."""

    new: NewOrder
    whole: bool


@dataclass(frozen=True, slots=True)
class Modify:
    """Give an order another price and total quantity."""

    ref: OrderRef
    side: int
    price: Decimal
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Lower:
    """Give an order a smaller total quantity in its place of the queue."""

    ref: OrderRef
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Cancel:
    """End orders; several are answered one by one in a list."""

    refs: tuple[OrderRef, ...]
    batch: bool


@dataclass(frozen=True, slots=True)
class CancelAll:
    """End every open order of the account on a symbol."""

    symbol: str


@dataclass(frozen=True, slots=True)
class Countdown:
    """End every open order on a symbol after so many ms without another such request; 0 stops it."""

    symbol: str
    after_ms: int


@dataclass(frozen=True, slots=True)
class QueryOrder:
    """Ask for an order; `open_only` refuses one that has ended."""

    ref: OrderRef
    open_only: bool = False


@dataclass(frozen=True, slots=True)
class QueryOpen:
    """Ask for the open orders, of one symbol or all: at most `most` from number `first` on, where the exchange has pages."""

    symbol: str | None
    first: int = 0
    most: int | None = None


@dataclass(frozen=True, slots=True)
class QueryTrades:
    """Ask for the account's executions on a symbol, oldest first from `from_id` or `start_ms`, else the newest.

    With `first` they come newest first from that number on, as on an exchange that has pages.
    """

    symbol: str
    from_id: int | None
    start_ms: int | None
    end_ms: int | None
    order_id: int | None
    limit: int
    first: int | None = None


@dataclass(frozen=True, slots=True)
class QueryPositions:
    """Ask for positions, of one symbol or all; `version` is the exchange's."""

    symbol: str | None
    version: int


@dataclass(frozen=True, slots=True)
class QueryAccount:
    """Ask for the account's sums."""

    version: int


@dataclass(frozen=True, slots=True)
class QueryBalance:
    """Ask for the wallet."""

    version: int


@dataclass(frozen=True, slots=True)
class QueryHedge:
    """Ask whether positions are kept in two ways; `version` is the exchange's."""

    version: int = 1


@dataclass(frozen=True, slots=True)
class QueryPools:
    """Ask for the order limits."""


@dataclass(frozen=True, slots=True)
class UserStream:
    """Start (`start`), prolong (`ping`) or end (`stop`) the account's stream. Needs a key, and a signature only if `signed`.

    Where the stream comes over the connection that asks: `logon` lets the connection's requests be its account's, `subscribe` and
    `unsubscribe` begin and end its events there.
    """

    what: str
    key: str
    signed: bool = False


@dataclass(frozen=True, slots=True)
class Wrong:
    """A request that is refused for its form."""

    answer: Body


What = (
    Place
    | Modify
    | Lower
    | Cancel
    | CancelAll
    | Countdown
    | QueryOrder
    | QueryOpen
    | QueryTrades
    | QueryPositions
    | QueryAccount
    | QueryBalance
    | QueryHedge
    | QueryPools
    | UserStream
    | Wrong
)


@dataclass(frozen=True, slots=True)
class PrivateAsk:
    """A private request: its weight, how many orders it counts as, what it wants."""

    weight: int
    orders: int
    what: What


_QUERIES: dict[type, str] = {
    QueryOrder: "query",
    QueryOpen: "open_orders",
    QueryTrades: "trades",
    QueryPositions: "positions",
    QueryAccount: "account",
    QueryBalance: "balance",
    QueryHedge: "hedge",
    QueryPools: "limits",
}


def words_of(what: What) -> tuple[str, ...]:
    """The words a fault may name a request by (`OPERATIONS` of `config`)."""
    match what:
        case Place(new=new):
            kind = "market" if new.price is None else new.tif.value.lower()
            return ("submit", f"submit_{kind}", "orders")
        case Modify() | Lower():
            return ("modify", "orders")
        case Cancel(batch=batch):
            return ("batch_cancel" if batch else "cancel", "orders")
        case CancelAll():
            return ("cancel_all", "orders")
        case Countdown():
            return ("countdown", "orders")
        case UserStream():
            return ("stream",)
        case Wrong():
            return ()
        case _:
            return (_QUERIES[type(what)], "queries")


@dataclass(frozen=True, slots=True)
class PushText:
    """One event of an account's stream. `words` are what a fault or a filter may name it by."""

    symbol: str
    event: str
    words: tuple[str, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A request over the exchange's websocket API, as the REST request it stands for."""

    id: RequestId
    method: str
    path: str
    parameters: Mapping[str, str]
    key: str
    payload: str
    signature: str


@dataclass(frozen=True, slots=True)
class ApiWrong:
    """A websocket API request that cannot be read, with its answer."""

    answer: bytes


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request says of who sent it: parameters of query and body, the key, what was signed and its signature.

    `parameters` hold its time as `timestamp` and its window as `recvWindow`, whatever the exchange calls them.
    """

    parameters: Mapping[str, str]
    key: str
    payload: str
    signature: str


@dataclass(frozen=True, slots=True)
class StreamSays:
    """What a text of a client on an account's stream leads to: the answer, the account it has logged in to, the events it wants."""

    answer: bytes
    account: str | None = None
    events: frozenset[str] | None = None


class TradeFace(Protocol):
    """An exchange's private language. Accounts are of the kind that the exchange has."""

    @property
    def late_rules(self) -> frozenset[Rule]:
        """The rules by which an order is not refused but ended, after it was accepted."""

    def credentials(self, query: str, body: str, headers: Mapping[str, str]) -> Credentials:
        """Read what a request says of who sent it; `headers` by names in lower case."""

    def on_stream(self, text: bytes, keys: Mapping[str, Key], now_ms: int) -> StreamSays | None:
        """Read what a client says on an account's stream; None where it has nothing to say there."""

    def api_login(self, text: bytes, keys: Mapping[str, Key], now_ms: int) -> tuple[bytes, str] | None:
        """Read a login of the websocket API, and return its answer and the key it is for, empty when it was refused; None for others."""

    @property
    def key_header(self) -> str:
        """The header a request's API key is in."""

    @property
    def order_pools(self) -> tuple[OrderPool, ...]:
        """The exchange's limits on the number of orders."""

    @property
    def weight_per_minute(self) -> int | None:
        """What the host of private requests allows; None where it is the one of public requests."""

    @property
    def order_path(self) -> str:
        """The path on which orders are placed (POST), modified (PUT) and cancelled (DELETE)."""

    def parse(
        self, method: str, path: str, parameters: Mapping[str, str], symbols: Mapping[str, Instrument]
    ) -> PrivateAsk | None:
        """Read a private request; None for a path that is none."""

    def parse_api(self, text: bytes) -> ApiRequest | ApiWrong:
        """Read a request of the websocket API."""

    def api_answer(
        self, request_id: RequestId, answer: Body, used: int, pools: Sequence[tuple[OrderPool, int]]
    ) -> bytes:
        """Write the answer of the websocket API that says what a REST answer says."""

    def denied(self, why: Denied) -> Body:
        """Refuse a request that is not let in."""

    def broken(self, broken: Broken) -> Body:
        """Refuse an order."""

    def too_many_orders(self, pool: OrderPool) -> Body:
        """Refuse an order for their number."""

    def acknowledgement(self, state: OrderState, *, whole: bool, modified: bool = False) -> Body:
        """Answer a placed, modified or cancelled order."""

    def no_such_order(self) -> Body:
        """Answer that an order asked for does not exist."""

    def wrap(self, key: str, data: bytes) -> bytes:
        """Put an event into the form of a path that wraps."""

    def listed(self, answers: Sequence[Body]) -> Body:
        """Answer a batch: every answer in order."""

    def done_all(self, ended: Sequence[OrderState] = ()) -> Body:
        """Answer that all open orders of a symbol were ended: these."""

    def order(self, state: OrderState) -> Body:
        """Answer an order asked for."""

    def orders(self, states: Sequence[OrderState], next_first: int | None = None) -> Body:
        """Answer orders asked for; `next_first` is where the next page begins, None behind the last one."""

    def trades(
        self, executions: Sequence[Execution], instruments: Mapping[str, Instrument], next_first: int | None = None
    ) -> Body:
        """Answer executions; `next_first` as in `orders`."""

    def positions(self, account: Any, trading: Trading, symbol: str | None, version: int, now_ms: int) -> Body:
        """Answer positions."""

    def account(self, account: Any, trading: Trading, version: int, now_ms: int) -> Body:
        """Answer the account's sums."""

    def balance(self, account: Any, trading: Trading, version: int, now_ms: int) -> Body:
        """Answer the wallet."""

    def hedge(self, on: bool, version: int) -> Body:
        """Answer whether positions are kept in two ways."""

    def liquidation_id(self, number: int, *, deleverage: bool) -> str:
        """The client id of an order that the exchange itself places to close a position: for want of margin, or to
        deleverage another's."""

    def pools(self, pools: Sequence[OrderPool]) -> Body:
        """Answer the order limits."""

    def countdown(self, symbol: str, after_ms: int) -> Body:
        """Answer a countdown that was set."""

    def stream_key(self, key: str) -> Body:
        """Answer a started stream."""

    def stream_kept(self, key: str) -> Body:
        """Answer a prolonged stream."""

    def stream_ended(self) -> Body:
        """Answer a stream ended on request."""

    def no_such_stream(self) -> Body:
        """Answer that a stream's key is not known."""

    def logged_on(self, key: str, now_ms: int) -> Body:
        """Answer a connection that has logged on."""

    def subscribed(self, number: int) -> Body:
        """Answer a connection that has subscribed to the account's events."""

    def subscribed_already(self) -> Body:
        """Refuse another subscription of the same connection."""

    def pool_headers(self, pools: Sequence[tuple[OrderPool, int]]) -> Mapping[str, str]:
        """Headers that tell the orders counted."""

    def push(self, push: Push, instruments: Mapping[str, Instrument]) -> list[PushText]:
        """Write what the owner of an account is told."""

    def quick(self, push: Push) -> PushText | None:
        """Write the short message that tells a fill faster; None when there is none for a push."""

    def again(self, text: PushText) -> PushText | None:
        """Write a fill again with an id of its own, as an exchange that counts it twice; None when it is no fill."""

    def key_expired(self, key: str, now_ms: int) -> PushText:
        """Write that a stream's key has ended."""
