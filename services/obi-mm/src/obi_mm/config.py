"""The strategy's configuration: a TOML with the source's sections and fields, checked before anything runs."""

import difflib
import hashlib
import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as attribute
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from obi_mm.errors import ConfigError

SECOND_NS = 1_000_000_000

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=10_000_000)]
Fee = Annotated[float, Field(gt=-0.1, lt=0.1, allow_inf_nan=False)]
SpanNs = Annotated[int, Field(ge=1_000_000, le=86_400 * SECOND_NS)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class GlobalSection(_Section):
    """What is traded, and how much of it."""

    order_qty: Positive = 0.01
    max_position: Positive = 0.1
    grid_num: Annotated[int, Field(ge=1, le=100)] = 3
    grid_interval: Positive = 0.1
    roi_lb: NotNegative = 0.0
    roi_ub: Positive = 200_000.0


class ParamsSection(_Section):
    """How quotes are computed, and when."""

    looking_depth: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 0.001
    window: Annotated[int, Field(ge=2, le=10_000_000)] = 360
    volatility_window: Annotated[int, Field(ge=2, le=10_000_000)] = 60
    half_spread: NotNegative = 0.0005
    skew: NotNegative = 0.00002
    max_shift: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = 0.005
    c1: Annotated[float, Field(allow_inf_nan=False)] = 0.0001
    power: Annotated[float, Field(ge=-10, le=10, allow_inf_nan=False)] = 1.0
    live_seconds: NotNegative = 30.0
    update_interval_ns: SpanNs = 10 * SECOND_NS
    volatility_interval_ns: SpanNs = 60 * SECOND_NS
    longest_gap: Count = 5
    stale_seconds: Positive = 5.0


class StopLossSection(_Section):
    """When to get out, and when to come back."""

    volatility_mean: Positive = 0.005
    volatility_std: NotNegative = 0.002
    change_mean: NotNegative = 0.001
    change_std: NotNegative = 0.003
    volatility_threshold: NotNegative = 3.0
    change_threshold: NotNegative = 3.0
    release: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 0.5
    cooldown_seconds: NotNegative = 60.0
    retry_seconds: Annotated[float, Field(ge=0.001, le=3600, allow_inf_nan=False)] = 1.0
    slippage_ticks: Annotated[int, Field(ge=0, le=1_000_000)] = 200


class FeesSection(_Section):
    """What trading costs, as fractions of traded value; negative: a rebate. By default an ordinary account's."""

    maker: Fee = 0.0002
    taker: Fee = 0.0005


class LiveSection(_Section):
    """How a run that sends orders behaves; a backtest does not look at it."""

    bot_id: Annotated[int, Field(ge=1, le=(1 << 62))] | None = None
    max_silence_s: Positive = 2.0
    end_s: Positive = 10.0
    stop_after: Count = 8


@dataclass(frozen=True, slots=True)
class Symbol:
    """One `[symbol.NAME]`: the instrument's sizes where they are given, and which settings are others for it, by `section.field`."""

    tick_size: float | None = None
    lot_size: float | None = None
    min_notional: float = 0.0
    changes: Mapping[str, object] = attribute(default_factory=dict)


class Config(_Section):
    """A whole configuration. `global` is a word of Python, hence the alias."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, populate_by_name=True, arbitrary_types_allowed=True
    )

    global_: GlobalSection = Field(default_factory=GlobalSection, alias="global")
    params: ParamsSection = Field(default_factory=ParamsSection)
    stop_loss: StopLossSection = Field(default_factory=StopLossSection)
    fees: FeesSection = Field(default_factory=FeesSection)
    live: LiveSection = Field(default_factory=LiveSection, exclude=True)
    symbols: Mapping[str, Symbol] = Field(default_factory=dict, exclude=True)

    def sections(self) -> dict[str, dict[str, object]]:
        """Return every section and field of the strategy with its value, under the names of the TOML."""
        return self.model_dump(by_alias=True)

    def of_symbol(self, symbol: str) -> "Config":
        """Return the strategy's configuration for one symbol: with what its own section says otherwise."""
        own = self.symbols.get(symbol)
        return self if own is None else change_config(self, own.changes, f"symbol.{symbol}")

    def digest(self) -> str:
        """Return 16 hex digits that name this configuration."""
        return hashlib.sha256(json.dumps(self.sections(), sort_keys=True).encode()).hexdigest()[:16]


_MODELS: dict[str, type[BaseModel]] = {
    "global": GlobalSection,
    "params": ParamsSection,
    "stop_loss": StopLossSection,
    "fees": FeesSection,
    "live": LiveSection,
}
_SYMBOLS = "symbol"
_SIZES = ("tick_size", "lot_size", "min_notional")


def load_config(path: str | Path | None) -> Config:
    """Read a configuration; None gives the defaults. Raises ConfigError, which names file, field and the nearest right name."""
    if path is None:
        return Config()
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), "file", f"can't be read ({error})") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(str(path), "file", f"is no TOML ({error})") from error
    return parse_config(content, str(path))


def parse_config(content: Mapping[str, object], where: str) -> Config:
    """Check a configuration as nested mappings; raises ConfigError as `load_config` does."""
    strategy = {section: fields for section, fields in content.items() if section != _SYMBOLS}
    for section, fields in strategy.items():
        if section not in _MODELS:
            raise ConfigError(where, section, "is no section" + _nearest(section, [*_MODELS, _SYMBOLS]))
        if not isinstance(fields, Mapping):
            raise ConfigError(where, section, f"is a section, not {fields!r}")
        for name in fields:
            known = list(_MODELS[section].model_fields)
            if name not in known:
                raise ConfigError(where, f"{section}.{name}", "is no setting" + _nearest(name, known))
    try:
        config = Config.model_validate(_whole_floats(strategy))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ConfigError(where, field, f"{first['msg']}, not {first['input']!r}") from error
    _check_together(config, where)
    if _SYMBOLS not in content:
        return config
    config = config.model_copy(update={"symbols": _symbols(content[_SYMBOLS], where)})
    for symbol in config.symbols:
        config.of_symbol(symbol)  # what does not fit together is said now
    return config


def _symbols(content: object, where: str) -> dict[str, Symbol]:
    """Read the `[symbol.NAME]` sections: sizes, settings of [global], and tables of the other sections."""
    if not isinstance(content, Mapping):
        raise ConfigError(where, _SYMBOLS, f"holds a section for each symbol, [symbol.btcusdt], not {content!r}")
    found: dict[str, Symbol] = {}
    direct, tables = list(GlobalSection.model_fields), ("params", "stop_loss", "fees")
    for symbol, fields in content.items():
        if not isinstance(fields, Mapping):
            raise ConfigError(where, f"symbol.{symbol}", f"is a section, not {fields!r}")
        sizes: dict[str, float] = {}
        changes: dict[str, object] = {}
        for name, value in fields.items():
            if name in _SIZES:
                if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
                    raise ConfigError(where, f"symbol.{symbol}.{name}", f"is a positive number, not {value!r}")
                sizes[name] = float(value)
            elif name in direct:
                changes[f"global.{name}"] = value
            elif name in tables and isinstance(value, Mapping):
                changes |= {f"{name}.{key}": inner for key, inner in value.items()}
            else:
                known = [*_SIZES, *direct, *tables]
                raise ConfigError(where, f"symbol.{symbol}.{name}", "is no setting" + _nearest(name, known))
        found[symbol] = Symbol(**sizes, changes=changes)
    return found


def change_config(config: Config, changes: Mapping[str, object], where: str) -> Config:
    """Return a configuration with some `section.field` changed; raises ConfigError as `load_config` does."""
    content: dict[str, dict[str, object]] = {name: dict(fields) for name, fields in config.sections().items()}
    for name, value in changes.items():
        section, _, field = name.partition(".")
        if section not in content:
            raise ConfigError(where, name, "is no section.field" + _nearest(section, list(_MODELS)))
        content[section][field] = value
    return parse_config(content, where)


def check_instrument(config: Config, tick_size: float, lot_size: float, where: str) -> None:
    """Check the configuration against an instrument; raises ConfigError. Quantities are whole lots, the interval whole ticks."""
    for name, size in (("tick size", tick_size), ("lot size", lot_size)):
        if not (math.isfinite(size) and size > 0):
            raise ConfigError(where, name, f"is positive, not {size!r}")
    checks = (
        ("global.order_qty", config.global_.order_qty, lot_size, "lots"),
        ("global.grid_interval", config.global_.grid_interval, tick_size, "ticks"),
    )
    for field, value, size, unit in checks:
        steps = value / size
        if round(steps) < 1 or abs(steps - round(steps)) > 1e-6:
            raise ConfigError(where, field, f"is {value!r}, not a whole number of {unit} of {size!r}")


def _check_together(config: Config, where: str) -> None:
    params, everything = config.params, config.global_
    if params.volatility_interval_ns % params.update_interval_ns:
        raise ConfigError(
            where,
            "params.volatility_interval_ns",
            f"is {params.volatility_interval_ns}, not a multiple of update_interval_ns {params.update_interval_ns}",
        )
    if everything.max_position < everything.order_qty:
        raise ConfigError(where, "global.max_position", "is below order_qty: no order could ever be sent")
    if everything.roi_ub <= everything.roi_lb:
        raise ConfigError(where, "global.roi_ub", "is not above roi_lb")


def _whole_floats(content: Mapping[str, object]) -> dict[str, dict[str, object]]:
    """Take 10e9 for the whole number that it is, and 3 for 3.0, as the source's files write them."""
    taken: dict[str, dict[str, object]] = {}
    for section, fields in content.items():
        assert isinstance(fields, Mapping)
        taken[section] = {}
        for name, value in fields.items():
            wants_int = "int" in str(_MODELS[section].model_fields[name].annotation)
            if isinstance(value, float) and wants_int and value.is_integer():
                value = int(value)
            elif isinstance(value, int) and not isinstance(value, bool) and not wants_int:
                value = float(value)
            taken[section][name] = value
    return taken


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, 1, 0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(known)}"
