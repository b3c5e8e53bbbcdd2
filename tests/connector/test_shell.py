"""The connector's shell where the hub fails."""

import asyncio
import random
from pathlib import Path

import pytest
from connector.config import ConnectorConfig
from connector.effects import Answer
from connector.journal import JournalFile
from connector.places import state_folder
from connector.shell import Shell
from marketlink.link.port import MemoryLink
from marketlink.messages import Batch
from marketlink.venues.base import ExchangeInfo
from marketlink.venues.binance import USDM, USDM_TRADING
from marketlink.venues.signing import HmacSigner

from tests.connector.orders.world import World


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


def test_what_restored_orders_ask_at_once_is_sent_also_before_the_account_s_task_has_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World().start(7)
    world.submit(7, 1)
    config = ConnectorConfig(
        stream_url="ws://127.0.0.1:1",
        api_url="http://127.0.0.1:1",
        api_key="key",
        secret="secret",
        order_prefix="mm",
        state_dir=str(tmp_path),
    )
    journal = JournalFile(state_folder(config.state_dir, "bf"))
    journal.start(world.records)
    journal.close()

    async def scene() -> None:
        signer = HmacSigner("key", "secret")
        shell = Shell(
            "bf", USDM, config, MemoryLink().connector(), random.Random(1), trading=USDM_TRADING, signer=signer
        )
        async with asyncio.TaskGroup() as tasks:
            shell._tasks = tasks
            shell._start_account(ExchangeInfo(dict(world.trader.instruments), USDM.weight_limit))
            trader, account = shell.hub.trader, shell._account
            assert trader is not None
            assert account is not None
            sent: list[object] = []
            monkeypatch.setattr(account, "_send", lambda effect: _noted(sent, effect))
            shell.carry_out(trader.on_time(shell.now()))  # the timer's turn comes before the account's
            await asyncio.sleep(0)
            shell.fail(RuntimeError("enough"))
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
        assert sent

    asyncio.run(scene())


async def _noted(sent: list[object], effect: object) -> None:
    sent.append(effect)
