"""TLS and proxies for real: servers on loopback with certificates made here, REST and websocket through the same settings."""

# ruff: noqa: ASYNC110 - the tests poll what the feed counts

import asyncio
import contextlib
import functools
import random
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from marketlink.errors import SettingsError, Unreachable
from marketlink.run.feed import Feed, FeedSettings
from marketlink.run.http import VenueHttp
from marketlink.run.limits import WeightBudget
from marketlink.run.network import proxy_of, ssl_context, tls_words
from marketlink.run.retry import BackoffSettings
from marketlink.venues.binance import USDM
from websockets.asyncio.server import ServerConnection, serve

from tests.marketlink.run.test_feed import Diary

NOW = datetime.now(UTC)
BODY = b'{"lastUpdateId":7,"E":2,"T":1,"bids":[],"asks":[]}'
ENVIRONMENT = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir")


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@functools.cache
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority().cert_pem.write_to_path(str(path))
    return path


def server_tls(*hosts: str, by: trustme.CA | None = None, **dates: datetime) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (by or authority()).issue_cert(*hosts, **dates).configure_cert(context)
    return context


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One REST answer after the other."""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while await reader.readline():
            while (await reader.readline()).strip():
                pass
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY))
            await writer.drain()
    writer.close()


async def grant(connection: ServerConnection) -> None:
    await connection.wait_closed()


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


@contextlib.asynccontextmanager
async def served(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The port of a server that leaves nothing behind."""
    running: dict[asyncio.Task[Any], asyncio.StreamWriter] = {}

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running[task] = writer
        with contextlib.suppress(asyncio.CancelledError):
            await handler(reader, writer)

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]
        server.close()
        for task, writer in running.items():
            task.cancel()
            writer.transport.abort()
        await asyncio.gather(*running, return_exceptions=True)
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def exchange(tls: ssl.SSLContext | None) -> AsyncIterator[tuple[int, int]]:
    """The ports of a websocket server and a REST server."""
    async with serve(grant, "127.0.0.1", 0, compression=None, ssl=tls) as streams, served(answer, tls) as rest:
        yield next(iter(streams.sockets)).getsockname()[1], rest


async def rest_trouble(url: str, tls: ssl.SSLContext | None) -> str:
    """Return why a request fails; empty: it does not."""
    async with VenueHttp(USDM, url, WeightBudget(USDM.weight_limit), client_timeout_s=10.0, tls=tls) as http:
        try:
            assert await http.get(USDM.snapshot_request("btcusdt")) == BODY
        except Unreachable as error:
            return error.why
    return ""


async def stream_trouble(url: str, tls: ssl.SSLContext | None, caplog: pytest.LogCaptureFixture) -> str:
    """Return why a connection is not made; empty: it is."""
    caplog.clear()
    diary, settings = Diary(), FeedSettings(backoff=BackoffSettings(min_s=5.0, cap_s=5.0), close_timeout_s=0.2)
    feed = Feed(USDM, url, diary, settings=settings, rng=random.Random(1), tls=tls)
    running = asyncio.create_task(feed.run())
    try:
        async with asyncio.timeout(20):
            while not feed.counts.connections and not feed.counts.ends:
                await asyncio.sleep(0.005)
            await asyncio.sleep(0.01)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return "" if feed.counts.connections else " ".join(record.getMessage() for record in caplog.records)


def troubles(
    caplog: pytest.LogCaptureFixture,
    server: ssl.SSLContext | None,
    client: ssl.SSLContext | None,
    *,
    host: str = "127.0.0.1",
    secure: bool = True,
) -> tuple[str, str]:
    """Why REST and why the websocket fail against one exchange."""

    async def main() -> tuple[str, str]:
        async with exchange(server) as (streams, rest):
            s = "s" if secure else ""
            return (
                await rest_trouble(f"http{s}://{host}:{rest}", client),
                await stream_trouble(f"ws{s}://{host}:{streams}/public/stream", client, caplog),
            )

    return asyncio.run(main())


def test_both_sockets_accept_a_certificate_of_an_authority_that_is_given(
    ca_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert troubles(caplog, server_tls("127.0.0.1"), ssl_context(ca_file)) == ("", "")


def test_both_sockets_trust_what_the_environment_names(
    ca_file: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    assert troubles(caplog, server_tls("127.0.0.1"), None) == ("", "")


@pytest.mark.parametrize(
    ("server", "host", "words"),
    [
        (lambda: server_tls("127.0.0.1", by=trustme.CA()), "127.0.0.1", ["authority that is not trusted", "ca_file"]),
        (lambda: server_tls("other.example"), "127.0.0.1", ["another host's", "Check the host"]),
        (lambda: server_tls("other.example"), "localhost", ["another host's", "Check the host"]),
        (
            lambda: server_tls("127.0.0.1", not_before=NOW - timedelta(9), not_after=NOW - timedelta(1)),
            "127.0.0.1",
            ["has expired", "date"],
        ),
        (
            lambda: server_tls("127.0.0.1", not_before=NOW + timedelta(9), not_after=NOW + timedelta(20)),
            "127.0.0.1",
            ["not valid yet", "date"],
        ),
    ],
    ids=["unknown authority", "other address", "other host", "expired", "not yet"],
)
def test_a_certificate_that_is_not_right_is_refused_with_its_cause_and_remedy(
    server: Callable[[], ssl.SSLContext], host: str, words: list[str], ca_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for trouble in troubles(caplog, server(), ssl_context(ca_file), host=host):
        for word in [host, *words]:
            assert word in trouble


def test_without_its_authority_given_a_private_exchange_is_refused_on_both_sockets(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for trouble in troubles(caplog, server_tls("127.0.0.1"), None):
        assert "authority that is not trusted" in trouble
        assert "SSL_CERT_FILE" in trouble


def test_a_host_that_speaks_no_tls_is_told_so(ca_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    async def main() -> tuple[str, str]:
        async with served(plain) as port:
            tls = ssl_context(ca_file)
            return (
                await rest_trouble(f"https://127.0.0.1:{port}", tls),
                await stream_trouble(f"wss://127.0.0.1:{port}/public/stream", tls, caplog),
            )

    for trouble in asyncio.run(main()):
        assert "no TLS with 127.0.0.1" in trouble
        assert "Does it speak TLS" in trouble


def test_a_given_file_is_trusted_instead_of_all_others(
    ca_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    given, named, system = ssl_context(ca_file), ssl_context(), ssl_context(environment={})
    assert given.cert_store_stats()["x509_ca"] == named.cert_store_stats()["x509_ca"] == 1
    assert given.get_ca_certs() != named.get_ca_certs()
    assert system.verify_mode is ssl.CERT_REQUIRED
    assert system.check_hostname


@pytest.mark.parametrize(
    ("content", "words"), [(None, "No such file"), (b"", ""), (b"no certificate", ""), (b"\xff\x00" * 50, "")]
)
def test_a_file_of_authorities_that_can_not_be_used_is_named_with_its_remedy(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    path = tmp_path / "wrong.pem"
    if content is not None:
        path.write_bytes(content)
    for make, name in (
        (lambda: ssl_context(path), "ca_file"),
        (lambda: ssl_context(environment={"SSL_CERT_FILE": str(path)}), "SSL_CERT_FILE"),
    ):
        with pytest.raises(SettingsError) as caught:
            make()
        assert caught.value.field == name
        assert str(path) in str(caught.value)
        assert words in str(caught.value)
        assert "PEM" in caught.value.remedy


def test_a_directory_of_authorities_that_is_not_there_is_named() -> None:
    with pytest.raises(SettingsError, match="SSL_CERT_DIR: /nowhere: no such directory"):
        ssl_context(environment={"SSL_CERT_DIR": "/nowhere"})


def test_what_is_no_trouble_of_tls_has_no_words_for_it() -> None:
    assert tls_words(OSError("reset"), "wss://a") is None


# -- proxies --------------------------------------------------------------------------------------------------------------


@dataclass
class Proxy:
    """A forward proxy that leads every name to ports of this machine, and notes what it was asked."""

    ports: dict[str, int]
    asked: list[str] = field(default_factory=list)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, target, _ = (await reader.readline()).decode().split()
        head = b"".join([line async for line in self._head(reader)])
        self.asked.append(f"{method} {target}")
        place = target if method == "CONNECT" else target.split("/")[2]
        up, down = await asyncio.open_connection("127.0.0.1", self.ports[place.partition(":")[0]])
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            down.write(f"{method} /{target.split('/', 3)[3]} HTTP/1.1\r\n".encode() + head + b"\r\n")
        try:
            await asyncio.gather(self._copy(reader, down), self._copy(up, writer))
        finally:
            down.transport.abort()

    async def _head(self, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        while (line := await reader.readline()).strip():
            yield line

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
        target.close()


def through_a_proxy(
    test: Callable[[Proxy, int], Coroutine[Any, Any, None]],
    tls: ssl.SSLContext | None,
    proxy_tls: ssl.SSLContext | None,
) -> Proxy:
    async def main() -> Proxy:
        async with exchange(tls) as (streams, rest):
            proxy = Proxy({"streams.test": streams, "rest.test": rest})
            async with served(proxy.talk, proxy_tls) as port:
                await test(proxy, port)
        return proxy

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("variable", "secure", "scheme"),
    [
        ("HTTPS_PROXY", True, "http"),
        ("https_proxy", True, "http"),
        ("ALL_PROXY", True, "http"),
        ("HTTP_PROXY", False, "http"),
        ("ALL_PROXY", False, "http"),
        ("HTTPS_PROXY", True, "https"),
    ],
)
def test_both_sockets_go_through_the_proxy_that_the_environment_names(
    variable: str,
    secure: bool,
    scheme: str,
    ca_file: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def test(proxy: Proxy, port: int) -> None:
        monkeypatch.setenv(variable, f"{scheme}://me:hush@127.0.0.1:{port}")
        s, tls = "s" if secure else "", ssl_context(ca_file)
        caplog.set_level("INFO")
        assert await rest_trouble(f"http{s}://rest.test", tls) == ""
        assert await stream_trouble(f"ws{s}://streams.test/public/stream", tls, caplog) == ""
        assert f"through the proxy 127.0.0.1:{port}" in caplog.text
        assert "hush" not in caplog.text

    proxy = through_a_proxy(
        test,
        server_tls("rest.test", "streams.test") if secure else None,
        server_tls("127.0.0.1") if scheme == "https" else None,
    )
    asked = " ".join(proxy.asked)
    assert len(proxy.asked) == 2
    assert "rest.test" in asked
    assert "CONNECT streams.test" in asked


def test_a_proxy_that_refuses_is_told_and_tried_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async def main() -> tuple[str, str]:
        async with served(refuse) as port:
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
            return (
                await rest_trouble("https://rest.test", None),
                await stream_trouble("wss://streams.test/public/stream", None, caplog),
            )

    for trouble in asyncio.run(main()):
        assert "407" in trouble


@pytest.mark.parametrize(
    ("environment", "url", "expected"),
    [
        ({}, "wss://a.test", None),
        ({"HTTPS_PROXY": "http://p:1"}, "wss://a.test", "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1"}, "https://a.test/x", "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1"}, "ws://a.test", None),
        ({"HTTPS_PROXY": "p:1"}, "wss://a.test", "http://p:1"),
        ({"HTTPS_PROXY": "", "ALL_PROXY": "http://q:2"}, "wss://a.test", "http://q:2"),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "a.test"}, "wss://a.test", None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": ".test"}, "wss://a.test:99/x", None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "a.test:98"}, "wss://a.test:99/x", "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, "https://a.test", None),
        ({"HTTPS_PROXY": "http://p:1"}, "wss://127.0.0.1:9", None),
        ({"HTTPS_PROXY": "http://p:1"}, "wss://[::1]:9", None),
        ({"ALL_PROXY": "http://p:1"}, "ws://localhost:9", None),
    ],
)
def test_the_proxy_of_a_url_is_the_environments(
    environment: dict[str, str], url: str, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_of(url) == expected


@pytest.mark.parametrize("proxy", ["socks5://p:1", "http://", "http://p:99999", "http://[", "ftp://p"])
def test_a_proxy_that_can_not_be_used_is_named_with_its_remedy(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    for make in (
        lambda: Feed(USDM, "wss://a.test", Diary(), rng=random.Random(1)),
        lambda: VenueHttp(USDM, "https://a.test", WeightBudget(USDM.weight_limit)),
    ):
        with pytest.raises(SettingsError, match=r"ALL_PROXY.*NO_PROXY"):
            make()


def test_a_proxys_password_is_in_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for proxy in ("socks5://me:hush@p:1", "http://me:hush@p:99999", "http://me:hush@"):
        monkeypatch.setenv("ALL_PROXY", proxy)
        with pytest.raises(SettingsError) as caught:
            proxy_of("wss://a.test")
        assert "hush" not in str(caught.value)
