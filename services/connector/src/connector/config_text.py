"""A configuration as text: a new one to fill in, and one as it is understood, with its secrets hidden. Pure."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from marketlink.venues.registry import Exchange
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from connector.config import ConnectorConfig

_GIVEN: Final = ("stream_url", "api_url", "testnet", "demo", "risk")
HIDDEN: Final = "(hidden)"


def new_config(exchange: Exchange, network: str = "") -> str:
    """Return a configuration for an exchange, every key with its default and what it is for; `network` is `testnet` or `demo`.

    Raises ValueError for a network that the exchange has not.
    """
    lines = [
        f"# connector NAME {exchange.name} THIS-FILE; docs/connector.md and docs/trading.md say more of each key.",
        "",
    ]
    if network:
        if network not in exchange.tests:
            there = ", ".join(exchange.tests) or "none"
            raise ValueError(f"{exchange.name} has no {network}; its networks for tests: {there}")
        lines.append(f"{network} = true")
    else:
        lines += [f'stream_url = "{exchange.stream_root}"', f'api_url = "{exchange.rest_root}"']
    lines += ["", "# The rest can stay as it is: a key without # in front of it says otherwise than the default.", ""]
    for name, field in ConnectorConfig.model_fields.items():
        if name not in _GIVEN:
            default = _default(field)
            lines += [f"# {field.description or name}", f"# {name} = {_toml(default)}", ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def show_config(config: ConnectorConfig, from_where: Mapping[str, str]) -> str:
    """Return every key as it is understood; `from_where` names those that are not the default and what said so."""
    lines = []
    for name, field in ConnectorConfig.model_fields.items():
        if name == "risk":
            continue
        value = getattr(config, name)
        said = from_where.get(name, "default" if value == _default(field) else "of the exchange")
        lines.append(f"{name} = {_toml(value)}  # {said}")
    risk = config.risk.model_dump(mode="json", exclude_none=True)
    for table, rows in [("risk", risk)]:
        plain = {key: value for key, value in rows.items() if not isinstance(value, dict)}
        if plain:
            lines += ["", f"[{table}]", *(f"{key} = {_toml(value)}" for key, value in plain.items())]
        for key, row in rows.items():
            if isinstance(row, dict) and row:
                lines += ["", f"[{table}.{key}]", *(f"{name} = {_toml(value)}" for name, value in row.items())]
    return "\n".join(lines) + "\n"


def _default(field: FieldInfo) -> Any:
    return "" if field.is_required() else field.get_default(call_default_factory=True)


def _toml(value: Any) -> str:
    match value:
        case SecretStr():
            return json.dumps(HIDDEN if value.get_secret_value() else "")
        case None:
            return '""'
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"{value:g}" if isinstance(value, float) else str(value)
        case tuple() | list():
            return f"[{', '.join(map(_toml, value))}]"
        case BaseModel():
            return json.dumps(value.model_dump(mode="json"))
        case Path():
            return json.dumps(str(value))
    return json.dumps(str(value))
