"""The connector's configuration."""

from pathlib import Path

import pytest
import trustme
from connector.config import read_config
from marketlink.errors import SettingsError
from marketlink.venues.binance import USDM

GOOD = 'stream_url = "wss://fstream.binance.com"\napi_url = "https://fapi.binance.com"\n'


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(text)
    return path


def test_data_only_without_keys(tmp_path: Path) -> None:
    config, remarks = read_config(write(tmp_path, GOOD), USDM, {})
    assert not config.has_keys
    assert remarks == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD + 'api_kay = "x"\n', ["api_kay", "unknown key", "Did you mean 'api_key'"]),
        (GOOD + "zzz = 1\n", ["zzz", "Known keys", "stream_url"]),
        ('api_url = "https://x"\n', ["stream_url", "required"]),
        ('stream_url = "http://x"\napi_url = "https://x"\n', ["stream_url", "ws://"]),
        ('stream_url = "wss://x"\napi_url = "ftp://x"\n', ["api_url", "https://"]),
        (GOOD + "data_age_s = 0\n", ["data_age_s", "greater than 0"]),
        ("stream_url = \n", ["not TOML"]),
    ],
)
def test_what_is_wrong_is_named_with_its_remedy(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        read_config(write(tmp_path, text), USDM, {})
    for word in [*words, "config.toml"]:
        assert word in str(caught.value)


def test_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such file"):
        read_config(tmp_path / "nowhere.toml", USDM, {})


def test_environment_wins_and_secrets_are_never_shown(tmp_path: Path) -> None:
    environment = {"CONNECTOR_API_KEY": "public", "CONNECTOR_SECRET": "hush-hush", "CONNECTOR_DATA_AGE_S": "7"}
    config, remarks = read_config(write(tmp_path, GOOD + 'secret = "in-the-file"\n'), USDM, environment)
    assert config.data_age_s == 7
    assert config.secret.get_secret_value() == "hush-hush"
    assert config.has_keys
    assert "hush-hush" not in repr(config) + str(config) + str(remarks)


def test_secret_of_a_wrong_type_is_not_shown_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        read_config(write(tmp_path, GOOD + "secret = 123456789\n"), USDM, {})
    assert "123456789" not in str(caught.value)


def test_the_sources_urls_are_reduced_to_their_root(tmp_path: Path) -> None:
    text = 'stream_url = "wss://fstream.binance.com/ws"\napi_url = "https://fapi.binance.com"\n'
    config, remarks = read_config(write(tmp_path, text), USDM, {})
    assert config.stream_url == "wss://fstream.binance.com"
    assert len(remarks) == 1


def test_ca_file_is_found_beside_the_file_that_names_it(tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    config, _ = read_config(write(tmp_path, GOOD + 'ca_file = "ca.pem"\n'), USDM, {})
    assert config.ca_file == tmp_path / "ca.pem"
    config, _ = read_config(write(tmp_path, GOOD), USDM, {"CONNECTOR_CA_FILE": str(tmp_path / "ca.pem")})
    assert config.ca_file == tmp_path / "ca.pem"


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_ca_file_that_can_not_be_used_is_refused_before_anything_starts(
    tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "ca.pem").write_bytes(content)
    with pytest.raises(SettingsError, match=r"config\.toml: ca_file: .*ca\.pem.*PEM"):
        read_config(write(tmp_path, GOOD + 'ca_file = "ca.pem"\n'), USDM, {})


def test_stale_s_is_a_number_of_seconds(tmp_path: Path) -> None:
    assert read_config(write(tmp_path, GOOD), USDM, {})[0].stale_s == 3.0
    assert read_config(write(tmp_path, GOOD), USDM, {"CONNECTOR_STALE_S": "0.5"})[0].stale_s == 0.5
    with pytest.raises(SettingsError, match="stale_s"):
        read_config(write(tmp_path, GOOD + "stale_s = 0\n"), USDM, {})
