"""What the pages say of orders is what the program does."""

from pathlib import Path

import pytest
from connector.config import ConnectorConfig, RiskRow, read_config
from connector.lifecycle import drawing
from marketlink.venues.binance import USDM

from tests.conftest import ROOT

TRADING = (ROOT / "docs/trading.md").read_text()
CONNECTOR = (ROOT / "docs/connector.md").read_text()


def test_the_drawing_of_an_orders_life_is_the_tables() -> None:
    assert f"```mermaid\n{drawing()}\n```" in TRADING


@pytest.mark.parametrize("key", [*ConnectorConfig.model_fields, *RiskRow.model_fields])
def test_every_key_is_explained_once(key: str) -> None:
    rows = [line.split("|")[1] for page in (TRADING, CONNECTOR) for line in page.splitlines() if line.startswith("| ")]
    assert sum(f"`{key}`" in row or f"`[{key}]`" in row for row in rows) >= 1


@pytest.mark.parametrize(
    "key", ["order_route", "shutdown", "watchdog", "orphans", "shutdown_deadline_s", "recv_window_ms"]
)
def test_a_stated_default_is_the_programs(key: str) -> None:
    row = next(line for line in TRADING.splitlines() if line.startswith(f"| `{key}`"))
    default = ConnectorConfig.model_fields[key].default
    assert row.split("|")[2].strip() == (f'`"{default}"`' if isinstance(default, str) else f"{default:g}")


@pytest.mark.parametrize("path", sorted((ROOT / "docs/examples").glob("*.toml")), ids=lambda path: path.name)
def test_the_examples_are_taken(path: Path) -> None:
    config, _ = read_config(path, USDM, {})
    assert config.has_keys == ("simulator" in path.name)


def test_the_sources_own_file_starts_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "binancefutures.toml"
    path.write_text(
        'stream_url = "wss://fstream.binance.com/ws"\napi_url = "https://fapi.binance.com"\n'
        'order_prefix = "prefix"\napi_key = ""\nsecret = ""\n'
    )
    config, remarks = read_config(path, USDM, {})
    assert (config.stream_url, config.has_keys) == ("wss://fstream.binance.com", False)
    assert len(remarks) == 1
