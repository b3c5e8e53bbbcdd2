"""The exchanges by name: public half, trading half, default addresses. A service holds no venue's constants; it asks here.

The names are known without loading any venue: a command line needs no more than them. A new exchange is one more row of `_ROWS`, and
a function that makes it in the module of its family.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from marketlink.errors import UnknownExchange

if TYPE_CHECKING:
    from marketlink.venues.base import PublicVenue
    from marketlink.venues.trading import TradingVenue

ALIASES: Final = {"binancefuturesum": "binancefutures"}
"""Other names that the source's collector has for the same exchange."""

_ROWS: Final = {
    "binancefutures": ("marketlink.venues.binance", "usdm"),
    "binancepapi": ("marketlink.venues.binance", "papi"),
}
"""By name: the module, and the function in it that makes the `Exchange`."""

NAMES: Final = tuple(_ROWS)
PLANNED: Final = tuple(
    name
    for name in ("binancefuturescm", "binancepapi", "binance", "binancespot", "bybit", "hyperliquid")
    if name not in _ROWS and name not in ALIASES
)


@dataclass(frozen=True, slots=True)
class Roots:
    """The addresses of one network of an exchange."""

    stream: str
    rest: str
    trade_api: str = ""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One exchange. The roots are those of production; `trading` is None where only its market data is supported.

    `trade_rest_root` is where private requests go when that is not where public ones go; likewise `private_root` of the account's stream.
    """

    name: str
    public: "PublicVenue"
    trading: "TradingVenue | None"
    stream_root: str
    rest_root: str
    trade_api_url: str = ""  # the WebSocket API for orders, where it has one
    trade_rest_root: str = ""
    private_root: str = ""
    tests: Mapping[str, Roots] = field(default_factory=dict)  # by `testnet` and `demo`: those that there are


def find(name: str) -> Exchange:
    """Return the exchange of a name, also of an alias, in any case of letters. Raises UnknownExchange, which lists the known ones."""
    known = ALIASES.get(name.lower(), name.lower())
    if known not in _ROWS:
        raise UnknownExchange(name, (*NAMES, *ALIASES), planned=known in PLANNED)
    module, maker = _ROWS[known]
    exchange = getattr(importlib.import_module(module), maker)()
    assert isinstance(exchange, Exchange)
    return exchange
