"""A bot's end of the link."""

import contextlib
import secrets
from typing import Final

import iceoryx2 as iox

from marketlink.errors import LinkError
from marketlink.link.assembly import Assembler
from marketlink.link.block import load_kernels
from marketlink.link.iceoryx.node import Node, await_memory, kind_of, no_port
from marketlink.link.iceoryx.receiver import POLL_S, POLL_UNNOTIFIED_S, Receiver
from marketlink.link.iceoryx.sender import REQUESTS_AHEAD, Sender
from marketlink.link.names import check_name
from marketlink.link.places import claim_root, place_of, turn
from marketlink.link.port import Peer
from marketlink.link.room import (
    check_descriptors,
    connection_bytes,
    held,
    reserve,
    segment_bytes,
    services_bytes,
    to_bot_samples,
)
from marketlink.link.settings import LinkSettings, read_settings
from marketlink.link.wire import encode_request
from marketlink.messages import (
    TO_ALL,
    Heard,
    LiveRequest,
    Progress,
)

_PROGRESS_EVERY: Final = 8  # eighths of the buffer: how often a reader says how far it has read


class IceoryxBotPort:
    """A bot's end; may be opened before the connector."""

    def __init__(self, name: str, bot_id: int | None = None, settings: LinkSettings | None = None) -> None:
        if bot_id == TO_ALL:
            raise ValueError("a bot's id can't be 0: that addresses every bot")
        check_name(name)
        load_kernels()  # before there is anything to miss
        self.name, self.settings = name, settings or read_settings()
        self._bot_id = bot_id if bot_id is not None else secrets.randbits(63) + 1
        bots, place = self.settings.max_bots, place_of(self.settings)
        claim_root(name, place)
        check_descriptors(name)
        with turn(place) as alone:
            node = Node(name, self.settings, alone)
            buffer = self.settings.buffer_size
            own = (
                segment_bytes(REQUESTS_AHEAD)
                + services_bytes(bots)
                + connection_bytes(REQUESTS_AHEAD, buffer, grows=False)
            )
            await_memory(name, own + connection_bytes(to_bot_samples(buffer, bots, held(bots)), buffer), "another bot")
            to_bot, to_events = node.service("ToBot", 1, bots), node.events("ToBot")
            from_bot, from_events = node.service("FromBot", bots, 1), node.events("FromBot")
            try:
                self._to_bot = Receiver(node, to_bot, to_events)
                self._from_bot = Sender(node, from_bot, from_events, REQUESTS_AHEAD, grows=False)
            except (iox.PublisherCreateError, iox.SubscriberCreateError) as error:
                if kind_of(error) not in ("ExceedsMaxSupportedPublishers", "ExceedsMaxSupportedSubscribers"):
                    raise no_port(name, error) from error
                places = min(to_bot.static_config.max_subscribers, from_bot.static_config.max_publishers)
                remedy = f"At most {places} bots may be on this connector: stop some, or raise max_bots everywhere and restart all."
                raise LinkError(name, f"no place for another bot: {error!r}", remedy) from error
            except (iox.NotifierCreateError, iox.ListenerCreateError) as error:
                raise no_port(name, error) from error
            reserve(name, place, self._from_bot.publisher_id)
        self._to_bot_ports, self._to_bot_events = to_bot, to_events
        self._node: Node | None = node
        self._assembler = Assembler(self._bot_id)
        self._unsaid = 0  # samples read since progress was told
        self._quiet = True  # whether nothing was heard since the last look at the peer

    @property
    def bot_id(self) -> int:
        """This bot's id."""
        return self._bot_id

    @property
    def checked(self) -> bool:
        """Whether the last sample was numbered."""
        return self._assembler.checked

    def receive(self) -> list[Heard]:
        """Return all that was heard, oldest first."""
        assembler = self._assembler
        taken = self._to_bot.hear(assembler, self._bot_id)
        heard = assembler.settled()
        if not assembler.checked:
            for publisher, samples in self._to_bot.runs(identify=True):
                heard.extend(assembler.take(samples, publisher))
                taken += len(samples)
        if taken:
            self._quiet = False
            self._unsaid += taken
        if self._unsaid >= self.settings.buffer_size // _PROGRESS_EVERY:
            self._say_progress()
        return heard

    def _say_progress(self) -> None:
        """Tell a connector of ours how far this reader is, so that it knows how much room there is."""
        position = self._assembler.position
        self._unsaid = 0
        if position is not None:
            with contextlib.suppress(LinkError):  # a connector that takes nothing does not send either
                self._from_bot.send(self._bot_id, encode_request(Progress(*position)))
                self._from_bot.notify()

    def peer(self) -> Peer:
        """Return who publishes: the services' own counts of ports, and after a silence dead processes are removed from them first."""
        if self._node is None:
            return Peer.NOBODY
        if self._quiet:
            self._node.remove_dead()
        self._quiet = True
        return self._peer()

    def _peer(self) -> Peer:
        if not self._to_bot_ports.dynamic_config.number_of_publishers:
            return Peer.NOBODY
        return Peer.OURS if self._to_bot_events.dynamic_config.number_of_notifiers else Peer.SOURCE

    def request(self, request: LiveRequest) -> None:
        """Send a request and wake the connector."""
        self._say_progress()
        self._send(request)

    def _send(self, request: LiveRequest) -> None:
        try:
            self._from_bot.send(self._bot_id, encode_request(request))
        except LinkError:
            if self._node is None:
                raise
            self._node.remove_dead()  # a connector that was killed keeps what it has not taken until somebody removes it
            self._from_bot.send(self._bot_id, encode_request(request))
        self._from_bot.notify()

    def wait(self, timeout_s: float) -> bool:
        """Wait until something may have arrived; a connector that doesn't number its samples doesn't wake us either."""
        if self.settings.poll_us and self._to_bot.spin(min(timeout_s, self.settings.poll_us / 1e6)):
            return True
        if self._assembler.checked:
            return self._to_bot.wait(min(timeout_s, POLL_S))
        if self._peer() is Peer.SOURCE:
            return self._to_bot.wait_unwoken(min(timeout_s, POLL_UNNOTIFIED_S))
        return self._to_bot.wait(min(timeout_s, POLL_UNNOTIFIED_S))

    def close(self) -> None:
        """Leave the link."""
        if self._node is None:
            return
        self._from_bot.close()
        self._to_bot.close()
        del self._to_bot_ports, self._to_bot_events
        self._node = None
