"""Where a secret may come from, and that it is nowhere else: seen in real processes."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from connector.config import ConnectorConfig, read_config
from marketlink.errors import SettingsError
from marketlink.venues.binance import USDM

from tests.rig import Rig

GOOD = 'stream_url = "wss://x"\napi_url = "https://x"\napi_key = "the-public-half"\n'
SECRET = "tHe-sEcReT-hAlF-0123456789"


def write(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "config.toml"
    path.write_text(text)
    path.chmod(mode)
    return path


def write_secret(folder: Path, text: str, mode: int = 0o600) -> None:
    (folder / "secret").write_text(text)
    (folder / "secret").chmod(mode)


def test_a_secret_of_a_file_for_its_owner_alone_is_taken(tmp_path: Path) -> None:
    write_secret(tmp_path, f"{SECRET}\n")
    config, remarks = read_config(write(tmp_path, GOOD + 'secret_file = "secret"\n'), USDM, {})
    assert config.secret.get_secret_value() == SECRET
    assert SECRET not in repr(config) + str(remarks)
    config, _ = read_config(write(tmp_path, GOOD), USDM, {"CONNECTOR_SECRET_FILE": str(tmp_path / "secret")})
    assert config.has_keys
    over = {"CONNECTOR_SECRET": "other"}
    config, _ = read_config(write(tmp_path, GOOD + 'secret_file = "secret"\n'), USDM, over)
    assert config.secret.get_secret_value() == "other"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_secret_file_that_others_can_read_is_refused_with_its_remedy(tmp_path: Path, mode: int) -> None:
    write_secret(tmp_path, SECRET, mode)
    with pytest.raises(SettingsError, match="chmod 600") as caught:
        read_config(write(tmp_path, GOOD + 'secret_file = "secret"\n'), USDM, {})
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('secret_file = "nowhere"\n', "can't be read"),
        ('secret_file = "empty"\n', "is empty"),
        ('secret_file = "secret"\nsecret = "x"\n', "secret is given too"),
        ('secret_keyring = "bf"\n', "Use secret_file"),
    ],
)
def test_what_can_not_be_used_is_said(tmp_path: Path, text: str, words: str) -> None:
    write_secret(tmp_path, SECRET)
    (tmp_path / "empty").touch(0o600)
    with pytest.raises(SettingsError, match=words):
        read_config(write(tmp_path, GOOD + text), USDM, {})


def test_a_configuration_with_a_secret_that_others_can_read_is_remarked(tmp_path: Path) -> None:
    text = GOOD + f'secret = "{SECRET}"\n'
    assert not any("chmod 600" in one for one in read_config(write(tmp_path, text), USDM, {})[1])
    _, remarks = read_config(write(tmp_path, text, 0o644), USDM, {})
    assert any("chmod 600" in one for one in remarks)
    assert SECRET not in str(remarks)
    assert not any(
        "chmod" in one for one in read_config(write(tmp_path, GOOD, 0o644), USDM, {"CONNECTOR_SECRET": "x"})[1]
    )


VALUES = {
    "stream_url": "wss://y", "api_url": "https://y", "market_api_url": "https://y", "secret_file": "secret", "ca_file": None,
    "user_stream_form": "path",
    "unknown_query_ms": "100,200", "shutdown": "keep", "watchdog": "required", "orphans": "cancel", "order_route": "ws",
    "time_unit": "microsecond", "weight_reserve": "0.5", "cancel_on_register": "true", "risk": None, "testnet": None, "demo": None,
}  # fmt: skip


@pytest.mark.parametrize("key", ConnectorConfig.model_fields)
def test_every_key_can_come_from_the_environment(tmp_path: Path, key: str) -> None:
    write_secret(tmp_path, SECRET)
    value = VALUES.get(key, "7")
    if value is None:
        pytest.skip("has a test of its own")
    environment = {"CONNECTOR_SECRET": "s", f"CONNECTOR_{key.upper()}": value}
    before, _ = read_config(write(tmp_path, GOOD), USDM, {"CONNECTOR_SECRET": "s"})
    after, _ = read_config(write(tmp_path, GOOD), USDM, environment)
    assert getattr(after, key) != getattr(before, key)


def test_limits_can_come_from_the_environment_beside_those_of_the_file(tmp_path: Path) -> None:
    text = 'stream_url = "wss://x"\napi_url = "https://x"\n[risk]\nmax_position = 5\nmax_orders_s = 3\n[risk.btcusdt]\nmax_order_qty = 1\n'
    environment = {"CONNECTOR_RISK_MAX_POSITION": "2", "CONNECTOR_RISK_BTCUSDT_MAX_POSITION": "1.5"}
    outer, own = read_config(write(tmp_path, text), USDM, environment)[0].risk.limits()
    assert (outer.max_position, outer.max_orders_s) == (2, 3)
    assert (float(own["btcusdt"].max_position or 0), own["btcusdt"].max_order_qty) == (1.5, 1)


@pytest.fixture
def rig() -> Iterator[Rig]:
    with Rig() as rig:
        yield rig


def descendants(pid: int) -> set[int]:
    children = {
        int(one) for task in Path(f"/proc/{pid}/task").iterdir() for one in (task / "children").read_text().split()
    }
    return children.union(*(descendants(child) for child in children))


@pytest.mark.parametrize("given", ["environment", "file", "configuration"])
def test_the_secret_is_in_no_log_no_list_of_processes_and_no_child(rig: Rig, given: str) -> None:
    (rig.folder / "accounts.toml").write_text(
        f'[[account]]\nname = "main"\napi_key = "the-public-half"\nsecret = "{SECRET}"\nbalance = "1000"\n'
    )
    rig.exchange("--symbols", "btcusdt", "--rate", "50", "--accounts", rig.folder / "accounts.toml")
    write_secret(rig.folder, SECRET)
    settings = {"environment": {}, "file": {"secret_file": "secret"}, "configuration": {"secret": SECRET}}[given]
    environment = {"CONNECTOR_LOG": "debug", **({"CONNECTOR_SECRET": SECRET} if given == "environment" else {})}
    rig.ask("faults", {"kind": "html_body", "op": "open_orders", "count": 2})
    with rig.under(**environment):
        process = rig.connector(api_key="the-public-half", **settings)
    rig.until(lambda: "compared with the exchange" in rig.log("connector", 500), 120, "the connector to trade")
    shown = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    for pid in {process.pid, *descendants(process.pid)}:
        shown += Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    for pid in descendants(process.pid):
        shown += Path(f"/proc/{pid}/environ").read_text(errors="replace")
    assert rig.end("connector") == 0
    for label in ("connector",):
        for ending in ("log", "out"):
            shown += (rig.folder / f"{label}.{ending}").read_text()
    for path in (rig.folder / "state").rglob("*"):
        shown += path.read_text(errors="replace") if path.is_file() else ""
    assert "compared with the exchange" in shown
    assert SECRET not in shown
    assert "the-public-half" not in shown


def test_a_key_that_can_not_be_one_is_said_without_showing_it_or_a_traceback(rig: Rig) -> None:
    rig.addresses = {"ws": "ws://127.0.0.1:9", "rest": "http://127.0.0.1:9"}
    assert rig.connector(api_key="key", secret=f"{SECRET} x").wait(60) == 2
    assert "ASCII without blanks" in rig.log("connector")
    assert SECRET not in rig.log("connector")
    assert "Traceback" not in rig.log("connector")
