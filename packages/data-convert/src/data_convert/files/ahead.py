"""An iterator that is run ahead of its reader, in a thread of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

_T = TypeVar("_T")
_POLL_S: Final = 0.1


class _End:
    """What ends the queue: the exception that ended the iterator, if one did."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


@contextmanager
def ahead(source: Generator[_T, None, None], depth: int = 2) -> Iterator[Iterator[_T]]:
    """Run `source` in a thread, at most `depth` values ahead; its exception is raised where the values are read.

    Full: the thread waits. When the block is left the thread is stopped and joined, whatever it was doing.
    """
    values: queue.Queue[_T | _End] = queue.Queue(depth)
    stopped = threading.Event()

    def put(value: _T | _End) -> None:
        while not stopped.is_set():
            try:
                values.put(value, timeout=_POLL_S)
                return
            except queue.Full:
                continue

    def run() -> None:
        error: BaseException | None = None
        try:
            for value in source:
                put(value)
                if stopped.is_set():
                    break
            source.close()  # and with it whatever it runs ahead of itself
        except BaseException as raised:  # noqa: BLE001 - handed to the reader, which raises it
            error = raised
        put(_End(error))

    def read() -> Iterator[_T]:
        while True:
            value = values.get()
            if isinstance(value, _End):
                if value.error is not None:
                    raise value.error
                return
            yield value

    thread = threading.Thread(target=run, name="ahead", daemon=True)
    thread.start()
    try:
        yield read()
    finally:
        stopped.set()
        while thread.is_alive():
            try:
                values.get_nowait()
            except queue.Empty:
                pass
            thread.join(0.005)
