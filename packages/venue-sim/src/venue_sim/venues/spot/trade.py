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
    countdown = staticmethod(answers.countdown)
    denied = staticmethod(answers.denied)
    done_all = staticmethod(answers.done_all)
    hedge = staticmethod(answers.hedge)
    key_expired = staticmethod(events.key_expired)
    liquidation_id = staticmethod(events.liquidation_id)
    listed = staticmethod(answers.listed)
    logged_on = staticmethod(answers.logged_on)
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
    stream_ended = staticmethod(answers.stream_ended)
    stream_kept = staticmethod(answers.stream_kept)
    stream_key = staticmethod(answers.stream_key)
    subscribed = staticmethod(answers.subscribed)
    subscribed_already = staticmethod(answers.subscribed_already)
    too_many_orders = staticmethod(answers.too_many_orders)
    trades = staticmethod(answers.trades)
    wrap = staticmethod(answers.wrap)
