"""The private half of the exchange: who asks is let in, orders are counted and carried out, owners are told. A core:
`now_ns` is the machine's monotonic clock, `epoch_s` its wall clock; time stamps are the exchange's own time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

from venue_sim.auth import Denied, Key, admit
from venue_sim.exchange import Exchange
from venue_sim.face import Body
from venue_sim.filters import Broken
from venue_sim.limits import OrderCounts, OrderPool
from venue_sim.orders import OPEN, ConfigPush, Execution
from venue_sim.trade_face import (
    Cancel,
    CancelAll,
    Countdown,
    Credentials,
    Lower,
    Modify,
    OrderRef,
    Place,
    PrivateAsk,
    QueryAccount,
    QueryBalance,
    QueryHedge,
    QueryOpen,
    QueryOrder,
    QueryPools,
    QueryPositions,
    QueryTrades,
    TradeFace,
    UserStream,
    What,
    Wrong,
)
from venue_sim.trading import Trading

STREAM_LIFE_S = 3600.0


class TradeDesk:
    """Answers private requests out of a `Trading`."""

    def __init__(
        self,
        exchange: Exchange,
        trading: Trading,
        keys: Mapping[str, Key],
        face: TradeFace,
        pools: tuple[OrderPool, ...] | None = None,
    ) -> None:
        """`pools`: limits on the number of orders; by default the exchange's."""
        pools = face.order_pools if pools is None else pools
        self._exchange = exchange
        self.trading = trading
        self.face = face
        self.keys = keys
        self.logins: dict[str, str] = {}  # of the websocket API, by client address: the keys that are logged in
        exchange.private.secrets = keys
        trading.late_rules = face.late_rules
        self.limits = pools
        self.counts = {name: OrderCounts(pools) for name in trading.accounts}
        self._stream_ends_s: dict[str, float] = {}
        self._late: list[tuple[int, PrivateAsk, Credentials]] = []
        self._made = 0

    def parse(self, method: str, path: str, parameters: Mapping[str, str]) -> PrivateAsk | None:
        """Read a request; None when it is no private one."""
        return self.face.parse(method, path, parameters, self.trading.instruments)

    def account_of(self, key: str) -> str | None:
        """The account of an API key."""
        found = self.keys.get(key)
        return None if found is None else found.account

    def answer(
        self, ask: PrivateAsk, who: Credentials, now_ns: int, epoch_s: float, connection: int | None = None
    ) -> Body:
        """Carry a request out; what owners are told goes into their streams. `connection` is the one it came over."""
        now_ms = self._exchange.exchange_ms(now_ns)
        if isinstance(ask.what, UserStream) and ask.what.what in ("logon", "subscribe", "unsubscribe"):
            return self._stream_here(ask.what, who, connection, now_ms)
        if isinstance(ask.what, UserStream):
            account = self.account_of(who.key)
            if account is None:
                return self.face.denied(Denied.UNKNOWN_KEY if who.key else Denied.NO_KEY)
            return self._stream(ask.what, account, epoch_s)
        admitted = admit(self.keys, who.key, who.parameters, who.payload, who.signature, now_ms)
        if isinstance(admitted, Denied):
            return self.face.denied(admitted)
        if isinstance(ask.what, Wrong):
            return ask.what.answer
        if ask.orders:
            full = self.counts[admitted].charge(epoch_s)
            if full is not None:
                return self.face.too_many_orders(full)
        self._exchange.look_at_books(now_ns)
        return self._do(ask.what, admitted, now_ms, now_ns)

    def later(self, at_ns: int, ask: PrivateAsk, who: Credentials) -> None:
        """Carry a request out at that time; its answer reaches nobody."""
        self._late.append((at_ns, ask, who))

    def due(self, now_ns: int, epoch_s: float) -> None:
        """Carry out what time alone causes: requests that were late, countdowns, and streams nobody prolonged."""
        late = sorted((entry for entry in self._late if entry[0] <= now_ns), key=lambda entry: entry[0])
        self._late = [entry for entry in self._late if entry[0] > now_ns]
        for _, ask, who in late:
            self.answer(ask, who, now_ns, epoch_s)
        now_ms = self._exchange.exchange_ms(now_ns)
        self._exchange.push(self.trading.due(now_ms), now_ns)
        for key, ends_s in list(self._stream_ends_s.items()):
            if key not in self._exchange.private.keys:
                del self._stream_ends_s[key]
            elif epoch_s >= ends_s:
                self.end_stream(key, now_ns)

    def end_stream(self, key: str, now_ns: int) -> None:
        """End a stream as if nobody had prolonged it: it says so and is silent from then on."""
        self._stream_ends_s.pop(key, None)
        self._exchange.end_key(key, self.face.key_expired(key, self._exchange.exchange_ms(now_ns)), now_ns)

    def funding(self, symbol: str, rate: Fraction, now_ns: int) -> None:
        """Let open positions of a symbol pay funding now."""
        self._exchange.look_at_books(now_ns)
        self._exchange.push(self.trading.funding(symbol, rate, self._exchange.exchange_ms(now_ns)), now_ns)

    def liquidate(self, account: str, symbol: str, now_ns: int, *, deleverage: bool = False) -> None:
        """Close an account's position as the exchange does when its margin is gone, or another's (`deleverage`)."""
        self._exchange.look_at_books(now_ns)
        client_id = self.face.liquidation_id(self.trading.liquidations + 1, deleverage=deleverage)
        now_ms = self._exchange.exchange_ms(now_ns)
        self._exchange.push(self.trading.liquidate(account, symbol, client_id, now_ms), now_ns)

    def set_hedge(self, account: str, on: bool, now_ns: int) -> None:
        """Let an account keep positions in two ways, or in one; it is told when that is new."""
        if on != (account in self.trading.hedged):
            (self.trading.hedged.add if on else self.trading.hedged.discard)(account)
            self._exchange.push([ConfigPush(account, on, self._exchange.exchange_ms(now_ns))], now_ns)

    def act(self, what: What, account: str, now_ns: int) -> Body:
        """Carry out what the account's owner does elsewhere: by hand, or with another program."""
        if isinstance(what, Wrong):
            return what.answer
        self._exchange.look_at_books(now_ns)
        return self._do(what, account, self._exchange.exchange_ms(now_ns), now_ns)

    @property
    def streams(self) -> dict[str, str]:
        """The accounts of the streams' keys."""
        return dict(self._exchange.private.keys)

    def headers(self, key: str, epoch_s: float) -> Mapping[str, str]:
        """Headers that tell the orders counted."""
        return self.face.pool_headers(self.pools(key, epoch_s))

    def pools(self, key: str, epoch_s: float) -> list[tuple[OrderPool, int]]:
        """The orders counted in each pool; nothing for an unknown key."""
        account = self.account_of(key)
        return [] if account is None else self.counts[account].used(epoch_s)

    def _do(self, what: What, account: str, now_ms: int, now_ns: int) -> Body:
        face, trading, owner = self.face, self.trading, self.trading.accounts[account]
        match what:
            case Place(new=new, whole=whole):
                if not new.client_id:
                    self._made += 1
                    new = replace(new, client_id=f"sim{self._made:018d}")
                state, pushes = trading.place(account, new, now_ms)
                self._exchange.push(pushes, now_ns)
                return face.broken(state) if isinstance(state, Broken) else face.acknowledgement(state, whole=whole)
            case Modify(ref=ref, price=price, quantity=quantity):
                state, pushes = trading.modify(
                    account, ref.symbol, ref.order_id, ref.client_id, price, quantity, now_ms
                )
                self._exchange.push(pushes, now_ns)
                if isinstance(state, Broken):
                    return face.broken(state)
                return face.acknowledgement(state, whole=True, modified=True)
            case Lower(ref=ref, quantity=quantity):
                state, pushes = trading.lower(account, ref.symbol, ref.order_id, ref.client_id, quantity, now_ms)
                self._exchange.push(pushes, now_ns)
                if isinstance(state, Broken):
                    return face.broken(state)
                return face.acknowledgement(state, whole=True, modified=True)
            case Cancel(refs=refs, batch=batch):
                answers = [self._cancel(account, ref, now_ms, now_ns) for ref in refs]
                return face.listed(answers) if batch else answers[0]
            case CancelAll(symbol=symbol):
                ids = [one.id for one in trading.open_orders(account, symbol)]
                self._exchange.push(trading.cancel_all(account, symbol, now_ms), now_ns)
                return face.done_all([trading.orders[number] for number in ids])
            case Countdown(symbol=symbol, after_ms=after_ms):
                trading.countdown(account, symbol, now_ms + after_ms if after_ms else None)
                return face.countdown(symbol, after_ms)
            case QueryOrder(ref=ref, open_only=open_only):
                found = trading.find(account, ref.symbol, ref.order_id, ref.client_id)
                if found is None or (open_only and found.status not in OPEN):
                    return face.no_such_order()
                return face.order(found)
            case QueryOpen(symbol=of_symbol, first=first, most=most):
                every = trading.open_orders(account, of_symbol)
                until = len(every) if most is None else first + most
                return face.orders(every[first:until], until if until < len(every) else None)
            case QueryTrades(first=start):
                executions, more = self._trades(account, what)
                return face.trades(executions, trading.instruments, (start or 0) + what.limit if more else None)
            case QueryPositions(symbol=of_symbol, version=version):
                return face.positions(owner, trading, of_symbol, version, now_ms)
            case QueryAccount(version=version):
                return face.account(owner, trading, version, now_ms)
            case QueryBalance(version=version):
                return face.balance(owner, trading, version, now_ms)
            case QueryHedge(version=version):
                return face.hedge(account in trading.hedged, version)
            case QueryPools():
                return face.pools(self.counts[account].pools)
            case UserStream() | Wrong():
                raise AssertionError("answered before")

    def _cancel(self, account: str, ref: OrderRef, now_ms: int, now_ns: int) -> Body:
        state, pushes = self.trading.cancel(account, ref.symbol, ref.order_id, ref.client_id, now_ms)
        self._exchange.push(pushes, now_ns)
        return self.face.broken(state) if isinstance(state, Broken) else self.face.acknowledgement(state, whole=True)

    def _trades(self, account: str, asked: QueryTrades) -> tuple[list[Execution], bool]:
        found = [
            one
            for one in self.trading.executions
            if (one.account, one.symbol) == (account, asked.symbol)
            and one.id >= (asked.from_id or 0)
            and (asked.start_ms or 0) <= one.at_ms <= (asked.end_ms or 1 << 62)
            and asked.order_id in (None, one.order_id)
        ]
        if asked.first is not None:
            until = asked.first + asked.limit
            return found[::-1][asked.first : until], until < len(found)
        oldest = asked.from_id is not None or asked.start_ms is not None
        return (found[: asked.limit] if oldest else found[-asked.limit :]), False

    def _stream_here(self, asked: UserStream, who: Credentials, connection: int | None, now_ms: int) -> Body:
        """Carry out what concerns the stream of the connection that asks."""
        if connection is None:
            return self.face.no_such_stream()
        account = self._exchange.session(connection)
        if asked.signed:
            admitted = admit(self.keys, who.key, who.parameters, who.payload, who.signature, now_ms)
            if isinstance(admitted, Denied):
                return self.face.denied(admitted)
            account = admitted
        if account is None:
            return self.face.denied(Denied.NO_KEY)
        if asked.what == "logon":
            if not self.keys[who.key].is_public:
                return self.face.denied(Denied.NO_SESSION)
            self._exchange.log_on(connection, account)
            return self.face.logged_on(who.key, now_ms)
        key = f"connection {connection}"
        known = key in self._exchange.private.keys
        if asked.what == "unsubscribe":
            self._exchange.private.keys.pop(key, None)
            return self.face.stream_ended() if known else self.face.no_such_stream()
        if known:
            return self.face.subscribed_already()
        self._exchange.private.keys[key] = account
        self._exchange.subscribe_private(connection, key)
        return self.face.subscribed(0)

    def _stream(self, asked: UserStream, account: str, epoch_s: float) -> Body:
        keys = self._exchange.private.keys
        key = next((key for key, owner in keys.items() if owner == account), None)
        if asked.what == "start" and key is None:
            self._made += 1
            key = hashlib.sha256(f"{account}/{self._made}".encode()).hexdigest()
            keys[key] = account
        if key is None:
            return self.face.no_such_stream()
        if asked.what == "stop":
            del keys[key]
            return self.face.stream_ended()
        self._stream_ends_s[key] = epoch_s + STREAM_LIFE_S
        return self.face.stream_key(key) if asked.what == "start" else self.face.stream_kept(key)
