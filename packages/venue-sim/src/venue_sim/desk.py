"""The REST half of the exchange: weights, faults and bodies as values. A depth request that has to wait is a
`Ticket` the shell asks about again."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from random import Random

from venue_sim.auth import sign
from venue_sim.boundaries import Boundary
from venue_sim.config import Fault
from venue_sim.exchange import Exchange
from venue_sim.face import Ask, AskDepth, AskInstruments, AskPing, AskTime, AskWrong, Body
from venue_sim.faults import cut_short
from venue_sim.latency import Latencies
from venue_sim.limits import WeightLimit
from venue_sim.market import BookHistory, BookState
from venue_sim.trade_desk import TradeDesk
from venue_sim.trade_face import ApiWrong, Credentials, PrivateAsk, words_of

_HTML = (
    b"<html>\r\n<head><title>%d %b</title></head>\r\n"
    b"<body>\r\n<center><h1>%d %b</h1></center>\r\n</body>\r\n</html>\r\n"
)
_WORDS = {
    400: b"Bad Request",
    403: b"Forbidden",
    500: b"Internal Server Error",
    502: b"Bad Gateway",
    503: b"Service Unavailable",
    504: b"Gateway Timeout",
}
_DEPTH_TIMES_KEPT = 10_000
_INSTEAD = frozenset({"status", "timeout", "html_body", "empty_body", "error", "hang_up", "late_execution"})
"""Faults that put something else in the answer's place."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. The shell sends it after `delay_s`, or never; with `hang_up` it ends the connection instead (`reset`
    or `eof`). `cut` is a fault that its text has yet to suffer."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = "application/json"
    delay_s: float = 0.0
    never: bool = False
    hang_up: str = ""
    cut: Fault | None = None


@dataclass(slots=True)
class Ticket:
    """A depth request on its way."""

    path: str
    symbol: str
    limit: int
    used: int
    fault: Fault | None
    boundary: Boundary | None = None


@dataclass(frozen=True, slots=True)
class DepthRequest:
    """What `/sim/state` tells about one depth request: when (epoch seconds), how much was asked and which id was
    answered."""

    at_s: float
    limit: int
    status: int
    last_id: int | None


class Desk:
    """Answers REST requests out of an `Exchange`. `epoch_s` is the machine's wall clock, `now_ns` its monotonic
    one. With `inside`, snapshots carry an id within the last update sent instead of that update's last one."""

    def __init__(
        self,
        exchange: Exchange,
        *,
        weight_per_minute: int = 2400,
        patience: int = 10,
        ban_s: int = 120,
        inside: bool = False,
        trade: TradeDesk | None = None,
        private_per_minute: int | None = None,
    ) -> None:
        """`private_per_minute`: the weight of private requests where they have a host of their own; by default the exchange's."""
        self._exchange = exchange
        self._face = exchange.face.rest
        self.trade = trade
        self._per_minute = weight_per_minute
        self._patience = patience
        self._ban_s = ban_s
        self._inside = inside
        self._weights: dict[tuple[str, bool], WeightLimit] = {}
        self._private_per_minute = private_per_minute
        if private_per_minute is None and trade is not None:
            self._private_per_minute = trade.face.weight_per_minute
        self.requests: Counter[str] = Counter()
        self.depth_requests: dict[str, deque[DepthRequest]] = {}

    @property
    def latencies(self) -> Latencies:
        """How long private requests and answers travel."""
        return self._exchange.private.latencies

    def is_private(self, method: str, path: str) -> bool:
        """True for a path of the private side."""
        return self.trade is not None and self.trade.parse(method, path, {}) is not None

    @property
    def peak_weight(self) -> int:
        """The most weight any address used in one minute."""
        return max((limit.peak for limit in self._weights.values()), default=0)

    def ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        client: str,
        now_ns: int,
        epoch_s: float,
        who: Credentials | None = None,
    ) -> Reply | Ticket:
        """Answer a request, or hand out a ticket for `poll`."""
        answer = self._ask(method, path, query, client, now_ns, epoch_s, who)
        return answer if isinstance(answer, Ticket) else self._cut(answer)

    def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        client: str,
        now_ns: int,
        epoch_s: float,
        who: Credentials | None,
        connection: int | None = None,
    ) -> Reply | Ticket:
        symbol = query.get("symbol", "").lower() or None
        question = self._face.parse(method, path, query, self._exchange.market.books)
        private = None
        if self.trade is not None and who is not None and isinstance(question, AskWrong):
            private = self.trade.parse(method, path, who.parameters)
        depth = isinstance(question, AskDepth)
        words = () if private is None else words_of(private.what)
        symbol = symbol or (None if who is None else who.parameters.get("symbol", "").lower() or None)
        now_s = self._exchange.market_s(now_ns)
        armed = self._exchange.script.on_request(path, symbol, now_s, depth=depth, words=words)
        fault = armed.fault if armed else None
        limit = self._limit(client, private is not None)
        verdict = limit.charge(epoch_s, question.weight if private is None else private.weight)
        answer: Reply | Ticket
        if fault is not None and fault.kind in _INSTEAD:
            if verdict.status == 200 and self.trade and private and who:
                if fault.kind == "late_execution":
                    self.trade.later(now_ns + int((fault.delay_s or 0.0) * 1e9), private, who)
                elif fault.executed:
                    self._carry_out(self.trade, private, who, symbol, now_ns, epoch_s, connection)
            if fault.status == 429 and fault.for_s is not None:
                limit.close(epoch_s + fault.for_s)
            answer = self._faulty(fault, epoch_s, limit.per_minute)
        elif verdict.status != 200:
            answer = _reply(self._too_many(verdict.status, epoch_s, verdict.retry_after_s, limit.per_minute))
        elif self.trade is not None and private is not None and who is not None:
            answer = _reply(self._carry_out(self.trade, private, who, symbol, now_ns, epoch_s, connection))
            if private.orders:
                headers = {**answer.headers, **self.trade.headers(who.key, epoch_s)}
                answer = replace(answer, headers=headers)
        else:
            answer = self._answer(path, question, now_ns, verdict.used, fault)
        if isinstance(answer, Ticket):
            return answer
        if isinstance(question, AskDepth) and question.symbol in self._exchange.market.books:
            self._note_depth(question.symbol, DepthRequest(epoch_s, question.limit, answer.status, None))
        if fault is not None and fault.kind == "slow":
            answer = replace(answer, delay_s=fault.delay_s or 0.0)
        if fault is not None and fault.kind == "cut_body":
            answer = replace(answer, cut=fault)
        return self._note(path, answer, verdict.used)

    def ask_api(self, text: bytes, client: str, now_ns: int, epoch_s: float, connection: int | None = None) -> Reply:
        """Answer a request that came over the exchange's websocket API, as text for its connection."""
        if self.trade is None:
            return Reply(404, b"", never=True)
        login = self.trade.face.api_login(text, self.trade.keys, self._exchange.exchange_ms(now_ns))
        if login is not None:
            answer, self.trade.logins[client] = login
            return Reply(200, answer)
        request = self.trade.face.parse_api(text)
        if isinstance(request, ApiWrong):
            return Reply(400, request.answer)
        who = Credentials(request.parameters, request.key, request.payload, request.signature)
        if not request.key and (key := self.trade.logins.get(client, "")):  # who has logged in signs nothing more
            who = replace(who, key=key, signature=sign(who.payload, self.trade.keys[key].secret))
            request = replace(request, key=key)
        reply = self._ask(request.method, request.path, request.parameters, client, now_ns, epoch_s, who, connection)
        if isinstance(reply, Ticket):
            return Reply(400, b"", never=True)
        if reply.hang_up:
            return reply
        if not reply.body.startswith((b"{", b"[")):  # a gateway's page or nothing: no websocket carries it
            return Reply(reply.status, b"", never=True)
        if reply.cut is not None and reply.cut.mode == "empty":
            reply = self._cut(reply)
        limit = self._limit(client, True)
        pools = self.trade.pools(request.key, epoch_s)
        body = self.trade.face.api_answer(request.id, Body(reply.status, reply.body), limit.used, pools)
        return self._cut(replace(reply, body=body))

    def _limit(self, client: str, private: bool) -> WeightLimit:
        """The limit of an address at the host that a request is for."""
        apart = private and self._private_per_minute is not None
        per_minute = self._private_per_minute if apart else None
        limit = WeightLimit(per_minute or self._per_minute, self._patience, self._ban_s)
        return self._weights.setdefault((client, apart), limit)

    def poll(self, ticket: Ticket, now_ns: int, epoch_s: float) -> Reply | None:
        """The answer to a depth request, None while the book (or the update it waits for) is not there yet."""
        fault = ticket.fault
        book = self._book_for(ticket, now_ns)
        if book is None:
            return None
        reply = Reply(200, self._face.depth_body(book, ticket.limit))
        if fault is not None and fault.kind == "slow":
            reply = replace(reply, delay_s=fault.delay_s or 0.0)
        if fault is not None and fault.kind == "cut_body":
            reply = self._cut(replace(reply, cut=fault))
        self._note_depth(ticket.symbol, DepthRequest(epoch_s, ticket.limit, 200, book.last_id))
        return self._note(ticket.path, reply, ticket.used)

    def give_up(self, ticket: Ticket, epoch_s: float) -> Reply:
        """The answer when the book did not become known in time."""
        if ticket.boundary is not None:
            self._exchange.boundaries.cancel(ticket.boundary)
        self._note_depth(ticket.symbol, DepthRequest(epoch_s, ticket.limit, 503, None))
        return self._note(ticket.path, _reply(self._face.no_book()), ticket.used)

    def _book_for(self, ticket: Ticket, now_ns: int) -> BookState | None:
        history = self._exchange.market.books[ticket.symbol]
        fault = ticket.fault
        if fault is not None and fault.kind == "stale_snapshot":
            last_id = history.id_before(fault.updates or 100)
            return None if last_id is None else history.at(last_id)
        if fault is not None and fault.kind == "boundary_snapshot":
            if ticket.boundary is None:
                hold_s = 0.25 if fault.for_s is None else fault.for_s
                ticket.boundary = self._exchange.request_boundary(ticket.symbol, fault.mode or "pu", hold_s, now_ns)
            return None if ticket.boundary is None else ticket.boundary.book
        return _inside(history) if self._inside else history.at()

    def _answer(self, path: str, question: Ask, now_ns: int, used: int, fault: Fault | None) -> Reply | Ticket:
        exchange = self._exchange
        match question:
            case AskPing():
                return Reply(200, self._face.ping_body())
            case AskTime():
                return Reply(200, self._face.time_body(exchange.exchange_ms(now_ns)))
            case AskInstruments(first=first, most=most):
                every = list(exchange.market.instruments.values())
                until = len(every) if most is None else first + most
                instruments, next_first = every[first:until], until if until < len(every) else None
                body = self._face.instruments_body(
                    instruments,
                    exchange.exchange_ms(now_ns),
                    self._per_minute,
                    self.trade.limits if self.trade else exchange.face.habits.pools,
                    next_first,
                )
                return Reply(200, body)
            case AskDepth(symbol=symbol, limit=limit, wrong=wrong):
                return Ticket(path, symbol, limit, used, fault) if wrong is None else _reply(wrong)
            case AskWrong(answer=answer):
                return _reply(answer)

    def _too_many(self, status: int, epoch_s: float, retry_after_s: int, per_minute: int) -> Body:
        return self._face.too_many(status, int(epoch_s * 1000), retry_after_s, per_minute)

    def _carry_out(
        self,
        trade: TradeDesk,
        private: PrivateAsk,
        who: Credentials,
        symbol: str | None,
        now_ns: int,
        epoch_s: float,
        connection: int | None,
    ) -> Body:
        self._exchange.carrying_out(words_of(private.what), symbol, now_ns)
        return trade.answer(private, who, now_ns, epoch_s, connection)

    def _faulty(self, fault: Fault, epoch_s: float, per_minute: int) -> Reply:
        if fault.kind == "timeout" or (fault.kind == "late_execution" and fault.mode == "silent"):
            return Reply(504, b"", never=True)
        if fault.kind == "hang_up":
            return Reply(504, b"", hang_up=fault.mode or "reset")
        if fault.kind == "late_execution":
            return _reply(self._face.error(fault.code or -1007, fault.reason or "", fault.status or 408))
        if fault.kind == "empty_body":
            return Reply(200, b"")
        if fault.kind == "error":
            return _reply(self._face.error(fault.code or 0, fault.reason or "", fault.status or 400))
        if fault.kind == "html_body":
            return _html(fault.status or 502)
        status = fault.status or 500
        if status in (418, 429):
            seconds = fault.retry_after_s
            if seconds is None:
                seconds = 120 if status == 418 else int(fault.for_s or 5)
            return _reply(self._too_many(status, epoch_s, seconds, per_minute))
        answer = self._face.fault(status)
        reply = _html(status) if answer is None else _reply(answer)
        headers = {} if fault.retry_after_s is None else {"Retry-After": str(fault.retry_after_s)}
        return replace(reply, headers={**reply.headers, **headers})

    def _cut(self, reply: Reply) -> Reply:
        fault = reply.cut
        if fault is None or not reply.body:
            return reply
        random = Random(f"{fault.seed}/{self.requests.total()}")
        return replace(reply, body=cut_short(reply.body, fault.mode or "truncate", random), cut=None)

    def _note(self, path: str, reply: Reply, used: int) -> Reply:
        self.requests[f"{path} {'never' if reply.never or reply.hang_up else reply.status}"] += 1
        return replace(reply, headers={**reply.headers, **self._face.usage_headers(used)})

    def _note_depth(self, symbol: str, request: DepthRequest) -> None:
        self.depth_requests.setdefault(symbol, deque(maxlen=_DEPTH_TIMES_KEPT)).append(request)


def _inside(history: BookHistory) -> BookState | None:
    """The book now, its id moved into the last update (`U <= L < u`); None while no update with room for that was
    sent. Quantities are absolute, so applying that update again changes nothing."""
    book = history.at()
    first_id = None if book is None else history.first_id_of(book.last_id)
    if book is None or first_id is None or first_id == book.last_id:
        return None
    return replace(book, last_id=(first_id + book.last_id) // 2)


def _reply(body: Body) -> Reply:
    return Reply(body.status, body.body, body.headers)


def _html(status: int) -> Reply:
    word = _WORDS.get(status, b"Error")
    return Reply(status, _HTML % (status, word, status, word), media_type="text/html")
