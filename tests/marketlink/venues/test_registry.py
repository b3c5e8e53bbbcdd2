"""Every name that is said to be known leads to an exchange, and every other one to the list of those."""

import subprocess
import sys

import pytest
from marketlink.errors import UnknownExchange
from marketlink.venues.binance import COINM, SPOT_PUBLIC, USDM, USDM_TRADING
from marketlink.venues.registry import ALIASES, NAMES, find


@pytest.mark.parametrize("name", [*NAMES, *ALIASES])
def test_a_known_name_has_both_halves_and_addresses(name: str) -> None:
    exchange = find(name.upper())
    assert exchange.name in NAMES
    assert exchange.public.name == exchange.name
    assert all(public.name == exchange.name for public in exchange.time_units.values())
    if exchange.trading is not None:
        assert exchange.trading.name == exchange.name
    assert exchange.stream_root.startswith("wss://")
    assert exchange.rest_root.startswith("https://")
    assert exchange.public.reduced_root(exchange.stream_root) is None


def test_the_first_exchange_is_usd_m() -> None:
    exchange = find("binancefutures")
    assert (exchange.public, exchange.trading) == (USDM, USDM_TRADING)
    assert exchange.trade_api_url == "wss://ws-fapi.binance.com/ws-fapi/v1"


def test_spot_and_coin_m_have_the_names_of_the_source() -> None:
    assert find("binance").public is find("binancespot").public is SPOT_PUBLIC
    assert find("binancefuturescm").public is COINM


@pytest.mark.parametrize("name", ["nasdaq", ""])
def test_another_name_is_refused_with_those_that_are_known(name: str) -> None:
    with pytest.raises(UnknownExchange, match=", ".join([*NAMES, *ALIASES])) as refused:
        find(name)
    assert refused.value.field == name


def test_the_names_alone_load_no_venue() -> None:
    code = "import sys, marketlink.venues.registry; assert not {'numpy', 'orjson', 'numba'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
