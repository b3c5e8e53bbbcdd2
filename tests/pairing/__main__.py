"""The pairing matrix: connector, bot and collector, ours and the source's, whichever is there first, with a restart of each side.

    SOURCE_BIN=/folder/of/connector,collector,probe python -m tests.pairing
    python -m tests.pairing --quick        (no binaries needed: a stand-in written from the protocol)

Exit code 0: every check of every cell holds. 1: one does not; the table names it. 2: usage.
"""

import argparse
import itertools
import os
import signal
import sys
from pathlib import Path

from tests.pairing import orders
from tests.pairing.cell import CHECKS, NOT_REACHED, OURS, SOURCE, STANDIN, Kinds, Outcome, run_cell

QUICK = (
    Kinds(OURS, STANDIN, STANDIN, peers_first=True),
    Kinds(OURS, STANDIN, OURS, peers_first=False),
    Kinds(STANDIN, OURS, OURS, peers_first=True),
)
"""Every conversation between one of ours and one of theirs, begun by either side."""


def cells(other: str) -> list[Kinds]:
    """Every cell: ours or the other in each part, either first."""
    every = itertools.product((OURS, other), (OURS, other), (OURS, other), (False, True))
    return [Kinds(*each) for each in every]


def table(outcomes: list[Outcome]) -> str:
    """One line a cell, one column a check, and below it what was wrong."""
    short = {OURS: "ours", SOURCE: "source", STANDIN: "stand-in"}
    words = ["connector", "bot", "collector", "first", *CHECKS, "s"]
    rows = [words]
    for one in outcomes:
        kinds = one.kinds
        marks = [{"": "ok", None: "-", NOT_REACHED: "-"}.get(one.found.get(name), "FAIL") for name in CHECKS]
        parts = [short[each] for each in (kinds.connector, kinds.bot, kinds.collector)]
        rows.append([*parts, "peers" if kinds.peers_first else "connector", *marks, f"{one.seconds:.0f}"])
    widths = [max(len(row[at]) for row in rows) for at in range(len(words))]
    lines = ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)) for row in rows]
    for one in outcomes:
        lines += [
            f"{one.kinds}: {name}: {problem}" for name, problem in one.found.items() if problem not in ("", NOT_REACHED)
        ]
    return "\n".join(lines)


def main() -> int:
    """Run the matrix, a cell after the other."""
    parser = argparse.ArgumentParser(
        prog="pairing", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="the half that `make test` runs, with the stand-in")
    parser.add_argument(
        "--standin", action="store_true", help="the whole matrix, with the stand-in in place of the source's binaries"
    )
    parser.add_argument("--only", help="cells whose name contains this, e.g. 'ours connector, source bot', or orders")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # by way of every cell's own end
    folder = os.environ.get("SOURCE_BIN")
    if not (options.quick or options.standin):
        missing = [name for name in ("connector", "collector", "probe") if not (Path(folder or "") / name).is_file()]
        if not folder or missing:
            print(
                "pairing: SOURCE_BIN must name a folder with connector, collector and probe; or give --quick or --standin",
                file=sys.stderr,
            )
            return 2
    wanted = list(QUICK) if options.quick else cells(STANDIN if options.standin else SOURCE)
    wanted = [kinds for kinds in wanted if not options.only or options.only in str(kinds)]
    trades = folder is not None and not (options.quick or options.standin) and (options.only or "orders") in "orders"
    outcomes = []
    for number, kinds in enumerate(wanted, 1):
        print(f"{number} of {len(wanted)}: {kinds}", file=sys.stderr, flush=True)
        outcomes.append(run_cell(kinds))
        print(table(outcomes[-1:]), file=sys.stderr, flush=True)
    failed = sum(not one.holds() for one in outcomes)
    if outcomes:
        print(table(outcomes))
        print(f"{failed} of {len(outcomes)} cells fail" if failed else f"all {len(outcomes)} cells hold")
    problem = orders.trade(Path(folder or "")) if trades else ""
    if trades:
        print(f"orders of the source's bot through our connector: {problem or 'ok'}")
    return 1 if failed or problem or not (outcomes or trades) else 0


if __name__ == "__main__":
    sys.exit(main())
