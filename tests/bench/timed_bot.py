"""A bot that notes how old each batch is when it holds it; woken, not polling.

`python -m tests.bench.timed_bot OUT NAME SYMBOL SECONDS [WAY]`; WAY `general`: samples are copied out one by one, not read where they lie.
"""

import json
import sys
import time

from marketlink.events import TRADE
from marketlink.link.assembly import Assembler
from marketlink.link.iceoryx import IceoryxBotPort
from marketlink.messages import Batch, FeedEvent, RegisterInstrument, SamplesLost


def main() -> None:
    """Follow one symbol for so long."""
    out, name, symbol, seconds = sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])
    port = IceoryxBotPort(name)
    if sys.argv[5:] == ["general"]:
        receiver = port._to_bot

        def hear(assembler: Assembler, mine: int) -> int:
            runs = receiver.runs(identify=False) if assembler.checked else []
            for _, samples in runs:
                assembler.gather(samples)
            return sum(len(samples) for _, samples in runs)

        receiver.hear = hear  # type: ignore[method-assign]
    port.request(RegisterInstrument(symbol))
    ages: dict[str, list[int]] = {"depth": [], "trade": []}
    lost, heard = 0, 0
    start = asked = time.monotonic()
    while time.monotonic() < start + seconds:
        port.wait(0.2)
        if not heard:
            start = time.monotonic()  # the time runs from the first market data
            if start > asked + 1:
                asked = start
                port.request(RegisterInstrument(symbol))
        for one in port.receive():
            now_ns = time.time_ns()
            if isinstance(one, SamplesLost):
                lost += one.count
            elif isinstance(one, Batch) and one.events and one.to == 0:
                for event in one.events:
                    if isinstance(event, FeedEvent):
                        heard += len(event.events)
                        kind = "trade" if int(event.events["ev"][0]) & 0xFF == TRADE else "depth"
                        ages[kind].append(now_ns - int(event.events["local_ts"][-1]))
    port.close()
    with open(out, "w") as file:
        json.dump({"ages_ns": ages, "lost": lost, "events": heard}, file)


if __name__ == "__main__":
    main()
