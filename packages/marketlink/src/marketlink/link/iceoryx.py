"""The link over iceoryx2 shared memory: the only module that touches the library (docs/link.md).

The library is built to abort on misuse, so nothing outside this module ever sees a raw sample: payloads are copied out and
samples dropped at once. Signals stay Python's: nodes are made with signal handling disabled. Waiting is done on listeners
only, which release the interpreter lock.
"""

import ctypes
import logging
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import iceoryx2 as iox

from marketlink.errors import AlreadyRunning, LinkError
from marketlink.link.assembly import TRAILER, Assembler, Sample
from marketlink.link.block import HEADER_BYTES, TRAILER_BYTES, FeedEncoder, load_kernels
from marketlink.link.port import Peer
from marketlink.link.settings import LinkSettings, read_settings
from marketlink.link.wire import decode_request, encode_event, encode_request
from marketlink.messages import TO_ALL, Batch, Feed, Heard, LiveRequest, Progress, Request

log = logging.getLogger(__name__)

_SPARE_NODES: Final = 16  # processes beside the bots: connector, doctor, leftovers not cleaned yet
_INITIAL_SLICE: Final = 512
_POLL_S: Final = 0.2
_POLL_UNNOTIFIED_S: Final = 0.01  # a peer of the source never notifies: look for its samples this often
_NOTIFY_EVERY: Final = 256  # samples: a reader starts on a long batch before its end
_PAUSE_EVERY: Final = 4  # quarters of the buffer: a long batch leaves a reader time to drain it
_PROGRESS_EVERY: Final = 8  # eighths of the buffer: how often a reader says how far it has read
_MOST_AT_ONCE: Final = 50_000  # samples in one receive, so that a flood can't keep it for ever


class _Header(ctypes.Structure):
    """The user header of every sample."""

    _fields_ = (("id", ctypes.c_uint64), ("len", ctypes.c_uint64))

    @staticmethod
    def type_name() -> str:
        """The name that the source's peers know it by."""
        return "hftbacktest::live::ipc::iceoryx::CustomHeader"


def _config(settings: LinkSettings) -> Any:
    config = iox.config.default()
    if settings.root is not None:
        config.global_cfg.root_path = iox.Path.new(settings.root)
    if settings.prefix is not None:
        config.global_cfg.prefix = iox.FileName.new(settings.prefix)
    return config


class _Node:
    """This process's place in the library, and the two services of a name."""

    def __init__(self, name: str, settings: LinkSettings) -> None:
        iox.set_log_level(iox.LogLevel.Error)
        self.name, self.settings = name, settings
        try:
            self.node: Any = (
                iox.NodeBuilder.new()
                .config(_config(settings))
                .signal_handling_mode(iox.SignalHandlingMode.Disabled)
                .create(iox.ServiceType.Ipc)
            )
            state = self.node.try_cleanup_dead_nodes()
        except Exception as error:
            raise LinkError(
                name, f"no node: {error!r}", "Check that /dev/shm and the link's root can be written."
            ) from error
        if state.cleanups or state.failed_cleanups:
            log.info(
                "link %s: leftovers of %d dead processes removed, %d could not be",
                name,
                state.cleanups,
                state.failed_cleanups,
            )

    def service(self, which: str, publishers: int, subscribers: int) -> Any:
        """Open a publish_subscribe service of this name."""
        bots = self.settings.max_bots
        return self._open(
            which,
            lambda: (
                self.node.service_builder(iox.ServiceName.new(f"{self.name}/{which}"))
                .publish_subscribe(iox.Slice[ctypes.c_uint8])
                .user_header(_Header)
                .max_publishers(publishers)
                .max_subscribers(subscribers)
                .max_nodes(bots + _SPARE_NODES)
                .subscriber_max_buffer_size(self.settings.buffer_size)
                .open_or_create()
            ),
        )

    def events(self, which: str) -> Any:
        """Open the event service beside it, for wake-ups."""
        bots = self.settings.max_bots
        return self._open(
            which,
            lambda: (
                self.node.service_builder(iox.ServiceName.new(f"{self.name}/{which}"))
                .event()
                .max_listeners(bots + 1)
                .max_notifiers(bots + 1)
                .max_nodes(bots + _SPARE_NODES)
                .open_or_create()
            ),
        )

    def _open(self, which: str, build: Callable[[], Any]) -> Any:
        try:
            return build()
        except Exception as error:
            what = f"{which} can't be opened: {error!r}"
            if "Corrupted" in repr(error) or "Incompatible" in repr(error):
                where = self.settings.root or "the library's root (/tmp/iceoryx2)"
                remedy = f"Files of another version are in the way: stop its processes, then remove {where} and your /dev/shm/iox2_*."
            else:
                remedy = "Check that every process uses the same buffer_size and max_bots, and runs as the same user."
            raise LinkError(self.name, what, remedy) from error


class _Sender:
    """One publisher and its notifier: the lean way to send (header and payload each by one memmove)."""

    def __init__(self, node: _Node, which: str, publishers: int, subscribers: int) -> None:
        self._service = node.service(which, publishers, subscribers)
        self._publisher = (
            self._service.publisher_builder()
            .initial_max_slice_len(_INITIAL_SLICE)
            .allocation_strategy(iox.AllocationStrategy.PowerOfTwo)
            .override_sample_preallocation(node.settings.buffer_size + 2 * subscribers + 8)
            .create()
        )
        self._events = node.events(which)
        self._notifier = self._events.notifier_builder().create()
        self._loan = getattr(self._publisher, "__loan_slice_uninit")
        self._encoder = FeedEncoder()
        self._contiguous = False  # whether that was checked
        self._pause_every = max(1, node.settings.buffer_size // _PAUSE_EVERY)
        self._name = node.name
        self.session = time.time_ns()
        self.seq = 0

    def send(self, to: int, message: bytes) -> None:
        """Send one message with its header and trailer."""
        sample = TRAILER.pack(to, len(message)) + message + TRAILER.pack(self.session, self.seq)
        try:
            self._put(sample, len(sample))
        except Exception as error:
            raise self._broken(error) from error
        self.seq += 1

    def send_feed(self, to: int, feed: Feed) -> None:
        """Send a block of records, a sample each."""
        address, offsets = self._encoder.encode(feed.symbol, feed.events, to, self.session, self.seq)
        loan, memmove = self._loan, ctypes.memmove
        sent = start = 0
        try:
            if not self._contiguous:
                self._put(address, offsets[1])
                sent, start = 1, offsets[1]
            for end in offsets[1 + sent :]:
                size = end - start
                sample = loan(size - HEADER_BYTES)
                memmove(sample.user_header_ptr, address + start, size)
                getattr(sample, "__assume_init")().send()
                start = end
                sent += 1
                if not sent % _NOTIFY_EVERY:
                    self.notify()
                    if not sent % self._pause_every:  # better a millisecond late than lost in a full buffer
                        time.sleep(0.001)
        except Exception as error:
            raise self._broken(error) from error
        finally:
            self.seq += sent

    def _put(self, source: bytes | int, size: int) -> None:
        """Send one sample, header first.

        The library lays the payload right behind the 16 bytes of user header, so that one copy fills both; this is checked with the
        first sample of every publisher.
        """
        sample = self._loan(size - HEADER_BYTES)
        if sample.payload_ptr != sample.user_header_ptr + HEADER_BYTES:
            raise RuntimeError("header and payload do not lie side by side in this version of the library")
        self._contiguous = True
        ctypes.memmove(sample.user_header_ptr, source, size)
        getattr(sample, "__assume_init")().send()

    def _broken(self, error: Exception) -> LinkError:
        return LinkError(self._name, f"a sample could not be sent: {error!r}", "Check the free space of /dev/shm.")

    def notify(self) -> None:
        """Wake the readers."""
        try:
            self._notifier.notify()
        except Exception as error:  # noqa: BLE001 a wake-up lost costs one poll interval, no data
            log.debug("link %s: notify: %r", self._name, error)

    def close(self) -> None:
        """Leave, ports before services."""
        self._loan = None
        self._publisher.delete()
        self._notifier.delete()
        del self._publisher, self._notifier, self._service, self._events


class _Receiver:
    """One subscriber and its listener."""

    def __init__(self, node: _Node, which: str, publishers: int, subscribers: int) -> None:
        self._service = node.service(which, publishers, subscribers)
        self._events = node.events(which)
        self._listener = self._events.listener_builder().create()
        self._subscriber = self._service.subscriber_builder().buffer_size(node.settings.buffer_size).create()
        self._name = node.name

    def samples(self) -> list[Sample]:
        """Copy out every sample that has arrived."""
        receive, string_at = self._subscriber.receive, ctypes.string_at
        samples: list[Sample] = []
        try:
            while len(samples) < _MOST_AT_ONCE:
                sample = receive()
                if sample is None:
                    break
                header, size = sample.user_header_ptr, getattr(sample, "__slice_len")
                if sample.payload_ptr == header + HEADER_BYTES:  # as the library lays them out
                    samples.append(string_at(header, HEADER_BYTES + size))
                else:
                    samples.append(string_at(header, HEADER_BYTES) + string_at(sample.payload_ptr, size))
                sample.delete()
        except Exception as error:
            raise LinkError(self._name, f"receiving failed: {error!r}", "Restart this process.") from error
        return samples

    def wait(self, timeout_s: float) -> bool:
        """Wait for a wake-up; a signal ends the wait early. True when samples are there."""
        try:
            self._listener.timed_wait(iox.Duration.from_micros(max(1000, int(timeout_s * 1e6))))
        except iox.ListenerWaitError as error:
            if "Interrupt" not in repr(error):
                raise LinkError(self._name, f"waiting failed: {error!r}", "Restart this process.") from error
        return bool(self._subscriber.has_samples())

    def close(self) -> None:
        """Leave, ports before services."""
        self._subscriber.delete()
        self._listener.delete()
        del self._subscriber, self._listener, self._service, self._events


class IceoryxConnectorPort:
    """The connector's end. Raises AlreadyRunning when the name is taken; that is the lock of the name."""

    def __init__(self, name: str, settings: LinkSettings | None = None) -> None:
        self.name, self.settings = name, settings or read_settings()
        node = _Node(name, self.settings)
        try:
            self._to_bot = _Sender(node, "ToBot", 1, self.settings.max_bots)
            self._from_bot = _Receiver(node, "FromBot", self.settings.max_bots, 1)
        except iox.PublisherCreateError as error:
            if "ExceedsMaxSupportedPublishers" in repr(error):
                raise AlreadyRunning(name) from error
            raise LinkError(name, f"no publisher: {error!r}", "Check the free space of /dev/shm.") from error
        except iox.SubscriberCreateError as error:
            raise AlreadyRunning(name) from error
        self._node: _Node | None = node

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
            if isinstance(event, Feed):
                sender.send_feed(to, event)
            else:
                for message in encode_event(event):
                    sender.send(to, message)
        if batch.framed:
            sender.send(to, b"\x01")
        sender.notify()

    def sending(self, batch: Batch, most: int) -> Iterator[None]:
        """Publish a batch in steps of about `most` samples, a wake-up each."""
        sender, to = self._to_bot, batch.to
        if batch.framed:
            sender.send(to, b"\x00")
        for event in batch.events:
            if isinstance(event, Feed):
                for start in range(0, len(event.events), most):
                    sender.send_feed(to, Feed(event.symbol, event.events[start : start + most]))
                    sender.notify()
                    yield
            else:
                for message in encode_event(event):
                    sender.send(to, message)
        if batch.framed:
            sender.send(to, b"\x01")
        sender.notify()

    def requests(self) -> list[Request]:
        """Return every request that has arrived; what can't be read is logged and left out."""
        requests: list[Request] = []
        for sample in self._from_bot.samples():
            bot_id, length = TRAILER.unpack_from(sample)
            try:
                numbered = len(sample) == HEADER_BYTES + length + TRAILER_BYTES
                request = decode_request(sample[HEADER_BYTES : HEADER_BYTES + length])
                requests.append(Request(bot_id, request, numbered))
            except Exception as error:  # noqa: BLE001 whatever a peer sends, the connector stays
                log.warning("link %s: request of bot %d can't be read: %s", self.name, bot_id, error)
        return requests

    def wait(self, timeout_s: float) -> bool:
        """Wait until a request may have arrived; the source's bots don't wake us, so never for long."""
        return self._from_bot.wait(min(timeout_s, _POLL_UNNOTIFIED_S))

    def close(self) -> None:
        """Leave the link; the last samples are given a moment, because a subscriber can't fetch them from one that is gone."""
        if self._node is None:
            return
        time.sleep(0.05)
        self._from_bot.close()
        self._to_bot.close()
        self._node = None


class IceoryxBotPort:
    """A bot's end; may be opened before the connector."""

    def __init__(self, name: str, bot_id: int | None = None, settings: LinkSettings | None = None) -> None:
        if bot_id == TO_ALL:
            raise ValueError("a bot's id can't be 0: that addresses every bot")
        load_kernels()  # before there is anything to miss
        self.name, self.settings = name, settings or read_settings()
        self._bot_id = bot_id if bot_id is not None else secrets.randbits(63) + 1
        node = _Node(name, self.settings)
        try:
            self._to_bot = _Receiver(node, "ToBot", 1, self.settings.max_bots)
            self._from_bot = _Sender(node, "FromBot", self.settings.max_bots, 1)
        except (iox.PublisherCreateError, iox.SubscriberCreateError) as error:
            remedy = f"At most {self.settings.max_bots} bots may be on one connector: stop some, or raise max_bots everywhere."
            raise LinkError(name, f"no place for another bot: {error!r}", remedy) from error
        self._node: _Node | None = node
        self._assembler = Assembler(self._bot_id)
        self._unsaid = 0  # samples read since progress was told

    @property
    def bot_id(self) -> int:
        """This bot's id."""
        return self._bot_id

    @property
    def checked(self) -> bool:
        """Whether the last sample was numbered."""
        return self._assembler.checked

    def peer(self) -> Peer:
        """Look who is the connector now."""
        return Peer.OURS

    def receive(self) -> list[Heard]:
        """Return all that was heard, oldest first."""
        samples = self._to_bot.samples()
        heard = self._assembler.take(samples)
        self._unsaid += len(samples)
        if self._unsaid >= self.settings.buffer_size // _PROGRESS_EVERY:
            self._say_progress()
        return heard

    def _say_progress(self) -> None:
        """Tell a connector of ours how far this reader is, so that it knows how much room there is."""
        position = self._assembler.position
        self._unsaid = 0
        if position is not None:
            self._from_bot.send(self._bot_id, encode_request(Progress(*position)))
            self._from_bot.notify()

    def request(self, request: LiveRequest) -> None:
        """Send a request and wake the connector."""
        self._say_progress()
        self._from_bot.send(self._bot_id, encode_request(request))
        self._from_bot.notify()

    def wait(self, timeout_s: float) -> bool:
        """Wait until something may have arrived; a connector that doesn't number its samples doesn't wake us either."""
        return self._to_bot.wait(min(timeout_s, _POLL_S if self._assembler.checked else _POLL_UNNOTIFIED_S))

    def close(self) -> None:
        """Leave the link."""
        if self._node is None:
            return
        self._from_bot.close()
        self._to_bot.close()
        self._node = None
