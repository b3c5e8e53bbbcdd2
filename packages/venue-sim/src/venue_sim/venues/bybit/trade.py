"""Bybit's private language as one `TradeFace`."""

from __future__ import annotations

from venue_sim.filters import Rule
from venue_sim.limits import OrderPool
from venue_sim.venues.bybit import private_answers as answers
from venue_sim.venues.bybit import private_requests as requests


class BybitTrade:
    """See `TradeFace`."""

    late_rules: frozenset[Rule] = answers.late_rules
    order_pools: tuple[OrderPool, ...] = answers.order_pools
    weight_per_minute: int | None = answers.weight_per_minute
    key_header: str = requests.key_header
    order_path: str = requests.order_path

    account = staticmethod(answers.account)
    acknowledgement = staticmethod(answers.acknowledgement)
    again = staticmethod(answers.again)
    api_answer = staticmethod(answers.api_answer)
    api_login = staticmethod(requests.api_login)
    balance = staticmethod(answers.balance)
    broken = staticmethod(answers.broken)
    countdown = staticmethod(answers.countdown)
    credentials = staticmethod(requests.credentials)
    denied = staticmethod(answers.denied)
    done_all = staticmethod(answers.done_all)
    hedge = staticmethod(answers.hedge)
    key_expired = staticmethod(answers.key_expired)
    liquidation_id = staticmethod(answers.liquidation_id)
    listed = staticmethod(answers.listed)
    logged_on = staticmethod(answers.logged_on)
    no_such_order = staticmethod(answers.no_such_order)
    no_such_stream = staticmethod(answers.no_such_stream)
    on_stream = staticmethod(requests.on_stream)
    order = staticmethod(answers.order)
    orders = staticmethod(answers.orders)
    parse = staticmethod(requests.parse)
    parse_api = staticmethod(requests.parse_api)
    pool_headers = staticmethod(answers.pool_headers)
    pools = staticmethod(answers.pools)
    positions = staticmethod(answers.positions)
    push = staticmethod(answers.push)
    quick = staticmethod(answers.quick)
    stream_ended = staticmethod(answers.stream_ended)
    stream_kept = staticmethod(answers.stream_kept)
    stream_key = staticmethod(answers.stream_key)
    subscribed = staticmethod(answers.subscribed)
    subscribed_already = staticmethod(answers.subscribed_already)
    too_many_orders = staticmethod(answers.too_many_orders)
    trades = staticmethod(answers.trades)
    wrap = staticmethod(answers.wrap)
