"""Binance's public halves: one row a product (docs/venues)."""

from dataclasses import replace
from typing import Final

from marketlink.book.rules import ByNextId
from marketlink.venues.base import PublicVenue, WeightLimit
from marketlink.venues.binance.layout import SPOT, SPOT_US
from marketlink.venues.binance.public import BinancePublic
from marketlink.venues.scan import scan_depth, scan_spot_depth, scan_spot_depth_us

USDM: Final = BinancePublic(scan=scan_depth)
PAPI: Final = replace(USDM, name="binancepapi")
"""Portfolio Margin has no market data of its own: that of the futures holds."""
COINM: Final = BinancePublic(
    name="binancefuturescm",
    stream_root="wss://dstream.binance.com",
    rest_root="https://dapi.binance.com",
    test_stream_root="wss://dstream.binancefuture.com",
    test_rest_root="https://demo-dapi.binance.com",
    api="/dapi/v1",
    route="/stream",
    product=2,
    scan=scan_depth,
)
SPOT_PUBLIC: Final = BinancePublic(
    name="binancespot",
    rule=ByNextId(),
    max_streams=1024,
    max_messages_per_s=5,
    weight_limit=WeightLimit(6000, 60),
    stream_root="wss://stream.binance.com:9443",
    rest_root="https://api.binance.com",
    test_stream_root="wss://stream.testnet.binance.vision",
    test_rest_root="https://testnet.binance.vision",
    api="/api/v3",
    route="/stream",
    depth_speed="100ms",
    depth_limit=5000,
    depth_weight=250,
    info_query={"showPermissionSets": "false"},  # they are most of the body
    info_weight=20,
    product=None,
    layout=SPOT,
    scan=scan_spot_depth,
)
SPOT_PUBLIC_US: Final = replace(
    SPOT_PUBLIC, route="/stream?timeUnit=MICROSECOND", layout=SPOT_US, scan=scan_spot_depth_us
)
"""Spot with times in microseconds."""
_CONFORMS: PublicVenue = USDM  # checked by mypy
