"""The face of Binance USD-M futures (exchange.md section 1)."""

from __future__ import annotations

from venue_sim.face import Face
from venue_sim.venues.usdm import messages, rest, streams

USDM = Face("usdm", streams, messages, rest)
