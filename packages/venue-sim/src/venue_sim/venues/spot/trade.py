"""Spot's private language as one `TradeFace`: signed and logged in as USD-M's is, in words of its own."""

from __future__ import annotations

from venue_sim.limits import OrderPool
from venue_sim.venues.spot import private_answers as answers
from venue_sim.venues.spot import private_events as events
from venue_sim.venues.spot import private_requests as requests
from venue_sim.venues.spot.rest import POOLS
from venue_sim.venues.usdm.trade import BinanceTrade


class SpotTrade(BinanceTrade):
    """See `TradeFace`."""

    order_path: str = "/api/v3/order"
    order_pools: tuple[OrderPool, ...] = POOLS

    account = staticmethod(answers.account)
    acknowledgement = staticmethod(answers.acknowledgement)
    again = staticmethod(events.again)
    api_answer = staticmethod(answers.api_answer)
    balance = staticmethod(answers.balance)
    broken = staticmethod(answers.broken)
    done_all = staticmethod(answers.done_all)
    key_expired = staticmethod(events.key_expired)
    liquidation_id = staticmethod(events.liquidation_id)
    no_such_order = staticmethod(answers.no_such_order)
    no_such_stream = staticmethod(answers.no_such_stream)
    order = staticmethod(answers.order)
    orders = staticmethod(answers.orders)
    parse = staticmethod(requests.parse)
    parse_api = staticmethod(requests.parse_api)
    pool_headers = staticmethod(answers.pool_headers)
    pools = staticmethod(answers.pools)
    positions = staticmethod(answers.positions)
    push = staticmethod(events.push)
    quick = staticmethod(events.quick)
    too_many_orders = staticmethod(answers.too_many_orders)
    trades = staticmethod(answers.trades)
    wrap = staticmethod(answers.wrap)
