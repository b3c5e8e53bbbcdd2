"""The slow twin of a bot's order map: the whole history, gone through again for each question."""

from dataclasses import dataclass, field, replace

from marketlink.orders import Order, Side, Status

ENDED = {Status.CANCELED, Status.EXPIRED, Status.FILLED}


@dataclass
class Story:
    """All that happened to one symbol's orders, in order: (what, order or id)."""

    lines: list[tuple[str, object]] = field(default_factory=list)

    def tell(self) -> tuple[dict[int, Order], set[int]]:
        """The orders and the ids that are unsure."""
        orders: dict[int, Order] = {}
        born: dict[int, int] = {}
        old: dict[int, Order] = {}
        gone: set[int] = set()
        unsure: set[int] = set()
        restarted = 0
        for what, thing in self.lines:
            if what == "sent":
                assert isinstance(thing, Order)
                if thing.req is Status.NEW:
                    born[thing.order_id] = thing.local_timestamp
                    gone.discard(thing.order_id)
                elif thing.req is Status.REPLACED and thing.order_id not in old:
                    old[thing.order_id] = orders[thing.order_id]
                orders[thing.order_id] = thing
            elif what == "told":
                assert isinstance(thing, Order)
                if thing.local_timestamp < born.get(thing.order_id, 0):
                    continue
                now = orders.get(thing.order_id)
                if thing.order_id in gone:
                    continue
                if now is None:
                    orders[thing.order_id] = thing
                elif now.status not in ENDED and thing.exch_timestamp >= now.exch_timestamp:
                    unsure.discard(thing.order_id)
                    told_before_asked = (
                        (thing.exec_qty > 0 or now.local_timestamp > restarted)
                        and thing.status not in ENDED
                        and thing.req is Status.NONE
                        and thing.local_timestamp < now.local_timestamp
                    )
                    req = now.req if told_before_asked else thing.req
                    orders[thing.order_id] = replace(thing, local_timestamp=now.local_timestamp, req=req)
                    if req is Status.NONE or thing.status in ENDED:
                        old.pop(thing.order_id, None)
            elif what in ("unknown", "gone"):
                assert isinstance(thing, int)
                now = orders.get(thing)
                if now is not None and now.status not in ENDED:
                    unsure.add(thing)
                    if what == "gone" and now.req in (Status.CANCELED, Status.REPLACED):
                        was = old.pop(thing, now)
                        orders[thing] = replace(
                            now, req=Status.NONE, price_tick=was.price_tick, qty=was.qty, leaves_qty=was.leaves_qty
                        )
            elif what in ("doubt", "restart"):
                restarted = thing if isinstance(thing, int) else restarted
                unsure |= {number for number, order in orders.items() if order.status not in ENDED}
            elif what == "clear":
                for number, order in list(orders.items()):
                    if order.status in ENDED and order.req is Status.NONE:
                        del orders[number]
                        born.pop(number, None)
                        gone.add(number)
        return orders, unsure


def told_position(told: list[tuple[int, Order]]) -> float:
    """The sum over orders (each told event with the number of its order's life) of the largest cumulative quantity told."""
    most: dict[int, tuple[int, float]] = {}
    for life, order in told:
        sign = 1 if order.side is Side.BUY else -1
        most[life] = (sign, max(most.get(life, (sign, 0.0))[1], order.qty - order.leaves_qty))
    return sum(sign * filled for sign, filled in most.values())
