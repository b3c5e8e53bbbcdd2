"""The addresses that a configuration leaves out, filled in from the exchange's own; never so that a test's keys go to production."""

from pathlib import Path

from marketlink.errors import SettingsError
from marketlink.venues.registry import Exchange

from connector.config import ConnectorConfig


def completed(config: ConnectorConfig, exchange: Exchange, path: Path) -> ConnectorConfig:
    """Return the configuration with the account stream's root, where the exchange has one apart. Raises SettingsError."""
    if not exchange.private_root or config.user_stream_url:
        return config
    if given := config.ws_api_url or config.trade_ws_url:
        return config.model_copy(update={"user_stream_url": given})
    if config.has_keys and config.api_url.rstrip("/") != exchange.rest_root:
        what = "is needed beside an api_url that is not production's: the account's stream is there"
        raise SettingsError(str(path), "ws_api_url", what, "Give the WebSocket API's address of the same exchange.")
    return config.model_copy(update={"user_stream_url": exchange.private_root})
