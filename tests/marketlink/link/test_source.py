"""A process of the source as the peer, whichever comes first: opened with what it chose, told from ours, looked at every millisecond.

The source's own programs are taken from SOURCE_BIN, or from the shared folder; without them the stand-in is the peer.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from marketlink.errors import AlreadyRunning, LinkError
from marketlink.link.iceoryx import IceoryxBotPort, IceoryxConnectorPort, node
from marketlink.link.port import Peer
from marketlink.link.settings import LinkSettings, read_settings
from marketlink.messages import Batch, BotRequest, RegisterInstrument

from tests.conftest import ROOT
from tests.marketlink.link.conformance import feed, rows
from tests.marketlink.link.standin import StandIn, message, send

REGISTER = bytes.fromhex("0107627463757364749a9999999999b93ffca9f1d24d62503f")


@pytest.fixture
def settings(link_environment: dict[str, str]) -> LinkSettings:
    return LinkSettings(1000, 10, link_environment["MARKETLINK_LINK_ROOT"], link_environment["MARKETLINK_LINK_PREFIX"])


@pytest.fixture
def source_programs() -> Path:
    for candidate in (os.environ.get("SOURCE_BIN"), ROOT.parent / "shared/source-bin"):
        if candidate and (Path(candidate) / "probe").is_file():
            return Path(candidate)
    pytest.skip("the source's programs are not on this machine")


@pytest.mark.parametrize(
    "sizes", [{}, {"max_nodes": 3}, {"subscriber_max_buffer_size": 100}, {"subscriber_max_buffer_size": 5000}]
)
def test_a_bot_hears_a_connector_of_the_source_that_came_first(settings: LinkSettings, sizes: dict[str, int]) -> None:
    source = StandIn("bf", settings, **sizes)
    publisher = source.connector()
    bot = IceoryxBotPort("bf", 1, settings)
    send(publisher, 0, message())
    assert len(bot.receive()) == 1
    bot.request(RegisterInstrument("btcusdt", 0.1, 0.001))
    sample = source.requests.receive()
    assert bytes(sample.payload())[: len(REGISTER)] == REGISTER
    sample.delete()
    bot.close()
    source.close()


@pytest.mark.parametrize("bots", [3, 10, 50])
def test_a_connector_serves_a_bot_of_the_source_that_came_first(settings: LinkSettings, bots: int) -> None:
    source = StandIn("bf", LinkSettings(settings.buffer_size, bots, settings.root, settings.prefix))
    subscriber, publisher = source.bot()
    connector = IceoryxConnectorPort("bf", settings)
    send(publisher, 77, REGISTER)
    assert connector.requests() == [BotRequest(77, RegisterInstrument("btcusdt", 0.1, 0.001), numbered=False)]
    connector.send(Batch((feed("btcusdt", 1),), framed=False))
    sample = subscriber.receive()
    assert sample is not None
    sample.delete()
    connector.close()
    source.close()


def test_a_process_of_the_source_opens_what_ours_created(settings: LinkSettings) -> None:
    connector = IceoryxConnectorPort("bf", settings)
    source = StandIn("bf", settings)
    _, publisher = source.bot()
    send(publisher, 77, REGISTER)
    assert len(connector.requests()) == 1
    connector.close()
    source.close()


def test_our_connector_is_refused_beside_one_of_the_source(settings: LinkSettings) -> None:
    source = StandIn("bf", settings)
    source.connector()
    with pytest.raises(AlreadyRunning):
        IceoryxConnectorPort("bf", settings)
    source.close()


def test_a_link_for_fewer_bots_says_for_how_many(settings: LinkSettings) -> None:
    source = StandIn("bf", LinkSettings(settings.buffer_size, 1, settings.root, settings.prefix))
    one = IceoryxBotPort("bf", 1, settings)
    with pytest.raises(LinkError, match="At most 1 bots may be on this connector"):
        IceoryxBotPort("bf", 2, settings)
    one.close()
    source.close()


def test_a_link_for_fewer_processes_says_for_how_many(settings: LinkSettings) -> None:
    source = StandIn("bf", settings, max_nodes=1)
    with pytest.raises(LinkError, match="no place for another process: its creator allowed 1"):
        IceoryxBotPort("bf", 1, settings)
    source.close()


def test_a_link_whose_readers_would_stop_its_writer_is_refused(settings: LinkSettings) -> None:
    source = StandIn("bf", settings, enable_safe_overflow=False)
    with pytest.raises(LinkError, match="ToBot was created without safe overflow"):
        IceoryxConnectorPort("bf", settings)
    source.close()


def test_a_bot_knows_who_publishes(settings: LinkSettings) -> None:
    bot, other = IceoryxBotPort("bf", 1, settings), IceoryxBotPort("bf", 2, settings)
    assert bot.peer() is Peer.NOBODY
    source = StandIn("bf", settings)
    source.connector()
    assert bot.peer() is Peer.SOURCE
    source.close()
    assert bot.peer() is Peer.NOBODY
    connector = IceoryxConnectorPort("bf", settings)
    assert bot.peer() is other.peer() is Peer.OURS
    connector.close()
    assert bot.peer() is Peer.NOBODY
    bot.close()
    other.close()


def test_a_connector_of_the_source_that_was_killed_is_nobody(
    link_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node, "_CLEANUP_S", 0.0)
    arguments = [sys.executable, "-m", "tests.marketlink.link.standin", "bf"]
    environment = {**os.environ, **link_environment}
    with subprocess.Popen(arguments, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as source:
        assert source.stdout is not None
        assert source.stdout.readline() == "ready\n"
        bot = IceoryxBotPort("bf", 1, read_settings(link_environment))
        assert bot.peer() is Peer.SOURCE
        source.kill()
        source.wait(10)
    bot.receive()
    bot.peer()  # what was heard before may hide the silence once
    assert bot.peer() is Peer.NOBODY
    bot.close()


def test_unnumbered_samples_come_as_runs_of_one_publisher(settings: LinkSettings) -> None:
    source = StandIn("bf", LinkSettings(1000, 10, settings.root, settings.prefix), max_publishers=2)
    one, two = source.connector(), source.to_bot.publisher_builder().initial_max_slice_len(512).create()
    source.ports.append(two)
    bot = IceoryxBotPort("bf", 1, settings)
    for _ in range(2):
        send(one, 0, message())
    for _ in range(3):
        send(two, 0, message())
    runs = bot._to_bot.runs(identify=True)
    assert {publisher: len(samples) for publisher, samples in runs} == {one.id.value: 2, two.id.value: 3}
    bot.close()
    source.close()


def test_a_connector_of_the_source_is_looked_at_every_millisecond(
    settings: LinkSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = StandIn("bf", settings)
    publisher = source.connector()
    bot = IceoryxBotPort("bf", 1, settings)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            send(publisher, 0, message())

    monkeypatch.setattr(time, "sleep", sleep)
    assert bot.wait(1.0)
    assert len(slept) == 3
    assert max(slept) <= 0.001
    monkeypatch.undo()
    bot.close()
    source.close()


def test_one_receive_takes_a_bounded_number_and_the_next_wait_returns_at_once(
    settings: LinkSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    larger = LinkSettings(6000, 4, settings.root, settings.prefix)
    connector, bot = IceoryxConnectorPort("bf", larger), IceoryxBotPort("bf", 1, larger)
    connector.send(Batch((feed("btcusdt", 5000),), framed=False))
    assert rows(bot.receive()) == 4096

    class NoListener:
        def timed_wait(self, _: object) -> None:
            raise AssertionError("waited while samples were left")

    listener, bot._to_bot._listener = bot._to_bot._listener, NoListener()
    assert bot.wait(10.0)
    bot._to_bot._listener = listener
    assert rows(bot.receive()) == 904
    bot.close()
    connector.close()


@pytest.fixture
def fake_connector(
    source_programs: Path, link_environment: dict[str, str], tmp_path: Path
) -> Iterator[subprocess.Popen[bytes]]:
    (tmp_path / "config").mkdir()
    root, prefix = link_environment["MARKETLINK_LINK_ROOT"], link_environment["MARKETLINK_LINK_PREFIX"]
    (tmp_path / "config/iceoryx2.toml").write_text(f'[global]\nroot-path = "{root}"\nprefix = "{prefix}"\n')
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [source_programs / "probe", "fake", "bf", "60"], cwd=tmp_path, stdout=log, stderr=log
        )
    try:
        for _ in range(200):
            if b"ready" in (tmp_path / "log").read_bytes():
                break
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait(10)


def test_the_sources_own_connector_is_opened_and_known(
    fake_connector: subprocess.Popen[bytes], link_environment: dict[str, str]
) -> None:
    settings = read_settings(link_environment)
    bot = IceoryxBotPort("bf", None, settings)
    assert bot.peer() is Peer.SOURCE
    bot.request(RegisterInstrument("btcusdt", 0.1, 0.001))
    with pytest.raises(AlreadyRunning):
        IceoryxConnectorPort("bf", settings)
    assert fake_connector.poll() is None
    bot.close()
