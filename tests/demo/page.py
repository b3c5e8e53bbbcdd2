"""`demo-out/report.html`: what was checked, the strategy live and backtested, and every recording's mid, spread, rate and latency."""

from html import escape

from data_convert.svg import histogram, line

from tests.demo import strategy_page
from tests.demo.checks import Found, Run
from tests.demo.strategy import Both

_STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--muted:#667;--line:#2563c9;--fill:#7aa7e8;--grid:#dfe3e8;
 --card:#fff;--page:#f5f6f8;--good:#18794e;--bad:#c62a2f;
 --a:#1f6fb4;--b:#2a8f57;--c:#c2513a;--d:#8a5fb0;--span:#f2c9a855;--span-ink:#c98a4e}
@media(prefers-color-scheme:dark){:root{--ink:#e6e8eb;--muted:#98a2ad;--line:#6ea8fe;--fill:#2f5fa8;--grid:#30363d;
 --card:#161b22;--page:#0d1117;--good:#4cc38a;--bad:#ff6369;
 --a:#6db3f2;--b:#63c08d;--c:#ee8870;--d:#c09ae0;--span:#8a5a2c55;--span-ink:#d9a066}}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:1000px;margin:auto;padding:2rem 1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin:1rem 0 .5rem}h3{font-size:.95rem;color:var(--muted);margin:1rem 0 .2rem}
section{background:var(--card);border:1px solid var(--grid);border-radius:8px;padding:.5rem 1.2rem 1rem;margin:1rem 0}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
td{text-align:left;padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--grid);vertical-align:top}
th{text-align:left;font-weight:600;padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--grid)}
.legend{font-size:.85rem;margin:.1rem 0}.legend span{margin-right:.9em}.note{color:var(--muted);font-size:.9rem}a{color:var(--line)}
.good{color:var(--good)}.bad{color:var(--bad);font-weight:700}svg{width:100%;height:auto}
"""


def render(run: Run, found: Found, strategies: list[Both]) -> str:
    """Render the page; it needs nothing from elsewhere. The strategy's own reports, beside it, are linked."""
    failed = sum(not check.holds for check in found.checks)
    verdict = (
        f'<span class="bad">{failed} checks fail</span>'
        if failed
        else f'<span class="good">all {len(found.checks)} checks hold</span>'
    )
    rows = "".join(
        f'<tr><td class="{"good" if check.holds else "bad"}">{"holds" if check.holds else "FAILS"}</td>'
        f"<td>{escape(check.name)}</td><td>{escape(check.figures)}</td></tr>"
        for check in found.checks
    )
    parts = [f"<section><h2>Checks</h2><table>{rows}</table></section>"]
    parts += [strategy_page.section(both) for both in strategies]
    for name, result in found.results.items():
        series = result.report.series
        plots = [
            ("mid price", line(series.seconds, series.mid, label="mid price", steps=True)),
            ("spread", line(series.seconds, series.spread, label="spread", steps=True, zero=True)),
            ("events a second", line(series.rate_seconds, series.rate, label="events a second", zero=True)),
        ]
        if series.latency_ms is not None:
            edges, counts = series.latency_ms.edges, series.latency_ms.counts
            title = "latency, exchange to local, ms"
            if edges[0] > 3_600_000:  # a replayed recording carries the times of its own day
                title, edges = (
                    "latency above the smallest, ms (replayed: the clocks are not of one day)",
                    tuple(edge - edges[0] for edge in edges),
                )
            plots.append((title, histogram(edges, counts, label="latency, ms")))
        body = "".join(f"<h3>{title}</h3>{plot}" for title, plot in plots)
        parts.append(
            f"<section><h2>{escape(name)}</h2><p>{result.report.lines:,} lines, {result.report.rows:,} rows</p>{body}</section>"
        )
    head = (
        f"<h1>marketlink demonstration</h1><p>{run.seconds:.0f} s, {run.state['position']:,} frames sent, {verdict}</p>"
    )
    title = '<meta charset="utf-8"><title>marketlink demonstration</title>'
    body = f"<style>{_STYLE}</style><main>{head}{''.join(parts)}</main>"
    return f'<!doctype html><html lang="en">{title}{body}</html>'
