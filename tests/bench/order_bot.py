"""A bot that submits and cancels at a steady rate, and notes when it asked and when it was told.

`python -m tests.bench.order_bot OUT NAME SYMBOL SECONDS RATE`: each order is cancelled a second later. Times are monotonic, ns.
"""

import json
import sys
import time
from collections import deque

from marketlink.bot import BotInstrument, Confidence, LiveBot
from marketlink.notices import OrderProblem, read_notice
from marketlink.orders import Order, OrderType, TimeInForce


def main() -> None:
    """Trade for so long."""
    out, name, symbol = sys.argv[1:4]
    seconds, rate = float(sys.argv[4]), float(sys.argv[5])
    told: dict[int, list[tuple[int, str]]] = {}
    problems: list[str] = []

    def on_order(before: Order | None, after: Order) -> None:
        told.setdefault(after.order_id, []).append((time.monotonic_ns(), after.status.name))

    def on_error(error: object) -> None:
        notice = read_notice(error)  # type: ignore[arg-type]
        if isinstance(notice, OrderProblem):
            problems.append(f"{notice.op} {notice.state}: {notice.text}")

    bot = LiveBot([BotInstrument(name, symbol)], on_order=on_order, on_error=on_error)
    while bot.depth(0).confidence is not Confidence.SYNCED:
        bot.elapse(50_000_000)
    asked: dict[int, int] = {}
    resting: deque[tuple[int, int]] = deque()
    number, start = 0, time.monotonic_ns()
    step_ns = int(1e9 / rate)
    while (now := time.monotonic_ns()) < start + seconds * 1e9:
        while resting and resting[0][0] <= now:
            bot.cancel(0, resting.popleft()[1], False)
        due = start + number * step_ns
        if due <= now:
            number += 1
            price = bot.depth(0).best_bid - 100 * bot.depth(0).tick_size
            asked[number] = time.monotonic_ns()
            bot.submit_buy_order(0, number, price, 0.01, TimeInForce.GTX, OrderType.LIMIT, False)
            resting.append((now + 1_000_000_000, number))
            bot.clear_inactive_orders(0)
        else:
            bot.wait_next_feed(True, min(due - now, 1_000_000))
    for _, left in resting:
        bot.cancel(0, left, False)
    bot.elapse(3_000_000_000)
    open_ = sum(order.active or order.pending for order in bot.orders(0).values())
    bot.close()
    with open(out, "w") as file:
        json.dump({"asked": asked, "told": told, "problems": problems, "open": open_}, file)


if __name__ == "__main__":
    main()
