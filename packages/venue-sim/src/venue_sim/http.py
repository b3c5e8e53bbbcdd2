"""HTTP connections that can be broken: uvicorn's protocol, with its transports at hand."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import cast

from starlette.datastructures import Address
from uvicorn.protocols.http.h11_impl import H11Protocol


class HttpConnections:
    """The open HTTP connections by their client's address."""

    def __init__(self) -> None:
        self._transports: dict[tuple[str, int], asyncio.Transport] = {}

    def protocol(self) -> type[H11Protocol]:
        """The protocol class for uvicorn that keeps this up to date."""
        transports = self._transports

        class Known(H11Protocol):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                self._peer: tuple[str, int] = transport.get_extra_info("peername")[:2]
                transports[self._peer] = transport
                super().connection_made(transport)

            def connection_lost(self, exc: Exception | None) -> None:
                transports.pop(self._peer, None)
                super().connection_lost(exc)

        return Known

    def hang_up(self, client: Address | None, mode: str) -> None:
        """End a client's connection now: `reset` with RST (lingering 0), `eof` with FIN."""
        transport = None if client is None else self._transports.get((client.host, client.port))
        if transport is None:
            return
        if mode == "reset":
            abort(transport)
        else:
            transport.close()


def abort(transport: asyncio.Transport) -> None:
    """Break a TCP connection at once: lingering 0 makes the kernel send RST."""
    sock = cast("socket.socket | None", transport.get_extra_info("socket"))
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
