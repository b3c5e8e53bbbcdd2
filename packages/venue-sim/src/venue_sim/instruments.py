"""Contracts with realistic digits: a small table of well-known ones, otherwise derived from the data or from the
name."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from decimal import Decimal

from venue_sim.market import Instrument, decimals, step_of

# symbol: tick size, step size, a price of mid-2024 as the exchange's exchangeInfo and streams showed them
KNOWN: dict[str, tuple[str, str, str]] = {
    "btcusdt": ("0.10", "0.001", "61800.00"),
    "ethusdt": ("0.01", "0.001", "2682.00"),
    "bnbusdt": ("0.010", "0.01", "512.000"),
    "solusdt": ("0.0100", "1", "158.0000"),
    "xrpusdt": ("0.0001", "0.1", "0.6120"),
    "dogeusdt": ("0.000010", "1", "0.102500"),
    "adausdt": ("0.00010", "1", "0.34500"),
    "linkusdt": ("0.001", "0.01", "10.350"),
    "btcusd_perp": ("0.1", "1", "61800.0"),
    "ethusd_perp": ("0.01", "1", "2682.00"),
}
_TEMPLATES = (
    ("0.0100", "1", "45.0000"),
    ("0.001", "0.1", "8.200"),
    ("0.0001", "0.1", "0.7300"),
    ("0.0000010", "1", "0.0182000"),
)
_QUOTES = ("usdt", "usdc", "busd", "btc")


def named_instrument(symbol: str) -> tuple[Instrument, str]:
    """The contract of that name and a price to start from; unknown names get one of four shapes, always the same
    for a name."""
    tick, step, price = KNOWN.get(symbol) or _TEMPLATES[zlib.crc32(symbol.encode()) % len(_TEMPLATES)]
    return _instrument(symbol, tick, step), price


def derive_instrument(symbol: str, levels: Sequence[tuple[str, str]]) -> Instrument:
    """The contract as recorded levels show it: the known one when its digits agree, otherwise the largest steps all
    levels are multiples of."""
    known = KNOWN.get(symbol)
    if not levels:
        return named_instrument(symbol)[0]
    prices, quantities = [price for price, _ in levels], [quantity for _, quantity in levels]
    if known and all(
        decimals(price) == decimals(known[0]) and Decimal(price) % Decimal(known[0]) == 0 for price in prices
    ):
        return _instrument(symbol, known[0], known[1])
    return _instrument(symbol, step_of(prices), step_of(quantities))


def _instrument(symbol: str, tick: str, step: str) -> Instrument:
    pair, _, term = symbol.partition("_")  # a term in the name: a contract of the pair
    quotes = (*_QUOTES, "usd") if term else _QUOTES
    quote = next((quote for quote in quotes if pair.endswith(quote)), "usdt")
    base = pair if term and pair.endswith(quote) else symbol
    contract = 0 if quote != "usd" else 100 if pair == "btcusd" else 10
    return Instrument(symbol, tick, step, base.removesuffix(quote).upper(), quote.upper(), contract)
