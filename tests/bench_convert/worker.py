"""One measurement in a process of its own: `worker.py WHO HOW REPEATS OUT FILE...`; prints JSON.

WHO is peer (hftbacktest), ours, floor (inflating alone) or loop (orjson line by line). BENCH_CORES: processors it may use.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import time
from pathlib import Path

if "BENCH_CORES" in os.environ:  # before anything counts them
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(os.environ["BENCH_CORES"])])


def once(who: str, how: str, files: list[str], out: str) -> int:
    """Convert; return the number of rows."""
    if who == "floor":
        return inflate(files)
    if who == "loop":
        from tests.bench_convert.loops import read

        return read(how, files[0])
    if how in ("collector", "bybit", "hyperliquid", "link"):
        return recorded(who, files[0])
    if who == "peer":
        from hftbacktest.data.utils import tardis

        # Called as its users call it, with room for 100 million rows, unless a size is given.
        room = {"buffer_size": int(os.environ["BENCH_BUFFER_ROWS"])} if "BENCH_BUFFER_ROWS" in os.environ else {}
        with contextlib.redirect_stdout(io.StringIO()):
            return len(tardis.convert(files, output_filename=out if how == "npz" else None, **room))
    if how == "npz":
        from data_convert import convert_tardis_file

        # The peer's rule for snapshots, so that both make the same rows.
        compress = os.environ.get("BENCH_COMPRESS", "default")
        return convert_tardis_file(files, out, force=True, compress=compress, snapshot_mode="process").rows
    from data_convert import convert_tardis

    return len(convert_tardis(files, snapshot_mode="process").events)


def recorded(who: str, file: str) -> int:
    """Convert a recording to an array; return the number of rows."""
    if who == "peer":
        from hftbacktest.data.utils import binancefutures

        with contextlib.redirect_stdout(io.StringIO()):
            return len(binancefutures.convert(file))
    from data_convert import convert_recording

    return len(convert_recording(file).events)


def inflate(files: list[str]) -> int:
    """Inflate the inputs with isal, one after the other in one thread; return the bytes of text."""
    from data_convert.files.readers import ReadStats, text_blocks

    size = 0
    for file in files:
        stats = ReadStats(Path(file), size_bytes=os.path.getsize(file))
        size += sum(len(block) for block, _ in text_blocks(Path(file), stats))
    return size


def peak_bytes() -> int:
    """The most memory this process had; getrusage would count what its parent had when it was started, too."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


def main() -> None:
    """Measure and print."""
    who, how, repeats, out, *files = sys.argv[1:]
    seconds, rows = [], 0
    for _ in range(int(repeats)):
        begin = time.perf_counter()
        rows = once(who, how, files, out)
        seconds.append(time.perf_counter() - begin)
    first = seconds[0]
    print(json.dumps({"seconds": min(seconds[1:], default=first), "first": first, "rows": rows, "peak": peak_bytes()}))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    main()
