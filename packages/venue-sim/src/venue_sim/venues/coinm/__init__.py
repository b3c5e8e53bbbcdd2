"""The face of Binance COIN-M futures: USD-M's language with its own paths, its product's fields and contracts for
quantities (exchange.md section 1)."""

from __future__ import annotations

from venue_sim.accounts import Kind
from venue_sim.face import Face, Habits
from venue_sim.trade_face import TradeFace
from venue_sim.venues.coinm import messages, rest, streams
from venue_sim.venues.coinm.trade import CoinmTrade

COINM = Face("coinm", streams, messages, rest, Habits(accounts=Kind.INVERSE))
COINM_TRADE: TradeFace = CoinmTrade()
