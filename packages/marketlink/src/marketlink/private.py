"""What a connector tells of its account beyond what the source's wire has a place for, as values and as JSON.

It goes out on a service of its own, `{name}/Private`, one JSON object a sample (docs/link.md): the source's processes never see it.
Numbers that are money are decimal text, exact. A reader leaves out kinds and fields that it does not know: `v` changes only when one
changes its meaning.
"""

import dataclasses
import types
import typing
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import orjson

from marketlink.errors import WireError

VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Execution:
    """A fill of an order of this connector. `fee` is None where the exchange has not said it yet: the same trade is then told again."""

    symbol: str
    bot_id: int
    order_id: int
    client_order_id: str
    exchange_order_id: str
    trade_id: str
    side: str
    price: Decimal
    qty: Decimal
    maker: bool
    exch_ts: int
    fee: Decimal | None = None
    fee_asset: str = ""


@dataclass(frozen=True, slots=True)
class OrderEnd:
    """An order of this connector has ended; `reason` is why, where that is known (`self-trade`, `post-only`, ...)."""

    symbol: str
    bot_id: int
    order_id: int
    client_order_id: str
    exchange_order_id: str
    status: str
    reason: str
    executed: Decimal
    exch_ts: int


@dataclass(frozen=True, slots=True)
class Balance:
    """What the wallet holds of an asset; `total` with the account's other wallets, where it is told."""

    asset: str
    wallet: Decimal
    exch_ts: int
    total: Decimal | None = None


@dataclass(frozen=True, slots=True)
class AccountState:
    """What the account as a whole is worth, where the exchange tells it: `uni_mmr` is equity over maintenance margin."""

    uni_mmr: Decimal
    equity: Decimal
    initial_margin: Decimal | None
    maintenance_margin: Decimal
    status: str
    exch_ts: int


@dataclass(frozen=True, slots=True)
class ForeignOrder:
    """An order of the account that this connector did not place: by hand, by another program, by the exchange."""

    symbol: str
    client_order_id: str
    exchange_order_id: str
    side: str
    status: str
    price: Decimal
    qty: Decimal
    executed: Decimal
    exch_ts: int


@dataclass(frozen=True, slots=True)
class RiskState:
    """What may pass now: `active`, `reducing` or `halted`, and why."""

    mode: str
    why: str


@dataclass(frozen=True, slots=True)
class Compared:
    """Orders and positions were compared with the exchange's as a whole; `found` counts by name what had not been known."""

    open_orders: int
    in_doubt: int
    found: dict[str, int]


PrivateEvent = Execution | OrderEnd | Balance | AccountState | ForeignOrder | RiskState | Compared
_KINDS: Final[dict[str, type[PrivateEvent]]] = {
    "execution": Execution,
    "order_end": OrderEnd,
    "balance": Balance,
    "account": AccountState,
    "foreign_order": ForeignOrder,
    "risk": RiskState,
    "compared": Compared,
}
_NAMES: Final = {kind: name for name, kind in _KINDS.items()}
_TYPES: Final = {kind: typing.get_type_hints(kind) for kind in _NAMES}


def encode_private(event: PrivateEvent) -> bytes:
    """Write an event as JSON."""
    fields = {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}
    return orjson.dumps({"v": VERSION, "kind": _NAMES[type(event)], **fields}, default=_exact)


def _exact(value: object) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    raise TypeError(f"{type(value).__name__} has no place in an event")


def decode_private(raw: bytes) -> PrivateEvent | None:
    """Read an event; None for a kind or a version of another time. Raises WireError for what is no event at all."""
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError:
        data = None
    if type(data) is not dict or type(data.get("v")) is not int or type(data.get("kind")) is not str:
        raise WireError("no private event", 0, raw)
    kind = _KINDS.get(data["kind"])
    if data["v"] != VERSION or kind is None:
        return None
    values: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        if field.name not in data:
            if field.default is dataclasses.MISSING:
                raise WireError(f"private event without {field.name!r}", 0, raw)
            continue
        values[field.name] = _value(data[field.name], _TYPES[kind][field.name], field.name, raw)
    return kind(**values)


def _value(value: object, wanted: Any, name: str, raw: bytes) -> object:
    if isinstance(wanted, types.UnionType):
        if value is None:
            return None
        wanted = typing.get_args(wanted)[0]
    if wanted is Decimal and type(value) is str:
        try:
            number = Decimal(value)
        except InvalidOperation:
            number = Decimal("NaN")
        if number.is_finite():
            return number
    elif typing.get_origin(wanted) is dict:
        if type(value) is dict and all(type(one) is int for one in value.values()):
            return value
    elif type(value) is wanted:
        return value
    raise WireError(f"private event with a bad {name!r}", 0, raw)
