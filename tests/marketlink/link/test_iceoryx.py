"""The shared memory link: it conforms, and it does so between real processes that get killed."""

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from marketlink.bot import BotInstrument, Code, LiveBot
from marketlink.errors import AlreadyRunning, LinkError, SettingsError
from marketlink.link.block import feed_head
from marketlink.link.iceoryx import IceoryxBotPort, IceoryxConnectorPort, IceoryxPrivatePort
from marketlink.link.kernels import put_mark, put_row
from marketlink.link.port import BotPort, ConnectorPort
from marketlink.link.settings import LinkSettings, read_settings
from marketlink.messages import (
    Batch,
    ErrorEvent,
    ErrorKind,
    FeedEvent,
    LiveError,
    NewSession,
    OrderEvent,
    Progress,
    RegisterInstrument,
    SamplesLost,
    SubmitOrder,
)
from marketlink.orders import Order, OrderType, Status, TimeInForce
from marketlink.private import Balance

from tests.conftest import ROOT
from tests.marketlink.link.conformance import CHECKS, Ends, feed


class IceoryxEnds:
    buffer = 200

    def __init__(self, environment: dict[str, str]) -> None:
        self.settings = LinkSettings(
            self.buffer, 4, environment["MARKETLINK_LINK_ROOT"], environment["MARKETLINK_LINK_PREFIX"]
        )
        self._open: list[ConnectorPort | BotPort] = []

    def connector(self) -> IceoryxConnectorPort:
        port = IceoryxConnectorPort("bf", self.settings)
        self._open.append(port)
        return port

    def bot(self, bot_id: int) -> IceoryxBotPort:
        port = IceoryxBotPort("bf", bot_id, self.settings)
        self._open.append(port)
        return port

    def close(self) -> None:
        for port in self._open:
            port.close()
        self._open.clear()


@pytest.fixture
def ends(link_environment: dict[str, str]) -> Iterator[IceoryxEnds]:
    ends = IceoryxEnds(link_environment)
    yield ends
    ends.close()
    gc.collect()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_shared_memory_link(check: Callable[[Ends], None], ends: IceoryxEnds) -> None:
    check(ends)


def test_a_bot_trades_and_comes_back_under_its_id(ends: IceoryxEnds, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("ROOT", ends.settings.root), ("PREFIX", ends.settings.prefix)):
        monkeypatch.setenv(f"MARKETLINK_LINK_{name}", value)
    connector, instruments = ends.connector(), [BotInstrument("bf", "btcusdt", 0.1, 0.001)]

    def asked() -> list[SubmitOrder]:
        connector.wait(1.0)
        requests = connector.requests()
        assert {one.bot_id for one in requests} == {4242}
        return [one.request for one in requests if isinstance(one.request, SubmitOrder)]

    def tell(order: Order, **changes: object) -> None:
        told = replace(order, req=Status.NONE, **changes)  # type: ignore[arg-type]
        connector.send(Batch((OrderEvent("btcusdt", told),), to=4242, framed=False))

    bot = LiveBot(instruments, bot_id=4242)
    bot.submit_buy_order(0, 7, 27_100.04, 0.003, TimeInForce.GTX, OrderType.LIMIT, False)
    (submit,) = asked()
    assert submit == SubmitOrder("btcusdt", bot.orders(0)[7])
    tell(submit.order, exch_timestamp=1)
    assert bot.wait_order_response(0, 7, 5_000_000_000) is Code.ORDER_RESPONSE
    bot.modify(0, 7, 27_100.1, 0.002, False)
    (modify,) = asked()
    assert (modify.order.req, modify.order.price_tick, modify.order.qty) == (Status.REPLACED, 271_001, 0.002)
    tell(modify.order, exch_timestamp=2)
    assert bot.wait_next_feed(True, 5_000_000_000) is Code.ORDER_RESPONSE
    assert bot.close() is Code.OK

    again = LiveBot(instruments, bot_id=4242)
    assert asked() == []
    tell(modify.order, exch_timestamp=2)
    assert again.wait_order_response(0, 7, 5_000_000_000) is Code.ORDER_RESPONSE
    assert again.cancel(0, 7, False) is Code.OK
    (cancel,) = asked()
    assert (cancel.order.req, cancel.order.order_id) == (Status.CANCELED, 7)
    tell(cancel.order, exch_timestamp=3, status=Status.CANCELED)
    assert again.close() is Code.OK
    assert again.orders(0)[7].status is Status.CANCELED


def test_second_connector_of_a_name_is_refused(ends: IceoryxEnds) -> None:
    ends.connector()
    with pytest.raises(AlreadyRunning, match="already running"):
        ends.connector()


def test_bot_beyond_the_limit_is_told_why(ends: IceoryxEnds) -> None:
    for number in range(1, 5):
        ends.bot(number)
    with pytest.raises(LinkError, match="At most 4 bots"):
        ends.bot(5)


def test_opener_with_a_larger_buffer_takes_what_is_there_and_says_so(
    ends: IceoryxEnds, caplog: pytest.LogCaptureFixture
) -> None:
    connector = ends.connector()
    larger = LinkSettings(10 * ends.buffer, 40, ends.settings.root, ends.settings.prefix)
    bot = IceoryxBotPort("bf", 1, larger)
    connector.send(Batch())
    assert bot.receive() == [Batch()]
    assert f"ToBot was created with a buffer of {ends.buffer} samples, not {10 * ends.buffer}" in caplog.text
    bot.close()


def test_bot_ids_are_random_and_never_zero(ends: IceoryxEnds) -> None:
    one, two = IceoryxBotPort("bf", None, ends.settings), IceoryxBotPort("bf", None, ends.settings)
    assert 0 not in (one.bot_id, two.bot_id)
    assert one.bot_id != two.bot_id
    one.close()
    two.close()


def test_a_batch_longer_than_the_buffer_reaches_a_reader_that_keeps_up(link_environment: dict[str, str]) -> None:
    environment = {**os.environ, **link_environment}
    arguments = [sys.executable, "-m", "tests.marketlink.link.peer", "follow", "bf", "25000"]
    with subprocess.Popen(arguments, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as reader:
        try:
            port = IceoryxConnectorPort("bf", read_settings(link_environment))
            for _ in range(600):
                port.wait(0.1)
                if port.requests():
                    break
            read = 0
            for _ in port.sending(Batch((feed("btcusdt", 25_000),)), 1000):
                end = time.monotonic() + 60
                while port.next_seq - read > 5000 and time.monotonic() < end:  # half of the buffer stays free
                    port.wait(0.1)
                    told = [one.request.seq for one in port.requests() if isinstance(one.request, Progress)]
                    read = max([read, *told])
            out, _ = reader.communicate(timeout=60)
            port.close()
        finally:
            reader.kill()
    assert out.split() == ["25000", "0", "0"]


def test_readers_survive_a_killed_publisher_and_its_name_is_free_again(link_environment: dict[str, str]) -> None:
    environment = {**os.environ, **link_environment}

    def start(role: str, count: int) -> subprocess.Popen[str]:
        arguments = [sys.executable, "-m", "tests.marketlink.link.peer", role, "bf", str(count)]
        return subprocess.Popen(arguments, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)

    processes: list[subprocess.Popen[str]] = []
    try:
        first = start("publish", 100)
        processes.append(first)
        assert first.stdout is not None
        assert first.stdout.readline() == "ready\n"
        reader = start("follow", 4000)
        processes.append(reader)
        again = IceoryxBotPort("bf", None, read_settings(link_environment))
        for _ in range(600):  # until the first publisher has sent its all, and only heartbeats come
            again.wait(0.1)
            if Batch() in again.receive():
                break
        again.close()
        first.send_signal(signal.SIGKILL)
        first.wait(10)
        second = start("publish", 100)
        processes.append(second)
        assert second.stdout is not None
        assert second.stdout.readline() == "ready\n", "the name of a killed connector is not free"
        poke = IceoryxBotPort("bf", None, read_settings(link_environment))
        poke.request(RegisterInstrument("btcusdt"))
        out, _ = reader.communicate(timeout=60)
        poke.close()
        assert out.split() == ["4000", "0", "1"]
    finally:
        for process in processes:
            process.kill()
            process.wait(10)
            if process.stdout:
                process.stdout.close()


def test_nothing_is_left_behind(link_environment: dict[str, str]) -> None:
    ends = IceoryxEnds(link_environment)
    connector, bot = ends.connector(), ends.bot(1)
    connector.send(Batch((feed("x", 5),)))
    bot.receive()
    ends.close()
    del connector, bot
    gc.collect()
    left = [
        entry.name
        for entry in Path("/dev/shm").iterdir()
        if entry.name.startswith(link_environment["MARKETLINK_LINK_PREFIX"])
    ]
    assert [name for name in left if not name.endswith("global_mgmt")] == []


def test_events_of_the_account_reach_readers_that_were_there_first_and_later(ends: IceoryxEnds) -> None:
    early = IceoryxPrivatePort("bf", ends.settings)
    connector = ends.connector()
    connector.send_private(Balance("USDT", Decimal(1), 1))  # not open yet: nobody hears it
    connector.open_private()
    late = IceoryxPrivatePort("bf", ends.settings)
    told = [Balance("USDT", Decimal(number), number) for number in range(2, 5)]
    for event in told:
        connector.send_private(event)
    assert early.receive() == late.receive() == told
    session = connector._private.session if connector._private is not None else 0
    for number in range(1_500):  # more than a queue holds: the oldest are lost, and that is said
        connector.send_private(Balance("USDT", Decimal(number), number))
    heard = late.receive()
    assert heard[0] == SamplesLost(500)
    assert heard[-1] == Balance("USDT", Decimal(1_499), 1_499)
    early.receive()
    connector.close()
    ends._open.remove(connector)
    again = ends.connector()
    again.open_private()
    again.send_private(Balance("USDT", Decimal(9), 9))
    assert [type(event) for event in early.receive()] == [NewSession, Balance]
    assert again._private is not None
    assert again._private.session > session
    early.close()
    late.close()


def fill(connector: IceoryxConnectorPort, rows: int) -> int:
    """Write a batch into the loaned samples, as the compiled step does."""
    samples = connector.loaned()
    assert samples is not None
    bits = feed("btcusdt", rows).events.view(np.uint64).reshape(rows, 8)
    session, seq, head = np.uint64(connector.session), connector.next_seq, feed_head("btcusdt")
    put_mark(samples.memory, samples.places[0], np.uint64(0), 0, session, np.uint64(seq))
    for row in range(rows):
        at = samples.places[row + 1]
        put_row(samples.memory, at, np.uint64(0), head, bits, row, session, np.uint64(seq + 1 + row))
    put_mark(samples.memory, samples.places[rows + 1], np.uint64(0), 1, session, np.uint64(seq + rows + 1))
    return rows + 2


def test_samples_filled_in_place_are_heard_among_the_others(link_environment: dict[str, str]) -> None:
    ends = IceoryxEnds(link_environment)
    connector, bot = ends.connector(), ends.bot(1)
    for rows, length in ((1, 10), (20, 1000), (60, 5000), (7, 10)):
        connector.send(Batch((feed("btcusdt", 2),)))
        connector.send_loaned(fill(connector, rows))
        error = LiveError(ErrorKind.ORDER_ERROR, {"msg": "x" * length})  # long: the library lays out larger samples
        connector.send(Batch((ErrorEvent(error),), framed=False))
        connector.send_loaned(fill(connector, rows))
        heard = bot.receive()
        assert [one for one in heard if not isinstance(one, Batch)] == []
        feeds = [event for one in heard for event in one.events if isinstance(event, FeedEvent)]  # type: ignore[union-attr]
        assert [len(event.events) for event in feeds] == [2, rows, rows]
        assert [event.events.tobytes() for event in feeds[1:]] == 2 * [feed("btcusdt", rows).events.tobytes()]
    ends.close()


def test_samples_loaned_ahead_never_run_out_whatever_readers_do(link_environment: dict[str, str]) -> None:
    ends = IceoryxEnds(link_environment)
    connector, bots = ends.connector(), [ends.bot(number) for number in range(1, 5)]
    connector.loaned()
    for _ in range(30):
        connector.send_loaned(fill(connector, 100))
        bots[0].receive()
        connector.send(Batch((feed("btcusdt", 300),)))
    connector.send(Batch())
    assert [bot.receive()[-1] for bot in bots] == [Batch()] * 4
    ends.close()


def test_a_reader_may_look_all_the_time_before_it_sleeps(link_environment: dict[str, str]) -> None:
    ends = IceoryxEnds(link_environment)
    ends.settings = replace(ends.settings, poll_us=200_000)
    connector, bot = ends.connector(), ends.bot(1)
    connector.send(Batch())
    bot.receive()
    bot._to_bot._listener = None  # a reader that looks needs no wake-up
    start = time.monotonic()
    connector.send(Batch())
    assert bot.wait(0.1)
    bot.receive()
    assert not bot._to_bot.spin(0.05)
    assert time.monotonic() - start < 30
    bot._to_bot._listener = bot._to_bot._events.listener_builder().create()  # for closing
    ends.close()


@pytest.mark.parametrize("said", ["", "-1", "1.5", "much", "1000001"])
def test_a_time_to_look_that_is_none_is_refused(said: str) -> None:
    assert read_settings({"MARKETLINK_POLL_US": "50"}).poll_us == 50
    with pytest.raises(SettingsError, match="MARKETLINK_POLL_US"):
        read_settings({"MARKETLINK_POLL_US": said})
