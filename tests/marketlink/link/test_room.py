"""Shared memory and descriptors are counted first: the one too many is refused with numbers, and nobody dies later."""

import json
import logging
import os
import resource
import shutil
import subprocess
import sys

import pytest
from marketlink.errors import LinkError
from marketlink.link.iceoryx import IceoryxBotPort, IceoryxConnectorPort
from marketlink.link.places import SHARED_MEMORY
from marketlink.link.room import (
    check_descriptors,
    connection_bytes,
    held,
    segment_bytes,
    services_bytes,
    to_bot_samples,
)
from marketlink.link.settings import LinkSettings, read_settings
from marketlink.messages import RegisterInstrument

from tests.conftest import ROOT
from tests.marketlink.link.killing import told
from tests.marketlink.link.standin import StandIn, message, send


def files(settings: LinkSettings, ending: str = "") -> list[os.stat_result]:
    return [path.stat() for path in SHARED_MEMORY.glob(f"{settings.prefix}*{ending}")]


@pytest.fixture
def settings(link_environment: dict[str, str]) -> LinkSettings:
    return read_settings(link_environment)


@pytest.mark.parametrize(("buffer_size", "max_bots"), [(10_000, 200), (1000, 20), (300, 1), (30_000, 5)])
def test_what_is_counted_is_what_the_library_takes(settings: LinkSettings, buffer_size: int, max_bots: int) -> None:
    settings = LinkSettings(buffer_size, max_bots, settings.root, settings.prefix)
    connector, bot = IceoryxConnectorPort("bf", settings), IceoryxBotPort("bf", 1, settings)
    samples = to_bot_samples(buffer_size, max_bots, held(max_bots))
    connections = connection_bytes(samples, buffer_size) + connection_bytes(256, buffer_size, grows=False)
    segments = segment_bytes(samples) + segment_bytes(256)
    for ending, counted in ((".connection", connections), (".data", segments)):
        taken = sum(state.st_size for state in files(settings, ending))
        assert taken <= counted <= 1.05 * taken + 32_768
    assert sum(state.st_size for state in files(settings, ".dynamic")) <= services_bytes(max_bots)
    bot.close()
    connector.close()


def test_every_page_of_a_link_is_reserved_when_it_is_open(settings: LinkSettings) -> None:
    connector, bot = IceoryxConnectorPort("bf", settings), IceoryxBotPort("bf", 1, settings)
    assert [state for state in files(settings) if state.st_blocks * 512 < state.st_size] == []
    bot.close()
    connector.close()


def test_a_bot_reserves_nothing_of_what_another_process_published(settings: LinkSettings) -> None:
    """The source's connector lays out a gigabyte that it never fills."""
    source = StandIn("bf", settings)
    send(source.connector(), 0, message())
    bot = IceoryxBotPort("bf", 1, settings)
    send(source.ports[-1], 0, message())
    assert bot.receive()
    (segment,) = (state for state in files(settings, ".data") if state.st_size > 100e6)
    assert segment.st_blocks * 512 < segment.st_size / 100
    bot.close()
    source.close()


def test_a_bot_takes_less_than_three_and_a_half_megabytes(settings: LinkSettings) -> None:
    connector = IceoryxConnectorPort("bf", settings)
    before = sum(state.st_blocks * 512 for state in files(settings))
    bot = IceoryxBotPort("bf", 1, settings)
    assert sum(state.st_blocks * 512 for state in files(settings)) - before < 3.5e6
    bot.close()
    connector.close()


@pytest.mark.parametrize("end", ["a connector", "another bot"])
def test_a_link_larger_than_the_memory_is_refused_with_numbers_before_anything_is_created(
    settings: LinkSettings, end: str
) -> None:
    size = os.statvfs(SHARED_MEMORY)
    buffer = size.f_blocks * size.f_frsize // 250
    larger = LinkSettings(buffer, 4, settings.root, settings.prefix)
    port = IceoryxConnectorPort if end == "a connector" else IceoryxBotPort
    with pytest.raises(
        LinkError, match=rf"{end} needs [\d,.]+ MB of shared memory, and [\d,.]+ of [\d,.]+ MB are free"
    ):
        port("bf", settings=larger)
    assert [path.name for path in SHARED_MEMORY.glob(f"{settings.prefix}*") if "global_mgmt" not in path.name] == []


def test_a_request_longer_than_a_sample_is_an_error_in_words(settings: LinkSettings) -> None:
    bot = IceoryxBotPort("bf", 1, settings)
    with pytest.raises(LinkError, match="is longer than the 512 that this end may send"):
        bot.request(RegisterInstrument("x" * 600))
    bot.request(RegisterInstrument("btcusdt"))
    bot.close()


def test_requests_that_nobody_takes_are_an_error_in_words(settings: LinkSettings) -> None:
    connector, bot = IceoryxConnectorPort("bf", settings), IceoryxBotPort("bf", 1, settings)
    for _ in range(256):
        bot.request(RegisterInstrument("btcusdt"))
    with pytest.raises(LinkError, match="none of its 256 samples is free") as told_of:
        bot.request(RegisterInstrument("btcusdt"))
    assert "the other side has not taken them" in str(told_of.value)
    assert len(connector.requests()) == 256
    bot.request(RegisterInstrument("btcusdt"))
    bot.close()
    connector.close()


@pytest.fixture
def small_memory() -> list[str]:
    """The beginning of a command that sees a /dev/shm of its own size, in a mount namespace that ends with it."""
    unshare = shutil.which("unshare")
    script = 'mount -t tmpfs -o size="$1" tmpfs /dev/shm && shift && exec "$@"'
    command = [str(unshare), "-m", "sh", "-c", script, "sh"]
    if unshare is None or subprocess.run([*command, "1m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mounts here: the refusal is tested by a link larger than the memory")
    return command


def crowd(small: list[str], environment: dict[str, str], size: str, most: int) -> dict[str, object]:
    arguments = [*small, size, sys.executable, "-m", "tests.marketlink.link.crowd", str(most)]
    run = subprocess.run(
        arguments, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=170
    )
    assert run.stdout, run.stderr
    result: dict[str, object] = json.loads(run.stdout.splitlines()[-1])
    return result


def test_in_a_containers_memory_the_bot_too_many_is_refused_and_all_others_live(
    small_memory: list[str], link_environment: dict[str, str]
) -> None:
    result = crowd(small_memory, link_environment, "64m", 200)
    assert result["alive"]
    assert result["ready"] == "ready"
    assert result["bots"] == result["hearing"]
    assert int(str(result["bots"])) >= 17
    assert result["still"] == 3
    assert "another bot needs 3.7 MB of shared memory, and" in str(result["refusal"])
    assert "of 67.1 MB are free" in str(result["refusal"])


def test_a_connector_without_room_is_refused_with_numbers(
    small_memory: list[str], link_environment: dict[str, str]
) -> None:
    result = crowd(small_memory, link_environment, "4m", 1)
    assert "a connector needs 6.9 MB of shared memory, and 4.2 of 4.2 MB are free" in str(result["ready"])


def test_a_message_too_large_for_the_memory_is_told_and_the_connector_lives(
    small_memory: list[str], link_environment: dict[str, str]
) -> None:
    arguments = [*small_memory, "16m", sys.executable, "-m", "tests.marketlink.link.peer", "shout", "bf", "4000"]
    environment = {**os.environ, **link_environment}
    run = subprocess.run(arguments, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert run.stdout == "lives\n", run.stderr
    assert (
        "a message of 4064 bytes is not sent" in run.stderr or "bytes is not sent: samples of that size" in run.stderr
    )


@pytest.mark.parametrize("end", [IceoryxConnectorPort, IceoryxBotPort])
def test_a_low_descriptor_limit_is_told_as_what_it_is(
    end: type[IceoryxConnectorPort] | type[IceoryxBotPort], settings: LinkSettings
) -> None:
    for limit in range(12, 31):

        def opened(limit: int = limit) -> None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
            end("bf", settings=settings)

        words = told(opened)
        assert "it needs 32 file descriptors, and" in words, f"limit {limit}: {words}"
        assert f"of this process's {limit} are free" in words


def test_with_enough_descriptors_for_the_check_there_are_enough_to_open(settings: LinkSettings) -> None:
    """The number that is asked for is no guess: with exactly so many both ends open."""
    for end in (IceoryxConnectorPort, IceoryxBotPort):

        def opened(end: type[IceoryxConnectorPort] | type[IceoryxBotPort] = end) -> None:
            used = len(os.listdir("/proc/self/fd")) - 1
            resource.setrlimit(resource.RLIMIT_NOFILE, (used + 32, used + 32))
            end("bf", settings=settings).close()

        assert told(opened) == ""


def test_a_connector_raises_the_soft_limit_for_its_bots(settings: LinkSettings) -> None:
    def raised() -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        check_descriptors("bf", 200)
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert soft >= 1600

    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 2000:
        pytest.skip("the hard limit is low here")
    assert told(raised) == ""


def test_a_limit_that_can_not_be_raised_is_told_with_the_bots_that_find_room(
    settings: LinkSettings, capfd: pytest.CaptureFixture[str]
) -> None:
    def limited() -> None:
        logging.basicConfig(force=True)
        used = len(os.listdir("/proc/self/fd")) - 1
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + 32 + 40, used + 32 + 40))
        check_descriptors("bf", 200)

    assert told(limited) == ""
    assert "leaves room for 5 of 200 bots" in capfd.readouterr().err
