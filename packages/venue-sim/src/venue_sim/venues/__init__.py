"""The faces of the exchanges: addresses, requests, answers and bodies as pure functions over the market behind
them. A new face is one more row of `_ROWS`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

from venue_sim.errors import BadMarket

if TYPE_CHECKING:
    from venue_sim.face import Face
    from venue_sim.trade_face import TradeFace

_ROWS: Final = {
    "usdm": ("venue_sim.venues.usdm", "USDM", "USDM_TRADE"),
    "papi": ("venue_sim.venues.papi", "PAPI", "PAPI_TRADE"),
    "coinm": ("venue_sim.venues.coinm", "COINM", "COINM_TRADE"),
    "spot": ("venue_sim.venues.spot", "SPOT", "SPOT_TRADE"),
    "bybit": ("venue_sim.venues.bybit", "BYBIT", "BYBIT_TRADE"),
    "hyperliquid": ("venue_sim.venues.hyperliquid", "HYPERLIQUID", ""),
}
"""By name: the module, its public face, and its trading face (empty where it has none)."""

NAMES: Final = tuple(_ROWS)


def find(name: str) -> tuple[Face, TradeFace | None]:
    """The two faces of a name. Raises BadMarket."""
    if name not in _ROWS:
        raise BadMarket("--venue", f"{name!r} is not one of: {', '.join(NAMES)}")
    module_name, public, trade = _ROWS[name]
    module = importlib.import_module(module_name)
    return getattr(module, public), getattr(module, trade) if trade else None
