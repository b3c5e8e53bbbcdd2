"""Processes of a batch that end when they are told to, and when nobody is left to tell them."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, connection, get_context, parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import monotonic
from typing import Final

from data_convert.files.leftovers import drop_own, remove_leftovers

_GRACE_S: Final = 0.5
_SIGNALS: Final = {signal.SIGINT, signal.SIGTERM}
_STOPPED: Final = 128 + signal.SIGTERM


@contextmanager
def process_pool(workers: int, places: tuple[Path, ...] = ()) -> Iterator[Executor]:
    """Open a pool of processes on this machine; they start from nothing, so that no thread or lock is inherited.

    When it is left by an exception the workers end at once, and what they had under way in `places` is removed.
    """
    before = set(active_children())
    executor = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_begin)
    try:
        yield executor
    except BaseException:
        # A second Ctrl-C must not cut this short; it comes after.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            executor.shutdown(wait=False, cancel_futures=True)
            _end([child for child in active_children() if child not in before])
            for place in places:
                remove_leftovers(place)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        raise
    else:
        executor.shutdown()


def _end(children: list[BaseProcess]) -> None:
    """End processes: they are asked first, and killed half a second later."""
    deadline = monotonic() + _GRACE_S
    for child in children:
        child.terminate()
    living = {child.sentinel for child in children}
    while living and (left := deadline - monotonic()) > 0:
        living.difference_update(connection.wait(list(living), left))
    for child in children:
        child.kill()
        child.join()


def _begin() -> None:
    """Prepare a worker: Ctrl-C is its parent's to handle; SIGTERM and the parent's death end it within a moment."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    # Kernels run for long without a look at signals: they are written to a pipe, which a thread reads.
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    parent = parent_process()
    assert parent is not None, "a worker is started by a process"
    threading.Thread(target=_wait_for_end, args=(parent.sentinel, told), daemon=True).start()


def _wait_for_end(parent: int, told: int) -> None:
    connection.wait([parent, told])
    drop_own()
    os._exit(_STOPPED)
