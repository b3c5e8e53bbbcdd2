"""What an exchange has not is refused before anything starts, naming what to do instead."""

from pathlib import Path

import pytest
from connector.config import ConnectorConfig, read_config
from connector.fitting import fitted
from marketlink.errors import SettingsError
from marketlink.venues.registry import Exchange, find

PAPI, USDM = find("binancepapi"), find("binancefutures")
SOURCES_OWN = """
api_url = "https://papi.binance.com"
stream_url = "wss://fstream.binance.com/ws"
user_stream_url = "wss://fstream.binance.com/pm/ws"
order_prefix = "prefix"
api_key = ""
secret = ""
"""


def read(folder: Path, exchange: Exchange, text: str) -> ConnectorConfig:
    path = folder / "c.toml"
    path.write_text(text)
    config, _ = read_config(path, exchange.public, {})
    return fitted(config, exchange, path)


def test_the_sources_own_file_for_portfolio_margin_starts_unchanged(tmp_path: Path) -> None:
    config = read(tmp_path, PAPI, SOURCES_OWN)
    assert config.stream_url == "wss://fstream.binance.com"
    assert (config.api_url, config.market_api_url) == ("https://papi.binance.com", "https://fapi.binance.com")
    assert PAPI.trading is not None
    url = PAPI.trading.stream_url(config.user_stream_url, "K", PAPI.trading.stream_forms[0])
    assert url == "wss://fstream.binance.com/pm/ws/K"


def test_market_data_has_a_host_of_its_own_only_where_the_exchange_has_two(tmp_path: Path) -> None:
    own = 'market_api_url = "https://other.test"\n'
    assert read(tmp_path, PAPI, SOURCES_OWN + own).market_api_url == "https://other.test"
    assert read(tmp_path, USDM, SOURCES_OWN).market_api_url == ""


@pytest.mark.parametrize(
    ("line", "key", "remedy"),
    [
        ("dead_man_s = 5", "dead_man_s", "watchdog"),
        ('order_route = "ws"', "order_route", "REST"),
        ('user_stream_form = "query"', "user_stream_form", "path"),
        ('market_api_url = "ftp://x"', "market_api_url", "REST"),
    ],
)
def test_what_portfolio_margin_has_not_is_refused_with_its_remedy(
    tmp_path: Path, line: str, key: str, remedy: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        read(tmp_path, PAPI, SOURCES_OWN + line)
    assert refused.value.field == key
    assert remedy in refused.value.remedy


def test_usd_m_takes_all_of_that(tmp_path: Path) -> None:
    text = SOURCES_OWN.replace("papi.", "fapi.") + 'dead_man_s = 5\norder_route = "ws"\nuser_stream_form = "query"\n'
    assert read(tmp_path, USDM, text).dead_man_s == 5


def test_a_websocket_of_production_is_not_guessed_beside_another_rest_interface(tmp_path: Path) -> None:
    text = SOURCES_OWN.replace("papi.binance.com", "demo.test") + 'order_route = "ws"\n'
    with pytest.raises(SettingsError) as refused:
        read(tmp_path, USDM, text)
    assert refused.value.field == "trade_ws_url"
