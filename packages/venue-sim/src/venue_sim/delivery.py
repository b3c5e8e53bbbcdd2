"""How one message reaches one connection when message faults hit it."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from venue_sim.face import Packet
from venue_sim.faults import Armed, corrupted
from venue_sim.links import Link


def deliver_hurt(link: Link, packet: Packet, hits: Iterable[Armed], now_ns: int) -> None:
    """Send a message as the faults leave it: not at all, twice, spoilt, or held for its stream's next message."""
    payloads = [packet.wrapped if link.combined else packet.data]
    held = False
    for hit in hits:
        match hit.fault.kind:
            case "late":
                due_ns = now_ns + int((hit.fault.delay_s or 0.0) * 1e9)
                link.on_the_way += [(due_ns, payload) for payload in payloads]
                payloads = []
            case "drop":
                payloads = []
            case "duplicate":
                payloads = payloads * 2
            case "corrupt":
                random = Random(f"{hit.fault.seed}/{hit.number}/{hit.seen}")
                payloads = [corrupted(payload, hit.fault.mode or "truncate", random) for payload in payloads]
            case "reorder":
                held = packet.stream not in link.swapped
    if held and payloads:
        link.swapped[packet.stream] = payloads.pop(0)
        for payload in payloads:
            link.send(payload)
    else:
        send_behind_held(link, packet.stream, payloads)


def send_behind_held(link: Link, stream: str, payloads: list[bytes]) -> None:
    """Send messages, and behind them the one of their stream that was held for reordering."""
    for payload in payloads:
        link.send(payload)
    if payloads and stream in link.swapped:
        link.send(link.swapped.pop(stream))
