"""How the updates of a venue's depth stream follow each other and join a snapshot (docs/venues/binance.md)."""

from dataclasses import dataclass, field
from typing import Protocol

from marketlink.events import Events, empty_events


@dataclass(frozen=True, slots=True, eq=False)
class DepthUpdate:
    """One depth message: the ids it spans, the id it says it follows (futures only), and its levels as event records.

    `version` orders it among a symbol's several depth streams, whose ids have nothing to do with each other.
    """

    first_id: int
    last_id: int
    prev_id: int | None = None
    events: Events = field(default_factory=empty_events)
    version: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """A whole book as of the update `last_id`; `version` is as in `DepthUpdate`."""

    last_id: int
    events: Events = field(default_factory=empty_events)
    version: int = 0


class Rule(Protocol):
    """The three questions a venue's sequence rule answers."""

    def is_old(self, update: DepthUpdate, snapshot_id: int) -> bool:
        """Whether the snapshot already contains all of the update."""

    def joins(self, update: DepthUpdate, snapshot_id: int) -> bool:
        """Whether the update may be the first one applied to the snapshot."""

    def follows(self, update: DepthUpdate, last_id: int) -> bool:
        """Whether the update is the next one after the update that ended with `last_id`."""


class ByPreviousId:
    """Binance futures: every update names the id it follows (docs/venues/binance.md, local book).

    An update that ends exactly at the snapshot's id joins too: its levels are in the snapshot already and are absolute, so it does
    no harm, and the next update names its id.
    """

    def is_old(self, update: DepthUpdate, snapshot_id: int) -> bool:
        """`u < lastUpdateId`: the venue's wording, one less strict than spot's."""
        return update.last_id < snapshot_id

    def joins(self, update: DepthUpdate, snapshot_id: int) -> bool:
        """`U <= L <= u`, or `pu == L`: seen live, the venue's text omits the second."""
        return update.first_id <= snapshot_id <= update.last_id or update.prev_id == snapshot_id

    def follows(self, update: DepthUpdate, last_id: int) -> bool:
        """`pu` equals the previous `u`; ids between the two belong to nothing."""
        return update.prev_id == last_id


class ByNextId:
    """Binance spot, and each of Bybit's depth streams: the ids of successive updates are contiguous (docs/venues/binance.md, local
    book; docs/venues/bybit.md, order book).

    Differs from futures in the comparison with the snapshot: an update that ends at its id is dropped here.
    """

    def is_old(self, update: DepthUpdate, snapshot_id: int) -> bool:
        """`u <= lastUpdateId`."""
        return update.last_id <= snapshot_id

    def joins(self, update: DepthUpdate, snapshot_id: int) -> bool:
        """`U <= L + 1 <= u`."""
        return update.first_id <= snapshot_id + 1 <= update.last_id

    def follows(self, update: DepthUpdate, last_id: int) -> bool:
        """`U == previous u + 1`."""
        return update.first_id == last_id + 1
