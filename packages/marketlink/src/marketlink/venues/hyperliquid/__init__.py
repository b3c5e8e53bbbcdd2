"""Hyperliquid's perpetuals, market data only."""

from marketlink.venues.hyperliquid.public import PERPETUALS, Hyperliquid
from marketlink.venues.registry import Exchange

__all__ = ["PERPETUALS", "Hyperliquid", "perpetuals"]


def perpetuals() -> Exchange:
    """Perpetuals of the first exchange on it."""
    return Exchange("hyperliquid", PERPETUALS, None, PERPETUALS.stream_root, PERPETUALS.rest_root)
