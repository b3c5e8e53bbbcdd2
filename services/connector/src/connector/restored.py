"""Orders of an earlier process, from its journal: what they were, what was executed, whose they are. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from marketlink.orders import OrderType, Side, Status, TimeInForce
from marketlink.times import MonoNs
from marketlink.venues.base import Instrument

from connector.client_ids import digest_of
from connector.lifecycle import Phase
from connector.tracked import Doubt, Terms, Tracked


@dataclass(slots=True)
class Restored:
    """What a journal tells: bots, and orders that had not ended, by client id. `unusable` counts records that make no sense."""

    bots: list[int] = field(default_factory=list)
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    fills: dict[str, dict[str, tuple[Decimal, int]]] = field(default_factory=dict)
    unusable: int = 0

    def records(self) -> list[Mapping[str, object]]:
        """The records that say the same, for a journal that is made anew."""
        kept: list[Mapping[str, object]] = [{"t": "bot", "id": bot} for bot in self.bots]
        for client_id, order in self.orders.items():
            kept.append(order)
            for trade_id, (qty, ns) in self.fills.get(client_id, {}).items():
                kept.append({"t": "fill", "c": client_id, "id": trade_id, "q": f"{qty:f}", "ns": ns})
        return kept


def read_records(records: Iterable[Mapping[str, Any]]) -> Restored:
    """Replay a journal."""
    found = Restored()
    for record in records:
        try:
            match record["t"]:
                case "bot":
                    bot = int(record["id"])
                    digest_of(bot)  # raises for what is no id
                    if bot not in found.bots:
                        found.bots.append(bot)
                case "order":
                    found.orders[str(record["c"])] = dict(record)
                case "modify":
                    if (order := found.orders.get(str(record["c"]))) is not None:
                        order["m"] = {key: record[key] for key in ("p", "q", "ns", "local")}
                case "fill":
                    fills = found.fills.setdefault(str(record["c"]), {})
                    fills[str(record["id"])] = (_amount(record["q"]), int(record["ns"]))
                case "end":
                    found.orders.pop(str(record["c"]), None)
                    found.fills.pop(str(record["c"]), None)
                case _:
                    found.unusable += 1
        except (KeyError, ValueError, TypeError, ArithmeticError):
            found.unusable += 1
    return found


def tracked_orders(found: Restored, instruments: Mapping[str, Instrument], settled_ns: int) -> Sequence[Tracked]:
    """Make the orders, each in doubt: whether it works, has ended or never arrived, the exchange says.

    For `settled_ns` behind its record a submit may still arrive: it may have waited for its turn, and its time window is not over.

    Orders of symbols that the exchange no longer lists are counted as unusable.
    """
    orders: list[Tracked] = []
    for client_id, record in found.orders.items():
        instrument = instruments.get(str(record.get("s")))
        if instrument is None:
            found.unusable += 1
            continue
        try:
            tracked = Tracked(
                client_id,
                int(record["b"]),
                digest_of(int(record["b"])),
                int(record["i"]),
                instrument.symbol,
                Decimal(instrument.tick_text),
                instrument.tick_size,
                Side[record["side"]],
                OrderType[record["type"]],
                TimeInForce[record["tif"]],
                Terms(_amount(record["p"]), _amount(record["q"])),
                phase=Phase.SUBMIT_IN_DOUBT,
                placed_ns=int(record["ns"]),
                sent_ns=int(record["ns"]),
                local_ns=int(record["local"]),
                adopted=True,
            )
        except (KeyError, ValueError, TypeError, ArithmeticError):
            found.unusable += 1
            continue
        for trade_id, (qty, ns) in found.fills.get(client_id, {}).items():
            tracked.fills[trade_id] = qty
            tracked.filled += qty
            tracked.exch_ns = max(tracked.exch_ns, ns)
        if "m" in record and not _modified(tracked, record["m"]):
            found.unusable += 1
        tracked.told = tracked.filled
        tracked.even_ns = tracked.placed_ns
        tracked.final = Status.NONE
        tracked.doubt = Doubt("the connector was restarted", MonoNs(0), tracked.sent_ns + settled_ns)
        orders.append(tracked)
    return orders


def _modified(tracked: Tracked, asked: Mapping[str, Any]) -> bool:
    """Take the last modify that was asked for: whether it was carried out, the exchange says."""
    try:
        wanted, sent_ns, local_ns = (
            Terms(_amount(asked["p"]), _amount(asked["q"])),
            int(asked["ns"]),
            int(asked["local"]),
        )
    except (KeyError, ValueError, TypeError, ArithmeticError):
        return False
    tracked.wanted, tracked.sent_ns, tracked.local_ns = wanted, sent_ns, local_ns
    tracked.phase = Phase.MODIFY_IN_DOUBT
    return True


def _amount(text: Any) -> Decimal:
    """Read a price or quantity. Raises ValueError or ArithmeticError."""
    number = Decimal(text)
    if not number.is_finite() or number < 0:
        raise ValueError(f"{text!r} is no amount")
    return number
