"""Every scripted fault of the exchange ends with the right book, and costs the snapshots that it must."""

import time
from collections.abc import Iterator

import pytest

from tests.rig import Rig
from tests.system.books import START_S, Follower, assert_true

# One symbol a fault, so that all of them happen at once. The snapshots that a fault must cost: a lost, spoilt or overtaken
# message one; a repeated one none; a request that fails one more than it would have.
MESSAGE_FAULTS: dict[str, tuple[list[dict[str, object]], int]] = {
    "drop": ([{"kind": "drop", "stream": "depth"}], 1),
    "drop three": ([{"kind": "drop", "stream": "depth", "count": 3}], 1),
    "duplicate": ([{"kind": "duplicate", "stream": "depth", "count": 5}], 0),
    "reorder": ([{"kind": "reorder", "stream": "depth"}], 1),
    "truncated": ([{"kind": "corrupt", "mode": "truncate", "stream": "depth"}], 1),
    "flipped": ([{"kind": "corrupt", "mode": "flip", "stream": "depth"}], 1),
    "trade spoilt": ([{"kind": "corrupt", "mode": "truncate", "stream": "trade"}], 0),
    "slow": ([{"kind": "slow", "delay_s": 1.5}, {"kind": "drop", "stream": "depth"}], 1),
    "500": ([{"kind": "status", "status": 500}, {"kind": "drop", "stream": "depth"}], 2),
    "503": ([{"kind": "status", "status": 503}, {"kind": "drop", "stream": "depth"}], 2),
    "never answered": ([{"kind": "timeout"}, {"kind": "drop", "stream": "depth"}], 2),
    "empty body": ([{"kind": "empty_body"}, {"kind": "drop", "stream": "depth"}], 2),
    "HTML body": ([{"kind": "html_body"}, {"kind": "drop", "stream": "depth"}], 2),
    "stale": ([{"kind": "stale_snapshot", "updates": 50}, {"kind": "drop", "stream": "depth"}], 2),
    "boundary pu": ([{"kind": "boundary_snapshot", "mode": "pu"}, {"kind": "drop", "stream": "depth"}], 1),
    "boundary u": ([{"kind": "boundary_snapshot", "mode": "u"}, {"kind": "drop", "stream": "depth"}], 1),
    "inside": ([{"kind": "boundary_snapshot", "mode": "inside"}, {"kind": "drop", "stream": "depth"}], 1),
}
CONNECTION_FAULTS: dict[str, dict[str, object]] = {
    "eof": {"kind": "eof"},
    "reset": {"kind": "reset"},
    "close": {"kind": "close", "code": 1006 + 5},
    "disconnect after 24 h": {"kind": "disconnect_24h"},
    "stall": {"kind": "stall", "for_s": 60},
    "server shutdown": {"kind": "server_shutdown", "delay_s": 1},
}
SYMBOLS = [f"sym{number:02d}usdt" for number in range(len(MESSAGE_FAULTS))]


class Scene:
    """One exchange, one connector and one bot for all of this module."""

    def __init__(self, rig: Rig, follower: Follower) -> None:
        self.rig, self.follower = rig, follower

    def asked(self) -> dict[str, int]:
        return {symbol: len(each["depth_requests"]) for symbol, each in self.rig.state()["symbols"].items()}

    def reconnected(self, since: int) -> bool:
        return bool(self.rig.state()["connections_opened"] > since)

    def healed(self) -> None:
        self.rig.until(self.follower.synced, 60, "every book to be in sync again")
        assert_true(self.rig, self.follower)


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with Rig() as rig:
        market = (
            "--market",
            "synthetic",
            "--symbols",
            ",".join(SYMBOLS),
            "--rate",
            "700",
            "--levels",
            "6",
            "--seed",
            "5",
        )
        rig.exchange(*market, "--ping-interval", "1", "--weight-limit", "20000", "--connection-limit", "0")
        rig.connector(data_age_s=2.0, ping_age_s=4.0, request_timeout_s=2.5)
        with Follower(rig, SYMBOLS) as follower:
            rig.until(follower.synced, START_S, "every book to be in sync")
            yield Scene(rig, follower)


def test_a_start_asks_once_a_symbol(scene: Scene) -> None:
    assert set(scene.asked().values()) == {1}
    assert_true(scene.rig, scene.follower)


def test_message_and_request_faults_cost_what_they_must(scene: Scene) -> None:
    rig, before = scene.rig, scene.asked()
    for symbol, (faults, _) in zip(SYMBOLS, MESSAGE_FAULTS.values(), strict=True):
        for fault in faults:
            rig.ask("faults", {**fault, "symbol": symbol})
    rig.until(lambda: not rig.state()["faults_waiting"], 60, "every fault to have happened")
    time.sleep(4)  # longer than the client waits for the request that is never answered
    scene.healed()
    after = scene.asked()
    cost = {name: after[symbol] - before[symbol] for symbol, name in zip(SYMBOLS, MESSAGE_FAULTS, strict=True)}
    assert cost == {name: must for name, (_, must) in MESSAGE_FAULTS.items()}


@pytest.mark.parametrize("fault", CONNECTION_FAULTS.values(), ids=list(CONNECTION_FAULTS))
def test_a_lost_connection_costs_one_snapshot_a_symbol(scene: Scene, fault: dict[str, object]) -> None:
    rig, before, connections = scene.rig, scene.asked(), scene.rig.state()["connections_opened"]
    rig.ask("faults", fault)
    rig.until(lambda: scene.reconnected(connections), 30, "another connection")
    rig.until(lambda: all(count > before[symbol] for symbol, count in scene.asked().items()), 30, "a snapshot of each")
    scene.healed()
    assert {symbol: count - before[symbol] for symbol, count in scene.asked().items()} == dict.fromkeys(SYMBOLS, 1)


def test_a_server_that_stops_pinging_is_left(scene: Scene) -> None:
    rig, connections = scene.rig, scene.rig.state()["connections_opened"]
    rig.ask("faults", {"kind": "no_pings", "for_s": 600})
    rig.until(lambda: scene.reconnected(connections), 30, "another connection")
    rig.ask("faults", method="DELETE")
    time.sleep(1)
    scene.healed()


@pytest.mark.parametrize("status", [429, 418])
def test_retry_after_is_honoured(scene: Scene, status: int) -> None:
    rig, before = scene.rig, scene.asked()
    symbol = SYMBOLS[0]
    rig.ask("faults", {"kind": "status", "status": status, "retry_after_s": 3, "symbol": symbol})
    rig.ask("faults", {"kind": "drop", "stream": "depth", "symbol": symbol})
    rig.until(lambda: scene.asked()[symbol] >= before[symbol] + 2, 40, "the second ask")
    scene.healed()
    times = rig.state()["symbols"][symbol]["depth_requests"]
    assert scene.asked()[symbol] - before[symbol] == 2
    assert times[-1]["at_s"] - times[-2]["at_s"] >= 3.0, "asked again before the time that the exchange named"


def test_every_sample_reached_the_bot(scene: Scene) -> None:
    assert scene.follower.lost_samples == 0
