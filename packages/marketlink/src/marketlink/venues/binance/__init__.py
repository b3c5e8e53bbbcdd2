"""Binance's exchanges: `public` market data, `trade` requests and answers, `private` the account's stream, `decisions` its errors."""

from marketlink.venues.binance.public import USDM, BinanceUsdm, reduced_root
from marketlink.venues.binance.trade import USDM_TRADING, BinanceUsdmTrading

__all__ = ["USDM", "USDM_TRADING", "BinanceUsdm", "BinanceUsdmTrading", "reduced_root"]
