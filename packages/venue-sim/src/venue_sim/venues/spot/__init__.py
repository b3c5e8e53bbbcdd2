"""The face of Binance spot (exchange.md section 3)."""

from __future__ import annotations

from venue_sim.accounts import Kind
from venue_sim.face import Face, Habits
from venue_sim.trade_face import TradeFace
from venue_sim.venues.spot import messages, rest, streams
from venue_sim.venues.spot.trade import SpotTrade

SPOT = Face(
    "spot",
    streams,
    messages,
    rest,
    Habits(
        weight_per_minute=rest.WEIGHT_PER_MINUTE,
        messages_per_s=5,
        ping_interval_s=20.0,
        pong_timeout_s=60.0,
        pools=rest.POOLS,
        accounts=Kind.ASSETS,
        kills_are_orders=True,
    ),
)
SPOT_TRADE: TradeFace = SpotTrade()
