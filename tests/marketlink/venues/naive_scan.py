"""The slow twin of marketlink.venues.scan: orjson and float()."""

import numpy as np
import orjson
from marketlink.book.rules import DepthUpdate
from marketlink.events import BUY, DEPTH, EVENT_DTYPE, LOCAL, SELL


def decode_depth(frame, recv_ns):
    """What the frame says, or None where a depth update can't be had of it."""
    try:
        message = orjson.loads(frame)
        data = message.get("data", message)
        ids = [data["U"], data["u"], data["pu"], data["T"], data["E"]]
        if data["e"] != "depthUpdate" or not all(type(number) is int for number in ids):
            return None
        records = []
        for side, levels in ((BUY, data["b"]), (SELL, data["a"])):
            for px, qty in levels:
                exch_ts = data["T"] * 1_000_000
                records.append((LOCAL | DEPTH | side, exch_ts, recv_ns, float(px), float(qty), 0, data["u"], 0.0))
        events = np.array(records, EVENT_DTYPE)
        return data["s"].lower(), DepthUpdate(data["U"], data["u"], data["pu"], events)
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError, ValueError, OverflowError):
        return None
