"""Tardis files row by row with Python's own words: what the byte parser and the blocks of snapshots must equal."""

from __future__ import annotations

import re

import numpy as np
from convert_naive import merged
from data_convert.events import EVENT_DTYPE

BUY, SELL = 1 << 29, 1 << 28
TIME = re.compile(r"[0-9]+")
DECIMAL = re.compile(r"(?:[0-9]{1,200}(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?")
TRADES = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount"
DEPTH = "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount"
SIDES = {
    TRADES: {"buy": BUY, "sell": SELL},
    DEPTH: {"bid": BUY, "buy": BUY, "ask": SELL, "sell": SELL},
}
PREFIX = ["x", "AB"]


def parse_row(header, line):
    """One row as a tuple of an event, or the column (from 1) where it is wrong."""
    parts = line.split(",")
    if len(parts) != 8:
        return len(parts) + 1 if len(parts) < 8 else "long"
    for column in (3, 4):
        if not TIME.fullmatch(parts[column - 1]) or int(parts[column - 1]) > (2**63 - 1) // 1000:
            return column
    kind = 2
    if header == DEPTH:
        if parts[4].lower() not in ("true", "false"):
            return 5
        kind = 4 if parts[4].lower() == "true" else 1
    if parts[5] not in SIDES[header]:
        return 6
    for column in (7, 8):
        if not DECIMAL.fullmatch(parts[column - 1]):
            return column
    if not re.search("[1-9]", re.split("[eE]", parts[6])[0]):
        return 7
    exch, local = int(parts[2]) * 1000, int(parts[3]) * 1000
    return (kind | SIDES[header][parts[5]], exch, local, float(parts[6]), float(parts[7]), 0, 0, 0.0)


def rows_of(header, lines, mode="discard"):
    """The rows of one file in the order they leave, and the bad lines as {line number: column}."""
    out, bad, block, sod = [], {}, [], True

    def flush():
        if mode == "discard" and block:
            out.append((3, block[0][1], block[0][2], 0.0, 0.0, 0, 0, 0.0))
            out.extend(sorted(block, key=lambda row: row[0] & SELL))
            block.clear()
        for side, edge in ((BUY, min), (SELL, max)):
            rows = [row for row in block if row[0] & side]
            if rows:
                out.append((3 | side, rows[0][1], rows[0][2], edge(row[3] for row in rows), 0.0, 0, 0, 0.0))
                out.extend(rows)
        block.clear()

    for number, line in enumerate(lines, 2):
        row = parse_row(header, line)
        if not isinstance(row, tuple):
            bad[number] = row
            continue
        if row[0] & 0xFF == 4:
            if mode in ("discard", "process") or (mode == "ignore_sod" and not sod):
                block.append(row)
            continue
        if row[0] & 0xFF == 1:
            sod = False
            flush()
        out.append(row)
    flush()
    return out, bad


def convert(files, mode="discard", base_latency_ns=0):
    """Trades first, then depth; shifted and merged by the tables of the words themselves."""
    rows = [
        row
        for wanted in (TRADES, DEPTH)
        for header, lines in files
        if header == wanted
        for row in rows_of(header, lines, mode)[0]
    ]
    events = np.array(rows, EVENT_DTYPE)
    if len(events):
        smallest = int(min(events["local_ts"] - events["exch_ts"]))
        if smallest < 0:
            events["local_ts"] += base_latency_ns - smallest
    return merged(events)
