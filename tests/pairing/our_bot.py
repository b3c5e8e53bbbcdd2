"""A bot of ours that says several times a second what it holds: `python -m tests.pairing.our_bot NAME SYMBOL TICK LOT STATUS`."""

import signal
import sys
import time
from pathlib import Path

import orjson
from marketlink.bot import BotInstrument, LiveBot

from tests.system.books import sides

EVERY_S = 0.15


def main() -> None:
    """Follow one book until SIGTERM."""
    name, symbol, tick, lot, status = sys.argv[1:]
    path, trades, next_s = Path(status), 0, 0.0
    bot = LiveBot([BotInstrument(name, symbol, float(tick), float(lot), 100_000)])
    signal.signal(signal.SIGTERM, lambda *_: bot.stop())
    while bot.elapse(20_000_000).name != "END_OF_DATA":
        trades += len(bot.last_trades(0))
        bot.clear_last_trades(0)
        if time.monotonic() < next_s:
            continue
        next_s = time.monotonic() + EVERY_S
        depth, (bids, asks) = bot.depth(0), sides(bot, 0)
        said = {
            "bids": bids,
            "asks": asks,
            "trades": trades,
            "confidence": depth.confidence.value,
            "why": depth.why,
            "update_id": depth.update_id,
            "lost": bot.lost_samples(),
            "sizes": [depth.tick_size, depth.lot_size],
            "written_s": time.monotonic(),
        }
        other = path.with_suffix(".new")
        other.write_bytes(orjson.dumps(said))
        other.replace(path)
    bot.close()


if __name__ == "__main__":
    main()
