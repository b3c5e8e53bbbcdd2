"""A bot that joins late."""

import time

from tests.rig import Rig
from tests.system.books import START_S, Follower, assert_true


def test_late_bot_has_the_book_of_the_one_that_was_there_from_the_start() -> None:
    with Rig() as rig:
        rig.exchange("--market", "synthetic", "--symbols", "btcusdt", "--rate", "300", "--seed", "3")
        rig.connector()
        with Follower(rig, ["btcusdt"]) as early:
            rig.until(early.synced, START_S, "the first bot to be in sync")
            time.sleep(2)
            with Follower(rig, ["btcusdt"]) as late:
                rig.until(late.synced, 30, "the late bot to be in sync")
                time.sleep(1)
                rig.ask("pause", method="POST")
                last = rig.state()["symbols"]["btcusdt"]["last_u_sent"]
                for follower in (early, late):
                    rig.until(
                        lambda one=follower: one.synced({"btcusdt": last}), 30, "both bots to reach the last update"
                    )
                assert early.book("btcusdt") == late.book("btcusdt")
                assert early.book("btcusdt")[0] == last
                assert rig.asked("btcusdt") == 1
                assert_true(rig, late)
        assert rig.end("connector") == 0
