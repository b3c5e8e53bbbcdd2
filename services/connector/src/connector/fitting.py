"""Whether a configuration fits its exchange: what the exchange has not is refused before anything starts, with what to do instead."""

from pathlib import Path

from marketlink.errors import SettingsError
from marketlink.venues.registry import Exchange
from marketlink.venues.trading import TradingVenue

from connector.config import ConnectorConfig


def fitted(config: ConnectorConfig, exchange: Exchange, path: Path) -> ConnectorConfig:
    """Return the configuration with the exchange's own addresses where it leaves them out. Raises SettingsError."""
    trading = exchange.trading
    if trading is not None:
        _check_orders(config, exchange, trading, str(path))
    if exchange.trade_rest_root and not config.market_api_url:  # private requests have a host of their own
        config = config.model_copy(update={"market_api_url": exchange.rest_root})
    if exchange.private_root and not config.user_stream_url:
        config = config.model_copy(update={"user_stream_url": _stream_root(config, exchange, str(path))})
    return config


def _stream_root(config: ConnectorConfig, exchange: Exchange, where: str) -> str:
    """Where the account's stream is, when that is not where market data is; never so that a test's keys go to production."""
    if given := config.ws_api_url or config.trade_ws_url:
        return given
    if config.has_keys and config.api_url.rstrip("/") != (exchange.trade_rest_root or exchange.rest_root):
        what = "is needed beside an api_url that is not production's: the account's stream is there"
        raise SettingsError(where, "ws_api_url", what, "Give the WebSocket API's address of the same exchange.")
    return exchange.private_root


def _check_orders(config: ConnectorConfig, exchange: Exchange, trading: TradingVenue, where: str) -> None:
    if config.dead_man_s and trading.countdown("", 0) is None and trading.protection() is None:
        what = f"{exchange.name} has no countdown that cancels orders when this process is gone"
        watchdog = f"connector watchdog NAME {where} --exchange {exchange.name}"
        remedy = f"Leave it out and guard the connector with a watchdog: {watchdog}."
        raise SettingsError(where, "dead_man_s", what, remedy)
    if config.risk.uni_mmr_min is not None and trading.account() is None:
        what = f"{exchange.name} does not tell what the account as a whole is worth"
        raise SettingsError(where, "risk.uni_mmr_min", what, "Leave it out: it is for Portfolio Margin.")
    if config.order_route == "ws":
        if not exchange.trade_api_url:
            what = f"{exchange.name} has no WebSocket API for orders"
            raise SettingsError(where, "order_route", what, 'Leave it out: orders go by REST ("rest").')
        if config.api_url.rstrip("/") in exchange.without_trade_api:
            what = f"{config.api_url} has no WebSocket API for orders"
            raise SettingsError(where, "order_route", what, 'Leave it out: orders go by REST ("rest").')
        if not config.trade_ws_url and config.api_url.rstrip("/") != (exchange.trade_rest_root or exchange.rest_root):
            what = "is needed beside an api_url that is not production's"  # else a test's keys would go to production
            raise SettingsError(where, "trade_ws_url", what, "Give the WebSocket API's address of the same exchange.")
    if config.user_stream_form and config.user_stream_form not in trading.stream_forms:
        what = f"{config.user_stream_form!r} is no form of {exchange.name}'s account stream"
        raise SettingsError(where, "user_stream_form", what, f"It has: {', '.join(trading.stream_forms)}.")
