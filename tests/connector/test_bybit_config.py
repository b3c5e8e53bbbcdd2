"""Bybit's configuration: the source's names, the example of the page, and what can't be."""

from pathlib import Path

import pytest
from connector.config import read_config
from connector.fitting import fitted
from marketlink.errors import SettingsError
from marketlink.venues.bybit import LINEAR_PUBLIC
from marketlink.venues.bybit.decisions import LINEAR_DECISIONS
from marketlink.venues.decisions import as_markdown
from marketlink.venues.registry import find

from tests.conftest import ROOT

SOURCE = """public_url = "wss://stream-testnet.bybit.com/v5/public/linear"
private_url = "wss://stream-testnet.bybit.com/v5/private"
trade_url = "wss://stream-testnet.bybit.com/v5/trade"
rest_url = "https://api-testnet.bybit.com"
category = "linear"
order_prefix = "test"
api_key = ""
secret = ""
"""


def read(tmp_path: Path, text: str, **environment: str):  # type: ignore[no-untyped-def]
    path = tmp_path / "bybit.toml"
    path.write_text(text)
    config, remarks = read_config(path, LINEAR_PUBLIC, environment)
    return fitted(config, find("bybit"), path), remarks


def test_the_source_s_file_starts_unchanged(tmp_path: Path) -> None:
    config, remarks = read(tmp_path, SOURCE)
    assert (config.stream_url, config.api_url) == ("wss://stream-testnet.bybit.com", "https://api-testnet.bybit.com")
    assert config.user_stream_url == "wss://stream-testnet.bybit.com/v5/private"
    assert config.trade_ws_url == "wss://stream-testnet.bybit.com/v5/trade"
    assert remarks == []


def test_the_page_s_example_is_taken() -> None:
    config, _ = read_config(ROOT / "docs/venues/bybit.toml", LINEAR_PUBLIC, {})
    assert (config.stream_url, config.has_keys) == ("wss://stream.bybit.com", False)


@pytest.mark.parametrize(
    ("line", "key", "near"),
    [
        ('private_stream_url = "wss://x"', "private_stream_url", "private_url"),
        ('publc_url = "wss://x"', "publc_url", "public_url"),
        ('stream_url = "wss://x"', "public_url", "stream_url"),
        ('category = "inverse"', "category", "linear"),
    ],
)
def test_another_key_is_answered_with_the_nearest(tmp_path: Path, line: str, key: str, near: str) -> None:
    text = SOURCE.replace('category = "linear"\n', "") if line.startswith("category") else SOURCE
    with pytest.raises(SettingsError, match=near) as error:
        read(tmp_path, f"{line}\n{text}")
    assert key in str(error.value)


def test_demo_trading_has_no_order_socket(tmp_path: Path) -> None:
    text = SOURCE.replace("https://api-testnet.bybit.com", "https://api-demo.bybit.com")
    with pytest.raises(SettingsError, match="rest"):
        read(tmp_path, 'order_route = "ws"\n' + text)
    assert read(tmp_path, text)[0].order_route == "rest"


def test_the_environment_may_say_it_in_the_source_s_names(tmp_path: Path) -> None:
    config, _ = read(tmp_path, SOURCE, CONNECTOR_REST_URL="https://api.bybit.com")
    assert config.api_url == "https://api.bybit.com"


def test_the_table_of_errors_in_the_page_is_the_program_s() -> None:
    assert as_markdown(LINEAR_DECISIONS) in (ROOT / "docs/venues/bybit.md").read_text()
