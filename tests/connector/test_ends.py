"""How a connector ends, seen in real processes."""

import signal
from pathlib import Path

import pytest
from marketlink.bot import BotInstrument, Confidence, LiveBot
from marketlink.link.iceoryx import IceoryxBotPort
from marketlink.link.settings import read_settings

from tests.rig import Rig

WAIT_S = 120


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_kernels_are_compiled_ends_the_connector_with_0(tmp_path: Path, number: signal.Signals) -> None:
    with Rig() as rig:
        rig.exchange("--symbols", "btcusdt", "--rate", "50")
        with rig.under(NUMBA_CACHE_DIR=str(tmp_path / "empty")):
            rig.connector()
        rig.until(lambda: "process" in rig.log("connector"), WAIT_S, "the connector's first line")
        assert rig.end("connector", number, 60) == 0


def test_a_clean_end_reads_like_one_and_bots_are_told() -> None:
    with Rig() as rig:
        rig.exchange("--symbols", "btcusdt", "--rate", "50")
        rig.connector()
        settings = read_settings(rig.link)
        bot = LiveBot([BotInstrument("bf", "btcusdt")], open_port=lambda name: IceoryxBotPort(name, None, settings))

        def confidence() -> Confidence:
            bot.elapse(10_000_000)
            return bot.depth(0).confidence

        rig.until(lambda: confidence() is Confidence.SYNCED, WAIT_S, "a book")
        assert rig.end("connector", signal.SIGINT) == 0
        rig.until(lambda: confidence() is not Confidence.SYNCED, WAIT_S, "the farewell")
        log = rig.log("connector")
        assert "WARNING" not in log[log.index("SIGINT: shutting down") :]
        bot.close()
