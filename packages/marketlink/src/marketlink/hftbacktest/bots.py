"""LiveBots under hftbacktest's names, built as its are: an instrument by a chain of calls, a bot of a list of instruments."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from marketlink.bot.client import BotInstrument, LiveBot
from marketlink.bot.depth import DepthView
from marketlink.bot.orders import Code, to_tick
from marketlink.errors import SettingsError
from marketlink.events import Events
from marketlink.times import SECOND_NS, after

START_TIMEOUT: Final = 10 * SECOND_NS
"""How long a new bot waits to be told tick and lot sizes that were left out, ns: a strategy reads them before its first `elapse`."""


@dataclass(slots=True)
class LiveInstrument:
    """What a bot wants from which connector; each call returns the instrument itself. Sizes that are left out are the exchange's."""

    _connector: str = ""
    _symbol: str = ""
    _tick_size: float = 0.0
    _lot_size: float = 0.0
    _last_trades_capacity: int = 0
    _roi_lb: float = 0.0
    _roi_ub: float = 0.0

    def connector(self, name: str) -> "LiveInstrument":
        """The name of the connector."""
        self._connector = name
        return self

    def symbol(self, symbol: str) -> "LiveInstrument":
        """The symbol."""
        self._symbol = symbol
        return self

    def tick_size(self, tick_size: float) -> "LiveInstrument":
        """The price step."""
        self._tick_size = tick_size
        return self

    def lot_size(self, lot_size: float) -> "LiveInstrument":
        """The quantity step."""
        self._lot_size = lot_size
        return self

    def last_trades_capacity(self, capacity: int) -> "LiveInstrument":
        """How many of the newest trades are kept until they are cleared; 0 keeps none."""
        self._last_trades_capacity = capacity
        return self

    def roi_lb(self, roi_lb: float) -> "LiveInstrument":
        """The lower bound of the prices that `bid_depth` and `ask_depth` show."""
        self._roi_lb = roi_lb
        return self

    def roi_ub(self, roi_ub: float) -> "LiveInstrument":
        """The upper bound of the prices that `bid_depth` and `ask_depth` show."""
        self._roi_ub = roi_ub
        return self


class HashMapDepth(DepthView):
    """A book by hftbacktest's names."""

    def snapshot(self) -> Events:
        """The whole book as snapshot records."""
        return self.levels()

    def snapshot_free(self, arr: Events) -> None:
        """Do nothing: a snapshot is freed when nobody has it any more."""


class RoiDepth(DepthView):
    """A book that also shows a range of prices as arrays. The best prices and the quantities at a tick are the whole book's."""

    _bounds: tuple[float, float] = (0.0, 0.0)

    @property
    def roi_lb_tick(self) -> int:
        """The lower bound in ticks; 0 while the tick size is not known."""
        return to_tick(self._bounds[0], self.tick_size) if self.tick_size else 0

    @property
    def roi_ub_tick(self) -> int:
        """The upper bound in ticks, which belongs to the range."""
        return to_tick(self._bounds[1], self.tick_size) if self.tick_size else 0

    @property
    def bid_depth(self) -> NDArray[np.float64]:
        """The quantities bid by tick, the lower bound first: a new array of roi_ub_tick + 1 - roi_lb_tick, as the book is now."""
        return self._range(*self.bids())

    @property
    def ask_depth(self) -> NDArray[np.float64]:
        """The quantities asked by tick, the lower bound first."""
        return self._range(*self.asks())

    def _range(self, ticks: NDArray[np.int64], quantities: NDArray[np.float64]) -> NDArray[np.float64]:
        low, high = self.roi_lb_tick, self.roi_ub_tick
        shown: NDArray[np.float64] = np.zeros(high + 1 - low, np.float64)
        inside = (ticks >= low) & (ticks <= high)
        shown[ticks[inside] - low] = quantities[inside]
        return shown


class BacktestCoded(LiveBot):
    """A LiveBot whose answers to waiting for an order are those of the backtester, and whose trades are read by attribute."""

    def last_trades(self, asset_no: int) -> Events:
        """The trades since the last clear, oldest first, as a record array: `trade.px` also outside of compiled code."""
        trades: Events = super().last_trades(asset_no).view(np.recarray)
        return trades

    def wait_order_response(
        self, asset_no: int, order_id: int, timeout: int | None = None, *, timeout_ns: int | None = None
    ) -> Code:
        """Wait until an event of this order arrived; OK then too, as in the backtester, where a strategy asks `== 0`."""
        code = super().wait_order_response(asset_no, order_id, timeout, timeout_ns=timeout_ns)
        return Code.OK if code is Code.ORDER_RESPONSE else code


class HashMapBot(BacktestCoded):
    """What `HashMapMarketDepthLiveBot` returns."""

    depth_class: ClassVar[type[DepthView]] = HashMapDepth


class RoiBot(BacktestCoded):
    """What `ROIVectorMarketDepthLiveBot` returns."""

    depth_class: ClassVar[type[DepthView]] = RoiDepth


def HashMapMarketDepthLiveBot(assets: Sequence[LiveInstrument], **options: Any) -> HashMapBot:
    """Return a bot on running connectors; `options` are those of `marketlink.bot.LiveBot`.

    Sizes that were left out are waited for. Raises SettingsError when they are not told in ten seconds.
    """
    bot = HashMapBot(_wanted(assets), **options)
    _wait_for_sizes(bot, assets)
    return bot


def ROIVectorMarketDepthLiveBot(assets: Sequence[LiveInstrument], **options: Any) -> RoiBot:
    """Return a bot whose depths also have `bid_depth` and `ask_depth`; otherwise as HashMapMarketDepthLiveBot."""
    for one in assets:
        if not 0.0 <= one._roi_lb < one._roi_ub < np.inf:
            bounds = f"roi_lb {one._roi_lb} and roi_ub {one._roi_ub} are no range of prices"
            raise SettingsError(f"instrument {one._symbol!r}", "roi_lb, roi_ub", bounds, "State both, the lower first.")
    bot = RoiBot(_wanted(assets), **options)
    for number, one in enumerate(assets):
        depth = bot.depth(number)
        assert isinstance(depth, RoiDepth)
        depth._bounds = (one._roi_lb, one._roi_ub)
    _wait_for_sizes(bot, assets)
    return bot


def _wanted(assets: Sequence[LiveInstrument]) -> list[BotInstrument]:
    return [
        BotInstrument(one._connector, one._symbol, one._tick_size, one._lot_size, one._last_trades_capacity)
        for one in assets
    ]


def _wait_for_sizes(bot: LiveBot, assets: Sequence[LiveInstrument]) -> None:
    end = after(bot.clock.mono_ns(), START_TIMEOUT)
    for number, one in enumerate(assets):
        depth = bot.depth(number)
        while not (depth.tick_size and depth.lot_size):
            if bot.clock.mono_ns() >= end:
                bot.close()
                raise SettingsError(
                    f"instrument {one._symbol!r}",
                    "tick_size, lot_size",
                    f"they are not stated, and connector {one._connector!r} did not tell them in {START_TIMEOUT // SECOND_NS} s",
                    "Start the connector, or state them.",
                )
            bot.elapse(SECOND_NS // 100)
