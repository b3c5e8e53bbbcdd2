"""A websocket of few messages: an account's stream, or a venue's WebSocket API. Market data comes through `feed`."""

import ssl
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Final, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from marketlink.errors import Unreachable
from marketlink.run.network import proxy_of, tls_words

MAX_MESSAGE: Final = 2**24
OPEN_S: Final = 10.0
CLOSE_S: Final = 1.0


class PlainSocket:
    """An async context manager; no redirect is followed. Raises Unreachable on entering when there is no connection."""

    def __init__(self, venue: str, url: str, tls: ssl.SSLContext | None = None) -> None:
        self._venue, self._url, self._tls = venue, url, tls
        self.shown = url.partition("?")[0]  # what may be logged: a query may carry a key
        self._connection: ClientConnection | None = None

    async def __aenter__(self) -> Self:
        settings: dict[str, Any] = {}
        if self._url.startswith("wss:") and self._tls is not None:
            settings["ssl"] = self._tls
        try:
            self._connection = await Connect(
                self._url,
                compression=None,
                proxy=proxy_of(self._url),
                max_size=MAX_MESSAGE,
                open_timeout=OPEN_S,
                close_timeout=CLOSE_S,
                **settings,
            )
        except InvalidStatus as error:
            raise Unreachable(self._venue, self.shown, f"HTTP {error.response.status_code}") from None
        except (OSError, EOFError, ValueError, OverflowError, WebSocketException) as error:
            why = tls_words(error, self._url) or f"{type(error).__name__}: {error}"
            raise Unreachable(self._venue, self.shown, why.replace(self._url, self.shown)) from None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is not None:
            await self._connection.close()

    async def send(self, message: bytes) -> None:
        """Send a text message. Raises Unreachable when the connection is gone: whether it arrived is then not known."""
        assert self._connection is not None
        try:
            await self._connection.send(message.decode())
        except (OSError, WebSocketException) as error:
            raise Unreachable(self._venue, self.shown, f"{type(error).__name__}: {error}") from error

    async def messages(self) -> AsyncIterator[bytes]:
        """Yield messages until the connection is closed."""
        assert self._connection is not None
        try:
            async for message in self._connection:
                yield message.encode() if isinstance(message, str) else message
        except ConnectionClosed:
            return


class Connect(connect):
    """Follows no redirect: a venue's answer decides not which host is spoken to."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Return the error as it is."""
        return exc
