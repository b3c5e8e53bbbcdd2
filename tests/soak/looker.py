"""A bot that never stops following, and writes down what it would have shown.

    python -m tests.soak.looker NAME OUT EVERY_S SYMBOL:TICK:LOT...

OUT gets one JSON line a look: `t` (monotonic, s), `wall`, `symbol`, `confidence`, `why`, `id`, and, of a SYNCED book, its best levels.
A line of the kind `change` tells every change of confidence with its time, so that the time without a book adds up.
"""

import signal
import sys
import time
from pathlib import Path

import orjson
from marketlink.bot import BotInstrument, Confidence, LiveBot

from tests.system.books import sides

LEVELS = 700
"""Best levels of each side in a look."""
STEP_NS = 10_000_000


def main() -> None:
    """Follow until SIGTERM."""
    name, out, every_s, *wanted = sys.argv[1:]
    instruments = []
    for one in wanted:
        symbol, tick, lot = one.split(":")
        instruments.append(BotInstrument(name, symbol, float(tick), float(lot), 10))
    errors: dict[str, int] = {}
    bot = LiveBot(
        instruments, on_error=lambda error: errors.update({error.kind.name: errors.get(error.kind.name, 0) + 1})
    )
    signal.signal(signal.SIGTERM, lambda *_: bot.stop())
    before: list[Confidence | None] = [None] * len(instruments)
    next_s, symbols = 0.0, [one.symbol for one in instruments]
    with Path(out).open("wb", buffering=0) as file:

        def say(number: int, kind: str) -> None:
            depth = bot.depth(number)
            line = {
                "kind": kind,
                "t": time.monotonic(),
                "wall": time.time(),
                "symbol": symbols[number],
                "confidence": depth.confidence.value,
                "why": depth.why,
                "id": depth.update_id,
                "lost": bot.lost_samples(),
            }
            if kind == "look" and depth.confidence is Confidence.SYNCED:
                bids, asks = sides(bot, number)
                line |= {"bids": bids[:LEVELS], "asks": asks[:LEVELS]}
            file.write(orjson.dumps(line) + b"\n")

        while bot.elapse(STEP_NS).name != "END_OF_DATA":
            for number in range(len(symbols)):
                now = bot.depth(number).confidence
                if now is not before[number]:
                    before[number] = now
                    say(number, "change")
                    say(number, "look")  # a book just called right is the one most likely to be wrong
            if time.monotonic() >= next_s:
                next_s = time.monotonic() + float(every_s)
                for number in range(len(symbols)):
                    say(number, "look")
        for number in range(len(symbols)):
            say(number, "end")
        file.write(orjson.dumps({"kind": "errors", "errors": errors}) + b"\n")
    bot.close()


if __name__ == "__main__":
    main()
