"""REST requests to one host of a venue, within its limits: in order, few at a time, none repeated.

A request waits for its turn and for the budget and is sent once. `get` ends as a body or as one of three errors. `call`, which
may change something, keeps three ends apart: nothing left this process (NotSent), nobody knows what came of it (Unreachable), and an
answer, good or bad, for the caller to judge. Whoever wants another try asks again: only the caller knows whether that is right.
"""

import asyncio
import contextlib
import logging
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Final, NamedTuple, Self

import httpx

from marketlink.clock import Clock, SystemClock
from marketlink.errors import NotSent, RateLimited, SettingsError, Unreachable, VenueRefused
from marketlink.run.limits import OrderBudget, WeightBudget
from marketlink.run.network import proxy_of, ssl_context, tls_words
from marketlink.run.retry import MAX_RETRY_AFTER_S, retry_after_remark, retry_after_s
from marketlink.times import SECOND_NS
from marketlink.venues.base import ExchangeInfo, Get, PublicVenue, Refusal
from marketlink.venues.trading import ApiAnswer, Call, Signer, TradingVenue

log = logging.getLogger(__name__)

MAX_BODY: Final = 64 * 2**20
MOST_PAGES: Final = 100
LEAST_WAIT_S: Final = 1.0
KEPT_S: Final = 60.0
"""An idle connection is kept for so long: an order must not wait for a handshake."""
UNSTATED_WAIT_S: Final = {
    403: 60.0,
    418: 120.0,
    429: 60.0,
}  # where neither the venue nor `PublicVenue.hold_s` says how long


class Answered(NamedTuple):
    """An answer as it came; `retry_after_s` is how long everything of its kind is held because of it."""

    status: int
    body: bytes
    retry_after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a request costs, and the queue it stands in."""

    what: str
    weight: int
    orders: int = 0
    urgent: bool = False

    @property
    def lane(self) -> str:
        """Orders that wait for their count must not keep other requests, nor be kept by them."""
        return "orders" if self.orders else "urgent" if self.urgent else "ordinary"


class _Lane:
    """The requests of one kind: a queue, and how many may be under way."""

    def __init__(self, width: int) -> None:
        self.queue: deque[object] = deque()
        self.free = width


class VenueHttp:
    """A client for one host. Urgent requests have a lane of their own and may use the budget's reserve; orders have one too."""

    def __init__(
        self,
        venue: PublicVenue,
        root: str,
        budget: WeightBudget,
        *,
        client_timeout_s: float = 10.0,
        max_concurrent: int = 4,
        clock: Clock | None = None,
        tls: ssl.SSLContext | None = None,
        trading: TradingVenue | None = None,
        orders: OrderBudget | None = None,
        stamp_ms: Callable[[], int] | None = None,
        window_ms: int = 2000,
    ) -> None:
        """`tls` is what `ssl_context` makes, by default of the environment.

        `trading` is needed for `call`, with `orders` the account's order budget (by default one of the documented limits), `stamp_ms`
        the exchange's time as well as it is known (by default this machine's), and `window_ms` for how long a request is good.

        Raises SettingsError when `root` is not an http URL, or the environment's authorities or proxy can't be used.
        """
        try:
            url = httpx.URL(root)
        except httpx.InvalidURL as error:
            raise SettingsError("rest", "url", str(error), "Give an http:// or https:// URL.") from error
        if url.scheme not in ("http", "https") or not url.host:
            raise SettingsError("rest", "url", f"{root!r} is not an http URL", "Give an http:// or https:// URL.")
        self._venue, self._root, self.budget = venue, root.rstrip("/"), budget
        self._timeout_s, self._clock = client_timeout_s, clock or SystemClock()
        self._trading, self._window_ms = trading, window_ms
        self.orders = orders if orders is not None or trading is None else OrderBudget(trading.order_limits)
        self._stamp_ms = stamp_ms or (lambda: self._clock.wall_ns() // 1_000_000)
        self._lanes = {kind: _Lane(max_concurrent) for kind in ("ordinary", "urgent", "orders")}
        self._changed = asyncio.Event()
        limits = httpx.Limits(
            max_connections=3 * max_concurrent, max_keepalive_connections=3 * max_concurrent, keepalive_expiry=KEPT_S
        )
        self._heavy = 0  # the heaviest request of which it was told that it is more than the limit
        proxy = proxy_of(self._root)
        proxy_secure = (proxy or "").startswith("https:")
        secure = url.scheme == "https" or proxy_secure
        context = (tls or ssl_context()) if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # which trusts nobody
        self._client = httpx.AsyncClient(
            timeout=client_timeout_s,
            follow_redirects=False,
            trust_env=False,
            limits=limits,
            verify=context,
            proxy=httpx.Proxy(proxy, ssl_context=context if proxy_secure else None) if proxy is not None else None,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def get(self, request: Get, *, urgent: bool = False) -> bytes:
        """Return the body of a successful answer.

        Raises RateLimited (429, 418, 403 without the venue's own error; also at once, unsent, while banned), VenueRefused (an error
        answer in the venue's form) and Unreachable (anything else: no connection, timeout, reset, not the venue's format).
        """
        wanted = _Wanted(request.path, request.weight, urgent=urgent)
        try:
            await self._turn(wanted, None)
        except _Banned as banned:
            raise RateLimited(self._venue.name, wanted.what, 418, "banned, not sent", banned.wait_s) from None
        try:
            query = dict(request.query) or None
            method, headers = ("POST", {"Content-Type": "application/json"}) if request.body else ("GET", None)
            response, body = await self._send(
                wanted, method, request.path, params=query, headers=headers, content=request.body
            )
        finally:
            self._leave(wanted)
        return self._judge(request.path, response, body)

    async def call(
        self,
        call: Call,
        *,
        signer: Signer | None,
        urgent: bool = False,
        patience_s: float | None = None,
        on_stamp: Callable[[int], None] | None = None,
    ) -> Answered:
        """Send a request of the trading half, and return the answer, error answers included.

        The time stamp is taken when the request's turn has come, and told to `on_stamp`, ms.

        Raises NotSent when nothing left this process: banned, no
        connection, or no room in the limits within `patience_s` (None: for as long as it takes). Raises Unreachable when
        something did, and no whole answer came: whether the request was carried out is then unknown, as it is when this is cancelled.
        """
        if self._trading is None:
            raise ValueError("this client was made without the trading half of a venue")
        async with self.turn(call, urgent=urgent, patience_s=patience_s) as wanted:
            stamp_ms = self._stamp_ms()
            target, headers, content = self._trading.rest_request(call, signer, stamp_ms, self._window_ms)
            if on_stamp is not None:
                on_stamp(stamp_ms)
            response, body = await self._send(wanted, call.method, target, headers=headers, content=content)
        held_s = self._limited(response.status_code, self._refusal(response, body), self._stated_s(response))
        return Answered(response.status_code, body, held_s or 0.0)

    @contextlib.asynccontextmanager
    async def turn(self, call: Call, *, urgent: bool, patience_s: float | None) -> AsyncIterator[_Wanted]:
        """Wait until a request may be sent by whatever road, and hold its place among those under way. Raises NotSent as `call` does."""
        wanted = _Wanted(call.path, call.weight, call.orders, urgent)
        try:
            await self._turn(wanted, patience_s)
        except _Banned as banned:
            raise NotSent(self._venue.name, call.path, "banned", banned.wait_s) from None
        try:
            yield wanted
        finally:
            self._leave(wanted)

    def observe_api(self, answer: ApiAnswer) -> None:
        """Take what an answer of the WebSocket API says of the limits, which both roads share."""
        now_ns = self._clock.mono_ns()
        if answer.weight_used is not None:
            self.budget.observe(answer.weight_used, now_ns)
        if self.orders is not None:
            for limit in self.orders.limits:
                for per_s, count in answer.orders_used:
                    if per_s == limit.per_s:
                        self.orders.observe(limit, count, now_ns)
        if answer.status in UNSTATED_WAIT_S:
            stated_s = None
            if answer.retry_at_ms is not None:
                stated_s = min(
                    max(0.0, answer.retry_at_ms / 1000 - self._clock.wall_ns() / SECOND_NS), MAX_RETRY_AFTER_S
                )
            self._limited(answer.status, self._venue.refusal(answer.body), stated_s)

    async def _turn(self, wanted: _Wanted, patience_s: float | None) -> None:
        me, lane = object(), self._lanes[wanted.lane]
        deadline_ns = None if patience_s is None else self._clock.mono_ns() + int(patience_s * SECOND_NS)
        lane.queue.append(me)
        try:
            while True:
                now_ns = self._clock.mono_ns()
                if banned_ns := self.budget.banned_for_ns(now_ns):
                    raise _Banned(banned_ns / SECOND_NS)
                wait_ns = 60 * SECOND_NS
                if lane.queue[0] is me and lane.free:
                    wait_ns = self.budget.wait_ns(wanted.weight, now_ns, urgent=wanted.urgent)
                    if self.orders is not None:
                        wait_ns = max(wait_ns, self.orders.wait_ns(wanted.orders, now_ns))
                    self._tell_if_heavy(wanted)
                    if wait_ns == 0:
                        self.budget.spend(wanted.weight, now_ns)
                        if self.orders is not None:
                            self.orders.spend(wanted.orders, now_ns)
                        lane.free -= 1
                        return
                    if deadline_ns is not None and now_ns + wait_ns > deadline_ns:
                        why = "no room in the venue's limits in time"
                        raise NotSent(self._venue.name, wanted.what, why, wait_ns / SECOND_NS)
                if deadline_ns is not None:
                    if now_ns >= deadline_ns:
                        raise NotSent(self._venue.name, wanted.what, "too many requests before it")
                    wait_ns = min(wait_ns, deadline_ns - now_ns)
                changed = self._changed
                try:
                    async with asyncio.timeout(wait_ns / SECOND_NS):
                        await changed.wait()
                except TimeoutError:
                    pass
        finally:
            lane.queue.remove(me)
            self._wake()

    def _leave(self, wanted: _Wanted) -> None:
        self._lanes[wanted.lane].free += 1
        self._wake()

    def _tell_if_heavy(self, wanted: _Wanted) -> None:
        most = self.budget.most(urgent=wanted.urgent)
        if wanted.weight > max(most, self._heavy):
            self._heavy = wanted.weight
            text = "%s: %s weighs %d, and %s allows %d: each one is sent when nothing else counts any more"
            log.warning(text, self._venue.name, wanted.what, wanted.weight, self.budget.limit, most)

    def _wake(self) -> None:
        """Let every waiting request look again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def _send(
        self,
        wanted: _Wanted,
        method: str,
        target: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
    ) -> tuple[httpx.Response, bytes]:
        left = False

        async def trace(event: str, info: Mapping[str, object]) -> None:
            nonlocal left
            request = info.get("request")  # a proxy's CONNECT is none of ours
            if event == "http11.send_request_headers.started" and getattr(request, "method", b"") != b"CONNECT":
                left = True

        def failed(why: str) -> Unreachable:
            return (Unreachable if left else NotSent)(self._venue.name, wanted.what, why)

        try:
            async with asyncio.timeout(self._timeout_s):  # of the whole answer: a body may come in drops
                url, extensions = self._root + target, {"trace": trace}
                sending = self._client.stream(
                    method, url, params=params, headers=headers, content=content, extensions=extensions
                )
                async with sending as response:
                    self._observe(response, wanted.orders)
                    try:
                        body = await _read(response)
                    except BaseException:
                        self._hold_as_stated(response)
                        raise
        except TimeoutError as error:
            raise failed(f"no whole answer in {self._timeout_s:g} s") from error
        except _TooLong as error:
            raise failed(f"a body of more than {MAX_BODY} bytes") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:  # or what a header can't be made of
            raise failed(tls_words(error, self._root) or f"{type(error).__name__}: {error}") from error
        return response, body

    def _observe(self, response: httpx.Response, orders: int) -> None:
        """Take from the headers what must be known even if the body never comes."""
        now_ns = self._clock.mono_ns()
        if (used := _count(response, self._venue.used_weight_header)) is not None:
            self.budget.observe(used, now_ns)
        if self._trading is not None and self.orders is not None:
            for limit in self.orders.limits:
                if (used := _count(response, self._trading.order_count_header(limit))) is not None:
                    self.orders.observe(limit, used, now_ns)
            if orders and (names := self._trading.orders_left_headers) is not None and self.orders.limits:
                most, left = (_count(response, name) for name in names)
                if most is not None and left is not None:
                    shortest = min(self.orders.limits, key=lambda limit: limit.per_s)
                    self.orders.observe(shortest, shortest.most - min(left, shortest.most), now_ns)
        if response.status_code != 429 or self._trading is None:  # whether 429 is about orders, only the body tells
            self._hold_as_stated(response)

    def _hold_as_stated(self, response: httpx.Response) -> None:
        if response.status_code in UNSTATED_WAIT_S:
            wait_s = retry_after_s(response.headers.get("Retry-After"), self._clock.wall_ns())
            if wait_s is not None:
                self._hold(response.status_code, wait_s)

    def _hold(self, status: int, stated_s: float) -> float:
        """Let nothing out for as long as stated, and at least a second: who goes on asking after a 429 is banned."""
        wait_s = max(stated_s, LEAST_WAIT_S)
        now_ns = self._clock.mono_ns()
        if status == 418:
            self.budget.on_banned(wait_s, now_ns)
        else:
            self.budget.on_limited(wait_s, now_ns)
        self._wake()
        return wait_s

    def _refusal(self, response: httpx.Response, body: bytes) -> Refusal | None:
        return self._venue.refusal(body) if response.status_code != 200 or len(body) < 1024 else None

    def _stated_s(self, response: httpx.Response) -> float | None:
        """How long the answer says to wait; what can't be taken at its word is said."""
        stated = response.headers.get("Retry-After")
        wait_s = retry_after_s(stated, self._clock.wall_ns())
        if response.status_code in UNSTATED_WAIT_S and (remark := retry_after_remark(stated, wait_s)) is not None:
            log.warning("%s: HTTP %d: %s", self._venue.name, response.status_code, remark)
        return wait_s

    def _limited(self, status: int, refusal: Refusal | None, wait_s: float | None) -> float | None:
        """Hold what an answer says must wait, and return for how long; None when it says nothing of the kind."""
        if status not in (418, 429) and self._is_of_orders(refusal) and self.orders is not None:
            held_s = max(wait_s or 0.0, LEAST_WAIT_S)
            self.orders.on_limited(held_s, self._clock.mono_ns())
            return held_s
        if status not in (418, 429) and (status != 403 or refusal is not None):
            return None
        if status == 429 and self._is_of_orders(refusal) and self.orders is not None:  # cancels must go on
            if wait_s is None:
                wait_s = min((limit.per_s for limit in self.orders.limits), default=UNSTATED_WAIT_S[status])
            wait_s = max(wait_s, LEAST_WAIT_S)
            self.orders.on_limited(wait_s, self._clock.mono_ns())
            return wait_s
        if wait_s is None and refusal is not None and refusal.until_ns is not None:
            wait_s = min(max(0.0, (refusal.until_ns - self._clock.wall_ns()) / SECOND_NS), MAX_RETRY_AFTER_S)
        if wait_s is None:
            wait_s = self._venue.hold_s.get(status, UNSTATED_WAIT_S[status])
        return self._hold(status, wait_s)

    def _is_of_orders(self, refusal: Refusal | None) -> bool:
        codes = self._trading.order_limit_codes if self._trading is not None else frozenset[int]()
        return refusal is not None and refusal.code in codes

    def _judge(self, what: str, response: httpx.Response, body: bytes) -> bytes:
        venue, status, refusal = self._venue.name, response.status_code, self._refusal(response, body)
        wait_s = self._limited(status, refusal, self._stated_s(response))
        if wait_s is not None:
            words = refusal.text if refusal is not None else body[:200].decode(errors="replace")
            raise RateLimited(venue, what, status, words, wait_s)
        if refusal is not None:
            raise VenueRefused(venue, what, status, refusal.code, refusal.text)
        if status != 200:
            raise Unreachable(venue, what, f"HTTP {status}: {body[:120]!r}")
        if body.lstrip()[:1] not in (b"{", b"["):
            raise Unreachable(venue, what, f"not JSON: {body[:120]!r}")
        return body


class _Banned(Exception):
    """The venue has banned this address: nothing may even be tried."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(wait_s)
        self.wait_s = wait_s


class _TooLong(Exception):
    """A body without an end in sight."""


async def _read(response: httpx.Response) -> bytes:
    body = bytearray()
    async for part in response.aiter_bytes():
        body += part
        if len(body) > MAX_BODY:
            raise _TooLong
    return bytes(body)


def _count(response: httpx.Response, header: str) -> int | None:
    """Read a header that counts; None where it is absent or no number."""
    value = response.headers.get(header, "")
    return int(value[:9]) if value.isascii() and value.isdecimal() else None


async def fetch_info(venue: PublicVenue, http: VenueHttp) -> ExchangeInfo:
    """Fetch instruments, page by page, and limits, and let the budgets keep the limits that the venue states.

    Raises as `VenueHttp.get` does, and MalformedMessage.
    """
    info = venue.decode_info(await http.get(venue.info_request()))
    for _ in range(MOST_PAGES):
        if not info.next_page:
            break
        more = venue.decode_info(await http.get(venue.info_request(info.next_page)))
        info = replace(more, instruments={**info.instruments, **more.instruments})
    http.budget.set_limit(info.weight_limit)
    if http.orders is not None and info.order_limits:
        http.orders.set_limits(info.order_limits)
    return info
