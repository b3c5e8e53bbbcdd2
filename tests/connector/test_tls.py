"""The whole connector, its link in memory, on an exchange with certificates of a private authority: both sockets."""

import asyncio
import contextlib
import random
import ssl
import time
from pathlib import Path

import orjson
import pytest
from connector.config import ConnectorConfig
from connector.shell import Shell
from marketlink.link.port import MemoryConnectorPort, MemoryLink
from marketlink.messages import RegisterInstrument
from marketlink.venues.binance import USDM
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tests.marketlink.run.test_network import authority, served, server_tls

INFO = (
    b'{"rateLimits":[],"symbols":[{"symbol":"BTCUSDT","status":"TRADING","filters":[{"filterType":"PRICE_FILTER",'
    b'"tickSize":"0.10"},{"filterType":"LOT_SIZE","stepSize":"0.001"}]}]}'
)
BOOK = b'{"lastUpdateId":7,"E":2,"T":1,"bids":[["1.0","2"]],"asks":[["2.0","3"]]}'


class Port(MemoryConnectorPort):
    """An end whose wait takes time, as the real one's does."""

    def wait(self, timeout_s: float) -> bool:
        time.sleep(0.005)
        return super().wait(timeout_s)


async def rest(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while line := await reader.readline():
            while (await reader.readline()).strip():
                pass
            body = INFO if b"exchangeInfo" in line else BOOK
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            await writer.drain()
    writer.close()


async def stream(connection: ServerConnection) -> None:
    with contextlib.suppress(ConnectionClosed):
        while True:
            request = orjson.loads(await connection.recv())
            await connection.send(orjson.dumps({"result": None, "id": request["id"]}).decode())


@pytest.mark.parametrize("given", [True, False], ids=["authority given", "authority not given"])
def test_the_book_of_a_private_exchange_is_in_sync_only_with_its_authority_given(
    given: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority().cert_pem.write_to_path(str(tmp_path / "ca.pem"))

    async def main() -> bool:
        tls, link = server_tls("127.0.0.1"), MemoryLink()
        async with served(rest, tls) as rest_port, serve(stream, "127.0.0.1", 0, compression=None, ssl=tls) as streams:
            config = ConnectorConfig(
                stream_url=f"wss://127.0.0.1:{next(iter(streams.sockets)).getsockname()[1]}",
                api_url=f"https://127.0.0.1:{rest_port}",
                ca_file=tmp_path / "ca.pem" if given else None,
                state_dir=str(tmp_path / "state"),
            )
            link.connector().close()
            shell = Shell("tls", USDM, config, Port(link), random.Random(1))
            running = asyncio.create_task(shell.run())
            link.bot(1).request(RegisterInstrument("btcusdt", 0.1, 0.001))
            try:
                async with asyncio.timeout(60):
                    while not running.done():
                        await asyncio.sleep(0.01)
                        market = shell.hub.markets.get("btcusdt")
                        if market is not None and market.sync.in_sync:
                            return True
                        if "authority that is not trusted" in caplog.text:
                            return False
            finally:
                shell._stop.set()
                await asyncio.wait_for(running, 20)
        raise AssertionError("the connector ended by itself")

    assert asyncio.run(main()) is given
