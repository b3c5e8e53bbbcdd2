"""From a depth frame's bytes to the samples of its batch in one call: read, check, book, encode.

The kernel takes only what it surely knows: a frame that `scan` reads, of this symbol, that follows the book's last update, and whose batch
has room beyond doubt. All else it refuses before it changes anything, and the general way (`PublicVenue.decode`, `Hub.on_message`,
`Outbox.put`) takes the frame; what this one does must be what that one would have done, byte for byte.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from marketlink._jit import jit_over
from marketlink.book import kernels as book
from marketlink.events import Events
from marketlink.link import kernels as link
from marketlink.venues import kernels as venue

U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# What `rule` (int64) holds.
FIELDS: Final = 0
UNIT_NS: Final = 1
BY_PREVIOUS: Final = 2
MOST_ROWS: Final = 3  # of a batch that goes out in one piece
RULE_SIZE: Final = 4

# What `told` (int64) holds afterwards.
LAST_ID: Final = 0
EXCH_TS: Final = 1
TOLD_SIZE: Final = 2

# Why a frame is refused.
ODD: Final = -1
NOT_NEXT: Final = -2
NO_ROOM: Final = -3
NO_LEVELS: Final = -4  # given room for more levels, call again
BROKEN: Final = -5  # what can't be: the book was changed and nothing written

_MOST: Final = float(1 << 62)


@jit_over(venue)
def _is_of(text: U8, start: int, end: int, symbol: U8) -> bool:
    """Whether the bytes there are the symbol but for capitals."""
    if end - start != symbol.size:
        return False
    for index in range(symbol.size):
        byte = np.int64(text[start + index])
        if 0x41 <= byte <= 0x5A:
            byte += 0x20
        if byte != np.int64(symbol[index]):
            return False
    return True


@jit_over(book)
def _most_rows(events: Events, bids: int, count: int, keys_times: Ints, state: Ints, tick_size: float) -> int:
    """How many rows the book may make of these at most: one each, and the levels that they may cross; ODD for what is no price."""
    high_bid, low_ask, any_bid, any_ask = 0, 0, False, False
    for row in range(count):
        px = events[row]["px"]
        if px == 0.0 or not px < _MOST * tick_size:
            return ODD
        if events[row]["qty"] > 0.0:
            tick = book._whole(px / tick_size)
            if row < bids:
                high_bid, any_bid = (max(high_bid, tick) if any_bid else tick), True
            else:
                low_ask, any_ask = (min(low_ask, tick) if any_ask else tick), True
    most = count
    if any_bid:
        asks = state[book.COUNT + 1]
        most += asks - book._position(keys_times[1, book.KEY], asks, -high_bid)
    if any_ask:
        held = state[book.COUNT]
        most += held - book._position(keys_times[0, book.KEY], held, low_ask)
    if any_bid and any_ask and high_bid >= low_ask:  # rows of this message cross each other
        most += count
    return int(most)


@jit_over(venue, book, link)
def frame_to_samples(
    text: U8,
    recv_ns: int,
    last_id: int,
    session: np.uint64,
    seq: np.uint64,
    rule: Ints,
    symbol: U8,
    head: U8,
    sizes: Floats,
    keys_times: Ints,
    px_qty: Floats,
    state: Ints,
    found: Ints,
    events: Events,
    out: Events,
    out_bits: U64,
    memory: U8,
    places: Ints,
    told: Ints,
) -> int:
    """Take a frame into a book and write its batch, a sample at each of the first `places` of `memory`; return how many samples.

    `last_id` is the book's, `seq` the number of the first sample, `sizes` tick and lot; `out_bits` is `out` as numbers. Refused: one of
    the reasons above, and nothing has changed but scratch memory (`found`, `events`).
    """
    if venue.scan(text, recv_ns, rule[FIELDS], rule[UNIT_NS], found, events) != venue.READ:
        return ODD
    first, last, bids = found[venue.FIRST_ID], found[venue.LAST_ID], found[venue.BIDS]
    count = bids + found[venue.ASKS]
    if first > last or count == 0 or (found[venue.ASKS_FIRST] != 0 and bids > 0):
        return ODD
    if not _is_of(text, found[venue.SYMBOL_FROM], found[venue.SYMBOL_TO], symbol):
        return ODD
    if rule[BY_PREVIOUS] != 0:
        if found[venue.PREV_ID] != last_id:
            return NOT_NEXT
    elif first != last_id + 1:
        return NOT_NEXT
    most = _most_rows(events, bids, count, keys_times, state, sizes[0])
    if most < 0:
        return ODD
    room = keys_times.shape[2]
    if most > rule[MOST_ROWS] or most >= out.size or most + 2 > places.size or state[book.ROW] != 0:
        return NO_ROOM
    if state[book.COUNT] + count > room or state[book.COUNT + 1] + count > room:
        return NO_LEVELS

    made = book.fuse_rows(events[:count], keys_times, px_qty, state, sizes[0], sizes[1], True, out)
    if made < 0:
        return BROKEN
    if made == 0:  # an update that changes nothing still moves the book's id: one row is said again
        out[0] = events[0]
        made = 1
    to_all = np.uint64(0)
    link.put_mark(memory, places[0], to_all, 0, session, seq)
    for row in range(made):
        link.put_row(memory, places[row + 1], to_all, head, out_bits, row, session, seq + np.uint64(row + 1))
    link.put_mark(memory, places[made + 1], to_all, 1, session, seq + np.uint64(made + 1))
    told[LAST_ID], told[EXCH_TS] = last, events[0]["exch_ts"]
    return int(made) + 2
