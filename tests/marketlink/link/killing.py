"""Kills processes that are opening a link, one system call further each time: `python -m
tests.marketlink.link.killing ROLE FIRST STEP COUNT`, or stops one in the middle: `... stopped`.

A process that has loaded everything but opened nothing forks what is killed, so that a kill costs no start; what is
killed is traced, so that it ends exactly before or after a call that changes a file, and no instant is left to
chance. One line of JSON for each kill says what came of it.
"""

import ctypes
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator

from marketlink.link.block import load_kernels
from marketlink.link.iceoryx import IceoryxBotPort, IceoryxConnectorPort
from marketlink.link.leftovers import unfinished_descriptions
from marketlink.link.places import place_of
from marketlink.link.settings import read_settings
from marketlink.messages import Batch, RegisterInstrument

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long
TRACE_ME, REGISTERS, NEXT_CALL, OPTIONS = 0, 12, 24, 0x4200
KILL_WITH_TRACER, MARK_CALLS = 0x100000, 1
NUMBER, SECOND, THIRD = 15, 13, 12  # of the 27 registers of x86-64: the call, its second and third argument
CHANGES = {1: "write", 49: "bind", 74: "fsync", 77: "ftruncate", 83: "mkdir", 87: "unlink", 91: "fchmod"}
OPENAT, CREATE = 257, os.O_CREAT


def trace(request: int, pid: int, data: object = None) -> None:
    if libc.ptrace(request, pid, None, data) < 0:
        raise OSError(ctypes.get_errno(), f"ptrace {request}")


def started(work: Callable[[], None]) -> int:
    """Fork a traced process that has stopped right before its work."""
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        trace(OPTIONS, pid, KILL_WITH_TRACER | MARK_CALLS)
        return pid
    try:
        trace(TRACE_ME, 0)
        os.kill(os.getpid(), signal.SIGSTOP)
        work()
    finally:
        os._exit(0)


def changes(pid: int) -> Iterator[str]:
    """Let a stopped process go on; pause it before and after each call that changes a file."""
    registers = (ctypes.c_ulong * 27)()
    while True:
        trace(NEXT_CALL, pid)
        _, status = os.waitpid(pid, 0)
        if os.WIFEXITED(status) or os.WIFSIGNALED(status):
            return
        trace(REGISTERS, pid, ctypes.addressof(registers))
        call = registers[NUMBER]
        if call in CHANGES:
            yield CHANGES[call]
        elif call == OPENAT and registers[THIRD] & CREATE:
            yield "create"


def killed_at(work: Callable[[], None], change: int) -> str:
    """Kill a process at its change number `change`; return what it was, nothing when there are not so many."""
    pid = started(work)
    for number, name in enumerate(changes(pid)):
        if number == change:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return name
    return ""


def told(work: Callable[[], None], limit_s: int = 20) -> str:
    """Do the work in a process of its own; return what went wrong. One that hangs, even in the library, is ended."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        signal.alarm(limit_s)
        try:
            work()
        except BaseException as error:  # noqa: BLE001 told to the parent
            os.write(theirs, repr(error).encode()[:4000])
        finally:
            os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as pipe:
        text = pipe.read()
    _, status = os.waitpid(pid, 0)
    return text or ("" if os.WIFEXITED(status) else f"hung for {limit_s} s, ended by signal {os.WTERMSIG(status)}")


def open_connector() -> None:
    IceoryxConnectorPort("bf")


def open_bot() -> None:
    IceoryxBotPort("bf")


def both_work() -> None:
    """Both ends open and hear each other."""
    connector, bot = IceoryxConnectorPort("bf"), IceoryxBotPort("bf")
    bot.request(RegisterInstrument("btcusdt"))
    assert connector.requests()
    connector.send(Batch())
    assert bot.receive() == [Batch()]
    bot.close()
    connector.close()


def bot_works() -> None:
    """A bot opens and hears a connector that was there all the time."""
    bot = IceoryxBotPort("bf")
    bot.request(RegisterInstrument("btcusdt"))
    end = time.monotonic() + 10
    while not bot.receive():
        assert time.monotonic() < end, "nothing heard"
        bot.wait(0.1)
    bot.close()


def stopped() -> None:
    """Stop a connector in the middle of creating a service, until a line is read; then let it finish."""
    place = place_of(read_settings())
    pid = started(both_work)
    calls = changes(pid)
    while not unfinished_descriptions(place):
        next(calls)
    print(pid, flush=True)
    sys.stdin.readline()
    for _ in calls:
        pass
    print("finished", flush=True)


def main(role: str, first: int, step: int, count: int) -> None:
    logging.basicConfig(level=logging.WARNING)
    load_kernels()
    opens, works = (open_connector, both_work) if role == "connector" else (open_bot, bot_works)
    total = sum(1 for _ in changes(started(opens)))
    for kill in range(count):
        change = (first + kill * step) % total
        name = killed_at(opens, change)
        print(json.dumps({"change": change, "of": total, "call": name, "wrong": told(works)}), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "stopped":
        stopped()
        sys.exit()
    main(sys.argv[1], *(int(one) for one in sys.argv[2:5]))
