"""Tables of errors as text: what docs/venues print of them."""

from collections.abc import Sequence

from marketlink.venues.trading import Decision


def as_markdown(decisions: Sequence[Decision]) -> str:
    """Print a table of errors, in the order in which its rows are tried."""
    lines = ["| HTTP | code | text has | request | verdict | meaning | from |", "|---|---|---|---|---|---|---|"]
    for row in decisions:
        ops = ", ".join(sorted(op.value for op in row.ops)) or "any"
        verdict = row.verdict.value + (" (post-only)" if row.post_only else "")
        cells = (
            f"{row.status}xx" if row.status is not None and row.status < 10 else row.status or "any",
            "any" if row.code is None else row.code,
            row.text or "",
            ops,
            verdict,
            row.meaning,
        )
        lines.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in (*cells, row.source)) + " |")
    return "\n".join(lines) + "\n"
