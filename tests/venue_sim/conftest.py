from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import orjson
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def captured() -> Path:
    """The shared capture of BTCUSDT perpetual, or a skip where it is absent."""
    places = [Path(os.environ["MARKETLINK_SHARED"])] if "MARKETLINK_SHARED" in os.environ else []
    for place in [*places, ROOT.parent / "shared" / "data"]:
        if (place / "captures" / "usdm_btcusdt_20240808.gz").exists():
            return place
    pytest.skip("the shared captures are not on this machine (set MARKETLINK_SHARED)")


def depth(first_id: int, last_id: int, prev_id: int, bids: str = "", asks: str = "", symbol: str = "btcusdt") -> bytes:
    """A wrapped depth update; sides are written `100.10:1.500 100.00:0.000`."""
    return wrap(f"{symbol}@depth@0ms", depth_data(first_id, last_id, prev_id, bids, asks, symbol))


def depth_data(
    first_id: int, last_id: int, prev_id: int, bids: str = "", asks: str = "", symbol: str = "btcusdt"
) -> bytes:
    return orjson.dumps(
        {
            "e": "depthUpdate",
            "E": 1_700_000_000_000 + last_id,
            "T": 1_700_000_000_000 + last_id - 1,
            "s": symbol.upper(),
            "U": first_id,
            "u": last_id,
            "pu": prev_id,
            "b": sides(bids),
            "a": sides(asks),
        }
    )


def ticker(last_id: int, symbol: str = "btcusdt") -> bytes:
    return wrap(
        f"{symbol}@bookTicker", b'{"e":"bookTicker","u":%d,"s":"X","b":"1.0","B":"1","a":"2.0","A":"1"}' % last_id
    )


def trade(number: int, symbol: str = "btcusdt") -> bytes:
    return wrap(
        f"{symbol}@trade",
        b'{"e":"trade","E":1700000000000,"T":1,"t":%d,"p":"1.0","q":"2","X":"MARKET","m":true}' % number,
    )


def wrap(stream: str, data: bytes) -> bytes:
    return b'{"stream":"%b","data":%b}' % (stream.encode(), data)


def snapshot(last_id: int, bids: str, asks: str) -> bytes:
    return orjson.dumps({"lastUpdateId": last_id, "E": 5, "T": 4, "bids": sides(bids), "asks": sides(asks)})


def sides(text: str) -> list[list[str]]:
    return [level.split(":") for level in text.split()]


SMALL = [
    depth(90, 99, 89, "100.0:7.000"),
    ticker(100),
    depth(101, 110, 99, "100.0:1.000 99.9:2.000", "100.1:3.000"),
    snapshot(105, "100.0:9.000 99.0:4.000", "100.1:8.000 101.0:5.000"),
    trade(1),
    depth(112, 120, 110, "99.0:0.000", "100.2:1.500"),
    ticker(121),
    depth(123, 130, 120, "98.0:6.000", "101.0:0.000 777.0:0.000"),
    trade(2),
    depth(131, 140, 130, "99.9:2.500"),
]
"""A recording of eight frames and a snapshot: the second update joins it, three follow."""


def lines_of(
    bodies: Sequence[bytes], step_ns: int = 1_000_000, start_ns: int = 1_700_000_000_000_000_000
) -> list[bytes]:
    return [b"%d %b\n" % (start_ns + at * step_ns, body) for at, body in enumerate(bodies)]


@pytest.fixture
def make() -> SimpleNamespace:
    """The makers of messages above, for tests."""
    return SimpleNamespace(
        depth=depth,
        depth_data=depth_data,
        ticker=ticker,
        trade=trade,
        wrap=wrap,
        snapshot=snapshot,
        sides=sides,
        lines_of=lines_of,
    )


@pytest.fixture
def small() -> list[bytes]:
    return list(SMALL)


@pytest.fixture
def recorded(tmp_path: Path) -> Callable[..., Path]:
    """Write a recording: `recorded(bodies, members=3, step_ns=...)`."""
    made = 0

    def write(bodies: Sequence[bytes], *, members: int = 1, step_ns: int = 1_000_000, packed: bool = True) -> Path:
        nonlocal made
        made += 1
        lines = lines_of(bodies, step_ns)
        path = tmp_path / f"recording{made}{'.gz' if packed else '.jsonl'}"
        size = -(-len(lines) // members)
        pieces = [b"".join(lines[at : at + size]) for at in range(0, len(lines), size)]
        path.write_bytes(b"".join(gzip.compress(piece) if packed else piece for piece in pieces))
        return path

    return write
