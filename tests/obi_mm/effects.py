"""`python -m tests.obi_mm.effects`: each mended defect switched on alone in the source's rules, over the golden market."""

from obi_mm.backtest import run_backtest
from obi_mm.config import parse_config
from obi_mm.days import day_of
from obi_mm.models import Models
from obi_mm.rows import ClearsSpelledOut

from tests.obi_mm.golden_market import GOLDEN_CONFIG, golden_market
from tests.obi_mm.source_rules import MENDED, run_source


def main() -> None:
    market = golden_market()
    print(
        "| mended alone | equity | trades | submits | cancels | stop-loss updates | largest position |\n|---|---|---|---|---|---|---|"
    )
    for name in ("", *MENDED, "all of these"):
        chosen = MENDED if name == "all of these" else tuple(filter(None, [name]))
        out = run_source(market, GOLDEN_CONFIG, frozenset(chosen))
        print(
            f"| {name or 'nothing: the source'} | {out.equity:.2f} | {out.trades} | {out.submits} | {out.cancels} "
            f"| {out.stop_losses} | {out.largest_position:.2f} |",
            flush=True,
        )
    day = day_of(market, ClearsSpelledOut(0.1, 0.001), "local", "golden")
    figures = run_backtest([day], parse_config(GOLDEN_CONFIG, "golden"), 0.1, 0.001, Models()).figures
    print(
        f"| the product | {figures['equity']:.2f} | {figures['trades']} | {figures['orders_submitted']} | {figures['orders_cancelled']} "
        f"| {figures['decisions_stopped']} | {figures['position_abs_max']:.2f} |"
    )


if __name__ == "__main__":
    main()
