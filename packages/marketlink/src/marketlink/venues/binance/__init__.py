"""Binance's exchanges: `public` market data (`rows`), `trade` requests and answers, `private` the account's stream, `decisions`."""

from marketlink.venues.binance.public import BinancePublic, reduced_root
from marketlink.venues.binance.rows import COINM, SPOT_PUBLIC, SPOT_PUBLIC_US, USDM
from marketlink.venues.binance.spot import SPOT_TRADING
from marketlink.venues.binance.trade import COINM_TRADING, USDM_TRADING, BinanceUsdmTrading
from marketlink.venues.registry import Exchange

__all__ = [
    "COINM",
    "COINM_TRADING",
    "SPOT_PUBLIC",
    "SPOT_PUBLIC_US",
    "SPOT_TRADING",
    "USDM",
    "USDM_TRADING",
    "BinancePublic",
    "BinanceUsdmTrading",
    "coinm",
    "reduced_root",
    "spot",
    "usdm",
]


def usdm() -> Exchange:
    """USD-M futures."""
    return Exchange("binancefutures", USDM, USDM_TRADING, USDM.stream_root, USDM.rest_root, USDM_TRADING.trade_api_url)


def coinm() -> Exchange:
    """COIN-M futures."""
    return Exchange(COINM.name, COINM, COINM_TRADING, COINM.stream_root, COINM.rest_root, COINM_TRADING.trade_api_url)


def spot() -> Exchange:
    """Spot."""
    public, trading = SPOT_PUBLIC, SPOT_TRADING
    return Exchange(
        public.name,
        public,
        trading,
        public.stream_root,
        public.rest_root,
        trading.trade_api_url,
        private_root=trading.trade_api_url,
        time_units={"microsecond": SPOT_PUBLIC_US},
    )
