"""The REST client against a small server that answers whatever a test tells it to."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marketlink.clock import ManualClock, SystemClock
from marketlink.errors import MalformedMessage, RateLimited, SettingsError, Unreachable, VenueRefused
from marketlink.run.http import VenueHttp, fetch_info
from marketlink.run.limits import SECOND_NS, WeightBudget
from marketlink.run.retry import MAX_RETRY_AFTER_S
from marketlink.venues.base import Get, WeightLimit
from marketlink.venues.binance import USDM

DEPTH = USDM.snapshot_request("btcusdt")
WHOLE = b'{"lastUpdateId":7,"E":2,"T":1,"bids":[["1","2"]],"asks":[["2","3"]]}'


@dataclass
class Answer:
    body: bytes = WHOLE
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    raw: bytes | None = None  # instead of a well-formed answer; then the connection is closed
    reset: bool = False


@dataclass
class Host:
    """Answers in the order of `answers`, the last one for ever; notes the paths and the connections."""

    answers: list[Answer]
    paths: list[str] = field(default_factory=list)
    connections: int = 0
    under_way: int = 0
    most_under_way: int = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while line := await reader.readline():
                while (await reader.readline()).strip():
                    pass
                self.paths.append(line.split()[1].decode())
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                self.under_way += 1
                self.most_under_way = max(self.most_under_way, self.under_way)
                await asyncio.sleep(answer.delay_s)
                self.under_way -= 1
                if answer.reset:
                    raw: socket.socket = writer.get_extra_info("socket")
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return
                if answer.raw is not None:
                    writer.write(answer.raw)
                    await writer.drain()
                    return
                headers = {"Content-Length": str(len(answer.body)), **answer.headers}
                head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
                writer.write(f"HTTP/1.1 {answer.status} X\r\n{head}\r\n".encode() + answer.body)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()


def against(
    answers: list[Answer],
    test: Callable[[VenueHttp, Host], Awaitable[None]],
    *,
    limit: WeightLimit = USDM.weight_limit,
    slack_s: float = 0.0,
    timeout_s: float = 5.0,
    clock: SystemClock | ManualClock | None = None,
    max_concurrent: int = 4,
) -> Host:
    async def main() -> Host:
        host = Host(answers)
        server = await asyncio.start_server(host.talk, "127.0.0.1", 0)
        async with server, asyncio.timeout(20):
            root = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            budget = WeightBudget(limit, slack_s=slack_s)
            async with VenueHttp(
                USDM, root, budget, client_timeout_s=timeout_s, clock=clock, max_concurrent=max_concurrent
            ) as http:
                await test(http, host)
            server.close()
            await asyncio.sleep(0)
        return host

    return asyncio.run(main())


def failing(answer: Answer, **settings: object) -> Exception:
    """Return what one request raises on this answer."""
    raised: list[Exception] = []

    async def test(http: VenueHttp, host: Host) -> None:
        with pytest.raises((VenueRefused, Unreachable)) as caught:
            await http.get(DEPTH)
        raised.append(caught.value)
        assert len(host.paths) <= 1, "a request is sent once"

    against([answer], test, **settings)  # type: ignore[arg-type]
    return raised[0]


def test_a_body_comes_back_as_it_was_sent_over_one_kept_connection() -> None:
    async def test(http: VenueHttp, host: Host) -> None:
        assert await http.get(DEPTH) == WHOLE
        assert await http.get(USDM.info_request()) == WHOLE

    host = against([Answer()], test)
    assert host.paths == ["/fapi/v1/depth?symbol=BTCUSDT&limit=1000", "/fapi/v1/exchangeInfo"]
    assert host.connections == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(b"<html>maintenance</html>"), "not JSON"),
        (Answer(b""), "not JSON"),
        (Answer(b"<html>bad gateway</html>", status=502), "HTTP 502"),
        (Answer(b"", status=503), "HTTP 503"),
        (Answer(b"", status=302, headers={"Location": "http://127.0.0.1:1/"}), "HTTP 302"),
        (Answer(reset=True), "Error"),
        (Answer(raw=b""), "Error"),
        (Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"), "Error"),
        (Answer(raw=b"garbage\r\n\r\n"), "Error"),
    ],
    ids=["html", "empty", "502", "503", "redirect", "reset", "eof", "cut short", "no http"],
)
def test_no_usable_answer_is_unreachable(answer: Answer, words: str) -> None:
    error = failing(answer)
    assert isinstance(error, Unreachable)
    assert words in error.why


def test_an_answer_that_does_not_come_in_time_is_unreachable() -> None:
    error = failing(Answer(delay_s=1.0), timeout_s=0.1)
    assert isinstance(error, Unreachable)
    assert "0.1 s" in error.why or "Timeout" in error.why


def test_a_body_that_comes_in_drops_does_not_outlast_the_timeout() -> None:
    async def test(http: VenueHttp, host: Host) -> None:
        begun = asyncio.get_running_loop().time()
        with pytest.raises(Unreachable):
            await http.get(DEPTH)
        assert asyncio.get_running_loop().time() - begun < 5

    async def drops(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        try:
            for _ in range(1000):
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.02)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def main() -> None:
        server = await asyncio.start_server(drops, "127.0.0.1", 0)
        async with server:
            root = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            async with VenueHttp(USDM, root, WeightBudget(USDM.weight_limit), client_timeout_s=0.2) as http:
                await test(http, Host([]))

    asyncio.run(main())


def test_a_closed_port_is_unreachable() -> None:
    async def main() -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            root = f"http://127.0.0.1:{unused.getsockname()[1]}"
            async with VenueHttp(USDM, root, WeightBudget(USDM.weight_limit)) as http:
                with pytest.raises(Unreachable, match="ConnectError"):
                    await http.get(DEPTH)

    asyncio.run(main())


@pytest.mark.parametrize("status", [200, 400, 404, 503])
def test_the_venues_own_error_comes_with_its_number(status: int) -> None:
    error = failing(Answer(b'{"code":-1121,"msg":"Invalid symbol."}', status=status))
    assert isinstance(error, VenueRefused)
    assert not isinstance(error, RateLimited)
    assert (error.code, error.text, error.status) == (-1121, "Invalid symbol.", status)


def limited(answer: Answer, seconds: float, *, banned: bool) -> None:
    """One request meets the answer; then nothing goes for `seconds`, and a ban is told without asking."""
    clock = ManualClock()

    async def test(http: VenueHttp, host: Host) -> None:
        with pytest.raises(RateLimited) as caught:
            await http.get(DEPTH)
        assert caught.value.retry_after_s == pytest.approx(seconds)
        assert caught.value.banned is banned
        assert http.budget.wait_ns(1, clock.mono_ns(), urgent=True) == pytest.approx(seconds * SECOND_NS)
        if banned:
            with pytest.raises(RateLimited, match="not sent"):
                await http.get(DEPTH, urgent=True)
        else:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(http.get(DEPTH), 0.05)
        assert len(host.paths) == 1
        clock.advance(int(seconds * SECOND_NS))
        assert await http.get(DEPTH) == WHOLE

    against([answer, Answer()], test, clock=clock)


@pytest.mark.parametrize(
    ("answer", "seconds", "banned"),
    [
        (Answer(b'{"code":-1003,"msg":"Too many requests"}', 429, {"Retry-After": "17"}), 17.0, False),
        (Answer(b"<html>", 429, {"Retry-After": "17"}), 17.0, False),
        (Answer(b"<html>", 429), 60.0, False),
        (Answer(b"<html>", 429, {"Retry-After": "0"}), 1.0, False),
        (Answer(b'{"code":-1003,"msg":"IP banned until 1700000090000"}', 418), 90.0, True),
        (Answer(b'{"code":-1003,"msg":"IP banned"}', 418, {"Retry-After": "300"}), 300.0, True),
        (Answer(b"", 418), 120.0, True),
        (Answer(b"<html>403 Forbidden</html>", 403), 60.0, False),
    ],
    ids=[
        "429",
        "429 html",
        "429 without time",
        "429 at once",
        "418 by its text",
        "418",
        "418 without time",
        "403 of the firewall",
    ],
)
def test_a_limit_holds_everything_for_as_long_as_the_venue_says(answer: Answer, seconds: float, banned: bool) -> None:
    limited(answer, seconds, banned=banned)


def test_a_ban_ends_the_wait_of_requests_that_were_pending() -> None:
    clock = ManualClock()

    async def test(http: VenueHttp, host: Host) -> None:
        http.budget.observe(2400, clock.mono_ns())
        pending = [asyncio.create_task(http.get(DEPTH, urgent=urgent)) for urgent in (False, True, False)]
        await asyncio.sleep(0.02)
        http.budget.on_banned(60, clock.mono_ns())
        http._wake()
        results = await asyncio.gather(*pending, return_exceptions=True)
        assert all(isinstance(result, RateLimited) and result.banned for result in results)

    assert against([Answer()], test, clock=clock).connections == 0


def test_the_venues_count_holds_requests_back_and_urgent_ones_use_the_reserve() -> None:
    clock = ManualClock()

    async def test(http: VenueHttp, host: Host) -> None:
        await http.get(DEPTH)
        assert http.budget.used(clock.mono_ns()) == 2150
        ordinary = asyncio.create_task(http.get(DEPTH))
        assert await http.get(DEPTH, urgent=True) == WHOLE
        await asyncio.sleep(0.02)
        assert len(host.paths) == 2
        clock.advance(61 * SECOND_NS)
        http._wake()
        assert await ordinary == WHOLE

    against([Answer(headers={"X-MBX-USED-WEIGHT-1M": "2150"}), Answer()], test, clock=clock)


def test_requests_wait_for_the_budget_by_themselves_and_in_order() -> None:
    async def test(http: VenueHttp, host: Host) -> None:
        await asyncio.gather(*(http.get(Get(f"/{n}", {}, 2)) for n in range(4)))

    host = against([Answer()], test, limit=WeightLimit(5, 1), max_concurrent=1)
    assert host.paths == ["/0", "/1", "/2", "/3"]


def test_no_more_requests_are_under_way_than_allowed_and_a_cancelled_one_gives_its_place_back() -> None:
    async def test(http: VenueHttp, host: Host) -> None:
        tasks = [asyncio.create_task(http.get(Get(f"/{n}", {}, 1))) for n in range(8)]
        await asyncio.sleep(0.02)
        tasks[0].cancel()
        tasks[5].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert sum(result == WHOLE for result in results) == 6

    host = against([Answer(delay_s=0.05)], test, max_concurrent=2)
    assert host.most_under_way <= 3  # the server does not see at once that a request is cancelled


def test_info_sets_the_budget_to_the_limit_that_the_venue_states() -> None:
    body = (
        b'{"rateLimits":[{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":1200}],"symbols":'
        b'[{"symbol":"BTCUSDT","status":"TRADING","filters":[{"filterType":"PRICE_FILTER","tickSize":"0.10"},'
        b'{"filterType":"LOT_SIZE","stepSize":"0.001"}]}]}'
    )

    async def test(http: VenueHttp, host: Host) -> None:
        info = await fetch_info(USDM, http)
        assert list(info.instruments) == ["btcusdt"]
        assert http.budget.limit == WeightLimit(1200, 60)
        with pytest.raises(MalformedMessage):
            await fetch_info(USDM, http)

    against([Answer(body), Answer(b"[]")], test)


@pytest.mark.parametrize("root", ["fapi.binance.com", "wss://fapi.binance.com", "http://", "http://a:b:c"])
def test_a_root_that_is_no_http_url_is_refused_at_once(root: str) -> None:
    async def main() -> None:
        with pytest.raises(SettingsError, match="https"):
            VenueHttp(USDM, root, WeightBudget(USDM.weight_limit))

    asyncio.run(main())


def test_a_request_heavier_than_the_limit_is_sent_all_the_same_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()

    async def test(http: VenueHttp, host: Host) -> None:
        for _ in range(3):
            assert await http.get(DEPTH) == WHOLE
            clock.advance(60 * SECOND_NS)

    against([Answer()], test, limit=WeightLimit(10, 60), clock=clock)
    told = [record.getMessage() for record in caplog.records if "weighs 20" in record.getMessage()]
    assert len(told) == 1
    assert "allows 9" in told[0]


@pytest.mark.parametrize(
    ("stated", "words", "seconds"),
    [
        ("Sun, 01 Mar 99999 12:00:00 GMT", "can't be read", 60.0),
        ("9" * 400, "taken as 3 days", 3 * 86400.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", "taken as 3 days", 3 * 86400.0),
    ],
)
def test_a_retry_after_beyond_the_calendar_is_survived_clamped_and_said(
    stated: str, words: str, seconds: float, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(http: VenueHttp, host: Host) -> None:
        with pytest.raises(RateLimited) as caught:
            await http.get(DEPTH)
        assert caught.value.retry_after_s == seconds

    against([Answer(b"", 429, {"Retry-After": stated})], test, clock=ManualClock())
    assert words in caplog.text


HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                b"Retry-After",
                b"Location",
                b"X-MBX-USED-WEIGHT-1M",
                b"Content-Encoding",
                b"Transfer-Encoding",
                b"Content-Type",
            ]
        )
        | st.binary(max_size=8),
        st.binary(max_size=30) | st.from_regex(rb"[0-9]{1,30}", fullmatch=True) | st.just(b"gzip"),
    ),
    max_size=5,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(st.sampled_from([200, 302, 308, 403, 418, 429, 503, 999]), HEADERS, st.sampled_from([WHOLE, b"", b"\x1f\x8b"]))
def test_any_answer_is_a_body_or_one_of_the_three_errors(
    status: int, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    async def test(http: VenueHttp, host: Host) -> None:
        try:
            assert await http.get(DEPTH) == body
        except RateLimited as error:
            held_s = http.budget.wait_ns(1, http._clock.mono_ns()) / SECOND_NS
            waits.append((error.retry_after_s, held_s))
        except (VenueRefused, Unreachable):
            pass

    waits: list[tuple[float, float]] = []
    head = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n" % (status, len(body))
    raw = head + b"".join(b"%b: %b\r\n" % header for header in headers) + b"\r\n" + body
    against([Answer(raw=raw)], test)
    assert all(1.0 <= stated <= MAX_RETRY_AFTER_S and held <= MAX_RETRY_AFTER_S for stated, held in waits)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=20)
@given(st.lists(st.integers(-(10**18), 10**18), min_size=4, max_size=4))
def test_a_wall_clock_that_steps_changes_no_wait(steps: list[int]) -> None:
    def waits(steps: list[int]) -> list[int]:
        clock, found = ManualClock(), []

        async def test(http: VenueHttp, host: Host) -> None:
            for step in steps:
                clock.step_wall(step)
                try:
                    await http.get(DEPTH)
                except RateLimited as error:
                    found.append(int(error.retry_after_s * SECOND_NS))
                found.append(http.budget.wait_ns(20, clock.mono_ns()))
                clock.advance(found[-1])

        against([Answer(), Answer(b"", 429, {"Retry-After": "17"}), Answer()], test, clock=clock)
        return found

    assert waits(steps) == waits([0, 0, 0, 0])
