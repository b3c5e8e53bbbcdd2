"""The trading half put together from a configuration."""

import random
import ssl
from collections.abc import Callable

from marketlink.clock import Clock
from marketlink.run.http import VenueHttp
from marketlink.run.limits import WeightBudget
from marketlink.times import SECOND_NS, Moment
from marketlink.venues.base import PublicVenue
from marketlink.venues.trading import Signer, TradingVenue

from connector.absence import Orphans
from connector.account import Account, AccountSettings
from connector.api_socket import ApiSocket
from connector.client_ids import ClientIds
from connector.config import ConnectorConfig
from connector.effects import Effect
from connector.journal import JournalFile
from connector.places import state_folder
from connector.risk import Look, Risk
from connector.trader import Settings, Trader

MS_NS = 1_000_000
MOST_AT_ONCE = 16
"""Requests of one kind under way at a time."""


def trader_maker(config: ConnectorConfig, trading: TradingVenue) -> Callable[[Callable[[str, Moment], Look]], Trader]:
    """Return what makes the trading core, given how to look at a symbol's market."""
    settings = Settings(
        window_ms=config.recv_window_ms,
        reconcile_ns=int(config.reconcile_s * SECOND_NS),
        schedule_ns=tuple(ms * MS_NS for ms in config.unknown_query_ms),
        silence_ns=int(config.user_stream_silence_s * SECOND_NS),
        dead_man_ns=int(config.dead_man_s * SECOND_NS),
        timeout_ns=int(config.order_timeout_s * SECOND_NS),
        bot_timeout_ns=int(config.bot_timeout_s * SECOND_NS),
        uni_mmr_min=config.risk.uni_mmr_min,
        orphans=Orphans(config.orphans),
        cancel_on_register=config.cancel_on_register,
    )
    risk = Risk(*config.risk.limits())
    return lambda look: Trader(trading, ClientIds(config.order_prefix), risk, settings, look)


def account_http(
    config: ConnectorConfig,
    venue: PublicVenue,
    trading: TradingVenue,
    budget: WeightBudget,
    trader: Trader,
    now: Callable[[], Moment],
    tls: ssl.SSLContext | None,
) -> VenueHttp:
    """Return the client of the account's requests; it shares the address's weight with the public one where it asks the same host."""
    own = trading.weight_limit
    return VenueHttp(
        venue,
        config.api_url,
        budget if own is None else WeightBudget(own, config.weight_reserve),
        client_timeout_s=config.order_timeout_s,
        max_concurrent=MOST_AT_ONCE,
        tls=tls,
        trading=trading,
        stamp_ms=lambda: trader.exchange_ns(now()) // MS_NS,
        window_ms=config.recv_window_ms,
    )


def make_account(
    name: str,
    config: ConnectorConfig,
    trading: TradingVenue,
    trader: Trader,
    http: VenueHttp,
    public_http: VenueHttp,
    signer: Signer,
    carry_out: Callable[[list[Effect]], None],
    clock: Clock,
    rng: random.Random,
    tls: ssl.SSLContext | None,
) -> Account:
    """Return the account's half of the shell."""
    settings = AccountSettings(
        config.user_stream_url or config.stream_url,
        config.user_stream_form or trading.stream_forms[0],
        config.order_timeout_s,
        config.recv_window_ms,
        config.clock_alarm_ms,
        config.dead_man_s,
    )
    api = None
    if config.order_route == "ws":
        api = ApiSocket(
            trading,
            config.trade_ws_url or trading.trade_api_url,
            http,
            signer,
            lambda: trader.exchange_ns(Moment(clock.mono_ns(), clock.wall_ns())) // MS_NS,
            config.recv_window_ms,
            config.order_timeout_s,
            clock,
            rng,
            tls,
        )
    journal = JournalFile(state_folder(config.state_dir, name))
    if not config.market_api_url:
        public_http = http  # the same host: this client's connections are the ones that stay warm for orders
    return Account(trader, trading, http, public_http, signer, settings, journal, carry_out, clock, rng, tls, api)
