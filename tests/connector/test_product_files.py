"""The annotated files of spot and COIN-M start their connectors: as they are, and against the simulated exchange of the same venue."""

import re
from pathlib import Path

import pytest
from connector.config import ConnectorConfig, read_config
from connector.fitting import fitted
from marketlink.errors import SettingsError
from marketlink.venues.registry import find

from tests.conftest import ROOT
from tests.rig import Rig

FACES = {"binancespot": ("spot", "btcusdt"), "binancefuturescm": ("coinm", "btcusd_perp")}
FILES = [ROOT / f"docs/venues/{name}.toml" for name in FACES]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_names_production_and_is_taken_without_a_remark(path: Path) -> None:
    exchange = find(path.stem)
    config, remarks = read_config(path, exchange.public, {})
    assert (config.stream_url, config.api_url, remarks) == (exchange.stream_root, exchange.rest_root, [])
    filled = fitted(config, exchange, path)
    assert filled.user_stream_url == exchange.private_root


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_key_in_a_comment_is_one_too(path: Path) -> None:
    keys = re.findall(r"(?m)^# (?:\w+: +|  +)?([a-z_]+) += ", path.read_text())
    assert len(keys) > 5
    assert set(keys) <= ConnectorConfig.model_fields.keys()


def test_the_sources_own_spot_file_starts_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "binancespot.toml"
    pem = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"
    path.write_text(
        'stream_url = "wss://stream.binance.com:9443/ws"\napi_url = "https://api.binance.com"\n'
        f'ws_api_url = "wss://ws-api.binance.com:443/ws-api/v3"\norder_prefix = "prefix"\napi_key = "key"\nsecret = """{pem}"""\n'
    )
    exchange = find("binancespot")
    config, remarks = read_config(path, exchange.public, {})
    assert config.stream_url == "wss://stream.binance.com:9443"
    assert fitted(config, exchange, path).user_stream_url == "wss://ws-api.binance.com:443/ws-api/v3"
    assert remarks


def test_keys_beside_an_address_that_is_not_production_s_need_the_account_s_too(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text('stream_url = "ws://127.0.0.1:1"\napi_url = "http://127.0.0.1:2"\napi_key = "a"\nsecret = "b"\n')
    exchange = find("binancespot")
    config, _ = read_config(path, exchange.public, {})
    with pytest.raises(SettingsError, match="not production's"):
        fitted(config, exchange, path)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_connector_runs_with_a_file_but_for_the_addresses(path: Path) -> None:
    face, symbol = FACES[path.stem]
    with Rig() as rig:
        rig.exchange("--venue", face, "--market", "synthetic", "--symbols", symbol, "--rate", 100)
        text = path.read_text()
        for key, value in (("stream_url", "ws"), ("api_url", "rest"), ("ws_api_url", "ws")):
            lines = text.splitlines()
            text = "\n".join(
                f'{key} = "{rig.addresses[value]}"' if line.split("=")[0].strip() == key else line for line in lines
            )
        file = rig.folder / "connector.toml"
        file.write_text(text)
        rig.start("connector", "connector", "bf", path.stem, file)
        rig.link_collector(rig.folder / "data", [symbol])
        rig.until(lambda: "in sync" in rig.log("connector", 100) or rig.asked(symbol), 60, "a snapshot")
        assert rig.end("ipc") == 0
        assert rig.end("connector") == 0


def test_the_networks_for_tests_are_data_of_the_row() -> None:
    for name in FACES:
        exchange = find(name)
        assert exchange.tests.keys() == {"testnet", "demo"}
        for roots in exchange.tests.values():
            assert roots.stream.startswith("wss://")
            assert roots.rest.startswith("https://")
            assert (roots.stream, roots.rest) != (exchange.stream_root, exchange.rest_root)


def test_the_account_s_stream_is_where_orders_over_the_websocket_api_go(tmp_path: Path) -> None:
    path, exchange = tmp_path / "x.toml", find("binancespot")
    roots = exchange.tests["testnet"]
    path.write_text(
        f'stream_url = "{roots.stream}"\napi_url = "{roots.rest}"\ntrade_ws_url = "{roots.trade_api}"\napi_key = "a"\nsecret = "b"\n'
    )
    config, _ = read_config(path, exchange.public, {})
    assert fitted(config, exchange, path).user_stream_url == roots.trade_api
