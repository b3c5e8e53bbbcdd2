"""A tap on the way to the exchange: passes bytes on, and notes when which of our orders went by.

`python -m tests.bench.tap OUT PREFIX PORT:UPSTREAM ...` listens on each PORT; at SIGTERM the stamps are written: a list of
(monotonic ns, direction, number of the order, kind), kind being the method of a request or the type of a pushed event.
"""

import asyncio
import json
import re
import signal
import sys
import time

from connector.client_ids import ClientIds
from marketlink.times import WallNs

REQUEST = re.compile(rb"(POST|DELETE|PUT) /fapi/v1/order\?[^ ]*(?:newClientOrderId|origClientOrderId)=([\w-]+)")
PUSH = re.compile(rb'"c":"([\w-]+)"[^}]*?"x":"([A-Z]+)"')


Stamp = tuple[int, str, int, str]


async def main(stamps: list[Stamp]) -> None:
    """Run until SIGTERM."""
    ids = ClientIds(sys.argv[2])
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)

    def note(now: int, direction: str, client_id: bytes, kind: bytes) -> None:
        owner = ids.read(client_id.decode(), WallNs(time.time_ns()))
        if owner is not None:
            stamps.append((now, direction, owner.order_id, kind.decode()))

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: str) -> None:
        try:
            while data := await reader.read(65536):
                now = time.monotonic_ns()
                writer.write(data)
                if direction == "out":
                    for found in REQUEST.finditer(data):
                        note(now, "out", found[2], found[1])
                elif b"ORDER_TRADE_UPDATE" in data:
                    for found in PUSH.finditer(data):
                        note(now, "in", found[1], found[2])
                await writer.drain()
        except (ConnectionError, OSError):
            pass
        finally:
            writer.close()

    async def serve(upstream: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", upstream)
        except OSError:
            writer.close()
            return
        await asyncio.gather(pump(reader, up_writer, "out"), pump(up_reader, writer, "in"))

    servers = []
    for pair in sys.argv[3:]:
        port, upstream = map(int, pair.split(":"))

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, upstream: int = upstream) -> object:
            return serve(upstream, reader, writer)

        servers.append(await asyncio.start_server(accept, "127.0.0.1", port))  # type: ignore[arg-type]
    await stop.wait()


if __name__ == "__main__":
    seen: list[Stamp] = []
    asyncio.run(main(seen))
    with open(sys.argv[1], "w") as file:
        json.dump(seen, file)
