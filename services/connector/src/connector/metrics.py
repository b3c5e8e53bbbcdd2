"""A connector's numbers, from what it counts and knows anyway. Pure."""

from collections.abc import Iterator, Sequence

from marketlink.run.feed import FeedCounts
from marketlink.run.metrics import Sample

from connector.hub import Hub
from connector.trader import Trader


def of_market(hub: Hub, feeds: Sequence[FeedCounts], weight_used: int, weight_limit: int) -> Iterator[Sample]:
    """Books, connections, requests."""
    yield Sample("connector_published_events", "Events published.", hub.counts.published_events, kind="counter")
    yield Sample("connector_malformed_frames", "Frames that could not be read.", hub.counts.malformed, kind="counter")
    yield Sample("connector_weight_used", "Request weight used in the exchange's window.", weight_used)
    yield Sample("connector_weight_limit", "The exchange's limit of it.", weight_limit)
    for number, feed in enumerate(feeds):
        of = {"connection": str(number)}
        for name, text, value in (
            ("frames", "Frames received.", feed.frames),
            ("bytes", "Bytes received.", feed.bytes),
            ("connections", "Connections opened.", feed.connections),
            ("refused", "Subscriptions refused.", feed.refused),
            ("stale", "Streams found silent.", feed.stale),
        ):
            yield Sample(f"connector_feed_{name}", text, value, of, "counter")
        for reason, count in list(feed.ends.items()):
            yield Sample(
                "connector_feed_ends", "Ends of connections by reason.", count, {**of, "reason": reason}, "counter"
            )
    for symbol, market in list(hub.markets.items()):
        of = {"symbol": symbol}
        sync = market.sync
        yield Sample("connector_book_in_sync", "1 while the book is the exchange's.", float(sync.in_sync), of)
        yield Sample("connector_book_updates", "Updates of the book.", market.updates, of, "counter")
        yield Sample("connector_trades", "Trades published.", market.trades, of, "counter")
        yield Sample("connector_snapshots_asked", "Snapshots asked for.", sync.counts.asked, of, "counter")
        yield Sample("connector_snapshots_failed", "Snapshots that failed.", sync.counts.failed, of, "counter")
        yield Sample("connector_book_losses", "How often the book was lost.", sync.counts.out_of_sync, of, "counter")


def of_orders(trader: Trader) -> Iterator[Sample]:
    """Orders and risk."""
    states: dict[str, int] = {}
    for order in list(trader.ledger.active.values()):
        states[order.phase.value] = states.get(order.phase.value, 0) + 1
    for state, count in states.items():
        yield Sample("connector_orders", "Orders that are not over, by state.", count, {"state": state})
    yield Sample("connector_orders_in_doubt", "Orders whose outcome is not known.", len(trader.ledger.doubtful()))
    yield Sample("connector_orders_submitted", "Orders submitted.", trader.counts.submitted, kind="counter")
    yield Sample(
        "connector_orders_refused_here",
        "Orders refused before they were sent.",
        trader.counts.refused_here,
        kind="counter",
    )
    for what, count in list(trader.counts.remarks.items()):
        yield Sample(
            "connector_order_remarks", "What comparing with the exchange found.", count, {"what": what}, "counter"
        )
    yield Sample("connector_ready", "1 while orders are taken.", float(trader.ready))
    mode = trader.risk.mode.value
    for name in ("active", "reducing", "halted"):
        yield Sample("connector_mode", "1 for the mode that holds.", float(name == mode), {"mode": name})
