"""Requests, answers, and the account's stream against the running simulated exchange, over real sockets."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from marketlink.orders import OrderType, Side, Status, TimeInForce
from marketlink.run.http import Answered, VenueHttp, fetch_info
from marketlink.run.limits import WeightBudget
from marketlink.venues.binance import USDM
from marketlink.venues.binance import USDM_TRADING as VENUE
from marketlink.venues.signing import HmacSigner
from marketlink.venues.trading import (
    Call,
    Change,
    Op,
    OrderReport,
    Placement,
    PrivateMessage,
    Refusal,
    Signer,
    Verdict,
    judge,
)
from websockets.asyncio.client import ClientConnection, connect

ACCOUNTS = '[[account]]\nname = "main"\napi_key = "key"\nsecret = "secret"\nbalance = "1000000"\n'
SIGNER = HmacSigner("key", "secret")


@pytest.fixture
def addresses(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Where a running exchange answers REST (`rest`) and websockets (`ws`)."""
    (tmp_path / "accounts.toml").write_text(ACCOUNTS)
    words = [
        "run",
        "--accounts",
        str(tmp_path / "accounts.toml"),
        "--rate",
        "50",
        "--levels",
        "3",
        "--symbols",
        "btcusdt",
    ]
    with subprocess.Popen([sys.executable, "-m", "venue_sim", *words], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()
            try:
                assert process.wait(30) == 0
            finally:
                process.kill()


class Trader:
    """A client of it with its clock set by the exchange's."""

    def __init__(self, root: str) -> None:
        self.offset_ms = 0
        self.http = VenueHttp(USDM, root, WeightBudget(USDM.weight_limit), trading=VENUE, stamp_ms=self.stamp_ms)

    def stamp_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.offset_ms

    async def ask(self, call: Call, signer: Signer = SIGNER) -> bytes:
        answer = await self.http.call(call, signer=signer)
        assert VENUE.read_refusal(*answer[:2]) is None, answer
        return answer.body

    async def refused(self, call: Call, signer: Signer = SIGNER) -> Verdict:
        answer: Answered = await self.http.call(call, signer=signer)
        refusal = VENUE.read_refusal(answer.status, answer.body)
        assert refusal is not None, answer
        return judge(VENUE.decisions, call.op, refusal).verdict


async def until(stream: ClientConnection, wanted: Callable[[PrivateMessage], bool]) -> PrivateMessage:
    async with asyncio.timeout(20):
        while True:
            for told in VENUE.read_private(str(await stream.recv()).encode()):
                if wanted(told):
                    return told


def ended(client_id: str, status: Status) -> Callable[[PrivateMessage], bool]:
    return lambda told: isinstance(told, OrderReport) and (told.client_id, told.status) == (client_id, status)


async def trade(addresses: dict[str, str], form: str) -> None:
    trader = Trader(addresses["rest"])
    async with trader.http as http:
        trader.offset_ms = VENUE.read_time(await trader.ask(VENUE.server_time())) - trader.stamp_ms()
        info = await fetch_info(USDM, http)
        assert http.orders is not None
        assert set(info.order_limits) == set(http.orders.limits) == set(VENUE.order_limits)
        assert not VENUE.read_hedge_mode(await trader.ask(VENUE.hedge_mode()))
        key = VENUE.read_stream_key(await trader.ask(VENUE.stream_start()))
        assert VENUE.read_refusal(200, await trader.ask(VENUE.stream_keep(key))) is None
        book = USDM.decode_snapshot("btcusdt", await http.get(USDM.snapshot_request("btcusdt")), 0)
        low = (Decimal(str(book.events["px"][0])) * Decimal("0.97")).quantize(Decimal("0.1"))
        async with connect(VENUE.stream_url(addresses["ws"], key, form), compression=None, close_timeout=1) as stream:
            resting = Placement(
                "btcusdt", "a:/1", Side.BUY, OrderType.LIMIT, TimeInForce.GTX, low, Decimal("0.010"), False
            )
            placed = VENUE.read_order(await trader.ask(VENUE.submit(resting)))
            assert (placed.client_id, placed.status, placed.price, placed.terms) == ("a:/1", Status.NEW, low, True)
            pushed = await until(stream, ended("a:/1", Status.NEW))
            assert isinstance(pushed, OrderReport)
            assert (pushed.exchange_id, pushed.time_ns) == (placed.exchange_id, placed.time_ns)
            assert await trader.refused(VENUE.submit(resting)) is Verdict.UNKNOWN, "the first attempt lives"
            change = Change("btcusdt", "a:/1", Side.BUY, low - 1, Decimal("0.020"))
            assert VENUE.read_order(await trader.ask(VENUE.modify(change))).qty == Decimal("0.02")
            assert await trader.refused(VENUE.modify(change)) is Verdict.SUCCESS, "it is so already"
            assert [one.client_id for one in VENUE.read_open_orders(await trader.ask(VENUE.open_orders()))] == ["a:/1"]
            many = VENUE.read_many(await trader.ask(VENUE.cancel_many("btcusdt", ["a:/1", "b"])))
            assert isinstance(many[0], OrderReport)
            assert many[0].status is Status.CANCELED
            assert isinstance(many[1], Refusal)
            assert judge(VENUE.decisions, Op.CANCEL_MANY, many[1]).verdict is Verdict.GONE
            await until(stream, ended("a:/1", Status.CANCELED))
            assert await trader.refused(VENUE.cancel("btcusdt", "a:/1")) is Verdict.GONE
            market = Placement("btcusdt", "m", Side.BUY, OrderType.MARKET, TimeInForce.GTC, None, Decimal("0.002"))
            bought = VENUE.read_order(await trader.ask(VENUE.submit(market)))
            assert (bought.status, bought.executed) == (Status.FILLED, Decimal("0.002")), "the answer tells the fill"
            filled = await until(stream, ended("m", Status.FILLED))
        assert isinstance(filled, OrderReport)
        assert filled.fill is not None
        fills = VENUE.read_trades(await trader.ask(VENUE.trades("btcusdt", from_id="0")))
        assert fills[-1].trade_id == filled.fill.trade_id
        assert fills[-1].fee == filled.fill.fee
        (position,) = VENUE.read_positions(await trader.ask(VENUE.positions()))
        assert position.qty == Decimal("0.002")
        assert VENUE.read_balances(await trader.ask(VENUE.balances()))
        assert VENUE.read_order(await trader.ask(VENUE.query("btcusdt", "m"))).status is Status.FILLED
        assert await trader.refused(VENUE.query("btcusdt", "nobody")) is Verdict.GONE
        await trader.ask(VENUE.countdown("btcusdt", 60_000))
        await trader.ask(VENUE.cancel_all("btcusdt"))
        await trader.ask(VENUE.stream_end(key))
        assert await trader.refused(VENUE.positions(), HmacSigner("key", "another")) is Verdict.FATAL
        assert await trader.refused(VENUE.positions(), HmacSigner("nobody", "secret")) is Verdict.FATAL
        trader.offset_ms -= 60_000
        assert await trader.refused(VENUE.positions()) is Verdict.CLOCK


@pytest.mark.parametrize("form", ["query_events", "query"])
def test_an_account_trades_by_rest_and_is_told_on_its_stream(addresses: dict[str, str], form: str) -> None:
    asyncio.run(trade(addresses, form))
