"""A new configuration can be used as it is; what is shown is what holds, and never a secret."""

import json
import tomllib
from pathlib import Path

import pytest
from connector.commands import app
from connector.config import ConnectorConfig, read_config
from connector.config_text import HIDDEN, new_config, show_config
from marketlink.venues.registry import NAMES, find
from typer.testing import CliRunner

from tests.rig import Rig


def ask(*words: object, **environment: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(word) for word in words], env=environment)
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize("name", NAMES)
def test_a_new_configuration_can_be_used_and_names_every_key(tmp_path: Path, name: str) -> None:
    exchange = find(name)
    path = tmp_path / "x.toml"
    path.write_text(new_config(exchange))
    config, _ = read_config(path, exchange.public, {}, exchange.tests)
    assert (config.stream_url, config.api_url) == (exchange.stream_root, exchange.rest_root)
    text = path.read_text()
    assert all(key in text for key in ConnectorConfig.model_fields if key not in ("testnet", "demo", "risk"))


def test_every_key_that_is_commented_out_is_valid_toml_with_its_default(tmp_path: Path) -> None:
    text = new_config(find("binancefutures"))
    keys = [
        line[2:]
        for line in text.splitlines()
        if line.startswith("# ") and " = " in line and line[2:].split(" = ")[0].isidentifier()
    ]
    assert len(keys) > 20
    for key in keys:
        assert tomllib.loads(key)


@pytest.mark.parametrize("name", [name for name in NAMES if find(name).tests])
def test_networks_for_tests_are_named(tmp_path: Path, name: str) -> None:
    exchange = find(name)
    for network in exchange.tests:
        path = tmp_path / f"{network}.toml"
        path.write_text(new_config(exchange, network))
        config, _ = read_config(path, exchange.public, {}, exchange.tests)
        assert config.stream_url == exchange.tests[network].stream
    with pytest.raises(ValueError, match="has no moonnet"):
        new_config(exchange, "moonnet")


def test_secrets_are_never_shown_wherever_they_come_from(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text('stream_url = "wss://a.b"\napi_url = "https://a.b"\napi_key = "key-of-mine"\nstale_s = 5\n')
    path.chmod(0o600)
    code, text, _ = ask("config", "show", path, CONNECTOR_SECRET="secret-of-mine", CONNECTOR_DATA_AGE_S="40")
    assert code == 0
    assert "of-mine" not in text
    assert text.count(HIDDEN) == 2
    assert f"stale_s = 5  # {path}" in text
    assert "data_age_s = 40  # CONNECTOR_DATA_AGE_S" in text
    assert "ping_age_s = 300  # default" in text
    assert tomllib.loads(text)["stale_s"] == 5


def test_limits_are_shown_as_tables(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(
        'stream_url = "wss://a.b"\napi_url = "https://a.b"\n[risk]\nmax_open_orders = 3\n[risk.btcusdt]\nmax_open_orders = 2\n'
    )
    config, _ = read_config(path, find("binancefutures").public, {})
    text = show_config(config, {})
    assert tomllib.loads(text)["risk"]["btcusdt"]["max_open_orders"] == 2


def test_a_configuration_that_can_not_be_used_is_a_sentence(tmp_path: Path) -> None:
    code, _, said = ask("config", "show", tmp_path / "none.toml")
    assert (code, "no such file" in said) == (2, True)
    assert ask("config", "new", "nowhere")[0] == 2
    assert ask("config", "new", "binancepapi", "--testnet")[0] == 2


def test_exchanges_and_their_names_are_listed() -> None:
    code, text, _ = ask("venues")
    assert code == 0
    assert text.splitlines()[0].startswith("binancefutures: data and orders")
    rows = json.loads(ask("venues", "--json")[1])
    assert [row["name"] for row in rows] == list(NAMES)
    assert next(row for row in rows if row["name"] == "binancespot")["aliases"] == ["binance"]


def test_symbols_are_listed_with_their_sizes() -> None:
    with Rig() as rig:
        rig.exchange("--symbols", "btcusdt,ethusdt", "--paused")
        code, text, said = ask("symbols", "binancefutures", "--api-url", rig.addresses["rest"])
    assert code == 0, said
    rows = [line.split("\t") for line in text.splitlines()]
    assert [row[0] for row in rows] == ["btcusdt", "ethusdt"]
    assert all(float(row[1]) > 0 and float(row[2]) > 0 for row in rows)
