"""The trading half of a venue: what is asked of it, what it tells of orders, and what an error of its means, as values.

Prices and quantities are exact decimals, as the exchange writes them; times are nanoseconds of the exchange's clock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Final, Protocol

from marketlink.orders import OrderType, Side, Status, TimeInForce


class Op(Enum):
    """What a request is for."""

    SUBMIT = "submit"
    CANCEL = "cancel"
    MODIFY = "modify"
    CANCEL_MANY = "cancel_many"
    CANCEL_ALL = "cancel_all"
    QUERY = "query"
    OPEN_ORDERS = "open_orders"
    TRADES = "trades"
    POSITIONS = "positions"
    BALANCES = "balances"
    ACCOUNT = "account"
    HEDGE_MODE = "hedge_mode"
    ORDER_LIMITS = "order_limits"
    STREAM_START = "stream_start"
    STREAM_KEEP = "stream_keep"
    STREAM_END = "stream_end"
    COUNTDOWN = "countdown"
    TIME = "time"
    PROTECTION = "protection"


API_LOGIN: Final = "login"
ORDER_OPS: Final = frozenset({Op.SUBMIT, Op.CANCEL, Op.MODIFY, Op.CANCEL_MANY, Op.CANCEL_ALL})
"""Requests that change orders: when no usable answer comes, what they did is unknown."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request: REST's form; the WebSocket API sends the same parameters under another name.

    `weight` and `orders` count against the venue's limits. `signed`: with time stamp and signature; `keyed`: with the API key.
    """

    op: Op
    method: str
    path: str
    params: tuple[tuple[str, str], ...] = ()
    weight: int = 1
    orders: int = 0
    signed: bool = True
    keyed: bool = True


@dataclass(frozen=True, slots=True)
class Placement:
    """A new order as it is sent. `price` is None for a market order."""

    symbol: str
    client_id: str
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    price: Decimal | None
    qty: Decimal
    reduce_only: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """A new price and total quantity for an order that is there; `old_price` and `old_qty` are what it has now, None where not known."""

    symbol: str
    client_id: str
    side: Side
    price: Decimal
    qty: Decimal
    old_price: Decimal | None = None
    old_qty: Decimal | None = None


class Unmodifiable(ValueError):
    """A change that the exchange offers no request for; its text says which it does."""


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution, named by the exchange's trade id. `client_id` is empty and `fee` None where the exchange does not say them."""

    symbol: str
    trade_id: str
    client_id: str
    exchange_id: str
    side: Side
    price: Decimal
    qty: Decimal
    maker: bool
    time_ns: int
    fee: Decimal | None = None
    fee_asset: str = ""


@dataclass(frozen=True, slots=True)
class OrderReport:
    """The state of an order as the exchange tells it, in an answer, a push or a query.

    `executed` is the cumulative quantity. `status` is NEW, PARTIALLY_FILLED, FILLED, CANCELED, EXPIRED or REJECTED; UNSUPPORTED for a
    word that is not known: the report then says nothing about the order's life. `fill` is what this push executed. `reason` says
    why the exchange ended it (`self-trade`, `post-only`, ...) where it does.
    `terms`: whether price and quantity were stated (an acknowledgement may lack them).
    """

    symbol: str
    client_id: str
    exchange_id: str
    status: Status
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    price: Decimal
    qty: Decimal
    executed: Decimal
    time_ns: int
    fill: Fill | None = None
    reason: str = ""
    reduce_only: bool = False
    terms: bool = True


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to an order request that only says that it was taken: what came of it, a push or a question tells.

    `client_id` is empty where the exchange does not repeat it.
    """

    client_id: str
    exchange_id: str


@dataclass(frozen=True, slots=True)
class PositionReport:
    """The position in a symbol; `side` is BOTH in one-way mode, else LONG or SHORT."""

    symbol: str
    qty: Decimal
    time_ns: int
    entry_price: Decimal = Decimal(0)
    side: str = "BOTH"


@dataclass(frozen=True, slots=True)
class HoldingReport:
    """What the account holds of an asset, where that is the position in every symbol with this base asset (spot).

    `change`: `qty` was added to what was there.
    """

    asset: str
    qty: Decimal
    time_ns: int
    change: bool = False


@dataclass(frozen=True, slots=True)
class BalanceReport:
    """What the wallet holds of an asset; `total` with the account's other wallets, where it is told."""

    asset: str
    wallet: Decimal
    time_ns: int
    total: Decimal | None = None


@dataclass(frozen=True, slots=True)
class AccountReport:
    """What the account as a whole is worth. `ratio` is equity over maintenance margin (uniMMR); the initial margin may not be told."""

    ratio: Decimal
    equity: Decimal
    maintenance_margin: Decimal
    status: str
    time_ns: int
    initial_margin: Decimal | None = None


@dataclass(frozen=True, slots=True)
class StreamKeyEnded:
    """The account's stream says that its key is no longer valid; `key` empty where it does not say which."""

    key: str = ""


@dataclass(frozen=True, slots=True)
class HedgeModeChanged:
    """Positions are kept in two ways from now on, or no longer."""

    on: bool


@dataclass(frozen=True, slots=True)
class StreamStep:
    """The answer to one message of `stream_login`; `refusal` is None when it was accepted."""

    refusal: "Refusal | None" = None


@dataclass(frozen=True, slots=True)
class Unused:
    """An event that changes nothing here, another product's too, counted by its kind; `known`: of a documented kind."""

    kind: str
    known: bool


PrivateMessage = (
    OrderReport
    | Fill
    | PositionReport
    | HoldingReport
    | BalanceReport
    | AccountReport
    | StreamKeyEnded
    | HedgeModeChanged
    | StreamStep
    | Unused
)
"""A `Fill` alone is the quick form of an execution (TRADE_LITE): its order's push follows."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error answer: HTTP status, the venue's own number where it gave one, its words."""

    status: int
    code: int | None
    text: str


class Verdict(Enum):
    """What an error answer says about the request."""

    REFUSED = "refused"  # certainly not carried out
    UNKNOWN = "unknown"  # carried out or not: the exchange must be asked
    GONE = "gone"  # the order is not there: filled, cancelled, expired, or not there yet; the exchange must be asked
    RETRY_AFTER = "retry-after"  # certainly not carried out, because of a limit; later it may be
    CLOCK = (
        "clock"  # certainly not carried out, because of our time stamp: measure the clock, repeat once with the same id
    )
    FATAL = "fatal"  # certainly not carried out, and nothing else will be: key, permission or account
    SUCCESS = "success"  # what was asked for is so already


@dataclass(frozen=True, slots=True)
class Decision:
    """One row of the table of errors. The first row that matches decides; a field that is None matches anything.

    `text` matches a part of the words, in lower case. `ops` empty: every operation. A `status` of one digit is all that begin with it.
    """

    status: int | None
    code: int | None
    text: str | None
    ops: frozenset[Op]
    verdict: Verdict
    meaning: str
    post_only: bool = False  # a normal refusal of a post-only order: no alarm
    source: str = ""


@dataclass(frozen=True, slots=True)
class OrderLimit:
    """So many orders in so many seconds for one account."""

    most: int
    per_s: int


@dataclass(frozen=True, slots=True)
class WeightLimit:
    """So much weight in so many seconds for one address."""

    weight: int
    per_s: int


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """An answer on the WebSocket API, as REST would have given it: `body` is the result or the error.

    `orders_used` has for each limit on orders its period in seconds and the orders that count; `retry_at_ms` is when to come back.
    """

    request_id: str
    status: int
    body: bytes
    weight_used: int | None = None
    orders_used: tuple[tuple[int, int], ...] = ()
    retry_at_ms: int | None = None


class Signer(Protocol):
    """Signs requests with an account's key; its repr shows nothing of it."""

    @property
    def api_key(self) -> str:
        """The public half."""

    def sign(self, payload: bytes) -> str:
        """The signature of exactly these bytes, as text."""


class TradingVenue(Protocol):
    """The trading half of a venue: constants and pure functions. Decoders raise MalformedMessage; they read only what is needed."""

    @property
    def name(self) -> str:
        """The venue's name in messages."""

    @property
    def id_length(self) -> int:
        """How long a client id may be."""

    @property
    def weight_limit(self) -> WeightLimit | None:
        """What the host of private requests allows, as documented; None where it is the one of public requests, and shares its limit."""

    @property
    def order_limits(self) -> Sequence[OrderLimit]:
        """The order limits as documented, to start with."""

    def limits_request(self) -> Call | None:
        """The request for the account's order limits; None where the answer about the instruments states them."""

    def read_order_limits(self, body: bytes) -> Sequence[OrderLimit]:
        """Read the order limits."""

    @property
    def order_limit_codes(self) -> frozenset[int]:
        """Numbers of error answers that are about the number of orders, and not about weight."""

    def order_count_header(self, limit: OrderLimit) -> str:
        """The answer header that says how many orders count against a limit; empty where none does."""

    @property
    def orders_left_headers(self) -> tuple[str, str] | None:
        """The headers of an order's answer that say what the shortest limit is, and how much of it is left; None: there are none."""

    def with_self_trade(self, mode: str) -> "TradingVenue":
        """The same, with orders that say what happens when they would meet one of their own account. Raises ValueError."""

    @property
    def trade_api_url(self) -> str:
        """The WebSocket API for orders, in production; empty where there is none."""

    @property
    def decisions(self) -> Sequence[Decision]:
        """The table of errors, first match first; its last rows decide whatever is left."""

    def submit(self, order: Placement) -> Call:
        """The request that places an order."""

    def cancel(self, symbol: str, client_id: str) -> Call:
        """The request that cancels an order."""

    def modify(self, change: Change) -> Call:
        """The request that gives an order another price and total quantity. Raises Unmodifiable."""

    @property
    def most_cancels(self) -> int:
        """How many orders of a symbol one request may cancel; 1: there is none that cancels several."""

    def cancel_many(self, symbol: str, client_ids: Sequence[str]) -> Call:
        """The request that cancels up to `most_cancels` orders of a symbol, each answered for itself. Raises ValueError for more."""

    def cancel_all(self, symbol: str) -> Call:
        """The request that cancels every order of the account on a symbol, whoever placed it."""

    def query(self, symbol: str, client_id: str, exchange_id: str = "") -> Call:
        """The request for one order, by our id for it or, where that is not known, by the exchange's."""

    def query_past(self, symbol: str, client_id: str, exchange_id: str = "") -> Call | None:
        """The request for one order among those that `query` no longer tells of; None where it tells of all."""

    def open_orders(self, symbol: str | None = None, page: str = "") -> Call:
        """The request for the open orders, of one symbol or all; `page`: what `next_page` read off the page before."""

    def trades(self, symbol: str, *, from_id: str = "", start_ms: int = 0) -> Call:
        """The request for a page of the executions on a symbol since a time; `from_id`: what `next_page` read off the one before."""

    def positions(self) -> Call:
        """The request for all positions."""

    def balances(self) -> Call:
        """The request for the wallet."""

    def account(self) -> Call | None:
        """The request for what the account as a whole is worth; None where that is not told."""

    def hedge_mode(self) -> Call | None:
        """The request for whether positions are kept in two ways; None where they can't be."""

    def stream_start(self) -> Call | None:
        """The request for a key of the account's stream; None where it is opened without one."""

    def stream_keep(self, key: str) -> Call | None:
        """The request that prolongs it; None where there is no key."""

    def stream_end(self, key: str) -> Call | None:
        """The request that ends it; None where there is no key."""

    def stream_login(self, signer: Signer, time_ms: int, window_ms: int) -> Sequence[bytes]:
        """What is sent on the account's stream once it is connected, in order, each after the `StreamStep` that answers the one before.

        Empty where the key in its address is enough. The stream counts as open when the last one is accepted.
        """

    @property
    def stream_beat(self) -> tuple[float, bytes] | None:
        """The message that keeps the account's stream open, and how often it is sent, s; None where the exchange needs none."""

    def countdown(self, symbol: str, after_ms: int) -> Call | None:
        """The request that has the exchange cancel every order of a symbol unless it is repeated in time; 0 stops it. None: it has not."""

    def protection(self) -> Call | None:
        """The request for whether the exchange can cancel everything when the account's stream is gone; None: it has no such thing."""

    def read_protection(self, body: bytes) -> bool:
        """Read whether it can for this account."""

    def with_protection(self) -> "TradingVenue":
        """The same, with an account's stream that protection watches."""

    def protect(self, after_s: int) -> Call | None:
        """The request that has it do so after so many seconds; None as `protection`."""

    def server_time(self) -> Call:
        """The request for the exchange's time."""

    def rest_request(
        self, call: Call, signer: Signer | None, time_ms: int, window_ms: int
    ) -> tuple[str, Mapping[str, str], bytes]:
        """What goes out for a call: path with query, headers, body."""

    def api_request(self, call: Call, request_id: str, signer: Signer, time_ms: int, window_ms: int) -> bytes | None:
        """The same for the WebSocket API; None for what it has not."""

    def api_login(self, signer: Signer, time_ms: int, window_ms: int) -> bytes | None:
        """What opens the WebSocket API, answered under the number `API_LOGIN`; None where each request is signed by itself."""

    @property
    def api_beat(self) -> tuple[float, bytes] | None:
        """The message that keeps the WebSocket API open, and how often it is sent, s; None where the exchange needs none."""

    @property
    def api_messages_per_s(self) -> int:
        """How many messages a second one connection of the WebSocket API takes."""

    def read_api(self, frame: bytes) -> ApiAnswer | None:
        """Read an answer of the WebSocket API; None for what answers no request."""

    def read_refusal(self, status: int, body: bytes) -> Refusal | None:
        """Read an error answer; None when the body is the answer that was asked for."""

    def read_order(self, body: bytes) -> OrderReport | Accepted:
        """Read the answer to submit, cancel or modify."""

    def read_query(self, body: bytes) -> OrderReport | None:
        """Read the answer to query; None where it says that there is no such order."""

    def next_page(self, op: Op, body: bytes) -> str:
        """Read off a list's answer where the next page begins; empty when this was the last."""

    def read_many(self, body: bytes) -> Sequence[OrderReport | Accepted | Refusal]:
        """Read the answer to cancel_many, in the order of the request."""

    def read_open_orders(self, body: bytes) -> Sequence[OrderReport]:
        """Read the open orders."""

    def read_trades(self, body: bytes) -> Sequence[Fill]:
        """Read executions."""

    def read_positions(self, body: bytes) -> Sequence[PositionReport | HoldingReport]:
        """Read positions."""

    def read_balances(self, body: bytes) -> Sequence[BalanceReport]:
        """Read the wallet."""

    def read_account(self, body: bytes) -> AccountReport:
        """Read what the account as a whole is worth."""

    def read_hedge_mode(self, body: bytes) -> bool:
        """Read whether positions are kept in two ways."""

    def read_stream_key(self, body: bytes) -> str:
        """Read the key of the account's stream."""

    def read_time(self, body: bytes) -> int:
        """Read the exchange's time, ms."""

    def stream_url(self, root: str, key: str, form: str) -> str:
        """The address of the account's stream; `form` is one of `stream_forms`."""

    @property
    def stream_forms(self) -> Sequence[str]:
        """The forms that the address may have, the default first."""

    def read_private(self, frame: bytes) -> Sequence[PrivateMessage]:
        """Read an event of the account's stream."""


def judge(decisions: Sequence[Decision], op: Op, refusal: Refusal) -> Decision:
    """Return the first row that matches an error answer. Raises ValueError when the table does not decide."""
    words = refusal.text.lower()
    for row in decisions:
        if (
            (row.status is None or row.status in (refusal.status, refusal.status // 100))
            and (row.code is None or row.code == refusal.code)
            and (row.text is None or row.text in words)
            and (not row.ops or op in row.ops)
        ):
            return row
    raise ValueError(f"the table of errors does not decide {refusal}")
