"""A reader of a connector's account events."""

import iceoryx2 as iox

from marketlink.errors import WireError
from marketlink.link.assembly import TRAILER
from marketlink.link.block import HEADER_BYTES, TRAILER_BYTES
from marketlink.link.iceoryx.node import Node, await_memory, no_port
from marketlink.link.iceoryx.receiver import POLL_S, Receiver
from marketlink.link.iceoryx.sender import PRIVATE_AHEAD, private_samples
from marketlink.link.names import check_name
from marketlink.link.places import claim_root, place_of, turn
from marketlink.link.room import (
    check_descriptors,
    connection_bytes,
    services_bytes,
)
from marketlink.link.settings import LinkSettings, read_settings
from marketlink.messages import (
    NewSession,
    SamplesLost,
    Unreadable,
)
from marketlink.private import PrivateEvent, decode_private


class IceoryxPrivatePort:
    """A reader of a connector's account events; may be opened before the connector."""

    def __init__(self, name: str, settings: LinkSettings | None = None) -> None:
        check_name(name)
        self.name, settings = name, settings or read_settings()
        bots, place = settings.max_bots, place_of(settings)
        claim_root(name, place)
        check_descriptors(name)
        with turn(place) as alone:
            node = Node(name, settings, alone)
            needed = connection_bytes(private_samples(bots), PRIVATE_AHEAD) + services_bytes(bots)
            await_memory(name, needed, "another reader of the account's events")
            service, events = node.service("Private", 1, bots, PRIVATE_AHEAD), node.events("Private")
            try:
                self._receiver = Receiver(node, service, events, PRIVATE_AHEAD)
            except (iox.SubscriberCreateError, iox.ListenerCreateError) as error:
                raise no_port(name, error) from error
        self._node: Node | None = node
        self._place: tuple[int, int] | None = None  # session and number of the next sample

    def receive(self) -> list[PrivateEvent | SamplesLost | NewSession | Unreadable]:
        """Return all that was told, oldest first, without waiting. Kinds of a later version are left out."""
        heard: list[PrivateEvent | SamplesLost | NewSession | Unreadable] = []
        for sample in (sample for _, run in self._receiver.runs(identify=False) for sample in run):
            _, length = TRAILER.unpack_from(sample)
            if len(sample) != HEADER_BYTES + length + TRAILER_BYTES:
                heard.append(Unreadable("a sample of the account's events without its number"))
                continue
            session, seq = TRAILER.unpack_from(sample, HEADER_BYTES + length)
            if self._place is not None and session != self._place[0]:
                heard.append(NewSession(session))
            elif self._place is not None and seq > self._place[1]:
                heard.append(SamplesLost(seq - self._place[1]))
            self._place = (session, seq + 1)
            try:
                event = decode_private(sample[HEADER_BYTES : HEADER_BYTES + length])
            except WireError as error:
                heard.append(Unreadable(str(error)))
            else:
                heard += [event] if event is not None else []
        return heard

    def wait(self, timeout_s: float) -> bool:
        """Wait until something may have arrived."""
        return self._receiver.wait(min(timeout_s, POLL_S))

    def close(self) -> None:
        """Leave."""
        if self._node is not None:
            self._receiver.close()
            self._node = None
