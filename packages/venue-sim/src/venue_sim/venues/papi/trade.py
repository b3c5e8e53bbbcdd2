"""Portfolio Margin's private language as one `TradeFace`: USD-M's, but for what is told of the account and where it is asked."""

from __future__ import annotations

from venue_sim.limits import OrderPool
from venue_sim.venues.papi import answers, events, requests
from venue_sim.venues.usdm.trade import UsdmTrade


class PapiTrade(UsdmTrade):
    """See `TradeFace`."""

    order_path: str = "/papi/v1/um/order"
    order_pools: tuple[OrderPool, ...] = (OrderPool(60, 1200),)
    weight_per_minute: int | None = 6000

    account = staticmethod(answers.account)
    acknowledgement = staticmethod(answers.acknowledgement)
    balance = staticmethod(answers.balance)
    hedge = staticmethod(answers.hedge)
    key_expired = staticmethod(events.key_expired)
    order = staticmethod(answers.order)
    orders = staticmethod(answers.orders)
    parse = staticmethod(requests.parse)
    parse_api = staticmethod(requests.parse_api)
    positions = staticmethod(answers.positions)
    push = staticmethod(events.push)
    quick = staticmethod(events.quick)
    stream_kept = staticmethod(answers.stream_kept)
