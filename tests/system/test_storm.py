"""Many symbols that reconnect together stay inside the exchange's limit."""

from tests.rig import Rig
from tests.system.books import START_S, Follower, assert_true

SYMBOLS = [f"sym{number:02d}usdt" for number in range(20)]


def test_twenty_symbols_reconnecting_together_are_no_storm() -> None:
    with Rig() as rig:
        rig.exchange(
            "--market", "synthetic", "--symbols", ",".join(SYMBOLS), "--rate", "400", "--levels", "6", "--seed", "6"
        )
        rig.connector()
        with Follower(rig, SYMBOLS) as follower:
            rig.until(follower.synced, START_S, "every book to be in sync")
            for asked in (2, 3):
                rig.ask("faults", {"kind": "reset"})
                rig.until(
                    lambda wanted=asked: all(count >= wanted for count in _asked(rig).values()),
                    60,
                    "a snapshot of each",
                )
                rig.until(follower.synced, 60, "every book to be in sync again")
            assert_true(rig, follower)
            assert follower.lost_samples == 0
        assert set(_asked(rig).values()) == {3}
        state = rig.state()
        assert state["weight_peak_1m"] <= 2400
        assert not [words for words in state["rest_requests"] if "429" in words or "418" in words], state[
            "rest_requests"
        ]
        assert sum(state["rest_requests"].values()) >= 61


def _asked(rig: Rig) -> dict[str, int]:
    return {symbol: len(each["depth_requests"]) for symbol, each in rig.state()["symbols"].items()}
