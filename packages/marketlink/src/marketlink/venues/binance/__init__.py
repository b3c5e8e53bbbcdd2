"""Binance's exchanges: `public` market data (`rows`), `trade` requests and answers, `private` the account's stream, `decisions`."""

from marketlink.venues.binance.public import BinancePublic, reduced_root
from marketlink.venues.binance.rows import COINM, PAPI, SPOT_PUBLIC, SPOT_PUBLIC_US, USDM
from marketlink.venues.binance.spot import SPOT_TRADING
from marketlink.venues.binance.trade import COINM_TRADING, PAPI_TRADING, USDM_TRADING, BinanceUsdmTrading
from marketlink.venues.registry import Exchange, Roots

__all__ = [
    "COINM",
    "COINM_TRADING",
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


def coinm() -> Exchange:
    """COIN-M futures."""
    public, trading = COINM, COINM_TRADING
    return Exchange(
        public.name,
        public,
        trading,
        public.stream_root,
        public.rest_root,
        trading.trade_api_url,
        tests={
            "testnet": Roots(public.test_stream_root, "https://testnet.binancefuture.com"),
            "demo": Roots(public.test_stream_root, public.test_rest_root),  # that the stream is the testnet's is [?]
        },
    )


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
        tests={
            "testnet": Roots(
                public.test_stream_root, public.test_rest_root, "wss://ws-api.testnet.binance.vision/ws-api/v3"
            ),
            "demo": Roots(
                "wss://demo-stream.binance.com",
                "https://demo-api.binance.com",
                "wss://demo-ws-api.binance.com/ws-api/v3",
            ),
        },
        time_units={"microsecond": SPOT_PUBLIC_US},
    )
