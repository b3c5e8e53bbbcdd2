"""A made-up day to try a backtest with: a seeded book whose imbalance leans to where the price goes, calm and stormy hours, one crash.

It says nothing about profit. The same seed gives the same bytes.
"""

import numpy as np
from marketlink.events import BUY, DEPTH, EVENT_DTYPE, EXCH, LOCAL, SELL, TRADE, Events

from obi_mm.layout import Real, Whole

TICK_SIZE, LOT_SIZE = 0.1, 0.001
START_NS = 1_704_067_200_000_000_000
"""2024-01-01, 00:00 UTC."""
STEP_NS = 200_000_000
LEVELS = 20
"""A side, `APART` ticks from one to the next."""
APART = 5
MOST_MOVED = 12
"""Levels that the book moves in one step at most."""


def sample_day(hours: float, seed: int) -> Events:
    """Return the event rows of so many hours: trades first in each step, then deletions, new and changed levels."""
    rng = np.random.default_rng(seed)
    steps = max(int(hours * 3600e9 / STEP_NS), 2)
    lean = _lean(rng, steps)
    moved = _moves(rng, lean)
    touch = 500_000 // APART + np.cumsum(moved)
    slots = 1 + 4 * MOST_MOVED + 4
    kinds = np.zeros((steps, slots), np.uint64)
    ticks, lots = np.zeros((steps, slots), np.int64), np.zeros((steps, slots), np.int64)
    _trades(rng, lean, touch, kinds, ticks, lots)
    sizes = rng.integers(1, 200, (steps, slots))
    nth = np.arange(MOST_MOVED)
    up, down = nth < moved[:, None], nth < -moved[:, None]
    before = (touch - moved)[:, None]
    # Where the price rises, bids leave at the far end and come at the touch; asks the other way round. Falling mirrors it.
    for at, side, gone, come in (
        (1, BUY, (before - LEVELS + 1 + nth, before - nth), (before + 1 + nth, before - LEVELS - nth)),
        (1 + MOST_MOVED, SELL, (before + 1 + nth, before + LEVELS - nth), (before + LEVELS + 1 + nth, before - nth)),
    ):
        new = at + 2 * MOST_MOVED
        for place, (rising, falling), held in ((at, gone, False), (new, come, True)):
            part = slice(place, place + MOST_MOVED)
            ticks[:, part] = np.where(up, rising, falling)
            kinds[:, part] = np.where(up | down, np.uint64(side | DEPTH), np.uint64(0))
            lots[:, part] = _sized(sizes[:, part], lean, side) if held else 0
    for at, side in ((slots - 4, BUY), (slots - 2, SELL)):
        away = rng.integers(0, LEVELS, (steps, 2))
        part = slice(at, at + 2)
        ticks[:, part] = touch[:, None] - away if side == BUY else touch[:, None] + 1 + away
        kinds[:, part] = side | DEPTH
        lots[:, part] = _sized(sizes[:, part], lean, side)
    times = START_NS + np.arange(steps, dtype=np.int64) * STEP_NS
    delays = 5_000_000 + rng.integers(0, 20_000_000, steps)
    shown = kinds != 0
    first = _first_book(int(touch[0] - moved[0]), rng)
    events: Events = np.zeros(len(first) + int(shown.sum()), EVENT_DTYPE)
    events[: len(first)] = first
    rows = events[len(first) :]
    rows["ev"] = kinds[shown] | np.uint64(EXCH | LOCAL)
    rows["exch_ts"] = np.broadcast_to(times[:, None], shown.shape)[shown]
    rows["local_ts"] = np.broadcast_to((times + delays)[:, None], shown.shape)[shown]
    rows["px"], rows["qty"] = ticks[shown] * APART * TICK_SIZE, lots[shown] * LOT_SIZE
    return events


def _lean(rng: np.random.Generator, steps: int) -> Real:
    """Return where the market leans, -1 to 1 or so: a slow walk that is pulled back to 0."""
    noise, lean, now = rng.normal(0.0, 0.03, steps), np.zeros(steps), 0.0
    for step, push in enumerate(noise.tolist()):
        now = 0.998 * now + push
        lean[step] = now
    return lean


def _moves(rng: np.random.Generator, lean: Real) -> Whole:
    """Return by how many levels the book moves: calm and storm in waves, a crash of two minutes after five eighths."""
    steps = len(lean)
    spread = 0.8 + 0.5 * np.sin(np.arange(steps) * STEP_NS / 3600e9 * 2.0)
    drift = np.zeros(steps)
    crash = slice(steps * 5 // 8, steps * 5 // 8 + 600)
    spread[crash], drift[crash] = 4.0, -1.2
    moves = np.rint(rng.normal(0.0, 1.0, steps) * spread + 0.15 * lean + drift)
    return np.clip(moves, -MOST_MOVED, MOST_MOVED).astype(np.int64)


def _sized(sizes: Whole, lean: Real, side: int) -> Whole:
    """Return lots, more of them on the side to which the market leans."""
    towards = np.clip(lean if side == BUY else -lean, -2.0, 2.0)[:, None]
    lots: Whole = np.maximum(np.rint(sizes * np.exp(0.7 * towards)), 1).astype(np.int64)
    return lots


def _trades(
    rng: np.random.Generator,
    lean: Real,
    touch: Whole,
    kinds: np.ndarray[tuple[int, int], np.dtype[np.uint64]],
    ticks: Whole,
    lots: Whole,
) -> None:
    """Fill the first slot: in four of ten steps a trade at the touch, of the side to which the market leans rather."""
    steps = len(lean)
    before = np.concatenate((touch[:1], touch[:-1]))
    traded, bought = rng.random(steps) < 0.4, rng.random(steps) < 0.5 + 0.2 * np.tanh(lean)
    kinds[:, 0] = np.where(traded, np.where(bought, np.uint64(BUY | TRADE), np.uint64(SELL | TRADE)), np.uint64(0))
    ticks[:, 0] = np.where(bought, before + 1, before)
    lots[:, 0] = rng.integers(1, 400, steps)


def _first_book(touch: int, rng: np.random.Generator) -> Events:
    """Return the whole book as it stands before the first step."""
    rows: Events = np.zeros(2 * LEVELS, EVENT_DTYPE)
    away = np.arange(LEVELS)
    rows["ev"][:LEVELS], rows["ev"][LEVELS:] = EXCH | LOCAL | BUY | DEPTH, EXCH | LOCAL | SELL | DEPTH
    rows["px"][:LEVELS], rows["px"][LEVELS:] = (
        (touch - away) * APART * TICK_SIZE,
        (touch + 1 + away) * APART * TICK_SIZE,
    )
    rows["qty"] = rng.integers(1, 200, 2 * LEVELS) * LOT_SIZE
    rows["exch_ts"], rows["local_ts"] = START_NS - STEP_NS, START_NS - STEP_NS + 5_000_000
    return rows
