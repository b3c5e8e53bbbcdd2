"""The exchanges by name: public half, trading half, default addresses. A service holds no venue's constants; it asks here.

The names are known without loading any venue: a command line needs no more than them.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from marketlink.errors import UnknownExchange

if TYPE_CHECKING:
    from marketlink.venues.base import PublicVenue
    from marketlink.venues.trading import TradingVenue

ALIASES: Final = {"binancefuturesum": "binancefutures"}
"""Other names that the source's collector has for the same exchange."""

NAMES: Final = ("binancefutures",)
PLANNED: Final = ("binancefuturescm", "binancepapi", "binance", "binancespot", "bybit", "hyperliquid")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One exchange. The roots are those of production; `trading` is None where only its market data is supported."""

    name: str
    public: "PublicVenue"
    trading: "TradingVenue | None"
    stream_root: str
    rest_root: str
    trade_api_url: str = ""  # the WebSocket API for orders, where it has one


def find(name: str) -> Exchange:
    """Return the exchange of a name, also of an alias, in any case of letters. Raises UnknownExchange, which lists the known ones."""
    match ALIASES.get(name.lower(), name.lower()):
        case "binancefutures":
            from marketlink.venues.binance import USDM, USDM_TRADING

            return Exchange(
                "binancefutures", USDM, USDM_TRADING, USDM.stream_root, USDM.rest_root, USDM_TRADING.trade_api_url
            )
        case other:
            raise UnknownExchange(name, (*NAMES, *ALIASES), planned=other in PLANNED)
