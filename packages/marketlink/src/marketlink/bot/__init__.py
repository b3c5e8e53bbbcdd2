"""The bot-side client of a connector: registers, keeps books, trades, positions and orders, sends requests, and waits (docs/bot.md)."""

from marketlink.bot.client import ALL_ASSETS, BotInstrument, LiveBot
from marketlink.bot.depth import DepthView
from marketlink.bot.orders import Code, OrderDict, StateValues
from marketlink.bot.state import Confidence

Instrument = BotInstrument  # its older name

__all__ = [
    "ALL_ASSETS",
    "BotInstrument",
    "Code",
    "Confidence",
    "DepthView",
    "Instrument",
    "LiveBot",
    "OrderDict",
    "StateValues",
]
