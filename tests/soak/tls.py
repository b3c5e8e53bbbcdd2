"""A certificate authority of our own, and a front that speaks TLS for the simulated exchange.

    python -m tests.soak.tls CERTIFICATE READY NAME=PORT...

READY is a JSON file with the front's port for each NAME; PORT is where the exchange listens without TLS.
"""

import asyncio
import contextlib
import json
import signal
import ssl
import sys
from pathlib import Path

HOST = "localhost"
_CHUNK = 1 << 18


def make_authority(folder: Path) -> tuple[Path, Path]:
    """Make an authority and a certificate of its for localhost; returns the files of the authority, and of key and certificate."""
    import trustme

    authority = trustme.CA()
    trusted, served = folder / "authority.pem", folder / "served.pem"
    authority.cert_pem.write_to_path(str(trusted))
    authority.issue_cert(HOST).private_key_and_cert_chain_pem.write_to_path(str(served))
    return trusted, served


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()


async def _serve(certificate: str, ready: Path, targets: dict[str, int]) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    ports: dict[str, int] = {}
    servers = []
    for name, port in targets.items():

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int = port) -> None:
            with contextlib.suppress(OSError):
                theirs, ours = await asyncio.open_connection("127.0.0.1", port)
                async with asyncio.TaskGroup() as both:
                    both.create_task(_carry(reader, ours))
                    both.create_task(_carry(theirs, writer))

        server = await asyncio.start_server(connected, HOST, 0, ssl=context, limit=_CHUNK)
        servers.append(server)
        ports[name] = server.sockets[0].getsockname()[1]
    new = ready.with_suffix(".new")
    new.write_text(json.dumps(ports))
    new.replace(ready)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()


def main() -> None:
    """Serve until SIGTERM."""
    certificate, ready, *targets = sys.argv[1:]
    pairs = (target.split("=") for target in targets)
    asyncio.run(_serve(certificate, Path(ready), {name: int(port) for name, port in pairs}))


if __name__ == "__main__":
    main()
