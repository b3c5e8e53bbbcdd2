"""A process that writes a seeded stream of lines through the real writer until it is killed: `feeder.py DIR SEED`.

Before a line is put, its number and the monotonic time go to `journal` with one write: so it is known afterwards what was put when.
"""

import os
import random
import sys
import time
from pathlib import Path

from collector.manifest_file import Manifests
from collector.rotation import Day
from collector.writer import Writer

DAY = Day(20_000)


def line(seed: int, n: int) -> bytes:
    draw = random.Random(seed * 1_000_003 + n)
    return b'%d {"seed":%d,"n":%d,"x":"%s"}\n' % (n, seed, n, draw.randbytes(draw.choice((5, 50, 800))).hex().encode())


def main() -> None:
    directory, seed = Path(sys.argv[1]), int(sys.argv[2])
    writer = Writer(directory, keeper=Manifests("killed", write_s=0.05))
    writer._file(("x", DAY))
    writer.start()
    journal = os.open(directory / f"journal-{seed}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    pause = random.Random(seed).choice((0.001, 0.005, 0.02))
    print("ready", flush=True)
    n = 0
    while True:
        os.write(journal, b"%d %d\n" % (n, time.monotonic_ns()))
        writer.put("x", DAY, line(seed, n))
        n += 1
        if pause:
            time.sleep(pause)


if __name__ == "__main__":
    main()
