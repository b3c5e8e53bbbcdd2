"""Bybit v5, linear contracts: `public` market data, `info` its instruments, `trade` requests and answers, `private` the account's
stream, `decisions` its errors, `words` what all of it shares."""

from marketlink.venues.bybit.public import LINEAR_PUBLIC, BybitLinear
from marketlink.venues.bybit.trade import LINEAR_TRADING, BybitLinearTrading
from marketlink.venues.registry import Exchange, Roots

__all__ = ["LINEAR_PUBLIC", "LINEAR_TRADING", "BybitLinear", "BybitLinearTrading", "linear"]


def linear() -> Exchange:
    """Linear contracts: perpetuals and futures settled in USDT or USDC."""
    public, trading = LINEAR_PUBLIC, LINEAR_TRADING
    return Exchange(
        "bybit",
        public,
        trading,
        public.stream_root,
        public.rest_root,
        trading.trade_api_url,
        tests={
            "testnet": Roots(public.test_stream_root, public.test_rest_root, f"{public.test_stream_root}/v5/trade"),
            "demo": Roots(
                public.stream_root, public.demo_rest_root, private=public.demo_private_root
            ),  # with production's market data
        },
        without_trade_api=(public.demo_rest_root,),
    )
