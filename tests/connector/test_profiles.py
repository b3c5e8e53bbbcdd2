"""`testnet = true` and `demo = true`: the exchange's own test networks, and none where it has none."""

from pathlib import Path

import pytest
from connector.config import read_config
from connector.fitting import fitted
from marketlink.errors import SettingsError
from marketlink.venues.registry import NAMES, find

KINDS = ("testnet", "demo")
CASES = [(name, kind) for name in NAMES for kind in KINDS]


def write(folder: Path, *lines: str) -> Path:
    path = folder / "connector.toml"
    path.write_text("\n".join((*lines, 'api_key = "k"', 'secret = "s"')))
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_a_profile_is_the_exchanges_network_or_refused(tmp_path: Path, name: str, kind: str) -> None:
    exchange = find(name)
    path = write(tmp_path, f"{kind} = true")
    roots = exchange.tests.get(kind)
    if roots is None:
        with pytest.raises(SettingsError, match=kind):
            read_config(path, exchange.public, {}, tests=exchange.tests)
        return
    config = fitted(read_config(path, exchange.public, {}, tests=exchange.tests)[0], exchange, path)
    assert (config.stream_url, config.api_url, config.trade_ws_url) == (roots.stream, roots.rest, roots.trade_api)
    production = {exchange.rest_root, exchange.trade_rest_root, exchange.trade_api_url, exchange.private_root} - {""}
    assert not production & {config.api_url, config.trade_ws_url, config.user_stream_url, config.market_api_url}


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_an_address_of_another_network_beside_a_profile_is_refused(tmp_path: Path, name: str, kind: str) -> None:
    exchange = find(name)
    if kind not in exchange.tests:
        return
    path = write(tmp_path, f"{kind} = true", f'api_url = "{exchange.rest_root}"')
    with pytest.raises(SettingsError, match="api_url"):
        read_config(path, exchange.public, {}, tests=exchange.tests)
    roots = exchange.tests[kind]
    lines = (f"{kind} = true", f'api_url = "{roots.rest}"', f'trade_ws_url = "{roots.trade_api}"')
    read_config(write(tmp_path, *lines), exchange.public, {}, tests=exchange.tests)
