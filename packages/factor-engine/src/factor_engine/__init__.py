"""O(1) streaming factors over order books: rolling moments, imbalance, volatility, stop loss.

Names are loaded when first asked for: `import factor_engine` alone imports neither numpy nor numba.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from factor_engine.combine import LinearCombiner, weighted_sum
    from factor_engine.errors import BadParameter, FactorError, LengthMismatch, StateMismatch
    from factor_engine.imbalance import ImbalanceSeries, OrderBookImbalance
    from factor_engine.rolling import Ema, MomentsSeries, RingBuffer, RollingMoments
    from factor_engine.stop_loss import StopLossCause, StopLossChecker, StopLossStatus
    from factor_engine.volatility import Volatility
    from factor_engine.window import TimeWindowSum, TradeImbalance

_HOME = {
    "BadParameter": "errors",
    "Ema": "rolling",
    "FactorError": "errors",
    "ImbalanceSeries": "imbalance",
    "LengthMismatch": "errors",
    "LinearCombiner": "combine",
    "MomentsSeries": "rolling",
    "OrderBookImbalance": "imbalance",
    "RingBuffer": "rolling",
    "RollingMoments": "rolling",
    "StateMismatch": "errors",
    "StopLossCause": "stop_loss",
    "StopLossChecker": "stop_loss",
    "StopLossStatus": "stop_loss",
    "TimeWindowSum": "window",
    "TradeImbalance": "window",
    "Volatility": "volatility",
    "weighted_sum": "combine",
}

__all__ = [
    "BadParameter",
    "Ema",
    "FactorError",
    "ImbalanceSeries",
    "LengthMismatch",
    "LinearCombiner",
    "MomentsSeries",
    "OrderBookImbalance",
    "RingBuffer",
    "RollingMoments",
    "StateMismatch",
    "StopLossCause",
    "StopLossChecker",
    "StopLossStatus",
    "TimeWindowSum",
    "TradeImbalance",
    "Volatility",
    "weighted_sum",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
