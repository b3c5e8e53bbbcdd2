"""The bot-side client of a connector: registers, keeps books, trades, positions and orders, and waits (docs/bot.md)."""

from marketlink.bot.client import DepthView, Instrument, LiveBot, Waited
from marketlink.bot.state import Confidence

__all__ = ["Confidence", "DepthView", "Instrument", "LiveBot", "Waited"]
