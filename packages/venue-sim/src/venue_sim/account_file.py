"""The accounts of a run, as a TOML file of [[account]] tables: one schema, every error names entry and field."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Any

from venue_sim.accounts import Account, AnyAccount, Fees, HoldingAccount, InverseAccount, Kind
from venue_sim.auth import Key
from venue_sim.errors import BadAccounts
from venue_sim.filters import parse_decimal
from venue_sim.market import Instrument

_FIELDS = ("name", "api_key", "secret", "balance", "leverage", "maker_fee", "taker_fee")
_COIN_FIELDS = ("name", "api_key", "secret", "balances", "leverage", "maker_fee", "taker_fee")
_HOLDING_FIELDS = ("name", "api_key", "secret", "balances", "maker_fee", "taker_fee")


@dataclass(frozen=True, slots=True)
class Accounts:
    """Accounts by name and the keys that open them."""

    accounts: Mapping[str, AnyAccount]
    keys: Mapping[str, Key]


def parse_accounts(
    text: str, kind: Kind = Kind.MARGIN, instruments: Mapping[str, Instrument] = MappingProxyType({})
) -> Accounts:
    """Read an accounts file. Raises `BadAccounts` naming the first entry and field that is wrong.

    An entry needs `name`, `api_key` and `secret` (a shared one, or the public half of an Ed25519 key as PEM text); `balance`
    (10000), `maker_fee` (0.0002) and `taker_fee` (0.0005) are numbers as text, `leverage` (20) is an integer. Several entries of
    one name are keys of one account. Of the other kinds `balances` is a table of assets instead: of what is held (10000 of
    each of the instruments' quote assets; both fees 0.001), or of coins (100 of each base asset).
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadAccounts(0, "(file)", f"not TOML: {error}") from error
    entries = document.get("account", [])
    if set(document) - {"account"} or not isinstance(entries, list) or not entries:
        raise BadAccounts(0, "(file)", "must hold [[account]] entries and nothing else")
    accounts: dict[str, AnyAccount] = {}
    known = {Kind.MARGIN: _FIELDS, Kind.INVERSE: _COIN_FIELDS, Kind.ASSETS: _HOLDING_FIELDS}[kind]
    keys: dict[str, Key] = {}
    for number, entry in enumerate(entries, 1):
        for field in entry:
            if field not in known:
                raise BadAccounts(number, field, f"no such field; there are {', '.join(known)}")
        name, key, secret = (_text(number, entry, field) for field in ("name", "api_key", "secret"))
        if key in keys:
            raise BadAccounts(number, "api_key", "is an earlier entry's; every entry needs its own")
        keys[key] = Key(name, secret)
        if name not in accounts and kind is Kind.ASSETS:
            quotes = {one.quote_asset: "10000" for one in instruments.values()}
            assets, fees = (
                _assets(number, entry, quotes),
                _fees(number, entry, Fees(Fraction(1, 1000), Fraction(1, 1000))),
            )
            accounts[name] = HoldingAccount(name, assets, instruments, fees)
        if name not in accounts:
            leverage = entry.get("leverage", 20)
            if not isinstance(leverage, int) or isinstance(leverage, bool) or not 1 <= leverage <= 125:
                raise BadAccounts(number, "leverage", f"must be an integer within 1 and 125, not {leverage!r}")
            fees = _fees(number, entry, Fees())
            if kind is Kind.INVERSE:
                coins = {one.base_asset: "100" for one in instruments.values()}
                accounts[name] = InverseAccount(name, _assets(number, entry, coins), instruments, fees, leverage)
            else:
                wallet = _number(number, entry, "balance", Fraction(10_000))
                accounts[name] = Account(name, wallet, leverage, fees)
    return Accounts(accounts, keys)


def _assets(number: int, entry: Mapping[str, Any], default: Mapping[str, str]) -> dict[str, Fraction]:
    table = entry.get("balances", default)
    if not isinstance(table, Mapping):
        raise BadAccounts(number, "balances", 'must be a table of assets, like { USDT = "10000" }')
    return {asset.upper(): _number(number, table, asset, Fraction(0)) for asset in table}


def _fees(number: int, entry: Mapping[str, Any], usual: Fees) -> Fees:
    return Fees(_number(number, entry, "maker_fee", usual.maker), _number(number, entry, "taker_fee", usual.taker))


def _text(number: int, entry: Mapping[str, Any], field: str) -> str:
    value = entry.get(field)
    if not isinstance(value, str) or not value:
        raise BadAccounts(number, field, "is needed, as text")
    return value


def _number(number: int, entry: Mapping[str, Any], field: str, default: Fraction) -> Fraction:
    value = entry.get(field)
    if value is None:
        return default
    read = parse_decimal(value) if isinstance(value, str) else Fraction(str(value)) if isinstance(value, int) else None
    if read is None or isinstance(value, bool):
        raise BadAccounts(number, field, f'must be a number as text, like "0.0002", not {value!r}')
    return Fraction(read)
