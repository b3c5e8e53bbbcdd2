"""Bybit v5, linear contracts: `public` market data, `info` its instruments, `words` what all of it shares."""

from marketlink.venues.bybit.public import LINEAR_PUBLIC, BybitLinear
from marketlink.venues.registry import Exchange

__all__ = ["LINEAR_PUBLIC", "BybitLinear", "linear"]


def linear() -> Exchange:
    """Linear contracts: perpetuals and futures settled in USDT or USDC."""
    return Exchange("bybit", LINEAR_PUBLIC, None, LINEAR_PUBLIC.stream_root, LINEAR_PUBLIC.rest_root)
