"""One end of a real link in a process of its own: `python -m tests.marketlink.link.peer ROLE NAME ARGUMENT`."""

import sys
import time

from marketlink.errors import LinkError
from marketlink.link.iceoryx import IceoryxBotPort, IceoryxConnectorPort
from marketlink.messages import (
    Batch,
    ErrorEvent,
    ErrorKind,
    FeedEvent,
    LiveError,
    NewSession,
    RegisterInstrument,
    SamplesLost,
)

from tests.marketlink.link.conformance import feed


def publish(name: str, batches: int) -> None:
    """Publish batches of 20 levels, paced so that a reader can follow, then heartbeats until killed."""
    port = IceoryxConnectorPort(name)
    print("ready", flush=True)
    end = time.monotonic() + 60
    while not port.requests() and time.monotonic() < end:
        port.wait(0.1)
    for _ in range(batches):
        port.send(Batch((feed("btcusdt", 20),)))
        time.sleep(0.0005)
    while time.monotonic() < end:
        port.send(Batch())
        time.sleep(0.1)


def follow(name: str, rows: int) -> None:
    """Register, and print what was heard once `rows` records arrived."""
    port = IceoryxBotPort(name)
    port.request(RegisterInstrument("btcusdt"))
    seen = lost = sessions = 0
    asked = time.monotonic()
    end = asked + 60
    while seen < rows and time.monotonic() < end:
        port.wait(0.2)
        for one in port.receive():
            if isinstance(one, Batch):
                seen += sum(len(event.events) for event in one.events if isinstance(event, FeedEvent))
            elif isinstance(one, SamplesLost):
                lost += one.count
            elif isinstance(one, NewSession):
                sessions += 1
        if not seen and time.monotonic() > asked + 0.5:
            asked = time.monotonic()
            port.request(RegisterInstrument("btcusdt"))
    print(seen, lost, sessions, flush=True)
    port.close()


def flood(name: str, seconds: int) -> None:
    """Publish all the time, a book of 1,000 levels at once; a refusal is printed for `ready`."""
    try:
        port = IceoryxConnectorPort(name)
    except LinkError as error:
        print(error, flush=True)
        return
    print("ready", flush=True)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        port.requests()
        port.send(Batch((feed("btcusdt", 1000),)))
        time.sleep(0.01)


def shout(name: str, size: int) -> None:
    """Send an error text of so many characters many times, and books between them."""
    port, bot = IceoryxConnectorPort(name), IceoryxBotPort(name)
    error = ErrorEvent(LiveError(ErrorKind.ORDER_ERROR, {"msg": "x" * size}))
    for _ in range(30):
        port.send(Batch((error,), framed=False))
        port.send(Batch((feed("btcusdt", 2000),)))
        bot.receive()
    print("lives", flush=True)


if __name__ == "__main__":
    {"publish": publish, "follow": follow, "flood": flood, "shout": shout}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
