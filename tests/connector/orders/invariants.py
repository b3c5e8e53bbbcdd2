"""The invariants of orders (docs/trading.md), by number: some hold after every step, some once everything has come to rest.

1 to 4 are what a bot is told: `Seen.check`. 14 needs the same inputs twice, and 15 is the roads that a test uses.
"""

from collections import Counter

from connector.lifecycle import Phase
from marketlink.orders import Status
from marketlink.venues.trading import Op
from venue_sim.trading import OPEN
from venue_sim.trading import Status as True_

from tests.connector.orders.world import TERMINAL, World

ANSWERED_MS = 4_500.0
"""The time-out of a request, and a moment."""


def always(world: World) -> None:
    """What holds after every step."""
    world.check_bots()  # 1, 2, 3, 4
    true = world.true_orders()
    late = {key: since for key, since in world.pending.items() if world.now_ms - since > ANSWERED_MS}
    assert not late, ("5: never answered", late)
    placed = Counter(params.get("newClientOrderId") or params["orderLinkId"] for params in world.asks(Op.SUBMIT))
    assert all(times == 1 or (times == 2 and world.asks(Op.TIME)) for times in placed.values()), (
        "7: sent again",
        placed,
    )
    for client_id, one in world.trader.ledger.orders.items():
        state = true.get(client_id)
        if one.phase is Phase.LIVE and one.doubt is None and (one.bot_id, one.order_id) in world.requested:
            newest = world.trader.ledger.find(one.bot_id, one.symbol, one.order_id) is one
            asked = world.requested[(one.bot_id, one.order_id)]
            assert not newest or asked is Status.NONE, ("6: nothing is asked, and its bot waits", one, asked)
        if state is None:
            continue
        assert not one.done or state.status not in OPEN, ("8: called ended, and it works", one, state)
        assert one.filled <= state.executed, ("2: more than was executed", one, state)
        could = state.new.quantity if state.status in OPEN else state.executed
        assert one.filled + one.most >= could, ("13: exposure is not counted", one, state)
    for state in true.values():
        if not state.new.client_id.startswith(world.prefix):
            assert state.status is not True_.CANCELED, ("10: another's order is cancelled", state)
    assert not world.refused, ("12: beyond the limits", world.refused)


def only_own(world: World, quantities: dict[int, tuple[float, ...]]) -> None:
    """11: no bot hears of an order whose quantity only another bot uses."""
    for (bot, number), seen in world.seen.items():
        if not seen.lives:  # it asked about a number that it never used: its own words came back
            assert not any(order.exch_timestamp for order in seen.events), ("11: another's order", bot, number, seen)
            continue
        assert all(order.qty in quantities[bot] for order in seen.events[seen.lives[0] :]), (
            "11: another's order",
            bot,
            number,
            seen,
        )


def at_rest(world: World) -> None:
    """What holds once everything has come to rest."""
    always(world)
    world.check()
    assert not world.pending, ("5: never answered", world.pending)
    assert all(req is Status.NONE for req in world.requested.values()), ("6: still waited for", world.requested)
    true = world.true_orders()
    for tracked in world.trader.ledger.orders.values():
        if tracked.final is Status.EXPIRED and tracked.reason == "it never arrived at the exchange":
            assert tracked.client_id not in true, ("8: it arrived", tracked)
    shown = world.trader.positions.get(world.symbol)
    assert (0.0 if shown is None else float(shown.qty)) == world.true_position(), ("9", shown)
    told = world.positions[-1].qty if world.positions else 0.0
    assert told == world.true_position(), ("9: bots were told", told)
    executed: dict[tuple[int, int], float] = Counter()
    for client_id, owner in world.owners.items():
        if client_id in true:
            executed[owner] += float(true[client_id].executed)
    for key, seen in world.seen.items():
        assert abs(seen.executed - executed.get(key, 0.0)) < 1e-9, (
            "2, 3: its sum",
            key,
            seen.executed,
            executed.get(key),
        )
        ended = [order.status for order in seen.events[-1:]] if seen.lives else []
        assert all(status in TERMINAL or key in world.working() for status in ended), (
            "it is over, and its bot is not told",
            key,
        )
