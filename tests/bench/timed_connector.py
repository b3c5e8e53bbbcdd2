"""The connector as it is, with a stop-watch around the handling of each frame.

`python -m tests.bench.timed_connector OUT WAY ARGUMENTS`; WAY is `short`, or `general` for a connector that takes no short way.
"""

import atexit
import json
import sys
import time

from connector.shell import Shard, Shell
from marketlink.link.iceoryx.sender import Sender

_out, _way = sys.argv.pop(1), sys.argv.pop(1)
if _way == "general":
    Shell.takes_short_way = lambda *_: False  # type: ignore[assignment]
_spent_ns: list[int] = []
_levels: list[int] = []
_sent_ns = [0]
_handle, _notify = Shard.on_frame, Sender.notify


def _stamped(self: Sender) -> None:
    _notify(self)
    _sent_ns[0] = time.time_ns()


def _timed(self: Shard, recv_ns: int, frame: bytes) -> None:
    before = self._shell.hub.counts.published_events
    _handle(self, recv_ns, frame)
    if len(_spent_ns) < 2_000_000:
        _spent_ns.append(max(0, _sent_ns[0] - recv_ns))  # from the socket's read to the last sample sent
        _levels.append(self._shell.hub.counts.published_events - before)


def _write() -> None:
    with open(_out, "w") as file:
        json.dump({"spent_ns": _spent_ns, "events": _levels}, file)


Sender.notify = _stamped  # type: ignore[method-assign]
Shard.on_frame = _timed  # type: ignore[method-assign]
atexit.register(_write)

from connector.cli import main  # noqa: E402 the stop-watch first

main()
