"""Signed requests against a small server: what was sent, and which of the three ends each failure has."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import pytest
from marketlink.clock import Clock, ManualClock
from marketlink.errors import NotSent, RateLimited, Unreachable
from marketlink.orders import OrderType, Side, TimeInForce
from marketlink.run.http import Answered, VenueHttp, fetch_info
from marketlink.run.limits import SECOND_NS, OrderBudget, WeightBudget
from marketlink.venues.base import WeightLimit
from marketlink.venues.binance import USDM, USDM_TRADING
from marketlink.venues.signing import HmacSigner
from marketlink.venues.trading import ApiAnswer, OrderLimit, Placement
from venue_sim.auth import Key, admit, payload_of

SIGNER = HmacSigner("the-key", "the-secret")
NOW_MS = 1_700_000_000_000
ORDER = USDM_TRADING.submit(
    Placement("btcusdt", "a:/b", Side.BUY, OrderType.LIMIT, TimeInForce.GTX, Decimal("1.10"), Decimal("0.5"))
)
CANCEL = USDM_TRADING.cancel("btcusdt", "a:/b")
DONE = b'{"clientOrderId":"a:/b","status":"NEW"}'


@dataclass
class Reply:
    body: bytes = DONE
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    cut: bool = False
    reset: bool = False


@dataclass
class Exchange:
    """Notes what came, byte by byte, and answers in the order of `replies`, the last one for ever."""

    replies: list[Reply]
    heads: list[bytes] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def targets(self) -> list[str]:
        return [head.split()[1].decode() for head in self.heads]

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.heads.append(head)
                self.came.set()
                reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
                await asyncio.sleep(reply.delay_s)
                if reply.reset:
                    raw: socket.socket = writer.get_extra_info("socket")
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return
                headers = {"Content-Length": str(len(reply.body) + reply.cut), **reply.headers}
                lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
                writer.write(f"HTTP/1.1 {reply.status} X\r\n{lines}\r\n".encode() + reply.body)
                await writer.drain()
                if reply.cut:
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


Test = Callable[[VenueHttp, Exchange], Awaitable[None]]


def against(replies: list[Reply], test: Test, *, clock: Clock | None = None, **settings: Any) -> Exchange:
    settings = {"stamp_ms": lambda: NOW_MS, "client_timeout_s": 5.0, **settings}

    async def main() -> Exchange:
        exchange = Exchange(replies)
        server = await asyncio.start_server(exchange.talk, "127.0.0.1", 0)
        async with server, asyncio.timeout(20):
            root = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            budget = WeightBudget(WeightLimit(100, 60), slack_s=0.0)
            async with VenueHttp(USDM, root, budget, clock=clock, trading=USDM_TRADING, **settings) as http:
                await test(http, exchange)
            server.close()
            await asyncio.sleep(0)
        return exchange

    return asyncio.run(main())


@pytest.mark.parametrize(
    "call", [ORDER, CANCEL, USDM_TRADING.cancel_many("btcusdt", ["a:/b", "c"]), USDM_TRADING.positions()]
)
def test_what_is_signed_is_what_is_sent_byte_for_byte(call: Any) -> None:
    async def test(http: VenueHttp, exchange: Exchange) -> None:
        assert await http.call(call, signer=SIGNER) == Answered(200, DONE)

    (head,) = against([Reply()], test).heads
    method, target, _ = head.split(maxsplit=2)
    path, _, query = target.decode().partition("?")
    assert (method.decode(), path) == (call.method, call.path)
    assert b"x-mbx-apikey: the-key" in head.lower()
    assert b"the-secret" not in head
    parameters = dict(parse_qsl(query, strict_parsing=True))
    assert parameters.items() >= dict(call.params).items()
    keys = {"the-key": Key("mine", "the-secret")}
    assert admit(keys, "the-key", parameters, *payload_of(query, ""), NOW_MS) == "mine"


@pytest.mark.parametrize(
    "reply",
    [
        Reply(b'{"code":-2011,"msg":"Unknown order sent."}', 400),
        Reply(b"<html>", 502),
        Reply(b"<html>"),
        Reply(b"", 408),
        Reply(b'{"code":-1,"msg":"Unknown error, please check your request or try again later."}', 503),
        Reply(b"", 302, {"Location": "http://127.0.0.1:1/"}),
    ],
)
def test_an_answer_of_whatever_kind_is_the_caller_s_to_judge(reply: Reply) -> None:
    async def test(http: VenueHttp, exchange: Exchange) -> None:
        assert await http.call(CANCEL, signer=SIGNER) == Answered(reply.status, reply.body)

    assert len(against([reply], test).heads) == 1, "a request is sent once"


@pytest.mark.parametrize(
    "reply", [Reply(delay_s=1.0), Reply(reset=True), Reply(cut=True)], ids=["late", "reset", "cut"]
)
def test_when_something_left_and_no_whole_answer_came_nobody_knows(reply: Reply) -> None:
    async def test(http: VenueHttp, exchange: Exchange) -> None:
        with pytest.raises(Unreachable) as caught:
            await http.call(ORDER, signer=SIGNER)
        assert not isinstance(caught.value, NotSent)

    assert len(against([reply], test, client_timeout_s=0.2).heads) == 1, "a request is sent once"


def test_without_a_connection_nothing_was_sent() -> None:
    async def nothing_sent(root: str) -> None:
        async with VenueHttp(USDM, root, WeightBudget(USDM.weight_limit), trading=USDM_TRADING) as http:
            with pytest.raises(NotSent):
                await http.call(ORDER, signer=SIGNER)

    async def main() -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            await nothing_sent(f"http://127.0.0.1:{unused.getsockname()[1]}")
        no_tls = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
        async with no_tls:
            await nothing_sent(f"https://127.0.0.1:{no_tls.sockets[0].getsockname()[1]}")

    asyncio.run(main())


def test_banned_is_not_sent_for_a_call_and_limited_for_a_get() -> None:
    clock = ManualClock()

    async def test(http: VenueHttp, exchange: Exchange) -> None:
        answer = await http.call(CANCEL, signer=SIGNER)
        assert (answer.status, answer.retry_after_s) == (418, 300.0)
        with pytest.raises(NotSent, match="banned") as caught:
            await http.call(CANCEL, signer=SIGNER, urgent=True)
        assert caught.value.retry_after_s == 300.0
        with pytest.raises(RateLimited):
            await http.get(USDM.info_request())
        assert len(exchange.heads) == 1

    against([Reply(b"", 418, {"Retry-After": "300"})], test, clock=clock)


def test_what_has_no_room_in_time_is_not_sent_and_told_when_it_may_go() -> None:
    clock = ManualClock()

    async def test(http: VenueHttp, exchange: Exchange) -> None:
        http.budget.spend(90, clock.mono_ns())
        with pytest.raises(NotSent) as caught:
            await http.call(CANCEL, signer=SIGNER, patience_s=1.0)
        assert caught.value.retry_after_s == 60.0
        assert await http.call(CANCEL, signer=SIGNER, urgent=True, patience_s=0.0) == Answered(200, DONE)
        assert await http.call(ORDER, signer=SIGNER, patience_s=0.0) == Answered(200, DONE), "an order weighs nothing"

    assert len(against([Reply()], test, clock=clock).heads) == 2


def test_a_request_behind_others_is_not_sent_when_its_patience_ends() -> None:
    async def test(http: VenueHttp, exchange: Exchange) -> None:
        first = asyncio.create_task(http.call(ORDER, signer=SIGNER))
        await exchange.came.wait()
        with pytest.raises(NotSent, match="before it"):
            await http.call(ORDER, signer=SIGNER, patience_s=0.05)
        assert await http.call(CANCEL, signer=SIGNER, patience_s=0.05) == Answered(200, DONE), "a lane of its own"
        await first

    assert len(against([Reply(delay_s=0.4), Reply()], test, max_concurrent=1).heads) == 2


def test_orders_wait_for_their_count_and_cancels_do_not() -> None:
    clock = ManualClock()
    orders = OrderBudget([OrderLimit(2, 10), OrderLimit(3, 60)], slack_s=0.0)

    async def test(http: VenueHttp, exchange: Exchange) -> None:
        for _ in range(2):
            await http.call(ORDER, signer=SIGNER)
        third = asyncio.create_task(http.call(ORDER, signer=SIGNER))
        await http.call(CANCEL, signer=SIGNER, urgent=True)
        await http.call(CANCEL, signer=SIGNER)
        assert len(exchange.heads) == 4
        clock.advance(10 * SECOND_NS)
        http._wake()
        await third
        clock.advance(10 * SECOND_NS)
        with pytest.raises(NotSent) as caught:
            await http.call(ORDER, signer=SIGNER, patience_s=30.0)
        assert caught.value.retry_after_s == 40.0

    assert len(against([Reply()], test, clock=clock, orders=orders).heads) == 5


def test_the_exchange_s_count_of_orders_is_taken_from_its_answers() -> None:
    clock = ManualClock()

    async def test(http: VenueHttp, exchange: Exchange) -> None:
        await http.call(CANCEL, signer=SIGNER)
        assert http.orders is not None
        assert http.orders.wait_ns(1, clock.mono_ns()) == 11 * SECOND_NS, "others trade for this account too"
        assert http.budget.used(clock.mono_ns()) == 7

    headers = {"X-MBX-ORDER-COUNT-10S": "300", "X-MBX-ORDER-COUNT-1M": "7", "X-MBX-USED-WEIGHT-1M": "7"}
    against([Reply(headers=headers)], test, clock=clock)


def test_too_many_orders_holds_orders_only() -> None:
    clock = ManualClock()

    async def test(http: VenueHttp, exchange: Exchange) -> None:
        answer = await http.call(ORDER, signer=SIGNER)
        assert (answer.status, answer.retry_after_s) == (429, 10.0)
        assert http.orders is not None
        assert http.orders.wait_ns(1, clock.mono_ns()) >= 10 * SECOND_NS
        assert await http.call(CANCEL, signer=SIGNER) == Answered(200, DONE)

    against([Reply(b'{"code":-1015,"msg":"Too many new orders."}', 429), Reply()], test, clock=clock)


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "cut short"])
def test_too_much_weight_holds_everything_even_if_the_body_never_comes_whole(cut: bool) -> None:
    clock = ManualClock()

    async def test(http: VenueHttp, exchange: Exchange) -> None:
        if cut:
            with pytest.raises(Unreachable):
                await http.call(ORDER, signer=SIGNER)
        else:
            assert (await http.call(ORDER, signer=SIGNER)).retry_after_s == 17.0
        with pytest.raises(NotSent) as caught:
            await http.call(CANCEL, signer=SIGNER, urgent=True, patience_s=0.0)
        assert caught.value.retry_after_s == 17.0

    against([Reply(b'{"code":-1003,"msg":"x"}', 429, {"Retry-After": "17"}, cut=cut)], test, clock=clock)


def test_the_time_stamp_is_that_of_sending_and_not_of_asking() -> None:
    clock, stamps = ManualClock(), iter(range(1000, 2000))
    orders = OrderBudget([OrderLimit(1, 10)], slack_s=0.0)

    async def test(http: VenueHttp, exchange: Exchange) -> None:
        await http.call(ORDER, signer=SIGNER)
        late = asyncio.create_task(http.call(ORDER, signer=SIGNER))
        await http.call(CANCEL, signer=SIGNER)
        clock.advance(10 * SECOND_NS)
        http._wake()
        await late

    settings = {"stamp_ms": lambda: next(stamps), "orders": orders, "window_ms": 777}
    sent = [dict(parse_qsl(one)) for one in against([Reply()], test, clock=clock, **settings).targets]
    assert [one["timestamp"] for one in sent] == ["1000", "1001", "1002"]
    assert "newClientOrderId" in sent[2]
    assert {one["recvWindow"] for one in sent} == {"777"}


def test_without_an_offset_this_machine_s_clock_is_the_time() -> None:
    clock = ManualClock()

    async def test(http: VenueHttp, exchange: Exchange) -> None:
        await http.call(CANCEL, signer=SIGNER)

    (target,) = against([Reply()], test, clock=clock, stamp_ms=None).targets
    assert dict(parse_qsl(target))["timestamp"] == str(clock.wall_ns() // 1_000_000)


def test_info_sets_the_order_limits_that_the_exchange_states() -> None:
    body = (
        b'{"rateLimits":[{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":50}],"symbols":'
        b'[{"symbol":"BTCUSDT","status":"TRADING","filters":[{"filterType":"PRICE_FILTER","tickSize":"0.10"},'
        b'{"filterType":"LOT_SIZE","stepSize":"0.001"}]}]}'
    )

    async def test(http: VenueHttp, exchange: Exchange) -> None:
        assert http.orders is not None
        assert list(http.orders.limits) == list(USDM_TRADING.order_limits)
        await fetch_info(USDM, http)
        assert list(http.orders.limits) == [OrderLimit(50, 10)]

    against([Reply(body)], test)


def test_a_client_without_the_trading_half_says_so() -> None:
    async def main() -> None:
        async with VenueHttp(USDM, "http://127.0.0.1:1", WeightBudget(USDM.weight_limit)) as http:
            assert http.orders is None
            with pytest.raises(ValueError, match="trading half"):
                await http.call(CANCEL, signer=SIGNER)

    asyncio.run(main())


def test_both_roads_share_the_limits() -> None:
    async def scene() -> None:
        clock = ManualClock(mono_ns=1, wall_ns=NOW_MS * 1_000_000)
        budget, orders = WeightBudget(WeightLimit(100, 60), 0.0), OrderBudget([OrderLimit(10, 10)])
        async with VenueHttp(
            USDM, "http://127.0.0.1:9", budget, clock=clock, trading=USDM_TRADING, orders=orders
        ) as http:
            async with http.turn(ORDER, urgent=False, patience_s=0):
                pass
            http.observe_api(ApiAnswer("1", 200, DONE, 60, ((10, 10),)))
            assert (budget.used(clock.mono_ns()), orders.wait_ns(1, clock.mono_ns()) > 0) == (60, True)
            with pytest.raises(NotSent):
                async with http.turn(ORDER, urgent=False, patience_s=0):
                    pass
            async with http.turn(CANCEL, urgent=True, patience_s=0):
                pass
            told = b'{"code":-1003,"msg":"Too many requests"}'
            http.observe_api(ApiAnswer("2", 418, told, retry_at_ms=NOW_MS + 30_000))
            assert budget.banned_for_ns(clock.mono_ns()) == 30 * SECOND_NS
            with pytest.raises(NotSent, match="banned"):
                async with http.turn(CANCEL, urgent=True, patience_s=0):
                    pass

    asyncio.run(scene())
