"""The terminal view of a live run: one row a symbol, what is wanted, why, and how warm it is."""

from marketlink.bot import Confidence
from rich.console import Group
from rich.table import Table
from rich.text import Text

from obi_mm.decision_rows import ACTION_NAMES, SIDE_NAMES, STATUS_NAMES
from obi_mm.exposure import ENDED
from obi_mm.layout import A_KIND, A_LOTS, A_SIDE, A_TICK, REASONS
from obi_mm.live import Asset, Shell, percentiles_us

_COLOURS = {Confidence.SYNCED: "green", Confidence.STALE: "yellow", Confidence.UNKNOWN: "red"}


def render(shell: Shell, notes: list[str], title: str) -> Group:
    """Return the view of what stands now."""
    table = Table(title=title, expand=True)
    for name in ("symbol", "book", "bid", "ask", "alpha", "volatility", "wants", "position", "why", "warm", "decided"):
        table.add_column(name)
    for number, asset in enumerate(shell.assets):
        depth = shell.bot.depth(number)
        table.add_row(
            asset.symbol,
            Text(depth.confidence.value, style=_COLOURS[depth.confidence]),
            f"{depth.best_bid:.12g}",
            f"{depth.best_ask:.12g}",
            *_decided(asset, trouble(shell, number)),
        )
    parts: list[Table | Text] = [table]
    parts.extend(
        Text(f"{asset.symbol}: {orders_line(shell, number)}")
        for number, asset in enumerate(shell.assets)
        if shell.trading
    )
    for asset in shell.assets:
        words = action_words(asset)
        if words:
            parts.append(Text(f"{asset.symbol} {'would' if shell.trading is None else 'decided'}: {words}"))
    median, high = percentiles_us(shell.timings_ns)
    parts.append(
        Text(f"decision time p50 {median:.0f} µs, p99 {high:.0f} µs; {shell.backlog} messages waiting", style="dim")
    )
    parts.extend(Text(note, style="dim") for note in notes[-5:])
    return Group(*parts)


def line(shell: Shell) -> str:
    """Return the same in one line, for where there is no terminal."""
    parts = []
    for number, asset in enumerate(shell.assets):
        depth = shell.bot.depth(number)
        alpha, volatility, wants, position, why, warm, decided = _decided(asset, trouble(shell, number))
        parts.append(
            f"{asset.symbol} {depth.confidence.value} {depth.best_bid:.12g}/{depth.best_ask:.12g} alpha {alpha} "
            f"volatility {volatility} wants {wants} position {position} ({why}, {warm}), {decided} decisions"
            + (f", {orders_line(shell, number)}" if shell.trading else "")
        )
    return "; ".join(parts)


def orders_line(shell: Shell, number: int) -> str:
    """Say in one line what stands at the exchange and what came of it."""
    assert shell.trading is not None
    tally, desk = shell.trading.tally(number), shell.trading.desk(number)
    working = sum(order.status not in ENDED for order in shell.bot.orders(number).values())
    state = f", nothing is sent: {desk.pulled}" if desk.pulled else ""
    return f"{working} orders open, {tally.submitted:,} sent, {tally.fills:,} fills{state}"


def action_words(asset: Asset) -> str:
    """Write the last decision's actions in words."""
    rules = asset.strategy.rules
    return "; ".join(
        f"{ACTION_NAMES[row[A_KIND]]} {SIDE_NAMES[row[A_SIDE]]} {row[A_LOTS] * rules.lot_size:.12g} @ {row[A_TICK] * rules.tick_size:.12g}"
        for row in asset.last_actions.tolist()
    )


def trouble(shell: Shell, number: int) -> str:
    """Say why the book can't be quoted on now, whatever was decided last; empty: it can."""
    asset, depth = shell.assets[number], shell.bot.depth(number)
    if depth.confidence is not Confidence.SYNCED:
        return f"the book is {depth.confidence.value}"
    silent_s = 0.0 if asset.feed_s is None else shell.now_s() - asset.feed_s
    return f"no market data for {silent_s:.0f} s" if silent_s > asset.strategy.rules.stale_ns / 1e9 else ""


def _decided(asset: Asset, wrong: str) -> tuple[str, str, str, str, str, str, str]:
    lack = asset.strategy.lack()
    warm = "warm" if lack.nanoseconds <= 0 else f"in {lack.nanoseconds / 60e9:.1f} min"
    if asset.last is None:
        return "-", "-", "-", "-", wrong or "no decision yet", warm, "0"
    decision, rules = asset.last[0], asset.strategy.rules
    sides = [
        f"{int(decision[name]) * rules.tick_size:.12g}" if decision[name] > 0 and not wrong else "-"
        for name in ("bid_tick", "ask_tick")
    ]
    why = wrong or REASONS[int(decision["reason"])]
    if decision["stop_loss"]:
        why += f", stop loss {STATUS_NAMES[int(decision['stop_loss'])]}"
    return (
        f"{float(decision['alpha']):+.3f}",
        f"{float(decision['volatility']):.3g}",
        " / ".join(sides),
        f"{int(decision['position_lots']) * rules.lot_size:.12g}",
        why,
        warm,
        f"{asset.decisions:,}",
    )
