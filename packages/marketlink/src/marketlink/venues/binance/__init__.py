"""Binance's exchanges: `public` market data, `trade` requests and answers, `private` the account's stream, `decisions` its errors."""

from marketlink.venues.binance.public import USDM, BinanceUsdm, reduced_root
from marketlink.venues.binance.trade import USDM_TRADING, BinanceUsdmTrading
from marketlink.venues.registry import Exchange

__all__ = ["USDM", "USDM_TRADING", "BinanceUsdm", "BinanceUsdmTrading", "reduced_root", "usdm"]


def usdm() -> Exchange:
    """USD-M futures."""
    return Exchange("binancefutures", USDM, USDM_TRADING, USDM.stream_root, USDM.rest_root, USDM_TRADING.trade_api_url)
