"""One measurement in a process of its own: `worker.py WHO HOW REPEATS OUT TRADES DEPTH`; prints JSON."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import time

STARTED = time.perf_counter()


def once(who: str, how: str, files: list[str], out: str) -> int:
    """Convert; return the number of rows."""
    if how == "collector":
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
    """Convert a collector's recording to an array; return the number of rows."""
    if who == "peer":
        from hftbacktest.data.utils import binancefutures

        with contextlib.redirect_stdout(io.StringIO()):
            return len(binancefutures.convert(file))
    from data_convert import convert_recording

    return len(convert_recording(file).events)


def inflate(files: list[str]) -> float:
    """The time to inflate the inputs with isal in one thread."""
    from pathlib import Path

    from data_convert.files.readers import ReadStats, text_blocks

    best = float("inf")
    for _ in range(5):
        begin = time.perf_counter()
        for file in files:
            stats = ReadStats(Path(file), size_bytes=os.path.getsize(file))
            for _block in text_blocks(Path(file), stats):
                pass
        best = min(best, time.perf_counter() - begin)
    return best


def peak_bytes() -> int:
    """The most memory this process had; getrusage would count what its parent had when it was started, too."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


def main() -> None:
    """Measure and print."""
    who, how, repeats, out, *files = sys.argv[1:]
    if who == "floor":
        print(json.dumps({"seconds": inflate(files)}))
        return
    seconds, rows = [], 0
    for _ in range(int(repeats)):
        begin = time.perf_counter()
        rows = once(who, how, files, out)
        seconds.append(time.perf_counter() - begin)
    first = seconds[0]
    print(json.dumps({"seconds": min(seconds[1:], default=first), "first": first, "rows": rows, "peak": peak_bytes()}))


if __name__ == "__main__":
    main()
