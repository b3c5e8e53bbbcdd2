"""The connector's end of the link."""

import logging
import time
from collections.abc import Iterator

import iceoryx2 as iox

from marketlink.errors import AlreadyRunning
from marketlink.link.assembly import TRAILER
from marketlink.link.block import HEADER_BYTES, TRAILER_BYTES
from marketlink.link.iceoryx.node import Node, kind_of, no_port
from marketlink.link.iceoryx.receiver import POLL_UNNOTIFIED_S, Receiver
from marketlink.link.iceoryx.sender import PRIVATE_AHEAD, REQUESTS_AHEAD, Sender, private_samples
from marketlink.link.names import check_name
from marketlink.link.places import claim_root, place_of, turn
from marketlink.link.port import LoanedSamples, Present
from marketlink.link.room import (
    AHEAD,
    check_descriptors,
    check_memory,
    connection_bytes,
    held,
    reserve,
    segment_bytes,
    services_bytes,
    to_bot_samples,
)
from marketlink.link.settings import LinkSettings, read_settings
from marketlink.link.wire import decode_request, encode_event
from marketlink.messages import (
    TO_ALL,
    Batch,
    BotRequest,
    FeedEvent,
)
from marketlink.private import PrivateEvent, encode_private

log = logging.getLogger(__name__)


class IceoryxConnectorPort:
    """The connector's end. Raises AlreadyRunning when the name is taken; that is the lock of the name."""

    def __init__(self, name: str, settings: LinkSettings | None = None) -> None:
        check_name(name)
        self.name, self.settings = name, settings or read_settings()
        bots, place = self.settings.max_bots, place_of(self.settings)
        claim_root(name, place)
        check_descriptors(name, bots)
        with turn(place) as alone:
            node = Node(name, self.settings, alone)
            own = segment_bytes(to_bot_samples(self.settings.buffer_size, bots, held(bots))) + services_bytes(bots)
            check_memory(name, own, "a connector")
            to_bot, to_events = node.service("ToBot", 1, bots), node.events("ToBot")
            from_bot, from_events = node.service("FromBot", bots, 1), node.events("FromBot")
            sizes, waiting = to_bot.static_config, to_bot.dynamic_config.number_of_subscribers
            samples = to_bot_samples(
                sizes.subscriber_max_buffer_size, sizes.max_subscribers, sizes.subscriber_max_borrowed_samples
            )
            there = waiting * connection_bytes(samples, sizes.subscriber_max_buffer_size)
            asking, queue = (
                from_bot.dynamic_config.number_of_publishers,
                from_bot.static_config.subscriber_max_buffer_size,
            )
            there += asking * connection_bytes(REQUESTS_AHEAD, queue, grows=False)
            check_memory(
                name, segment_bytes(samples) + there, f"a connector with {max(waiting, asking)} bots waiting for it"
            )
            try:
                self._to_bot = Sender(node, to_bot, to_events, samples, grows=True, ahead=AHEAD)
                self._from_bot = Receiver(node, from_bot, from_events)
            except (iox.PublisherCreateError, iox.SubscriberCreateError) as error:
                if kind_of(error) in ("ExceedsMaxSupportedPublishers", "ExceedsMaxSupportedSubscribers"):
                    raise AlreadyRunning(name) from error
                raise no_port(name, error) from error
            except (iox.NotifierCreateError, iox.ListenerCreateError) as error:
                raise no_port(name, error) from error
            reserve(name, place, self._to_bot.publisher_id)
        self._bots: dict[int, int] = {}  # by publisher
        self._node: Node | None = node
        self._private: Sender | None = None

    def present(self) -> Present:
        """Return which bots' processes live. Reads files: for once a second, in the thread that takes requests."""
        assert self._node is not None
        self._node.remove_dead()
        try:
            states = iox.Node.list(iox.ServiceType.Ipc, self._node.config)
        except Exception as error:  # noqa: BLE001 then nobody is called gone
            log.debug("link %s: nodes can't be listed: %r", self.name, error)
            return Present(frozenset(self._bots.values()), False)
        living = {
            getattr(state[0], "id", state[0]).value for state in states if not isinstance(state, iox.NodeState.Dead)
        }
        nodes = self._from_bot.nodes
        for publisher in [one for one in self._bots if nodes[one] not in living]:
            del self._bots[publisher], nodes[publisher]
        return Present(frozenset(self._bots.values()), self._from_bot.publishers <= len(self._bots))

    @property
    def session(self) -> int:
        """When this publisher started, ns: what its samples' trailers say."""
        return self._to_bot.session

    @property
    def buffer_size(self) -> int:
        """How many samples a reader's queue holds."""
        return self.settings.buffer_size

    @property
    def next_seq(self) -> int:
        """The number of the next sample."""
        return self._to_bot.seq

    def send(self, batch: Batch) -> None:
        """Publish a batch: one sample a message, one wake-up."""
        sender, to = self._to_bot, batch.to
        if batch.framed:
            sender.send(to, b"\x00")
        for event in batch.events:
            if isinstance(event, FeedEvent):
                sender.send_feed(to, event)
            else:
                for message in encode_event(event):
                    sender.send(to, message)
        if batch.framed:
            sender.send(to, b"\x01")
        sender.notify()

    def readers(self) -> int:
        """How many bots and recorders are on the link now."""
        return int(self._to_bot.readers())

    def sending(self, batch: Batch, most: int) -> Iterator[None]:
        """Publish a batch in steps of about `most` samples, a wake-up each."""
        sender, to = self._to_bot, batch.to
        if batch.framed:
            sender.send(to, b"\x00")
        for event in batch.events:
            if isinstance(event, FeedEvent):
                for start in range(0, len(event.events), most):
                    sender.send_feed(to, FeedEvent(event.symbol, event.events[start : start + most]))
                    sender.notify()
                    yield
            else:
                for message in encode_event(event):
                    sender.send(to, message)
        if batch.framed:
            sender.send(to, b"\x01")
        sender.notify()

    def loaned(self) -> LoanedSamples | None:
        """The samples that are loaned ahead."""
        return self._to_bot.loaned()

    def send_loaned(self, count: int) -> None:
        """Publish the first of them with one wake-up."""
        self._to_bot.send_loaned(count)

    def open_private(self) -> None:
        """Open the service of the account's events; a connector without an account has none. Raises LinkError."""
        assert self._node is not None
        bots = self.settings.max_bots
        samples = private_samples(bots)
        check_memory(self.name, segment_bytes(samples) + services_bytes(bots), "the service of the account's events")
        with turn(place_of(self.settings)):
            service, events = self._node.service("Private", 1, bots, PRIVATE_AHEAD), self._node.events("Private")
            try:
                self._private = Sender(self._node, service, events, samples, grows=True)
            except (iox.PublisherCreateError, iox.NotifierCreateError) as error:
                raise no_port(self.name, error) from error
            reserve(self.name, place_of(self.settings), self._private.publisher_id)

    def send_private(self, event: PrivateEvent) -> None:
        """Tell readers of the account's events; without the service, nobody."""
        if self._private is not None:
            self._private.send(TO_ALL, encode_private(event))
            self._private.notify()

    def requests(self) -> list[BotRequest]:
        """Return every request that has arrived; what can't be read is logged and left out."""
        requests: list[BotRequest] = []
        samples = ((publisher, sample) for publisher, run in self._from_bot.runs(identify=True) for sample in run)
        for publisher, sample in samples:
            bot_id, length = TRAILER.unpack_from(sample)
            self._bots[publisher] = bot_id
            try:
                numbered = len(sample) == HEADER_BYTES + length + TRAILER_BYTES
                request = decode_request(sample[HEADER_BYTES : HEADER_BYTES + length])
                requests.append(BotRequest(bot_id, request, numbered))
            except Exception as error:  # noqa: BLE001 whatever a peer sends, the connector stays
                log.warning("link %s: request of bot %d can't be read: %s", self.name, bot_id, error)
        return requests

    def wait(self, timeout_s: float) -> bool:
        """Wait until a request may have arrived; the source's bots don't wake us, so never for long."""
        return self._from_bot.wait(min(timeout_s, POLL_UNNOTIFIED_S))

    def close(self) -> None:
        """Leave the link; the last samples are given a moment, because a subscriber can't fetch them from one that is gone."""
        if self._node is None:
            return
        time.sleep(0.05)
        if self._private is not None:
            self._private.close()
        self._from_bot.close()
        self._to_bot.close()
        self._node = None
