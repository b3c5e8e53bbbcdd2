"""A process killed while it opens a link, at whatever instant, blocks nobody; what a living one is creating stays."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from marketlink.errors import LinkError
from marketlink.link import places
from marketlink.link.iceoryx import IceoryxBotPort, IceoryxConnectorPort
from marketlink.link.leftovers import remove_dead_descriptions, remove_dead_segments, unfinished_descriptions
from marketlink.link.places import SHARED_MEMORY, Place
from marketlink.link.settings import read_settings

from tests.conftest import ROOT


def kills(
    environment: dict[str, str], role: str, first: int, step: int, count: int
) -> tuple[list[dict[str, str]], str]:
    """Kill `count` starting processes; return what came of each, and the log."""
    arguments = [sys.executable, "-m", "tests.marketlink.link.killing", role, str(first), str(step), str(count)]
    run = subprocess.run(
        arguments, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=1700
    )
    if "ptrace" in run.stderr:
        pytest.skip("processes can't be traced here")
    told = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(told) == count, run.stderr
    return told, run.stderr


def check_connectors(environment: dict[str, str], first: int, step: int, count: int) -> None:
    told, log = kills(environment, "connector", first, step, count)
    assert [one for one in told if one["wrong"]] == []
    assert "left unfinished by a process that died creating it" in log


def check_bots(environment: dict[str, str], first: int, step: int, count: int) -> None:
    arguments = [sys.executable, "-m", "tests.marketlink.link.peer", "publish", "bf", "0"]
    with subprocess.Popen(
        arguments, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True
    ) as connector:
        try:
            assert connector.stdout is not None
            assert connector.stdout.readline() == "ready\n"
            told, _ = kills(environment, "bot", first, step, count)
            assert [one for one in told if one["wrong"]] == []
            assert connector.poll() is None
        finally:
            connector.kill()


def test_a_connector_killed_at_any_instant_of_its_start_blocks_nobody(link_environment: dict[str, str]) -> None:
    check_connectors(link_environment, first=3, step=7, count=40)


def test_a_bot_killed_at_any_instant_of_its_start_harms_nobody(link_environment: dict[str, str]) -> None:
    check_bots(link_environment, first=1, step=5, count=16)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_three_hundred_connectors_killed_while_starting_block_nobody(link_environment: dict[str, str]) -> None:
    check_connectors(link_environment, first=0, step=1, count=300)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_hundred_bots_killed_while_starting_harm_nobody(link_environment: dict[str, str]) -> None:
    check_bots(link_environment, first=0, step=1, count=100)


def unfinished(place: Place, number: str = "abc") -> Path:
    place.services.mkdir(parents=True, exist_ok=True)
    path = place.services / f"{place.prefix}{number}.service"
    path.touch(0o600)
    return path


def test_a_description_that_a_living_node_tags_is_never_removed(tmp_path: Path) -> None:
    place = Place(tmp_path, "t_")
    path = unfinished(place)
    tag = place.nodes / "7" / "t_abc.service_tag"
    tag.parent.mkdir(parents=True)
    tag.touch()
    assert remove_dead_descriptions(place, set()) == []
    assert remove_dead_descriptions(place, {"8"}) == []
    assert path.exists()
    assert remove_dead_descriptions(place, {"7", "8"}) == [path]


def test_finished_descriptions_and_those_of_other_links_are_never_removed(tmp_path: Path) -> None:
    place = Place(tmp_path, "t_")
    finished, other = unfinished(place), unfinished(Place(tmp_path, "other_"))
    finished.chmod(0o400)
    assert remove_dead_descriptions(place, set()) == []
    assert finished.exists()
    assert other.exists()


def test_a_segment_that_somebody_has_open_is_never_removed(link_environment: dict[str, str]) -> None:
    place = Place(Path(link_environment["MARKETLINK_LINK_ROOT"]), link_environment["MARKETLINK_LINK_PREFIX"])
    path = SHARED_MEMORY / f"{place.prefix}half.dynamic"
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o200)
    assert remove_dead_segments(place) == []
    os.close(descriptor)
    assert remove_dead_segments(place) == [path]
    assert not path.exists()


def test_a_finished_segment_is_never_removed(link_environment: dict[str, str]) -> None:
    place = Place(Path(link_environment["MARKETLINK_LINK_ROOT"]), link_environment["MARKETLINK_LINK_PREFIX"])
    path = SHARED_MEMORY / f"{place.prefix}whole.dynamic"
    path.touch(0o600)
    assert remove_dead_segments(place) == []
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_service_that_a_stopped_process_is_creating_is_left_alone_and_said(
    link_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "_TURN_S", 0.2)
    settings = read_settings(link_environment)
    arguments = [sys.executable, "-m", "tests.marketlink.link.killing", "stopped"]
    with subprocess.Popen(
        arguments,
        cwd=ROOT,
        env={**os.environ, **link_environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as creator:
        try:
            assert creator.stdout is not None
            stopped = creator.stdout.readline().strip()
            if not stopped:
                pytest.skip("processes can't be traced here")
            assert unfinished_descriptions(places.place_of(settings))
            with pytest.raises(LinkError, match=rf"lives and does not go on \(process {stopped}\)"):
                IceoryxBotPort("bf", settings=settings)
            assert unfinished_descriptions(places.place_of(settings))
            assert creator.communicate("go on\n", timeout=60)[0] == "finished\n"
        finally:
            creator.kill()
    IceoryxConnectorPort("bf", settings).close()
