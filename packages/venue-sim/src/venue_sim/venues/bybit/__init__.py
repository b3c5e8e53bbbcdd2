"""The face of Bybit v5, linear contracts (exchange.md section 4)."""

from __future__ import annotations

from venue_sim.face import Face
from venue_sim.trade_face import TradeFace
from venue_sim.venues.bybit import messages, rest, streams
from venue_sim.venues.bybit.trade import BybitTrade

BYBIT = Face("bybit", streams, messages, rest)
BYBIT_TRADE: TradeFace = BybitTrade()
