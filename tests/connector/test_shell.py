"""The connector's shell where the hub fails."""

import asyncio
import random

import pytest
from connector.config import ConnectorConfig
from connector.effects import Answer
from connector.shell import Shell
from marketlink.link.port import MemoryLink
from marketlink.messages import Batch
from marketlink.venues.binance import USDM


def test_an_answer_that_can_not_be_made_keeps_no_other_from_its_bot(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene() -> None:
        link = MemoryLink()
        config = ConnectorConfig(stream_url="ws://127.0.0.1:1", api_url="http://127.0.0.1:1")
        shell = Shell("bf", USDM, config, link.connector(), random.Random(1))
        bot = link.bot(2)

        def answer(wanted: Answer, *_: object, **__: object) -> Batch:
            if wanted.bot_id == 1:
                raise KeyError("a fault")
            return Batch((), wanted.bot_id)

        monkeypatch.setattr(shell.hub, "answer", answer)
        shell.carry_out([Answer(1, "btcusdt"), Answer(2, "btcusdt")])
        for _ in range(10):
            await asyncio.sleep(0)
        assert bot.receive() == [Batch((), 2)]
        assert not shell.outbox.busy

    asyncio.run(scene())
    assert "a fault of this program at an answer" in caplog.text
