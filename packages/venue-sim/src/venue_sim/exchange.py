"""The exchange between a market and its clients: routes, subscriptions, delivery, faults. Sans-I/O: values in,
effects out, time as an argument.

`pump` is the only place where frames leave the market, and what it returns is written before anything else runs; so
a book read between two pumps is exactly the book after the depth updates sent so far.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from venue_sim.boundaries import Boundaries, Boundary
from venue_sim.config import CONNECTION_KINDS
from venue_sim.delivery import deliver_hurt, send_behind_held
from venue_sim.face import (
    Answered,
    Face,
    ListSubscriptions,
    Packet,
    Private,
    Property,
    Route,
    StreamName,
    Subscribe,
    Unsubscribe,
    WrongRequest,
    packet_of,
    stream_of,
    streams_of,
    update_of,
)
from venue_sim.faults import Armed, FaultScript, meant_for
from venue_sim.limits import SlidingLimit
from venue_sim.links import Close, Effect, Eof, Link, LinkState, Ping, Reset
from venue_sim.market import DEPTH, Frame, Market
from venue_sim.merge import DepthMerger
from venue_sim.orders import Push
from venue_sim.private_side import PrivateSide
from venue_sim.timeline import Phase, Timeline
from venue_sim.trade_face import PushText, StreamSays, TradeFace
from venue_sim.trading import Trading
from venue_sim.views import Views

_FOREVER_NS = 1 << 62
_NOTHING = frozenset({""})
"""Wants no event yet."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The exchange's numbers that a run may change; 0 switches a limit off.

    The market begins at the first subscription to one of its streams, or, with `wait_for`, when all of those have a
    listener.
    """

    start_on_subscribe: bool = True
    wait_for: frozenset[str] = frozenset()
    ping_interval_s: float = 180.0
    pong_timeout_s: float = 600.0
    connection_age_s: float = 86_400.0
    messages_per_s: int = 10
    user_stream_form: str = "any"


class Exchange:
    """All state of the simulated exchange except sockets and the REST desk. Every `now_ns` is the machine's
    monotonic clock."""

    def __init__(self, market: Market, timeline: Timeline, script: FaultScript, rules: Rules, face: Face) -> None:
        self.market = market
        self.face = face
        self.streams = streams_of(face, market.topics) | market.recorded_streams
        self.timeline = timeline
        self.script = script
        self.rules = rules
        self.links: dict[int, Link] = {}
        self.position = 0
        self.sent: Counter[str] = Counter()
        self.last_sent_id: dict[str, int] = {}
        self.opened = 0
        self._listeners: dict[str, list[Link]] = {}
        self._mergers: dict[str, dict[str, tuple[str, DepthMerger]]] = {}
        self._withheld: list[Frame] = []
        self.boundaries = Boundaries()
        self._leaving: list[tuple[int, int, int, str]] = []
        self._pending: list[Effect] = []
        self.clock_offset_ms = 0
        self.views = Views(face.messages, market.books)
        self.private = PrivateSide(market, face, self.links, script, self.sent)

    @property
    def done(self) -> bool:
        """True when the market has no more frames."""
        return self.market.next_due_ns() is None and not self._withheld

    @property
    def held(self) -> bool:
        """True while a boundary snapshot keeps delivery back."""
        return bool(self._withheld)

    def market_s(self, now_ns: int) -> float:
        """Seconds of market time, what `at_s` of a fault counts in."""
        return self.timeline.position_ns(now_ns) / 1e9

    def exchange_ms(self, now_ns: int) -> int:
        """The exchange's wall time in ms: the market's, and by how much its clock was set wrong."""
        position_ms = self.timeline.position_ns(now_ns) // 1_000_000
        return self.market.exchange_start_ms + position_ms + self.clock_offset_ms

    def open(self, connection: int, route: Route, now_ns: int) -> list[Effect]:
        """Take a new connection with the streams its address names."""
        self.opened += 1
        limit = SlidingLimit(self.rules.messages_per_s, 1.0)
        private = route.private
        if private is not None and self.rules.user_stream_form not in ("any", private.form):
            private = None  # acknowledged and silent, as a stream on the wrong path
        link = Link(connection, route.category, route.combined, now_ns, limit, private, route.api, route.rewrite)
        link.last_ping_ns = now_ns
        self.links[connection] = link
        self._subscribe(link, route.streams, now_ns)
        return []

    def closed(self, connection: int) -> None:
        """Forget a connection that is gone."""
        link = self.links.pop(connection, None)
        if link is not None:
            self._unlist(link, list(link.streams))
            link.state = LinkState.GONE
            if link.api and link.private is not None:  # its stream ends with it
                for key in link.private.keys:
                    self.private.keys.pop(key, None)

    def on_text(self, connection: int, text: bytes, now_ns: int) -> list[Effect]:
        """Answer a client's request."""
        link = self.links.get(connection)
        if link is None:
            return []
        refused = self.on_message(connection, now_ns)
        if refused:
            return refused
        if link.private is not None and self.private.face is not None:
            says = self.private.face.on_stream(text, self.private.secrets, self.exchange_ms(now_ns))
            if says is not None:
                return self._said(link, says)
        request = self.face.talk.parse_request(text)
        match request:
            case Subscribe(id=request_id, streams=streams):
                if len(link.streams | dict.fromkeys(streams)) > self.face.talk.most_streams:
                    link.send(self.face.talk.too_many_streams_answer(request_id))
                    return link.flush()
                link.send(self.face.talk.result_answer(None, request_id, request))
                self._subscribe(link, streams, now_ns)
            case Unsubscribe(id=request_id, streams=streams):
                self._unlist(link, streams)
                for stream in streams:
                    link.streams.pop(stream, None)
                link.send(self.face.talk.result_answer(None, request_id, request))
            case ListSubscriptions(id=request_id):
                link.send(self.face.talk.result_answer(list(link.streams), request_id, request))
            case Property(id=request_id, value=value):
                link.combined = link.combined if value is None else value
                result = link.combined if value is None else None
                link.send(self.face.talk.result_answer(result, request_id, request))
            case WrongRequest(answer=answer) | Answered(answer=answer):
                link.send(answer)
        return link.flush()

    def _said(self, link: Link, says: StreamSays) -> list[Effect]:
        """Carry out what a client said on an account's stream: a login, which events it wants."""
        assert link.private is not None
        if says.account is not None:
            key = f"login of {says.account}"
            self.private.keys[key] = says.account
            link.private = Private((key,), _NOTHING, link.private.form)
        if says.events is not None:
            link.private = Private(
                link.private.keys, says.events | (link.private.events or _NOTHING), link.private.form
            )
        link.send(says.answer)
        return link.flush()

    def on_message(self, connection: int, now_ns: int) -> list[Effect]:
        """Count an incoming message of any kind (pings and pongs too); one too many a second ends the connection."""
        link = self.links.get(connection)
        if link is None or link.messages.allow(now_ns / 1e9):
            return []
        return self._end(link, Close(connection, 1008, "Too many requests"))

    def is_api(self, connection: int) -> bool:
        """True for a connection that takes private requests."""
        link = self.links.get(connection)
        return link is not None and link.api

    def log_on(self, connection: int, account: str) -> None:
        """Let what a connection asks without a key be asked by an account."""
        link = self.links.get(connection)
        if link is not None:
            link.session = account

    def session(self, connection: int) -> str | None:
        """The account a connection has logged on to."""
        link = self.links.get(connection)
        return None if link is None else link.session

    def subscribe_private(self, connection: int, key: str) -> None:
        """Send a connection the events of a key from now on."""
        link = self.links.get(connection)
        if link is not None:
            link.private = Private((key,), None, "api")

    def send(self, connection: int, text: bytes) -> list[Effect]:
        """Send a connection the answer to its request, unless it is gone."""
        link = self.links.get(connection)
        if link is None:
            return []
        link.send(text)
        return link.flush()

    def let_trade(self, trading: Trading, face: TradeFace) -> None:
        """Let accounts trade on the market: every frame that leaves it reaches their books first."""
        self.private.trading, self.private.face = trading, face

    def look_at_books(self, now_ns: int) -> None:
        """Show the trading the true books it has not seen."""
        self.push(self.private.look_at_all(self.exchange_ms(now_ns)), now_ns)

    def push(self, pushes: Iterable[Push], now_ns: int) -> None:
        """Tell the owners of accounts; what is queued goes out with the next effects."""
        for text, keys in self.private.texts(pushes):
            self._tell(text, keys, now_ns)

    def end_key(self, key: str, text: PushText, now_ns: int) -> None:
        """Say on an account's stream that its key has ended, and be silent on it."""
        self._tell(text, [key], now_ns)
        self.private.keys.pop(key, None)

    def carrying_out(self, words: Sequence[str], symbol: str | None, now_ns: int) -> None:
        """Strike connections by faults that wait for such a private request: it is carried out next, its answer and
        its events find them as they are then."""
        for armed in self.script.on_carrying_out(words, symbol, self.market_s(now_ns)):
            self._pending += self._strike(armed, now_ns, note=True)

    def break_off(self, connection: int, mode: str) -> list[Effect]:
        """End a connection instead of answering its request."""
        link = self.links.get(connection)
        if link is None:
            return []
        return self._end(link, Reset(connection) if mode == "reset" else Eof(connection))

    def flush(self) -> list[Effect]:
        """What is queued for connections."""
        return self._flush()

    def on_pong(self, connection: int, payload: bytes | None = None) -> None:
        """Note that a client answered a ping; a pong with another payload than a ping's answers none."""
        link = self.links.get(connection)
        if link is not None and (payload is None or payload in link.pings):
            link.pings.clear()
            link.unanswered_ping_ns = None

    def is_stalled(self, connection: int) -> bool:
        """True while a connection must hear nothing at all, not even pongs."""
        link = self.links.get(connection)
        return link is not None and link.state is LinkState.STALLED

    def next_due_ns(self, now_ns: int) -> int | None:
        """Machine time when `pump` has something to do, None when nothing is to come or the clock stands."""
        if self.timeline.phase is not Phase.RUNNING or self._unheard:
            return None
        due_ns = self.market.next_due_ns()
        if self._withheld:
            return self.boundaries.hold_until_ns
        if due_ns is None:
            return None
        return max(self.boundaries.hold_until_ns, now_ns + int(self.timeline.wait_s(due_ns, now_ns) * 1e9))

    def pump(self, now_ns: int, limit: int) -> list[Effect]:
        """Let the frames that are due leave the market, at most `limit`, and deliver them."""
        if self.timeline.phase is not Phase.RUNNING or now_ns < self.boundaries.hold_until_ns or self._unheard:
            return []
        return self._move(self.timeline.due_by(now_ns), limit, now_ns)

    def advance(self, frames: int, now_ns: int) -> list[Effect]:
        """Let that many frames go, due or not: how a paused market is stepped."""
        self.boundaries.hold_until_ns = 0
        return self._move(None, frames, now_ns)

    def tick(self, now_ns: int) -> list[Effect]:
        """Carry out what time alone causes: faults, stalls that end, pings, pongs that are missing, connections
        that are too old."""
        effects: list[Effect] = []
        if self.timeline.started:
            for armed in self.script.due(self.market_s(now_ns)):
                effects += self._strike(armed, now_ns, note=True)
        for at_ns, connection, code, reason in [entry for entry in self._leaving if entry[0] <= now_ns]:
            self._leaving.remove((at_ns, connection, code, reason))
            if connection in self.links:
                effects += self._end(self.links[connection], Close(connection, code, reason))
        for link in list(self.links.values()):
            link.wake(now_ns)
            link.arrive(now_ns)
            effects += link.flush()
            effects += self._keep_alive(link, now_ns)
        for source in self._mergers:
            self._merge(source, _FOREVER_NS if self.done else self.timeline.position_ns(now_ns), now_ns)
        effects += self._show(self.timeline.position_ns(now_ns), now_ns)
        return effects + self._flush()

    def request_boundary(self, symbol: str, mode: str, for_s: float, now_ns: int) -> Boundary | None:
        """Arrange a snapshot at an update's edge; see `Boundaries.request`."""
        return self.boundaries.request(symbol, mode, for_s, self.market.books[symbol].at(), now_ns)

    @property
    def _unheard(self) -> bool:
        """True when an unpaced market begun by a subscription has no listener, so no reader to keep pace with."""
        return self.timeline.unpaced and self.rules.start_on_subscribe and not any(self._listeners.values())

    @property
    def _one_by_one(self) -> bool:
        """True when the true book must not be ahead of the frame that is sent."""
        trading = self.private.trading is not None
        return bool(self.boundaries.waiting) or self.script.watches_frames or trading or self.views.in_use

    def _move(self, until_ns: int | None, limit: int, now_ns: int) -> list[Effect]:
        extra: list[Effect] = []
        withheld, self._withheld = self._withheld, []
        for frame in withheld:
            extra += self._send(frame, now_ns)
        left = limit
        while left > 0:
            frames = self.market.take(until_ns, 1 if self._one_by_one else left)
            if not frames:
                break
            left -= len(frames)
            self.timeline.reached(frames[-1].due_ns, now_ns)
            if self.boundaries.waiting and self._reach_boundary(frames[-1], now_ns):
                self._withheld = frames
                break
            for frame in frames:
                extra += self._send(frame, now_ns)
        if self.done:
            self._release_swapped()
        return extra + self._flush()

    def _reach_boundary(self, frame: Frame, now_ns: int) -> bool:
        if frame.kind != DEPTH or not self.boundaries.awaits(frame.symbol):
            return False
        history = self.market.books[frame.symbol]
        book = history.at() if history.last_id == frame.last_id else None
        if book is None:
            return False
        self.boundaries.reach(frame.symbol, book, update_of(self.face, frame).first_id, now_ns)
        return True

    def _send(self, frame: Frame, now_ns: int) -> list[Effect]:
        self.position += 1
        if self.private.trading is not None:
            self.push(self.private.on_frame(frame, self.exchange_ms(now_ns)), now_ns)
        stream = stream_of(self.face, frame)
        if frame.raw is None and self.views.covers(stream):  # what is shown of the book is made of the book
            if frame.kind != DEPTH:
                return []
            self.last_sent_id[frame.symbol] = max(frame.last_id, self.last_sent_id.get(frame.symbol, 0))
            self.views.touch(frame.symbol)
            return self._show(frame.due_ns, now_ns)
        mergers = self._mergers.get(stream)
        if mergers:
            self._merge(stream, frame.due_ns, now_ns)
            update = update_of(self.face, frame)
            for _, merger in mergers.values():
                merger.add(frame.due_ns, update)
        self.sent[stream] += 1
        if frame.kind == DEPTH:
            self.last_sent_id[frame.symbol] = max(frame.last_id, self.last_sent_id.get(frame.symbol, 0))
        if not self.script.watches_frames and not self._listeners.get(stream):
            return []
        return self._deliver(packet_of(self.face, frame), now_ns)

    def _show(self, position_ns: int, now_ns: int) -> list[Effect]:
        """Deliver what streams of the best levels show by now."""
        effects: list[Effect] = []
        listened = lambda stream: bool(self._listeners.get(stream))  # noqa: E731
        for packet in self.views.flush(position_ns, self.exchange_ms(now_ns), listened):
            self.sent[packet.stream] += 1
            effects += self._deliver(packet, now_ns)
        return effects

    def _tell(self, text: PushText, keys: list[str], now_ns: int) -> None:
        """Deliver an event of accounts and strike the connections by the faults it fires."""
        for hit in self.private.deliver(text, keys, now_ns, self.market_s(now_ns)):
            if hit.fault.kind in CONNECTION_KINDS:
                owners = [link for link in self.links.values() if link.private and set(keys) & {*link.private.keys}]
                self._pending += self._strike(hit, now_ns, note=False, links=owners)

    def _merge(self, source: str, until_ns: int, now_ns: int) -> None:
        """Deliver the slower updates made of `source` whose windows are over."""
        for stream, (symbol, merger) in self._mergers[source].items():
            update = merger.flush(until_ns)
            if update is not None:
                self.sent[stream] += 1
                self.last_sent_id[symbol] = max(update.last_id, self.last_sent_id.get(symbol, 0))
                self._deliver(self.face.messages.render(symbol, update, stream), now_ns)

    def _deliver(self, packet: Packet, now_ns: int) -> list[Effect]:
        listeners = self._listeners.get(packet.stream, ())
        hits = self.script.on_packet(packet, self.market_s(now_ns)) if self.script.watches_frames else []
        if not hits:
            for link in listeners:
                payload = packet.wrapped if link.combined else packet.data
                if link.swapped:
                    send_behind_held(link, packet.stream, [payload])
                else:
                    link.send(payload)
            return []
        for link in listeners:
            deliver_hurt(link, packet, [hit for hit in hits if hit.fault.connection in (None, link.id)], now_ns)
        effects: list[Effect] = []
        for hit in hits:
            effects += self._strike(hit, now_ns, note=False)
        return effects

    def _release_swapped(self) -> None:
        """A message held for its successor goes out when the market ends without one."""
        for link in self.links.values():
            for stream in list(link.swapped):
                link.send(link.swapped.pop(stream))

    def _flush(self) -> list[Effect]:
        struck, self._pending = self._pending, []
        return struck + [effect for link in self.links.values() if link.out for effect in link.flush()]

    def _subscribe(self, link: Link, streams: Iterable[str], now_ns: int) -> None:
        for stream in streams:
            if stream in link.streams:
                continue
            link.streams[stream] = None
            if not self.face.talk.delivers(link.category, stream):
                continue
            self._listeners.setdefault(stream, []).append(link)
            shown = stream not in self.market.recorded_streams and self.views.covers(stream)
            if shown:
                first = self.views.open(stream, self.timeline.position_ns(now_ns), self.exchange_ms(now_ns))
                if first is not None:
                    link.send(first.wrapped if link.combined else first.data)
            produced = shown or stream in self.streams or self._merge_into(stream)
            if produced and self.rules.start_on_subscribe and all(map(self._listeners.get, self.rules.wait_for)):
                self.timeline.start(now_ns)

    def _merge_into(self, stream: str) -> bool:
        slower = self.face.messages.slower(stream)
        if slower is None or slower.source not in self.streams:
            return False
        mergers = self._mergers.setdefault(slower.source, {})
        if stream not in mergers:
            mergers[stream] = (slower.symbol, DepthMerger(slower.width_ms))
        return True

    def _unlist(self, link: Link, streams: Iterable[str]) -> None:
        for stream in streams:
            listeners = self._listeners.get(stream, [])
            if link in listeners:
                listeners.remove(link)
            link.swapped.pop(stream, None)

    def _end(self, link: Link, effect: Effect) -> list[Effect]:
        effects = link.flush()
        self.closed(link.id)
        return [*effects, effect]

    def _strike(self, armed: Armed, now_ns: int, *, note: bool, links: list[Link] | None = None) -> list[Effect]:
        """Carry out a connection fault on the connections it is meant for, or those of `links` that are."""
        fault = armed.fault
        if fault.kind == "listen_key_expired":
            self._end_keys(armed, now_ns)
            return []
        if fault.kind == "books_restart":
            self.script.note(armed, self.market_s(now_ns), "streams of the best levels")
            for packet in self.views.restart(self.timeline.position_ns(now_ns), self.exchange_ms(now_ns)):
                for link in self._listeners.get(packet.stream, ()):
                    link.send(packet.wrapped if link.combined else packet.data)
            return []
        if links is None:
            targets = [link for link in self.links.values() if meant_for(fault, link.id, self._names(link))]
        else:
            targets = [link for link in links if fault.connection in (None, link.id)]
        if note:
            hit = ", ".join(f"connection {link.id}" for link in targets) or "no connection"
            self.script.note(armed, self.market_s(now_ns), hit)
        effects: list[Effect] = []
        until_ns = None if fault.for_s is None else now_ns + int(fault.for_s * 1e9)
        for link in targets:
            match fault.kind:
                case "eof":
                    effects += self._end(link, Eof(link.id))
                case "reset":
                    effects += self._end(link, Reset(link.id))
                case "close":
                    effects += self._end(link, Close(link.id, fault.code or 1001, fault.reason or ""))
                case "disconnect_24h":
                    effects += self._end(link, Close(link.id, fault.code or 1001, fault.reason or "24 hours"))
                case "stall":
                    effects += link.flush()
                    link.stall(until_ns, fault.mode == "delay")
                case "no_pings":
                    link.silent_pings_until_ns = until_ns
                case "server_shutdown":
                    if event := self.face.talk.shutdown_event(self.exchange_ms(now_ns)):
                        link.send(event)
                    effects += link.flush()
                    at_ns = now_ns + int((10.0 if fault.delay_s is None else fault.delay_s) * 1e9)
                    self._leaving.append((at_ns, link.id, fault.code or 1001, fault.reason or "server shutdown"))
        return effects

    def _names(self, link: Link) -> list[StreamName]:
        """What a fault may name a connection's streams by; an account's stream is called `private`."""
        private = [StreamName("", "private", ("private",))] if link.private is not None else []
        if link.api:
            private.append(StreamName("", "api", ("api",)))
        return private + [self.face.messages.read_stream(stream) for stream in link.streams]

    def _end_keys(self, armed: Armed, now_ns: int) -> None:
        """End every account's stream: its key has expired."""
        keys, face = list(self.private.keys), self.private.face
        self.script.note(armed, self.market_s(now_ns), f"{len(keys)} keys")
        if face is None:
            return
        for key in keys:
            text = face.key_expired(key, self.exchange_ms(now_ns))
            if armed.fault.mode == "twice":
                self._tell(text, [key], now_ns)
            self.end_key(key, text, now_ns)

    def next_late_ns(self) -> int | None:
        """When the next message that is on its way is due."""
        return min((entry[0] for link in self.links.values() for entry in link.on_the_way), default=None)

    def _keep_alive(self, link: Link, now_ns: int) -> list[Effect]:
        rules = self.rules
        if link.state is not LinkState.OPEN or link.id not in self.links:
            return []
        if rules.connection_age_s and now_ns - link.opened_ns >= rules.connection_age_s * 1e9:
            return self._end(link, Close(link.id, 1001, "24 hours"))
        unanswered_ns = link.unanswered_ping_ns
        if rules.pong_timeout_s and unanswered_ns is not None and now_ns - unanswered_ns >= rules.pong_timeout_s * 1e9:
            return self._end(link, Close(link.id, 1008, "Pong timeout"))
        silent = link.silent_pings_until_ns is None or now_ns < link.silent_pings_until_ns
        if silent or not rules.ping_interval_s or now_ns - link.last_ping_ns < rules.ping_interval_s * 1e9:
            return []
        link.last_ping_ns = now_ns
        if link.unanswered_ping_ns is None:
            link.unanswered_ping_ns = now_ns
        payload = str(self.exchange_ms(now_ns)).encode()
        link.pings.append(payload)
        return [Ping(link.id, payload)]
