"""REST requests to one host of a venue, within its weight limit: in order, few at a time, none repeated.

A request waits for its turn and for the budget, is sent once, and ends as a body or as one of three errors. Whoever wants
another try asks again: only the caller knows whether the answer is still wanted.
"""

import asyncio
import logging
import ssl
from collections import deque
from types import TracebackType
from typing import Final, Self

import httpx

from marketlink.errors import RateLimited, SettingsError, Unreachable, VenueRefused
from marketlink.run.clock import Clock, SystemClock
from marketlink.run.limits import WeightBudget
from marketlink.run.network import proxy_of, ssl_context, tls_words
from marketlink.run.retry import MAX_RETRY_AFTER_S, retry_after_remark, retry_after_s
from marketlink.times import SECOND_NS
from marketlink.venues.base import ExchangeInfo, Get, PublicVenue

log = logging.getLogger(__name__)

MAX_BODY: Final = 64 * 2**20
LEAST_WAIT_S: Final = 1.0
UNSTATED_WAIT_S: Final = {403: 60.0, 418: 120.0, 429: 60.0}  # where the venue does not say how long


class _Lane:
    """The requests of one urgency: a queue, and how many may be under way."""

    def __init__(self, width: int) -> None:
        self.queue: deque[object] = deque()
        self.free = width


class VenueHttp:
    """A client for one host. Urgent requests have a lane of their own and may use the budget's reserve."""

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
    ) -> None:
        """`tls` is what `ssl_context` makes, by default of the environment.

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
        self._lanes = {False: _Lane(max_concurrent), True: _Lane(max_concurrent)}
        self._changed = asyncio.Event()
        limits = httpx.Limits(max_connections=2 * max_concurrent, max_keepalive_connections=2 * max_concurrent)
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
        lane = self._lanes[urgent]
        await self._turn(request, lane, urgent=urgent)
        try:
            return await self._send(request)
        finally:
            lane.free += 1
            self._wake()

    async def _turn(self, request: Get, lane: _Lane, *, urgent: bool) -> None:
        me = object()
        lane.queue.append(me)
        try:
            while True:
                now_ns = self._clock.mono_ns()
                if banned_ns := self.budget.banned_for_ns(now_ns):
                    raise RateLimited(self._venue.name, request.path, 418, "banned, not sent", banned_ns / SECOND_NS)
                wait_s = 60.0
                if lane.queue[0] is me and lane.free:
                    wait_ns = self.budget.wait_ns(request.weight, now_ns, urgent=urgent)
                    self._tell_if_heavy(request, urgent=urgent)
                    if wait_ns == 0:
                        self.budget.spend(request.weight, now_ns)
                        lane.free -= 1
                        return
                    wait_s = min(wait_s, wait_ns / SECOND_NS)
                changed = self._changed
                try:
                    async with asyncio.timeout(wait_s):
                        await changed.wait()
                except TimeoutError:
                    pass
        finally:
            lane.queue.remove(me)
            self._wake()

    def _tell_if_heavy(self, request: Get, *, urgent: bool) -> None:
        most = self.budget.most(urgent=urgent)
        if request.weight > max(most, self._heavy):
            self._heavy = request.weight
            text = "%s: %s weighs %d, and %s allows %d: each one is sent when nothing else counts any more"
            log.warning(text, self._venue.name, request.path, request.weight, self.budget.limit, most)

    def _wake(self) -> None:
        """Let every waiting request look again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def _send(self, request: Get) -> bytes:
        try:
            async with asyncio.timeout(self._timeout_s):  # of the whole answer: a body may come in drops
                query = dict(request.query) or None
                async with self._client.stream("GET", self._root + request.path, params=query) as response:
                    self._observe(response)
                    body = bytearray()
                    async for part in response.aiter_bytes():
                        body += part
                        if len(body) > MAX_BODY:
                            raise Unreachable(self._venue.name, request.path, f"a body of more than {MAX_BODY} bytes")
        except TimeoutError as error:
            raise Unreachable(self._venue.name, request.path, f"no whole answer in {self._timeout_s:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:  # or what a header can't be made of
            why = tls_words(error, self._root) or f"{type(error).__name__}: {error}"
            raise Unreachable(self._venue.name, request.path, why) from error
        return self._judge(request, response, bytes(body))

    def _observe(self, response: httpx.Response) -> None:
        """Take from the headers what must be known even if the body never comes."""
        now_ns = self._clock.mono_ns()
        used = response.headers.get(self._venue.used_weight_header, "")
        if used.isascii() and used.isdecimal():
            self.budget.observe(int(used[:9]), now_ns)
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

    def _judge(self, request: Get, response: httpx.Response, body: bytes) -> bytes:
        venue, status = self._venue.name, response.status_code
        refusal = self._venue.refusal(body) if status != 200 or len(body) < 1024 else None
        if status in (418, 429) or (status == 403 and refusal is None):
            wall_ns = self._clock.wall_ns()
            stated = response.headers.get("Retry-After")
            wait_s = retry_after_s(stated, wall_ns)
            if (remark := retry_after_remark(stated, wait_s)) is not None:
                log.warning("%s: HTTP %d: %s", venue, status, remark)
            if wait_s is None and refusal is not None and refusal.until_ns is not None:
                wait_s = min(max(0.0, (refusal.until_ns - wall_ns) / SECOND_NS), MAX_RETRY_AFTER_S)
            if wait_s is None:
                wait_s = UNSTATED_WAIT_S[status]
            wait_s = self._hold(status, wait_s)
            words = refusal.text if refusal is not None else body[:200].decode(errors="replace")
            raise RateLimited(venue, request.path, status, words, wait_s)
        if refusal is not None:
            raise VenueRefused(venue, request.path, status, refusal.code, refusal.text)
        if status != 200:
            raise Unreachable(venue, request.path, f"HTTP {status}: {body[:120]!r}")
        if body.lstrip()[:1] not in (b"{", b"["):
            raise Unreachable(venue, request.path, f"not JSON: {body[:120]!r}")
        return body


async def fetch_info(venue: PublicVenue, http: VenueHttp) -> ExchangeInfo:
    """Fetch instruments and limits, and let the budget keep the limit that the venue states.

    Raises as `VenueHttp.get` does, and MalformedMessage.
    """
    info = venue.decode_info(await http.get(venue.info_request()))
    http.budget.set_limit(info.weight_limit)
    return info
