"""Binance's exchanges: `public` market data, `trade` requests and answers, `private` the account's stream, `decisions` its errors."""

from marketlink.venues.binance.public import PAPI, USDM, BinanceUsdm, reduced_root
from marketlink.venues.binance.trade import PAPI_TRADING, USDM_TRADING, BinanceUsdmTrading
from marketlink.venues.registry import Exchange, Roots

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
    trade_api = "wss://testnet.binancefuture.com/ws-fapi/v1"  # that it is the demo's too is [?]
    return Exchange(
        "binancefutures",
        USDM,
        USDM_TRADING,
        USDM.stream_root,
        USDM.rest_root,
        USDM_TRADING.trade_api_url,
        tests={
            "testnet": Roots(USDM.test_stream_root, USDM.test_rest_root, trade_api),
            "demo": Roots("wss://demo-fstream.binance.com", USDM.test_rest_root, trade_api),
        },
    )


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
