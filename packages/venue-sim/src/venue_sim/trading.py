"""Orders of accounts on the market of each symbol: filters, margin, matching, fills, positions and what the owner is
told. A core: times are arguments, what happened comes back as pushes in order.

    place --refused--> (nothing was ever there)
    place --> NEW --fill--> PARTIALLY_FILLED --fill--> FILLED
                 \\--cancel, amended to its fill, post-only amended into the market--> CANCELED
                  \\--rest of IOC or market, nothing left to reduce--> EXPIRED
                   \\--self-trade prevention--> EXPIRED_IN_MATCH
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from venue_sim.accounts import AnyAccount, Resting
from venue_sim.filters import Broken, Limits, Rule, check_notional, check_price, check_quantity
from venue_sim.market import BookState, Instrument, Message, Quote, Trade, Update
from venue_sim.matching import BUY, SELL, CancelFrom, End, Ended, Event, Fill, Matching, Order, Rested, Shrunk, Tif
from venue_sim.orders import (
    OPEN,
    AccountPush,
    Decision,
    Did,
    Execution,
    NewOrder,
    OrderPush,
    OrderState,
    Push,
    Status,
)

TRUTH_KEPT = 100_000
_FIRST_ORDER_ID = 8_000_000_000_000
_FIRST_TRADE_ID = 5_000_000_000
_UNLOCKED = (Fraction(0), Fraction(0))


_ENDS = {
    End.CANCELED: (Did.CANCELED, Status.CANCELED),
    End.AMENDED: (Did.CANCELED, Status.CANCELED),
    End.POST: (Did.CANCELED, Status.CANCELED),
    End.IOC: (Did.EXPIRED, Status.EXPIRED),
    End.FOK: (Did.EXPIRED, Status.EXPIRED),
    End.MARKET: (Did.EXPIRED, Status.EXPIRED),
    End.REDUCE_ONLY: (Did.EXPIRED, Status.EXPIRED),
    End.SELF_TRADE: (Did.EXPIRED, Status.EXPIRED_IN_MATCH),
}


class Trading:
    """Every account's orders. `accounts` by name, `instruments` by symbol."""

    def __init__(
        self,
        instruments: Mapping[str, Instrument],
        accounts: Mapping[str, AnyAccount],
        *,
        limits: Limits | None = None,
        cancels: CancelFrom = CancelFrom.PROPORTIONAL,
    ) -> None:
        self.instruments = instruments
        self.accounts = accounts
        self.limits = limits or Limits()
        self.books = {symbol: Matching(cancels) for symbol in instruments}
        self.orders: dict[int, OrderState] = {}
        self.executions: list[Execution] = []
        self.truth: deque[Decision] = deque(maxlen=TRUTH_KEPT)
        self._open: dict[tuple[str, str], int] = {}
        self._by_client_id: dict[tuple[str, str, str], int] = {}
        self._countdowns: dict[tuple[str, str], int] = {}
        self._sizes = {
            symbol: (Decimal(one.tick_size), Decimal(one.step_size), float(one.tick_size), float(one.step_size))
            for symbol, one in instruments.items()
        }
        self._last: dict[str, Fraction] = {}
        self.hedged: set[str] = set()
        self.late_rules: frozenset[Rule] = frozenset()
        """Rules that end an order after it was accepted, instead of refusing it."""
        self.liquidations = 0
        self._quoted: dict[str, int] = {}

    # the market

    def on_book(self, symbol: str, book: BookState, now_ms: int) -> list[Push]:
        """Take a whole book: what is not in it is gone."""
        levels: list[list[tuple[int, int]]] = []
        for side, rows in ((BUY, book.bids), (SELL, book.asks)):
            told = dict(self._levels(symbol, rows))
            gone = [(tick, 0) for tick in self.books[symbol].ticks(side) if tick not in told]
            levels.append(gone + list(told.items()))
        self._quoted[symbol] = book.last_id
        return self._carry_out(symbol, self.books[symbol].on_levels(levels[0], levels[1], book.transact_ms), now_ms)

    def on_message(self, symbol: str, message: Message, now_ms: int) -> list[Push]:
        """Take an update, trade or quote of the market. A quote older than the book changes nothing."""
        book = self.books[symbol]
        match message:
            case Update():
                self._quoted[symbol] = max(message.last_id, self._quoted.get(symbol, 0))
                bids, asks = self._levels(symbol, message.bids), self._levels(symbol, message.asks)
                events = book.on_levels(bids, asks, message.transact_ms)
            case Trade():
                if message.insurance:
                    return []
                self._last[symbol] = Fraction(message.price)
                ((tick, lots),) = self._levels(symbol, [(message.price, message.quantity)])
                events = book.on_print(SELL if message.buyer_is_maker else BUY, tick, lots, message.transact_ms)
            case Quote():
                if message.last_id <= self._quoted.get(symbol, 0):
                    return []
                self._quoted[symbol] = message.last_id
                bid, ask = self._levels(symbol, [message.bid, message.ask])
                events = book.on_best(bid, ask, message.transact_ms)
        return self._carry_out(symbol, events, now_ms)

    def mark(self, symbol: str) -> Fraction | None:
        """The middle of the market's best levels, else the last trade; None when neither is known."""
        bid, ask = self.books[symbol].best(BUY), self.books[symbol].best(SELL)
        if bid is not None and ask is not None:
            return Fraction(bid + ask, 2) * Fraction(self._sizes[symbol][0])
        return self._last.get(symbol)

    def marks(self) -> dict[str, Fraction]:
        """The mark of every symbol that has one."""
        return {symbol: mark for symbol in self.books if (mark := self.mark(symbol)) is not None}

    # what clients ask

    def place(self, account: str, new: NewOrder, now_ms: int) -> tuple[OrderState | Broken, list[Push]]:
        """Take a new order; `Broken` when it is refused, and then nothing was ever there."""
        broken = None if new.liquidation else self._check(account, new)
        if broken is not None:
            return self._refused(account, new, broken, now_ms), []
        order_id = _FIRST_ORDER_ID + len(self.orders)
        tick, step, *_ = self._sizes[new.symbol]
        order = Order(
            order_id,
            account,
            new.side,
            None if new.price is None else int(new.price / tick),
            int(new.quantity / step),
            Tif.IOC if new.price is None else new.tif,
            new.self_trade,
            reduce_only=new.reduce_only,
        )
        events = self.books[new.symbol].place(order)
        refusals = (End.POST,) if self.limits.kills_are_orders else (End.POST, End.FOK)
        if isinstance(events[0], Ended) and events[0].why in refusals:
            rule = Rule.POST_ONLY if events[0].why is End.POST else Rule.FILL_OR_KILL
            if rule in self.late_rules:
                ended = OrderState(order_id, account, new, now_ms, now_ms, status=Status.EXPIRED, why=events[0].why)
                self.orders[order_id] = ended
                self._by_client_id[account, new.symbol, new.client_id] = order_id
                return ended, [OrderPush(account, Did.EXPIRED, ended, None, now_ms)]
            return self._refused(account, new, Broken(rule), now_ms), []
        state = OrderState(order_id, account, new, now_ms, now_ms)
        self._keep(state)
        self._by_client_id[account, new.symbol, new.client_id] = order_id
        pushes: list[Push] = [OrderPush(account, Did.NEW, state, None, now_ms)]
        pushes += [*self._carry_out(new.symbol, events, now_ms), *self._locked(account, new.symbol, now_ms)]
        return self.orders[order_id], pushes

    def cancel(
        self, account: str, symbol: str, order_id: int | None, client_id: str | None, now_ms: int
    ) -> tuple[OrderState | Broken, list[Push]]:
        """End an open order."""
        state = self.find(account, symbol, order_id, client_id)
        if state is None or state.status not in OPEN:
            return Broken(Rule.UNKNOWN_ORDER), []
        pushes = self._carry_out(symbol, self.books[symbol].cancel(state.id), now_ms)
        return self.orders[state.id], pushes

    def modify(
        self,
        account: str,
        symbol: str,
        order_id: int | None,
        client_id: str | None,
        price: Decimal,
        quantity: Decimal,
        now_ms: int,
    ) -> tuple[OrderState | Broken, list[Push]]:
        """Give an open limit order another price and total quantity."""
        state = self.find(account, symbol, order_id, client_id)
        if state is None or state.status not in OPEN:
            return Broken(Rule.NO_SUCH_ORDER), []
        if (price, quantity) == (state.new.price, state.new.quantity):
            return Broken(Rule.NOTHING_TO_MODIFY), []
        if state.changes >= self.limits.changes:
            return Broken(Rule.TOO_MANY_CHANGES), []
        new = replace(state.new, price=price, quantity=quantity)
        broken = self._check(account, new, amended=state)
        if broken is not None:
            return broken, []
        tick, step, *_ = self._sizes[symbol]
        events = self.books[symbol].modify(state.id, int(price / tick), int(quantity / step))
        pushes: list[Push] = []
        if not (isinstance(events[0], Ended) and events[0].why in (End.AMENDED, End.POST)):
            state = replace(state, new=new, updated_ms=now_ms, changes=state.changes + 1)
            self._keep(state)
            pushes.append(OrderPush(account, Did.AMENDMENT, state, None, now_ms))
        pushes += self._carry_out(symbol, events, now_ms)
        return self.orders[state.id], pushes

    def lower(
        self, account: str, symbol: str, order_id: int | None, client_id: str | None, quantity: Decimal, now_ms: int
    ) -> tuple[OrderState | Broken, list[Push]]:
        """Give an open limit order a smaller total quantity; it keeps its place in the queue."""
        state = self.find(account, symbol, order_id, client_id)
        if state is None or state.status not in OPEN:
            return Broken(Rule.NO_SUCH_ORDER), []
        if quantity >= state.new.quantity or quantity <= state.executed:
            return Broken(Rule.NOT_LESS), []
        broken = self._check(account, replace(state.new, quantity=quantity), amended=state)
        if broken is not None:
            return broken, []
        events = self.books[symbol].lower(state.id, int(quantity / self._sizes[symbol][1]))
        pushes = self._carry_out(symbol, events, now_ms)
        return self.orders[state.id], [*pushes, *self._locked(account, symbol, now_ms)]

    def cancel_all(self, account: str, symbol: str, now_ms: int) -> list[Push]:
        """End every open order of an account on a symbol."""
        pushes: list[Push] = []
        for state in self.open_orders(account, symbol):
            pushes += self.cancel(account, symbol, state.id, None, now_ms)[1]
        return pushes

    def countdown(self, account: str, symbol: str, at_ms: int | None) -> None:
        """End every open order of the account on the symbol at that time unless told again before; None: never."""
        self._countdowns.pop((account, symbol), None)
        if at_ms is not None:
            self._countdowns[account, symbol] = at_ms

    def due(self, now_ms: int) -> list[Push]:
        """Carry out the countdowns that have run out."""
        pushes: list[Push] = []
        for (account, symbol), at_ms in list(self._countdowns.items()):
            if now_ms >= at_ms:
                del self._countdowns[account, symbol]
                pushes += self.cancel_all(account, symbol, now_ms)
        return pushes

    # what happens by script

    def funding(self, symbol: str, rate: Fraction, now_ms: int) -> list[Push]:
        """Let every open position of the symbol pay `rate` of its value at the mark. Nothing without a mark."""
        mark = self.mark(symbol)
        if mark is None:
            return []
        pushes: list[Push] = []
        for account in self.accounts.values():
            if account.position(symbol).amount:
                account.funding(symbol, rate, mark)
                pushes.append(self._account_push(account, "FUNDING", symbol, now_ms))
        return pushes

    def liquidate(self, account: str, symbol: str, client_id: str, now_ms: int) -> list[Push]:
        """End the account's orders on a symbol and close its position at the market; what the market cannot take
        stays open."""
        pushes = self.cancel_all(account, symbol, now_ms)
        amount = self.accounts[account].position(symbol).amount
        if amount:
            self.liquidations += 1
            quantity = int(abs(amount) / Fraction(self._sizes[symbol][1])) * self._sizes[symbol][1]
            new = NewOrder(symbol, SELL if amount > 0 else BUY, None, quantity, client_id, liquidation=True)
            pushes += self.place(account, new, now_ms)[1]
        return pushes

    # what can be asked

    def find(self, account: str, symbol: str, order_id: int | None, client_id: str | None) -> OrderState | None:
        """The account's order of that id, or the latest with that client id."""
        if order_id is None:
            order_id = self._by_client_id.get((account, symbol, client_id or ""))
        state = None if order_id is None else self.orders.get(order_id)
        return state if state is not None and (state.account, state.new.symbol) == (account, symbol) else None

    def open_orders(self, account: str, symbol: str | None = None) -> list[OrderState]:
        """The account's open orders, oldest first."""
        return [
            self.orders[order_id]
            for one, book in self.books.items()
            if symbol in (None, one)
            for order_id in sorted(book.orders)
            if self.orders[order_id].account == account
        ]

    def open_quantities(self, account: str, without: int | None = None) -> dict[str, tuple[Fraction, Fraction]]:
        """What is left of open purchases and sales by symbol, reduce-only orders and `without` left out."""
        found: dict[str, list[Fraction]] = {}
        for state in self.open_orders(account):
            if state.id != without and not state.new.reduce_only:
                sides = found.setdefault(state.new.symbol, [Fraction(0), Fraction(0)])
                sides[0 if state.new.side == BUY else 1] += Fraction(state.new.quantity - state.executed)
        return {symbol: (bought, sold) for symbol, (bought, sold) in found.items()}

    def locked(self, account: AnyAccount, symbol: str) -> tuple[Fraction, Fraction]:
        """What the account's open orders lock of a symbol's base and quote asset."""
        return account.locked(symbol, [self._resting(one) for one in self.open_orders(account.name)])

    # how it is done

    def _check(self, account: str, new: NewOrder, amended: OrderState | None = None) -> Broken | None:
        if account in self.hedged:
            return Broken(Rule.POSITION_SIDE)
        instrument, mark = self.instruments[new.symbol], self.mark(new.symbol)
        broken = check_quantity(new.quantity, instrument, self.limits)
        if broken is None and new.price is not None:
            broken = check_price(new.price, instrument, self.limits, mark)
        price = Fraction(new.price) if new.price is not None else mark
        if broken is None and price is not None and not new.reduce_only:
            broken = check_notional(price, new.quantity, self.limits)
        if broken is not None:
            return broken
        owner = self.accounts[account]
        more = Fraction(new.quantity) - (Fraction(0) if amended is None else Fraction(amended.executed))
        if new.reduce_only:
            left = -new.side * owner.position(new.symbol).amount
            return Broken(Rule.REDUCE_ONLY, str(left)) if left <= 0 or more > left else None
        if amended is None:
            if (account, new.client_id) in self._open:
                return Broken(Rule.DUPLICATE_ID)
            if len(self.open_orders(account, new.symbol)) >= self.limits.open_orders:
                return Broken(Rule.TOO_MANY_ORDERS, str(self.limits.open_orders))
        states = self.open_orders(account)
        orders = [self._resting(one) for one in states]
        replaced = next((order for one, order in zip(states, orders, strict=True) if one is amended), None)
        wanted = Resting(new.symbol, new.side, price if price is not None else Fraction(0), more)
        return None if owner.affords(wanted, orders, replaced, self.marks()) else Broken(Rule.MARGIN)

    def _resting(self, state: OrderState) -> Resting:
        new = state.new
        price = Fraction(new.price) if new.price is not None else self.mark(new.symbol) or Fraction(0)
        return Resting(new.symbol, new.side, price, Fraction(new.quantity - state.executed), new.reduce_only)

    def _locked(self, account: str, symbol: str, now_ms: int) -> list[Push]:
        """What an owner is told of what open orders lock now, where they do."""
        owner = self.accounts[account]
        return [self._account_push(owner, "ORDER", symbol, now_ms)] if owner.locks else []

    def _refused(self, account: str, new: NewOrder, broken: Broken, now_ms: int) -> Broken:
        self.truth.append(
            Decision(now_ms, new.symbol, "refused", 0, new.client_id, account, None, 0, 0, broken.rule.value)
        )
        return broken

    def _keep(self, state: OrderState) -> None:
        self.orders[state.id] = state
        if state.status in OPEN:
            self._open[state.account, state.new.client_id] = state.id
        else:
            self._open.pop((state.account, state.new.client_id), None)

    def _carry_out(self, symbol: str, events: Iterable[Event], now_ms: int) -> list[Push]:
        pushes: list[Push] = []
        for event in events:
            state = self.orders[event.order.id]
            match event:
                case Rested(ahead=ahead):
                    self._note(state, "rested", event.order, event.order.leaves, ahead, "R1", now_ms)
                case Fill():
                    pushes += self._fill(state, event, now_ms)
                case Shrunk(order=order):
                    quantity = order.lots * self._sizes[symbol][1]
                    state = replace(state, new=replace(state.new, quantity=quantity), updated_ms=now_ms)
                    self._keep(state)
                    self._note(state, "shrunk", order, order.leaves, 0, "reduce-only", now_ms)
                    pushes.append(OrderPush(state.account, Did.AMENDMENT, state, None, now_ms))
                case Ended(why=End.FILLED):
                    pass  # the last fill said so
                case Ended(why=why):
                    did, status = _ENDS[why]
                    state = replace(state, status=status, updated_ms=now_ms, why=why)
                    self._keep(state)
                    self._note(state, "ended", event.order, event.order.leaves, 0, why.value, now_ms)
                    pushes.append(OrderPush(state.account, did, state, None, now_ms))
                    pushes += self._locked(state.account, symbol, now_ms)
        return pushes

    def _fill(self, state: OrderState, fill: Fill, now_ms: int) -> list[Push]:
        symbol, account = state.new.symbol, self.accounts[state.account]
        tick, step, *_ = self._sizes[symbol]
        price, quantity = fill.tick * tick, fill.lots * step
        booked = account.fill(symbol, state.new.side, Fraction(price), Fraction(quantity), maker=fill.maker)
        executed = state.executed + quantity
        state = replace(
            state,
            executed=executed,
            notional=state.notional + Fraction(price * quantity),
            status=Status.FILLED if fill.order.leaves == 0 else Status.PARTIALLY_FILLED,
            updated_ms=now_ms,
        )
        self._keep(state)
        execution = Execution(
            _FIRST_TRADE_ID + len(self.executions),
            state.id,
            state.account,
            symbol,
            state.new.side,
            price,
            quantity,
            fill.maker,
            booked.fee,
            booked.realized,
            now_ms,
        )
        self.executions.append(execution)
        self._note(state, "filled", fill.order, fill.lots, 0, fill.why, now_ms, fill.tick)
        told = self._account_push(account, "ORDER", symbol, now_ms)
        did = Did.CALCULATED if state.new.liquidation else Did.TRADE
        return [told, OrderPush(state.account, did, state, execution, now_ms)]

    def _account_push(self, account: AnyAccount, reason: str, symbol: str, now_ms: int) -> AccountPush:
        position, mark = account.position(symbol), self.mark(symbol)
        return AccountPush(
            account.name,
            reason,
            symbol,
            account.wallet_in(symbol),
            position.amount,
            position.entry,
            position.realized,
            position.unrealized(position.entry if mark is None else mark),
            now_ms,
            self.locked(account, symbol) if account.locks else _UNLOCKED,
        )

    def _note(
        self,
        state: OrderState,
        what: str,
        order: Order,
        lots: int,
        ahead: int,
        rule: str,
        now_ms: int,
        tick: int | None = None,
    ) -> None:
        at = order.tick if tick is None else tick
        self.truth.append(
            Decision(
                now_ms, state.new.symbol, what, state.id, state.new.client_id, state.account, at, lots, ahead, rule
            )
        )

    def _levels(self, symbol: str, rows: Iterable[Iterable[str]]) -> list[tuple[int, int]]:
        """Ticks and lots of a market's texts. Binary division is exact enough: both are far below 2^53."""
        *_, tick, step = self._sizes[symbol]
        return [(round(float(price) / tick), round(float(quantity) / step)) for price, quantity in rows]
