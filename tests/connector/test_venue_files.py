"""The annotated configurations beside the venues' pages: every key is in them, and they are taken as they are."""

import re
from pathlib import Path

import pytest
from connector.config import ConnectorConfig, RiskRow, read_config
from connector.fitting import fitted
from marketlink.errors import SettingsError
from marketlink.venues.registry import find

from tests.conftest import ROOT

FILES = {"papi": "binancepapi", "binancefutures": "binancefutures"}
each_file = pytest.mark.parametrize("name", FILES)


def text_of(name: str) -> str:
    return (ROOT / f"docs/venues/{name}.toml").read_text()


def read(name: str, folder: Path, text: str) -> ConnectorConfig:
    path = folder / "c.toml"
    path.write_text(text)
    exchange = find(FILES[name])
    config, _ = read_config(path, exchange.public, {}, exchange.tests)
    return fitted(config, exchange, path)


@each_file
def test_it_is_taken_as_it_is(name: str, tmp_path: Path) -> None:
    config = read(name, tmp_path, text_of(name))
    assert config.stream_url == "wss://fstream.binance.com"
    assert not config.has_keys


@each_file
def test_every_key_is_in_it_with_its_default(name: str, tmp_path: Path) -> None:
    text = text_of(name)
    for key in [*(one for one in ConnectorConfig.model_fields if one not in OF_SPOT), *RiskRow.model_fields]:
        assert re.search(rf"^(# )?\[?{key}\]?( |$)", text, re.MULTILINE), key
    whole = re.sub(r"^# (?=[a-z_]+ = |\[)", "", text, flags=re.MULTILINE)
    whole = re.sub(r"^(secret_file|ca_file) .*\n", "", whole, flags=re.MULTILINE)
    plain, config = read(name, tmp_path, text), read(name, tmp_path, whole)
    for key in ConnectorConfig.model_fields.keys() - {"risk"}:
        assert getattr(config, key) == getattr(plain, key), key
    outer, own = config.risk.limits()
    assert outer.max_open_orders == 40
    assert set(own) == {"btcusdt"}


OF_SPOT = {"time_unit", "ws_api_url"}  # binancespot.toml has them


@pytest.mark.parametrize(
    ("key", "stream"), [("testnet", "fstream.binancefuture.com"), ("demo", "demo-fstream.binance.com")]
)
def test_a_network_for_tests_has_its_own_addresses(tmp_path: Path, key: str, stream: str) -> None:
    config = read("binancefutures", tmp_path, f'{key} = true\norder_route = "ws"\n')
    assert (config.stream_url, config.api_url) == (f"wss://{stream}", "https://demo-fapi.binance.com")
    assert "testnet" in config.trade_ws_url
    same = read("binancefutures", tmp_path, f'{key} = true\nstream_url = "wss://{stream}/ws"\n')
    assert same.stream_url == config.stream_url


@pytest.mark.parametrize("key", ["testnet", "demo"])
def test_the_environment_may_name_it(tmp_path: Path, key: str) -> None:
    path, exchange = tmp_path / "c.toml", find("binancefutures")
    path.write_text("")
    config, _ = read_config(path, exchange.public, {f"CONNECTOR_{key.upper()}": "true"}, exchange.tests)
    assert config.api_url == "https://demo-fapi.binance.com"


@pytest.mark.parametrize(
    ("name", "text", "field", "words"),
    [
        ("papi", "testnet = true\n", "testnet", "binancepapi has none.*simulator"),
        ("papi", "demo = true\n", "demo", "binancepapi has none"),
        ("binancefutures", "demo = true\ntestnet = true\n", "demo", "Keep one"),
        ("binancefutures", 'testnet = true\napi_url = "https://fapi.binance.com"\n', "api_url", "demo-fapi"),
    ],
)
def test_one_that_there_is_not_or_that_is_contradicted_is_refused(
    tmp_path: Path, name: str, text: str, field: str, words: str
) -> None:
    with pytest.raises(SettingsError, match=words) as refused:
        read(name, tmp_path, text)
    assert refused.value.field == field
