import re
import tomllib
from pathlib import Path

import pytest
from obi_mm.config import Config, change_config, check_instrument, load_config, parse_config
from obi_mm.errors import ConfigError

EXAMPLE = Path(__file__).parents[2] / "services" / "obi-mm" / "config.example.toml"


def test_the_example_names_every_setting_with_its_default() -> None:
    assert load_config(EXAMPLE) == Config()
    defaults = Config()
    live = defaults.live.model_dump(exclude_none=True)  # a bot id has no default
    assert tomllib.loads(EXAMPLE.read_text()) == {**defaults.sections(), "live": live}


def test_every_line_of_the_example_says_what_it_is_for() -> None:
    settings = [line for line in EXAMPLE.read_text().splitlines() if "=" in line and not line.startswith("#")]
    plain = [line for line in settings if "#" not in line]
    assert all(line.startswith(("volatility_", "change_")) for line in plain)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"param": {}}, "params"),
        ({"params": {"half_spraed": 0.1}}, "half_spread"),
        ({"stop_loss": {"cooldown": 1}}, "cooldown_seconds"),
        ({"params": 3}, "is a section"),
        ({"params": {"half_spread": "a"}}, "half_spread"),
        ({"params": {"half_spread": float("nan")}}, "half_spread"),
        ({"params": {"half_spread": -1.0}}, "half_spread"),
        ({"params": {"window": 1}}, "window"),
        ({"params": {"window": 3.5}}, "window"),
        ({"params": {"window": True}}, "window"),
        ({"params": {"volatility_interval_ns": 25_000_000_000}}, "multiple"),
        ({"global": {"order_qty": 1.0, "max_position": 0.5}}, "max_position"),
        ({"global": {"roi_lb": 5.0, "roi_ub": 5.0}}, "roi_ub"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(content: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)) as caught:
        parse_config(content, "test")
    assert caught.value.where == "test"


def test_numbers_may_be_written_as_the_source_wrote_them() -> None:
    config = parse_config({"params": {"update_interval_ns": 10e9, "live_seconds": 30}}, "test")
    assert config.params.update_interval_ns == 10_000_000_000
    assert config.params.live_seconds == 30.0


@pytest.mark.parametrize(("tick", "lot"), [(0.3, 0.001), (0.1, 0.004), (0.0, 0.001), (float("nan"), 0.001)])
def test_quantities_and_intervals_are_whole_lots_and_ticks(tick: float, lot: float) -> None:
    with pytest.raises(ConfigError):
        check_instrument(Config(), tick, lot, "test")


def test_the_default_skew_moves_quotes_by_far_less_than_a_percent_a_unit() -> None:
    assert Config().params.skew < 0.0001


def test_a_change_is_checked_like_a_file() -> None:
    assert change_config(Config(), {"params.c1": 0.5}, "test").params.c1 == 0.5
    with pytest.raises(ConfigError, match="did you mean 'skew'"):
        change_config(Config(), {"params.skw": 0.5}, "test")
    assert change_config(Config(), {"params.c1": 0.5}, "test").digest() != Config().digest()


def test_a_missing_or_broken_file_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read"):
        load_config(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("[params\n")
    with pytest.raises(ConfigError, match="no TOML"):
        load_config(tmp_path / "bad.toml")


def test_a_symbols_section_changes_what_it_says_and_nothing_else() -> None:
    both = {
        "global": {"order_qty": 0.01, "grid_interval": 0.1},
        "live": {"bot_id": 7},
        "symbol": {
            "btcusdt": {"tick_size": 0.1, "lot_size": 0.001},
            "solusdt": {"lot_size": 1, "min_notional": 5.0, "order_qty": 5, "max_position": 30.0, "params": {"half_spread": 0.001}},
        },
    }  # fmt: skip
    config = parse_config(both, "test")
    assert (config.live.bot_id, config.symbols["solusdt"].lot_size, config.symbols["solusdt"].min_notional) == (
        7,
        1.0,
        5.0,
    )
    other = config.of_symbol("solusdt")
    assert (other.global_.order_qty, other.global_.max_position, other.params.half_spread) == (5.0, 30.0, 0.001)
    assert other.global_.grid_interval == 0.1
    assert config.of_symbol("btcusdt").sections() == config.of_symbol("unknown").sections() == config.sections()
    # What a log and a sweep know a configuration by is the strategy's part alone.
    assert config.digest() == parse_config({"global": both["global"]}, "test").digest()
    assert set(config.sections()) == {"global", "params", "stop_loss", "fees"}


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"order_quantity": 1.0}, "order_qty"),
        ({"tick_size": -1}, "positive"),
        ({"params": {"half_spred": 1.0}}, "half_spread"),
        ({"max_position": 0.001}, "below order_qty"),
        (5, "is a section"),
    ],
)
def test_a_symbols_section_that_can_not_be_used_is_named(own: object, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_config({"symbol": {"btcusdt": own}}, "test")
