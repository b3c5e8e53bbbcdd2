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

ALIASES: Final = {"binancefuturesum": "binancefutures", "binance": "binancespot"}
"""Other names that the source's collector has for the same exchange."""

_ROWS: Final = {
    "binancefutures": ("marketlink.venues.binance", "usdm"),
    "binancefuturescm": ("marketlink.venues.binance", "coinm"),
    "binancepapi": ("marketlink.venues.binance", "papi"),
    "binancespot": ("marketlink.venues.binance", "spot"),
    "bybit": ("marketlink.venues.bybit", "linear"),
    "hyperliquid": ("marketlink.venues.hyperliquid", "perpetuals"),
}
"""By name: the module, and the function in it that makes the `Exchange`."""

NAMES: Final = tuple(_ROWS)


@dataclass(frozen=True, slots=True)
class Roots:
    """The addresses of one network of an exchange."""

    stream: str
    rest: str
    trade_api: str = ""
    private: str = ""  # of the account's stream, where that is not `stream`


@dataclass(frozen=True, slots=True)
class Exchange:
    """One exchange. The roots are those of production; `trading` is None where only its market data is supported.

    `trade_rest_root` is where private requests go when that is not where public ones go; likewise `private_root` of the account's stream.
    `time_units` are public halves whose streams give times in other units than the usual one, by the unit's name.
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
    time_units: "Mapping[str, PublicVenue]" = field(default_factory=dict)
    without_trade_api: tuple[str, ...] = ()  # REST roots beside which there is no WebSocket API for orders


def find(name: str) -> Exchange:
    """Return the exchange of a name, also of an alias, in any case of letters. Raises UnknownExchange, which lists the known ones."""
    known = ALIASES.get(name.lower(), name.lower())
    if known not in _ROWS:
        raise UnknownExchange(name, (*NAMES, *ALIASES))
    module, maker = _ROWS[known]
    exchange = getattr(importlib.import_module(module), maker)()
    assert isinstance(exchange, Exchange)
    return exchange
