"""The face of Binance COIN-M futures: USD-M's language with its own paths, its product's fields and contracts for
quantities (exchange.md section 1)."""

from __future__ import annotations

from venue_sim.face import Face
from venue_sim.venues.coinm import messages, rest, streams

COINM = Face("coinm", streams, messages, rest)
