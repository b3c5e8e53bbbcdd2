"""What a connector tells its bots beside market data and orders, as values: to and from the link's LiveError.

The source's `LiveError` carries a kind and a loose Value; which keys mean what is said here and nowhere else. A peer's error that
is none of these stays a LiveError; the source's own order errors (`code` and `msg`) name no order.
"""

from dataclasses import dataclass
from enum import Enum

from marketlink.messages import ErrorKind, LiveError, Value

_NUMBER = 1  # of CUSTOM errors
_TEXTS = ("op", "client_order_id", "state")  # of an order's problem, left out where empty


class Stated(Enum):
    """What a registration can state otherwise than the exchange does."""

    TICK_SIZE = "tick_size"
    LOT_SIZE = "lot_size"
    SYMBOL = "symbol"


@dataclass(frozen=True, slots=True)
class OutOfSync:
    """A symbol's book is no longer the exchange's, from after update `after_id` on, until it is replaced."""

    symbol: str
    reason: str
    after_id: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A registration is refused for good: asking the same again is of no use."""

    symbol: str
    text: str


@dataclass(frozen=True, slots=True)
class Contradicted:
    """A registration stated what the exchange says otherwise; `true` is the exchange's word, which stands."""

    symbol: str
    what: Stated
    stated: str | float
    true: str | float

    @property
    def text(self) -> str:
        """The contradiction in words."""
        if self.what is Stated.SYMBOL:
            return f"the symbol is spelled {self.true!r} here, not {self.stated!r}: its events go by that name"
        return f"{self.what.value} of {self.symbol} is {self.true}, not {self.stated}: the exchange's is used"


@dataclass(frozen=True, slots=True)
class Sizes:
    """The exchange's own sizes, told to a bot that stated none."""

    symbol: str
    tick_size: float
    lot_size: float


@dataclass(frozen=True, slots=True)
class OrderProblem:
    """Something about a bot's order that its order event can't say.

    `op` is what was asked (`submit`, `cancel`, `modify`), `code` the exchange's number where it gave one, `state` what the order is now
    where that is in question (`unknown`: the exchange is being asked; `refused`; `gone`).
    """

    symbol: str
    order_id: int
    text: str
    op: str = ""
    code: int | None = None
    client_order_id: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class Farewell:
    """The connector stops: nothing of its comes any more until another one of its name is there."""

    text: str


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about a symbol that a person should know."""

    symbol: str
    text: str


Notice = OutOfSync | Refused | Contradicted | Sizes | OrderProblem | Remark | Farewell


def to_error(notice: Notice) -> LiveError:
    """Return the error that carries a notice; `symbol` and `msg` are where a peer's own log looks for them."""
    match notice:
        case OutOfSync(symbol, reason, after_id):
            detail: dict[str, Value] = {
                "symbol": symbol,
                "state": "out_of_sync",
                "reason": reason,
                "after_id": after_id,
            }
            return LiveError(ErrorKind.CONNECTION_INTERRUPTED, detail)
        case Refused(symbol, text):
            return _custom(symbol, text, {"refused": True})
        case Contradicted(symbol, what, stated, true):
            return _custom(symbol, notice.text, {"contradicts": what.value, "stated": stated, "true": true})
        case Sizes(symbol, tick_size, lot_size):
            text = f"{symbol} has tick size {tick_size} and lot size {lot_size}"
            return _custom(symbol, text, {"tick_size": tick_size, "lot_size": lot_size})
        case OrderProblem(symbol, order_id, text):
            named: Value = order_id if order_id < 1 << 63 else str(order_id)  # the wire's integers are signed
            about: dict[str, Value] = {"symbol": symbol, "order_id": named, "msg": text}
            if notice.code is not None:
                about["code"] = notice.code
            for key in _TEXTS:
                if word := getattr(notice, key):
                    about[key] = word
            return LiveError(ErrorKind.ORDER_ERROR, about)
        case Farewell(text):
            return LiveError(ErrorKind.CONNECTION_INTERRUPTED, {"state": "stopped", "msg": text})
        case Remark(symbol, text):
            return _custom(symbol, text, {})


def read_notice(error: LiveError) -> Notice | None:
    """Return the notice that an error carries; None for any other error, a peer's or one that lacks a part."""
    detail = error.value
    if not isinstance(detail, dict):
        return None
    symbol, text = detail.get("symbol"), detail.get("msg")
    if error.kind is ErrorKind.CONNECTION_INTERRUPTED and detail.get("state") == "stopped" and isinstance(text, str):
        return Farewell(text)
    if not isinstance(symbol, str):
        return None
    if error.kind is ErrorKind.CONNECTION_INTERRUPTED:
        reason, after_id = detail.get("reason"), detail.get("after_id")
        if detail.get("state") == "out_of_sync" and isinstance(reason, str) and _is_whole(after_id):
            return OutOfSync(symbol, reason, int(after_id))  # type: ignore[arg-type]
        return None
    if not isinstance(text, str):
        return None
    if error.kind is ErrorKind.ORDER_ERROR:
        return _order_problem(symbol, text, detail)
    if error.kind is not ErrorKind.CUSTOM or error.number != _NUMBER:
        return None
    if "contradicts" in detail:
        return _contradicted(symbol, detail)
    if "tick_size" in detail:
        tick_size, lot_size = detail["tick_size"], detail.get("lot_size")
        return Sizes(symbol, tick_size, lot_size) if _is_size(tick_size) and _is_size(lot_size) else None  # type: ignore[arg-type]
    return Refused(symbol, text) if detail.get("refused") is True else Remark(symbol, text)


def _order_problem(symbol: str, text: str, detail: dict[str, Value]) -> OrderProblem | None:
    order_id, code = detail.get("order_id"), detail.get("code")
    if isinstance(order_id, str) and order_id.isascii() and order_id.isdecimal():
        order_id = int(order_id)
    words = [detail.get(key, "") for key in _TEXTS]
    if (
        not _is_whole(order_id)
        or not (code is None or _is_whole(code))
        or not all(isinstance(one, str) for one in words)
    ):
        return None
    op, client_order_id, state = map(str, words)
    return OrderProblem(symbol, int(order_id), text, op, code, client_order_id, state)  # type: ignore[arg-type]


def _contradicted(symbol: str, detail: dict[str, Value]) -> Contradicted | None:
    words = {stated.value: stated for stated in Stated}
    what, stated, true = detail["contradicts"], detail.get("stated"), detail.get("true")
    if not isinstance(what, str) or what not in words:
        return None
    kind = str if what == Stated.SYMBOL.value else (int, float)
    if not isinstance(stated, kind) or not isinstance(true, kind):
        return None
    return Contradicted(symbol, words[what], stated, true)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_size(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0.0 < value < float("inf")


def _custom(symbol: str, text: str, facts: dict[str, Value]) -> LiveError:
    return LiveError(ErrorKind.CUSTOM, {"symbol": symbol, "msg": text, **facts}, _NUMBER)
