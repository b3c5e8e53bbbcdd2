"""The shell's end: a pump that is cancelled in the moment in which the market wakes it ends all the same."""

from __future__ import annotations

import asyncio
from pathlib import Path

from venue_sim.shell import Ports, Shell

from tests.venue_sim.desk_client import Client


async def ends_when_woken_and_cancelled_at_once(idle: bool) -> bool:
    client = Client()
    client.exchange.timeline.pause(0)
    shell = Shell(client.exchange, client.desk, Ports(ready_file=Path("unused")))
    if not idle:
        client.exchange.timeline.resume(0)
        client.exchange.next_due_ns = lambda now_ns: now_ns + 10**12  # type: ignore[method-assign]
    pump = asyncio.create_task(shell._pump())
    for _ in range(5):
        await asyncio.sleep(0)
    shell._wake.set()
    pump.cancel()
    done, _ = await asyncio.wait([pump], timeout=5)
    return bool(done) and pump.cancelled()


def test_a_pump_woken_and_cancelled_at_once_ends() -> None:
    assert asyncio.run(ends_when_woken_and_cancelled_at_once(idle=False))


def test_a_pump_that_waits_for_nothing_ends() -> None:
    assert asyncio.run(ends_when_woken_and_cancelled_at_once(idle=True))
