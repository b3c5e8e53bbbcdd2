"""USD-M's private language as one `TradeFace`; those of its kin are this one but for what differs."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from venue_sim.auth import Key, payload_of
from venue_sim.filters import Rule
from venue_sim.limits import POOLS, OrderPool
from venue_sim.trade_face import Credentials, StreamSays
from venue_sim.venues.usdm import private_answers as answers
from venue_sim.venues.usdm import private_events as events
from venue_sim.venues.usdm import private_requests as requests

KEY_HEADER = "X-MBX-APIKEY"


def credentials(query: str, body: str, headers: Mapping[str, str]) -> Credentials:
    """The key stands in a header, all else among the parameters, in the query or in the body; the signature comes last."""
    payload, signature = payload_of(query, body)
    parameters = dict([*parse_qsl(query, keep_blank_values=True), *parse_qsl(body, keep_blank_values=True)])
    return Credentials(parameters, headers.get(KEY_HEADER.lower(), ""), payload, signature)


def on_stream(text: bytes, keys: Mapping[str, Key], now_ms: int) -> StreamSays | None:
    """None: the key in the address is enough."""
    return None


def api_login(text: bytes, keys: Mapping[str, Key], now_ms: int) -> tuple[bytes, str] | None:
    """None: each request is signed."""
    return None


class BinanceTrade:
    """What the products of the exchange share of a `TradeFace`; what an account holds is told by each in its own way."""

    key_header: str = KEY_HEADER
    order_path: str = "/fapi/v1/order"
    order_pools: tuple[OrderPool, ...] = POOLS
    weight_per_minute: int | None = None
    late_rules: frozenset[Rule] = frozenset()

    acknowledgement = staticmethod(answers.acknowledgement)
    again = staticmethod(events.again)
    api_answer = staticmethod(answers.api_answer)
    api_login = staticmethod(api_login)
    broken = staticmethod(answers.broken)
    countdown = staticmethod(answers.countdown)
    credentials = staticmethod(credentials)
    denied = staticmethod(answers.denied)
    done_all = staticmethod(answers.done_all)
    hedge = staticmethod(answers.hedge)
    key_expired = staticmethod(events.key_expired)
    liquidation_id = staticmethod(events.liquidation_id)
    listed = staticmethod(answers.listed)
    logged_on = staticmethod(answers.logged_on)
    no_such_order = staticmethod(answers.no_such_order)
    no_such_stream = staticmethod(answers.no_such_stream)
    on_stream = staticmethod(on_stream)
    order = staticmethod(answers.order)
    orders = staticmethod(answers.orders)
    parse = staticmethod(requests.parse)
    parse_api = staticmethod(requests.parse_api)
    pool_headers = staticmethod(answers.pool_headers)
    pools = staticmethod(answers.pools)
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


class UsdmTrade(BinanceTrade):
    """See `TradeFace`."""

    account = staticmethod(answers.account)
    balance = staticmethod(answers.balance)
    positions = staticmethod(answers.positions)
