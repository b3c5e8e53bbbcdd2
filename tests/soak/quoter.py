"""A bot that quotes: a few orders a second near the best prices, moved, cancelled and crossed at random, ids never used twice.

`python -m tests.soak.quoter NAME SYMBOL SECONDS OUT SEED`: at the end everything is cancelled and what it knows is written as JSON.
"""

import json
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

from marketlink.bot import BotInstrument, Code, Confidence, LiveBot
from marketlink.notices import OrderProblem, read_notice
from marketlink.orders import Order, OrderType, TimeInForce

STEP = 100_000_000
MOST = 12
BOT_ID = 4242


def main(name: str, symbol: str, seconds: float, out: Path, seed: int) -> None:
    """Quote for so long."""
    rng = random.Random(seed)
    terminals: dict[int, list[str]] = {}
    fills: dict[int, float] = {}
    problems: dict[str, int] = {}

    def on_order(before: Order | None, after: Order) -> None:
        if after.exec_qty:
            fills[after.order_id] = round(fills.get(after.order_id, 0.0) + after.exec_qty, 9)
        if not after.active:
            terminals.setdefault(after.order_id, []).append(after.status.name)

    def on_error(error: Any) -> None:
        notice = read_notice(error)
        if isinstance(notice, OrderProblem):
            key = f"{notice.op} {notice.state}"
            problems[key] = problems.get(key, 0) + 1

    bot = LiveBot([BotInstrument(name, symbol)], bot_id=BOT_ID, on_order=on_order, on_error=on_error)
    signal.signal(signal.SIGTERM, lambda number, frame: bot.stop())
    end = time.monotonic() + seconds
    number = 0
    sent: dict[int, float] = {}
    while time.monotonic() < end and bot.elapse(STEP) is not Code.END_OF_DATA:
        depth = bot.depth(0)
        if depth.confidence is not Confidence.SYNCED:
            continue
        orders = bot.orders(0)
        free = [order for order in orders.values() if order.cancellable]
        draw = rng.random()
        if free and (draw < 0.35 or len(free) >= MOST):
            bot.cancel(0, rng.choice(free).order_id, False)
        elif free and draw < 0.55:
            order = rng.choice(free)
            price = order.price + rng.choice((-2, -1, 1, 2)) * depth.tick_size
            bot.modify(0, order.order_id, price, rng.choice((0.005, 0.01, 0.02)), False)
        elif len([order for order in orders.values() if order.active or order.pending]) < MOST:
            number += 1
            buy = rng.random() < 0.5
            away = rng.choice((-1, 0, 0, 1, 5)) * depth.tick_size
            price = depth.best_bid - away if buy else depth.best_ask + away
            tif = rng.choice((TimeInForce.GTC, TimeInForce.GTX, TimeInForce.GTC, TimeInForce.IOC))
            submit = bot.submit_buy_order if buy else bot.submit_sell_order
            qty = rng.choice((0.005, 0.01, 0.03))
            if submit(0, number, price, qty, tif, OrderType.LIMIT, False) is Code.OK:
                sent[number] = qty
    give_up = time.monotonic() + 120
    while time.monotonic() < give_up:
        bot.elapse(STEP)
        orders = bot.orders(0)
        open_ = [order for order in orders.values() if order.active or order.pending]
        if not open_:
            break
        for order in open_:
            if order.cancellable or order.order_id in bot.unsure(0):
                bot.cancel(0, order.order_id, False)
        bot.elapse(20 * STEP)
    bot.elapse(20 * STEP)
    left = [
        [one.order_id, one.status.name, one.req.name] for one in bot.orders(0).values() if one.active or one.pending
    ]
    result = {
        "sent": len(sent),
        "left": left,
        "position": bot.position(0),
        "own_position": bot.own_position(0),
        "terminals": {key: value for key, value in terminals.items()},
        "fills": fills,
        "problems": problems,
    }
    out.write_text(json.dumps(result))
    bot.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), Path(sys.argv[4]), int(sys.argv[5]))
