"""The face of Hyperliquid's public half (exchange.md section 5): a book of the best twenty levels, best bid and ask, trades."""

from __future__ import annotations

from venue_sim.face import Face
from venue_sim.venues.hyperliquid import messages, rest, streams

HYPERLIQUID = Face("hyperliquid", streams, messages, rest)
