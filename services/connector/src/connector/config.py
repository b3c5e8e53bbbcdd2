"""The connector's configuration: a flat TOML as the source's, completed from the environment, checked before anything starts.

Order of precedence: the environment (`CONNECTOR_API_KEY`, `CONNECTOR_SECRET`, ... any key in upper case behind
`CONNECTOR_`), then the file, then `secret_file`, then the default. Secrets are held as such: they show in no log and no error.
"""

import difflib
import os
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from marketlink.errors import SettingsError
from marketlink.run.network import ssl_context
from marketlink.venues.base import PublicVenue
from marketlink.venues.registry import Roots
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from connector.client_ids import ClientIds
from connector.risk import RiskLimits

ENVIRONMENT_PREFIX = "CONNECTOR_"
Seconds = Annotated[float, Field(gt=0)]


Positive = Annotated[Decimal, Field(gt=0)]


class RiskRow(BaseModel):
    """Limits of one symbol, or of all that have no table of their own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_order_qty: Positive | None = None
    max_order_notional: Positive | None = None
    max_position: Positive | None = None
    max_account_notional: Positive | None = None
    price_band_bps: Positive | None = None
    max_orders_s: Annotated[int, Field(ge=1)] | None = None
    max_open_orders: Annotated[int, Field(ge=1)] | None = None
    stale_book_ms: Annotated[int, Field(ge=1)] | None = None


class RiskTable(RiskRow):
    """`[risk]` with tables of symbols in it: what a symbol's table does not say is taken from the outer one."""

    model_config = ConfigDict(extra="allow", frozen=True)
    uni_mmr_min: Positive | None = None  # of the account, and so of no symbol
    __pydantic_extra__: dict[str, RiskRow] = Field(init=False)

    def limits(self) -> tuple[RiskLimits, dict[str, RiskLimits]]:
        """The limits of all symbols, and of those with a table of their own."""
        outer = self.model_dump(exclude={"uni_mmr_min", *(self.__pydantic_extra__ or {})})
        own = {
            symbol.lower(): RiskLimits(**{**outer, **row.model_dump(exclude_none=True)})
            for symbol, row in (self.__pydantic_extra__ or {}).items()
        }
        return RiskLimits(**outer), own


class ConnectorConfig(BaseModel):
    """What `connector NAME CONNECTOR CONFIG` reads."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stream_url: str = Field(description="root of the websocket routes, e.g. wss://fstream.binance.com")
    api_url: str = Field(description="root of the REST interface, e.g. https://fapi.binance.com")
    market_api_url: str = Field(
        default="",
        description="root of the REST interface of market data, where it is another host; empty: the exchange's own",
    )
    testnet: bool = Field(
        default=False,
        description="choice true or false: the exchange's test network, where it has one, with its addresses",
    )
    demo: bool = Field(
        default=False,
        description="choice true or false: the exchange's demo trading, where it has one, with its addresses",
    )
    order_prefix: str = Field(default="", description="begins every client order id; for trading")
    api_key: SecretStr = Field(default=SecretStr(""), description="for trading; better given as CONNECTOR_API_KEY")
    secret: SecretStr = Field(default=SecretStr(""), description="for trading; better given as CONNECTOR_SECRET")
    secret_file: Path | None = Field(
        default=None, description="file that holds the secret and nothing else, readable by its owner alone"
    )
    state_dir: str = Field(
        default="", description="folder for what outlives the process; empty: ~/.local/state/marketlink"
    )
    data_age_s: Seconds = Field(default=30.0, description="reconnect after so long without any data")
    stale_s: Seconds = Field(
        default=3.0, description="the shortest silence of a busy stream after which its data counts as stale"
    )
    ping_age_s: Seconds = Field(default=300.0, description="reconnect after so long without the exchange's ping")
    request_timeout_s: Seconds = Field(default=10.0, description="give up on a REST answer after so long")
    reader_hold_s: Annotated[float, Field(ge=0)] = Field(
        default=1.0, description="hold the exchange's data back for so long at most, in a burst, for bots that lag"
    )
    metrics_port: Annotated[int, Field(ge=0, le=65_535)] = Field(
        default=0, description="serve numbers for Prometheus on this port of this machine alone; 0: do not"
    )
    ca_file: Path | None = Field(
        default=None,
        description="PEM file of the authorities to trust instead of the system's, for wss and https alike",
    )

    time_unit: Literal["", "microsecond"] = Field(
        default="", description='choice "microsecond", where the exchange offers it: the unit of times on its stream'
    )
    recv_window_ms: Annotated[int, Field(ge=1, le=60_000)] = Field(
        default=2000, description="how long a request stays valid at the exchange, in ms"
    )
    order_timeout_s: Seconds = Field(default=3.0, description="the longest wait for the answer to an order request")
    user_stream_url: str = Field(default="", description="root of the account's stream; empty: stream_url")
    ws_api_url: str = Field(
        default="", description="address of the WebSocket API, where it brings the account's stream (spot)"
    )
    user_stream_form: Literal["", "query", "query_events", "path"] = Field(
        default="",
        description="form of the account stream's address: query, query_events or path; empty: the exchange's",
    )
    user_stream_silence_s: Seconds = Field(
        default=10.0, description="open the account's stream anew when it says nothing of a working order for so long"
    )
    reconcile_s: Seconds = Field(default=30.0, description="compare orders and positions with the exchange so often")
    unknown_query_ms: tuple[Annotated[int, Field(ge=10)], ...] = Field(
        default=(200, 500, 1000, 2000),
        min_length=1,
        description="list of waits before each question about an order in doubt",
    )
    clock_alarm_ms: Annotated[float, Field(gt=0)] = Field(
        default=500.0, description="difference to the exchange's clock above which it is said"
    )
    weight_reserve: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.1, description="part of the request weight kept for cancels and questions about orders"
    )
    shutdown: Literal["own", "all", "keep"] = Field(
        default="own", description='choice of what is cancelled at the end: "own", "all" or "keep"'
    )
    shutdown_deadline_s: Seconds = Field(default=10.0, description="the longest wait for cancels at the end")
    dead_man_s: Annotated[float, Field(ge=0)] = Field(
        default=0.0,
        description="time after which the exchange cancels every order of a symbol when this process is gone; 0: off",
    )
    watchdog: Literal["off", "optional", "required"] = Field(
        default="off",
        description='choice "off", "optional" (said when none is there) or "required" (no orders without one)',
    )
    bot_timeout_s: Annotated[float, Field(ge=0)] = Field(
        default=0.0, description="time after which the orders of a bot whose process is gone are cancelled; 0: never"
    )
    orphans: Literal["keep", "cancel", "first_registrant"] = Field(
        default="keep",
        description='choice "keep", "cancel" or "first_registrant" for orders whose bot does not come back',
    )
    order_route: Literal["rest", "ws"] = Field(
        default="rest", description='choice "rest" or "ws": the WebSocket API for submit, modify and cancel'
    )
    cancel_on_register: bool = Field(
        default=False,
        description="choice true or false: cancel what an earlier process left when a symbol is registered",
    )
    stp: str = Field(
        default="", description="what happens when orders of the account would meet; empty: as the account says"
    )
    trade_ws_url: str = Field(default="", description="address of the WebSocket API; empty: the exchange's own")
    risk: RiskTable = Field(default_factory=lambda: RiskTable(), description="table of limits; see docs/trading.md")

    @property
    def has_keys(self) -> bool:
        """Whether both halves of a key pair are given."""
        return bool(self.api_key.get_secret_value() and self.secret.get_secret_value())


def read_config(
    path: Path,
    venue: PublicVenue,
    environment: Mapping[str, str] = os.environ,
    tests: Mapping[str, Roots] = {},
) -> tuple[ConnectorConfig, list[str]]:
    """Read and check a venue's configuration; returns it with remarks for the log. `tests` are the exchange's networks for tests.

    Raises SettingsError naming file, key and remedy.
    """
    where = str(path)
    try:
        content = tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise SettingsError(
            where, "CONFIG", "no such file", "Give the path of a TOML file; docs/connector.md has one."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(where, "CONFIG", f"can't be read: {error}", "Give the path of a TOML file.") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(where, "CONFIG", f"not TOML: {error}", "Mend the file there.") from error
    known = ConnectorConfig.model_fields
    own_names = _in_our_names(where, content, venue)
    for key in content:
        if key == "secret_keyring":
            what = "is not built: a keyring needs a desktop session to be unlocked, which servers have not"
            raise SettingsError(where, key, what, "Use secret_file, for instance with systemd's LoadCredential.")
        if key not in known:
            near = difflib.get_close_matches(key, [*venue.config_names, *known], 1, 0.5)
            remedy = f"Did you mean {near[0]!r}?" if near else f"Known keys: {', '.join(known)}."
            raise SettingsError(where, key, "unknown key", remedy)
    remarks: list[str] = []
    if content.get("secret"):
        if content.get("secret_file"):
            raise SettingsError(where, "secret_file", "secret is given too", "Keep one of both.")
        if path.stat().st_mode & 0o077:
            remarks.append(f"{path} holds a secret and others can read it: `chmod 600 {path}`, or use secret_file")
    _merge(content, _from_environment(environment, venue))
    _fill_addresses(content, where, venue, tests)
    try:
        config = ConnectorConfig.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        key = ".".join(map(str, first["loc"])) or "CONFIG"
        remedy = f"It is the {known[key].description}." if key in known else "See docs/connector.md."
        raise SettingsError(where, key, str(first["msg"]), remedy) from None
    root = venue.reduced_root(config.stream_url)
    if root is not None:
        if "stream_url" not in own_names:
            remarks.append(
                f"stream_url {config.stream_url} is used as its root {root}: the exchange has a route for each kind of data now"
            )
        config = config.model_copy(update={"stream_url": root})
    rest = ("http://", "https://")
    for key, schemes in (("stream_url", ("ws://", "wss://")), ("api_url", rest), ("market_api_url", rest)):
        value = getattr(config, key)
        if not value.startswith(schemes) and (value or key != "market_api_url"):
            raise SettingsError(
                where, key, f"{value!r} is no URL of {' or '.join(schemes)}", f"It is the {known[key].description}."
            )
    if config.ca_file is not None:
        ca_file = path.parent / config.ca_file  # as seen from the file that names it; an absolute path stays
        try:
            ssl_context(ca_file)
        except SettingsError as error:
            raise SettingsError(where, "ca_file", error.what, error.remedy) from error
        config = config.model_copy(update={"ca_file": ca_file})
    if config.secret_file is not None and not config.secret.get_secret_value():
        config = config.model_copy(update={"secret": _secret_in(where, path.parent / config.secret_file)})
    if config.has_keys:
        prefix = f"prefix {config.order_prefix!r}" if config.order_prefix else "no prefix"
        remarks.append(f"keys are given: bots' orders are carried out, with {prefix} in their ids")
    if bool(config.api_key.get_secret_value()) != bool(config.secret.get_secret_value()):
        missing = "secret" if config.api_key.get_secret_value() else "api_key"
        raise SettingsError(
            where, missing, "only half of the key pair is given", "Give both to trade, or none for data only."
        )
    try:
        ClientIds(config.order_prefix)
    except ValueError as error:
        raise SettingsError(where, "order_prefix", str(error), "Shorten it.") from error
    return config, remarks


def _in_our_names(where: str, content: dict[str, Any], venue: PublicVenue) -> set[str]:
    """Bring the source's names for keys into ours, and check those that can say one thing only; return our names that were meant."""
    for key, values in venue.config_values.items():
        if key in content and content.pop(key) not in (*values, ""):
            what = f"{venue.name} is carried out for {', '.join(values)} here"
            raise SettingsError(where, key, what, f"Give {values[0]!r}, or leave it out.")
    meant = set()
    for name, key in venue.config_names.items():
        if name not in content:
            continue
        if key in content:
            raise SettingsError(where, name, f"means the same as {key!r}, which is given too", "Keep one of both.")
        value = content.pop(name)
        meant.add(key)
        if value != "":
            content[key] = value
    return meant


def _fill_addresses(content: dict[str, Any], where: str, venue: PublicVenue, tests: Mapping[str, Roots]) -> None:
    """Put in the addresses of the network that `testnet` or `demo` names. Raises SettingsError."""
    wanted = [key for key in ("testnet", "demo") if str(content.get(key, "")).lower() in ("true", "1", "yes", "on")]
    if not wanted:
        return
    if len(wanted) > 1:
        raise SettingsError(where, "demo", "testnet is wanted too", "Keep one of both.")
    key, roots = wanted[0], tests.get(wanted[0])
    if roots is None:
        others = (
            f"It has: {', '.join(tests)}." if tests else "Leave it out, and try things on the simulator (venue-sim)."
        )
        raise SettingsError(where, key, f"{venue.name} has none", others)
    addresses = {"stream_url": roots.stream, "api_url": roots.rest, "trade_ws_url": roots.trade_api}
    if roots.private:
        addresses["user_stream_url"] = roots.private
    for name, address in addresses.items():
        given = content.setdefault(name, address)
        if given and address not in (str(given).rstrip("/"), venue.reduced_root(str(given))):
            raise SettingsError(where, name, f"{given!r} is not that of {key}, which is {address}", "Keep one of both.")


def _merge(content: dict[str, Any], over: Mapping[str, Any]) -> None:
    """Let what is said over it win, table by table."""
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(content.get(key), dict):
            _merge(content[key], value)
        else:
            content[key] = value


def _from_environment(environment: Mapping[str, str], venue: PublicVenue) -> dict[str, object]:
    """What the environment says: a list with commas, a limit as `CONNECTOR_RISK_<LIMIT>` or `CONNECTOR_RISK_<SYMBOL>_<LIMIT>`."""
    content: dict[str, object] = {}
    for key in ConnectorConfig.model_fields:
        value = environment.get(ENVIRONMENT_PREFIX + key.upper())
        if value is not None and key != "risk":
            content[key] = value.split(",") if key == "unknown_query_ms" else value
    for name, key in venue.config_names.items():
        if value := environment.get(ENVIRONMENT_PREFIX + name.upper()):
            content[key] = value
    risk: dict[str, object] = {}
    begin = f"{ENVIRONMENT_PREFIX}RISK_"
    for name, value in environment.items():
        limit = next((one for one in RiskTable.model_fields if name.lower().endswith(one)), None)
        if not name.startswith(begin) or limit is None:
            continue
        symbol = name[len(begin) : -len(limit)].rstrip("_").lower()
        table = risk.setdefault(symbol, {}) if symbol else risk
        assert isinstance(table, dict)
        table[limit] = value
    return {**content, "risk": risk} if risk else content


def _secret_in(where: str, path: Path) -> SecretStr:
    try:
        with path.open() as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                what = f"{path} can be read by other users"
                raise SettingsError(where, "secret_file", what, f"`chmod 600 {path}`.")
            text = file.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            where, "secret_file", f"can't be read: {error}", "Name a file with the secret in it."
        ) from None
    if not text:
        raise SettingsError(where, "secret_file", f"{path} is empty", "Write the secret into it, and nothing else.")
    return SecretStr(text)
