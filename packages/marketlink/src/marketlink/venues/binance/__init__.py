"""Binance's exchanges: `public` market data, `trade` requests and answers, `private` the account's stream, `decisions` its errors."""

from marketlink.venues.binance.public import PAPI, USDM, BinanceUsdm, reduced_root
from marketlink.venues.binance.trade import PAPI_TRADING, USDM_TRADING, BinanceUsdmTrading
from marketlink.venues.registry import Exchange

__all__ = [
    "PAPI",
    "PAPI_TRADING",
    "USDM",
    "USDM_TRADING",
    "BinanceUsdm",
    "BinanceUsdmTrading",
    "papi",
    "reduced_root",
    "usdm",
]


def usdm() -> Exchange:
    """USD-M futures."""
    return Exchange("binancefutures", USDM, USDM_TRADING, USDM.stream_root, USDM.rest_root, USDM_TRADING.trade_api_url)


def papi() -> Exchange:
    """Portfolio Margin: orders and account on a host of its own, market data and time from the futures'."""
    return Exchange(
        "binancepapi",
        PAPI,
        PAPI_TRADING,
        PAPI.stream_root,
        PAPI.rest_root,
        trade_rest_root="https://papi.binance.com",
    )
