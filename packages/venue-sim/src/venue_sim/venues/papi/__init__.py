"""The face of Binance Portfolio Margin (exchange.md section 2): orders and account at `/papi/v1` and `/pm/ws`, market data as USD-M."""

from __future__ import annotations

from venue_sim.face import Face
from venue_sim.trade_face import TradeFace
from venue_sim.venues.papi import rest, streams
from venue_sim.venues.papi.trade import PapiTrade
from venue_sim.venues.usdm import messages

PAPI = Face("papi", streams, messages, rest)
PAPI_TRADE: TradeFace = PapiTrade()
