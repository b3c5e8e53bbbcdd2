"""Binance's exchanges: `public` market data (`rows`), `trade` requests and answers, `private` the account's stream, `decisions`."""

from marketlink.venues.binance.public import BinancePublic, reduced_root
from marketlink.venues.binance.rows import COINM, PAPI, SPOT_PUBLIC, SPOT_PUBLIC_US, USDM
from marketlink.venues.binance.spot import SPOT_TRADING
from marketlink.venues.binance.trade import PAPI_TRADING, USDM_TRADING, BinanceUsdmTrading
from marketlink.venues.registry import Exchange

__all__ = [
    "COINM",
    "PAPI",
    "PAPI_TRADING",
    "SPOT_PUBLIC",
    "SPOT_PUBLIC_US",
    "SPOT_TRADING",
    "USDM",
    "USDM_TRADING",
    "BinancePublic",
    "BinanceUsdmTrading",
    "coinm",
    "papi",
    "reduced_root",
    "spot",
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


def coinm() -> Exchange:
    """COIN-M futures."""
    return Exchange(COINM.name, COINM, None, COINM.stream_root, COINM.rest_root)


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
