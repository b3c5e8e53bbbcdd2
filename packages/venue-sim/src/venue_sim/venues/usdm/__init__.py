"""The face of Binance USD-M futures (exchange.md section 1)."""

from __future__ import annotations

from venue_sim.face import Face
from venue_sim.trade_face import TradeFace
from venue_sim.venues.usdm import messages, rest, streams
from venue_sim.venues.usdm.trade import UsdmTrade

USDM = Face("usdm", streams, messages, rest)
USDM_TRADE: TradeFace = UsdmTrade()
