"""The link over iceoryx2 shared memory: the only module that touches the library (docs/link.md).

The library is built to abort on misuse, so nothing outside this module ever sees a raw sample: payloads are copied out and
samples dropped at once. Signals stay Python's: nodes are made with signal handling disabled. Waiting is done on listeners
only, which release the interpreter lock. It is one module and long because a test holds the library to one module; what needs
no library lies beside it: places, leftovers, room, names.
"""

import contextlib
import ctypes
import logging
import re
import secrets
import time
from collections.abc import Callable, Iterator
from ctypes import string_at
from itertools import islice
from typing import Any, Final

import iceoryx2 as iox
import numpy as np
from numpy.typing import NDArray

from marketlink.errors import AlreadyRunning, LinkError, WireError
from marketlink.link.assembly import TRAILER, Assembler, Sample
from marketlink.link.block import HEADER_BYTES, TRAILER_BYTES, FeedEncoder, load_kernels
from marketlink.link.held import MOST_HELD, HeldReader
from marketlink.link.leftovers import (
    remove_dead_descriptions,
    remove_dead_segments,
    taggers,
    unfinished_descriptions,
    unfinished_segments,
)
from marketlink.link.names import check_name
from marketlink.link.places import claim_root, place_of, turn
from marketlink.link.port import LoanedSamples, Peer, Present
from marketlink.link.room import (
    AHEAD,
    AHEAD_BYTES,
    SLICE,
    check_descriptors,
    check_memory,
    connection_bytes,
    free_bytes,
    held,
    reserve,
    segment_bytes,
    services_bytes,
    to_bot_samples,
)
from marketlink.link.settings import LinkSettings, read_settings
from marketlink.link.wire import decode_request, encode_event, encode_request
from marketlink.messages import (
    TO_ALL,
    Batch,
    BotRequest,
    FeedEvent,
    Heard,
    LiveRequest,
    NewSession,
    Progress,
    SamplesLost,
    Unreadable,
)
from marketlink.private import PrivateEvent, decode_private, encode_private

log = logging.getLogger(__name__)

_SPARE_NODES: Final = 16  # processes beside the bots: connector, doctor, leftovers not cleaned yet
_POLL_S: Final = 0.2
_POLL_UNNOTIFIED_S: Final = 0.01  # a peer of the source never notifies: look for its samples this often
_POLL_SOURCE_S: Final = 0.001  # what a bot waits between two looks while a connector of the source sends
_NOTIFY_EVERY: Final = 256  # samples: a reader starts on a long batch before its end
_PROGRESS_EVERY: Final = 8  # eighths of the buffer: how often a reader says how far it has read
_MOST_AT_ONCE: Final = (
    4096  # samples in one receive: 20 ms of work, so that timers and requests get their turn in a flood
)
_WINDOW: Final = 1 << 33  # bytes of address space in which the samples loaned ahead lie
_PRIVATE_AHEAD: Final = 1000  # events of the account in a reader's queue
_REQUESTS_AHEAD: Final = 256  # requests of one bot that the connector has not taken yet
_OPENING_S: Final = 5.0  # how long others may go on creating or removing a service under our hands
_CLEANUP_S: Final = 1.0
_RELEASE_S: Final = 2.5


class _Header(ctypes.Structure):
    """The user header of every sample."""

    _fields_ = (("id", ctypes.c_uint64), ("len", ctypes.c_uint64))

    @staticmethod
    def type_name() -> str:
        """The name that the source's peers know it by."""
        return "hftbacktest::live::ipc::iceoryx::CustomHeader"


class _Node:
    """This process's place in the library, and the services of a name."""

    def __init__(self, name: str, settings: LinkSettings, alone: bool = True) -> None:
        iox.set_log_level(iox.LogLevel.Fatal)  # what goes wrong is said here, in words
        self.name, self.settings, self.place = name, settings, place_of(settings)
        self.config = iox.config.default()
        self.config.global_cfg.root_path = iox.Path.new(str(self.place.root))
        self.config.global_cfg.prefix = iox.FileName.new(self.place.prefix)
        self._alone = alone  # whether no other process of ours opens or removes now
        self._cleaned = time.monotonic()
        self.remove_leftovers()
        before = self._dead()
        try:
            self.node: Any = (
                iox.NodeBuilder.new()
                .config(self.config)
                .signal_handling_mode(iox.SignalHandlingMode.Disabled)
                .create(iox.ServiceType.Ipc)
            )
            self.node.try_cleanup_dead_nodes()
        except Exception as error:
            what, remedy = f"no node: {error!r}", "Check that /dev/shm and the link's root can be written."
            if held := unfinished_segments(self.place):
                what = f"{len(held)} segments are being created by a process that does not go on, such as {held[0]}"
                remedy = "Find it with `fuser` and end it."
            raise LinkError(name, what, remedy) from error
        if before and (removed := before - self._dead()):
            log.info("link %s: leftovers of %d dead processes removed", name, len(removed))

    def _dead(self) -> set[str]:
        """Return the numbers of nodes whose process is proved dead: their lock is free."""
        try:
            states = iox.Node.list(iox.ServiceType.Ipc, self.config)
        except Exception as error:  # noqa: BLE001 then none is proved dead
            log.debug("link %s: nodes can't be listed: %r", self.name, error)
            return set()
        return {str(state[0].id.value) for state in states if isinstance(state, iox.NodeState.Dead)}

    def remove_leftovers(self) -> int:
        """Remove what a process that was killed while creating left unfinished; return how much was removed."""
        gone = remove_dead_segments(self.place)
        if self._alone and unfinished_descriptions(self.place):
            gone += remove_dead_descriptions(self.place, self._dead())
        for path in gone:
            log.warning("link %s: removed %s, left unfinished by a process that died creating it", self.name, path)
        return len(gone)

    def remove_dead(self) -> None:
        """Remove dead processes from the services, at most once a second."""
        if time.monotonic() - self._cleaned >= _CLEANUP_S:
            self._cleaned = time.monotonic()
            self.node.try_cleanup_dead_nodes()

    def service(self, which: str, publishers: int, subscribers: int, buffer: int = 0) -> Any:
        """Open a publish_subscribe service of this name, whoever created it and with whatever sizes; create it with ours.

        `buffer` is how many samples a subscriber's queue holds, by default as the settings say.
        """
        wanted = buffer or self.settings.buffer_size

        def build() -> Any:
            name = iox.ServiceName.new(f"{self.name}/{which}")
            return self.node.service_builder(name).publish_subscribe(iox.Slice[ctypes.c_uint8]).user_header(_Header)

        service = self._open(
            which,
            lambda: build().open(),
            lambda: (
                build()
                .max_publishers(publishers)
                .max_subscribers(subscribers)
                .max_nodes(self.settings.max_bots + _SPARE_NODES)
                .subscriber_max_buffer_size(wanted)
                .subscriber_max_borrowed_samples(held(subscribers))
                .create()
            ),
        )
        sizes = service.static_config
        if not sizes.has_safe_overflow:  # a full reader would stop its writer, with the interpreter lock held
            what = f"{which} was created without safe overflow"
            raise LinkError(self.name, what, "End the processes on it and start this project's or the source's first.")
        if sizes.subscriber_max_buffer_size < wanted:
            log.warning(
                "link %s: %s was created with a buffer of %d samples, not %d: that is used",
                self.name,
                which,
                sizes.subscriber_max_buffer_size,
                wanted,
            )
        return service

    def events(self, which: str) -> Any:
        """Open or create the event service beside it, for wake-ups."""
        bots = self.settings.max_bots

        def build() -> Any:
            return self.node.service_builder(iox.ServiceName.new(f"{self.name}/{which}")).event()

        return self._open(
            which,
            lambda: build().open(),
            lambda: build().max_listeners(bots + 1).max_notifiers(bots + 1).max_nodes(bots + _SPARE_NODES).create(),
        )

    def _open(self, which: str, open_: Callable[[], Any], create: Callable[[], Any]) -> Any:
        """Open what is there; what decides sizes is stated only when it is created."""
        end = time.monotonic() + _OPENING_S
        while True:
            try:
                return open_()
            except Exception as error:  # noqa: BLE001 told apart below
                failure = error
            if _kind(failure) == "DoesNotExist":
                try:
                    return create()
                except Exception as error:  # noqa: BLE001 told apart below
                    failure = error
            kind = _kind(failure)
            if kind == "HangsInCreation" and self.remove_leftovers():
                continue
            if kind not in _IN_FLUX or time.monotonic() > end:
                raise self._not_opened(which, kind, failure) from failure
            time.sleep(0.01)

    def _not_opened(self, which: str, kind: str, error: Exception) -> LinkError:
        check_descriptors(self.name)  # with none left, everything fails under other names
        what, remedy = f"{which} can't be opened: {error!r}", "Check that every process runs as the same user."
        if kind in ("ServiceInCorruptedState", "VersionMismatch", "IncompatibleTypes", "IncompatibleMessagingPattern"):
            remedy = (
                "Files of another version or of another program are in the way: stop its processes, then remove"
                f" {self.place.root} and your /dev/shm/{self.place.prefix}*."
            )
        elif kind == "HangsInCreation":
            nodes = [number for path in unfinished_descriptions(self.place) for number in taggers(self.place, path)]
            what = f"{which} is being created by a process that lives and does not go on" + (
                f" (process {', '.join(str(int(number) >> 64 & 0xFFFFFFFF) for number in nodes)})" if nodes else ""
            )
            remedy = "Continue it or end it."
        elif kind == "ExceedsMaxNumberOfNodes":
            what = f"{which} has no place for another process: its creator allowed {self._nodes_of(which)}"
            remedy = "Stop some, or let a process of this project create the link first: it allows max_bots + 16."
        elif kind == "IsMarkedForDestruction":
            what, remedy = f"{which} is being removed by a process that does not go on", "Continue it or end it."
        return LinkError(self.name, what, remedy)

    def _nodes_of(self, which: str) -> str:
        """Return how many processes a service was created for, as its description says it."""
        for path in self.place.services.glob(f"{self.place.prefix}*.service"):
            try:
                text = path.read_text()
            except OSError:
                continue
            if f'"{self.name}/{which}"' in text and (found := re.search(r"max_nodes = (\d+)", text)):
                return f"{found[1]}"
        return "no more"


_IN_FLUX: Final = frozenset(
    {"AlreadyExists", "IsBeingCreatedByAnotherInstance", "IsMarkedForDestruction", "Interrupt", "DoesNotExist"}
)


def _kind(error: Exception) -> str:
    """Return the library's name of an error, which is the last word of it."""
    words = re.findall(r"\w+", str(error))
    return words[-1] if words else ""


def _await_memory(name: str, needed: int, what: str) -> None:
    """Check the shared memory for a while: a connector lets go of a dead bot's part only with its next heartbeat. Raises LinkError."""
    end = time.monotonic() + _RELEASE_S
    while True:
        try:
            check_memory(name, needed, what)
        except LinkError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
        else:
            return


class _Sender:
    """One publisher and its notifier: the lean way to send (header and payload each by one memmove).

    `samples` must be as many as can ever be in use: a publisher that `grows` with its messages would also grow in number, and the
    library ends the process when it does. One that does not grow gets an error instead.
    """

    def __init__(self, node: _Node, service: Any, events: Any, samples: int, grows: bool, ahead: int = 0) -> None:
        """`ahead` samples may be loaned ahead of need."""
        self._service, self._events, self._node, self._samples = service, events, node, samples
        try:
            self._publisher = (
                service.publisher_builder()
                .initial_max_slice_len(SLICE)
                .max_loaned_samples(2 + ahead)
                .allocation_strategy(iox.AllocationStrategy.PowerOfTwo if grows else iox.AllocationStrategy.Static)
                .override_sample_preallocation(samples)
                .create()
            )
            self._notifier = events.notifier_builder().create()
        except (iox.PublisherCreateError, iox.NotifierCreateError):
            check_descriptors(node.name)  # with none left, everything fails under other names
            raise
        self.publisher_id: int = self._publisher.id.value
        self._largest, self._grows = SLICE, grows
        self._loan = getattr(self._publisher, "__loan_slice_uninit")
        self._encoder = FeedEncoder()
        self._contiguous = False  # whether that was checked
        self._ahead = ahead
        self._loaned: _LoanedAhead | None = None
        self._name = node.name
        self.session = time.time_ns()
        self.seq = 0

    def send(self, to: int, message: bytes) -> None:
        """Send one message with its header and trailer."""
        sample = TRAILER.pack(to, len(message)) + message + TRAILER.pack(self.session, self.seq)
        grows = len(sample) - HEADER_BYTES > self._largest
        if grows and not self._may_grow(len(sample) - HEADER_BYTES):
            return
        try:
            self._put(sample, len(sample))
            if grows:
                reserve(self._name, self._node.place, self.publisher_id)
        except Exception as error:
            raise self._broken(error) from error
        self.seq += 1

    def send_feed(self, to: int, feed: FeedEvent) -> None:
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
        except Exception as error:
            raise self._broken(error) from error
        finally:
            self.seq += sent

    def loaned(self) -> "_LoanedAhead":
        """The samples that are loaned ahead; the first call loans them."""
        if self._loaned is None:
            try:
                self._loaned = _LoanedAhead(self._loan, self._ahead)
            except Exception as error:
                raise self._broken(error) from error
        return self._loaned

    def send_loaned(self, count: int) -> None:
        """Send the first of them, wake the readers, and only then loan others in their place."""
        loaned = self.loaned()
        sent = 0
        try:
            for sample in loaned.samples[:count]:
                _send(sample)
                sent += 1
            self.seq += sent
            self.notify()
            loaned.renew(count)
        except Exception as error:
            if sent < count:
                self.seq += sent
            raise self._broken(error) from error

    def _may_grow(self, payload: int) -> bool:
        """Tell whether there is memory for samples of this size: the library then makes all of them larger, each once it is used."""
        if not self._grows:
            what = f"a message of {payload} bytes is longer than the {SLICE} that this end may send"
            raise LinkError(self._name, what, "Use shorter symbols and texts.")
        larger = 1 << (payload - 1).bit_length()
        needed, free = segment_bytes(self._samples, larger), free_bytes()
        if needed > free:
            log.error(
                "link %s: a message of %d bytes is not sent: samples of that size need %.1f MB of shared memory, %.1f MB are free",
                self._name,
                payload,
                needed / 1e6,
                free / 1e6,
            )
            return False
        self._largest = larger
        return True

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
        if isinstance(error, LinkError):
            return error
        if isinstance(error, iox.LoanError):
            what = f"none of its {self._samples} samples is free ({error}): the other side has not taken them"
            return LinkError(self._name, what, "Check that the process on the other side runs and is not stopped.")
        check_descriptors(self._name)
        return LinkError(self._name, f"a sample could not be sent: {error!r}", "Check the free space of /dev/shm.")

    def readers(self) -> int:
        """How many subscribers there are."""
        return int(self._service.dynamic_config.number_of_subscribers)

    def notify(self) -> None:
        """Wake the readers."""
        try:
            self._notifier.notify()
        except Exception as error:  # noqa: BLE001 a wake-up lost costs one poll interval, no data
            log.debug("link %s: notify: %r", self._name, error)

    def close(self) -> None:
        """Leave, ports before services."""
        self._loan = self._loaned = None
        self._publisher.delete()
        self._notifier.delete()
        del self._publisher, self._notifier, self._service, self._events


_send: Final = iox.SampleMut.send


class _LoanedAhead:
    """Samples loaned ahead of need (`link.port.LoanedSamples`): on the way from a frame to its readers each costs no more than its sending.

    They are longer than their messages; what counts is the length in the header, behind which the trailer stands.
    """

    def __init__(self, loan: Any, count: int) -> None:
        self.size: int = AHEAD_BYTES
        self.samples: list[Any] = [None] * count
        self.places = np.zeros(count, np.int64)
        self.memory: NDArray[np.uint8] = np.zeros(0, np.uint8)
        self._loan, self._base = loan, 0
        self.renew(count)

    def renew(self, count: int) -> None:
        """Loan samples in the place of the first ones, which are sent."""
        loan, size, samples, places, base = self._loan, self.size, self.samples, self.places, self._base
        last = self.memory.size - HEADER_BYTES - size
        for index in range(count):
            sample = getattr(loan(size), "__assume_init")()
            samples[index] = sample
            place = sample.user_header_ptr - base
            if not 0 <= place <= last:
                self._move()
                return
            places[index] = place

    def _move(self) -> None:
        """Look anew where samples lie: at the first time, and after the library has laid out larger ones, where all are loaned then."""
        count = len(self.samples)
        self.samples[:] = [None] * count
        for index in range(count):
            self.samples[index] = getattr(self._loan(self.size), "__assume_init")()
        headers = [sample.user_header_ptr for sample in self.samples]
        if self.samples[0].payload_ptr != headers[0] + HEADER_BYTES:
            raise RuntimeError("header and payload do not lie side by side in this version of the library")
        base = max(0, headers[0] - _WINDOW // 2)
        self._base, self.places[:] = base, np.array(headers, np.int64) - base
        if self.places.min() < 0 or self.places.max() > _WINDOW - HEADER_BYTES - self.size:
            raise RuntimeError("samples of one publisher lie too far apart")
        # Not all of it is memory: what is touched is what `places` names, and all that lies in samples of this process.
        self.memory = np.ctypeslib.as_array((ctypes.c_uint8 * _WINDOW).from_address(base))


class _Receiver:
    """One subscriber and its listener."""

    def __init__(self, node: _Node, service: Any, events: Any, buffer: int = 0) -> None:
        self._service, self._events, self._name = service, events, node.name
        size = min(buffer or node.settings.buffer_size, service.static_config.subscriber_max_buffer_size)
        try:
            self._listener = events.listener_builder().create()
            self._subscriber = service.subscriber_builder().buffer_size(size).create()
        except (iox.SubscriberCreateError, iox.ListenerCreateError):
            check_descriptors(node.name)  # with none left, everything fails under other names
            raise
        self._has_samples = self._subscriber.has_samples
        self._most_held = min(MOST_HELD, service.static_config.subscriber_max_borrowed_samples)
        self._reader = HeldReader()
        self.nodes: dict[int, int] = {}  # by publisher: the node of its process, of those that were identified

    @property
    def publishers(self) -> int:
        """How many publishers there are."""
        return int(self._service.dynamic_config.number_of_publishers)

    def runs(self, identify: bool) -> list[tuple[int, list[Sample]]]:
        """Copy out the samples that have arrived, 4,096 at most, as runs of one publisher: its number, or 0 when none is asked for."""
        receive = self._subscriber.receive
        runs: list[tuple[int, list[Sample]]] = []
        samples: list[Sample] = []
        publisher = 0
        try:
            for _ in range(_MOST_AT_ONCE):
                sample = receive()
                if sample is None:
                    break
                if identify and (sender := sample.header.publisher_id.value) != publisher:
                    samples = []
                    publisher = sender
                    self.nodes[publisher] = sample.header.node_id.value
                if not samples:
                    runs.append((publisher, samples))
                samples.append(_copy(sample))
                sample.delete()
        except Exception as error:
            check_descriptors(self._name)
            raise LinkError(self._name, f"receiving failed: {error!r}", "Restart this process.") from error
        return runs

    def hear(self, assembler: Assembler, mine: int) -> int:
        """Have an assembler take what has arrived, 4,096 samples at most, read where they lie; return how many there were.

        Only while its samples bear numbers: what else comes is copied out by `runs`.
        """
        receive, reader, taken = self._subscriber.receive, self._reader, 0
        try:
            while taken < _MOST_AT_ONCE and assembler.checked:
                samples = list(islice(iter(receive, None), self._most_held))
                if not samples:
                    break
                taken += len(samples)
                while samples and (place := assembler.position) is not None:
                    read = reader.read([sample.user_header_ptr for sample in samples], *place, mine)
                    assembler.take_ordinary(reader)
                    if read < len(samples):  # one that is not ordinary
                        assembler.gather([_copy(samples[read])])
                    del samples[: read + 1]
                while samples:  # numbers have ended
                    assembler.gather([_copy(samples[0])], samples[0].header.publisher_id.value)
                    del samples[0]  # none may be held any more when the next ones are received
        except Exception as error:
            check_descriptors(self._name)
            raise LinkError(self._name, f"receiving failed: {error!r}", "Restart this process.") from error
        return taken

    def wait(self, timeout_s: float) -> bool:
        """Wait for a wake-up, not at all while samples are left; a signal ends the wait early. True when samples are there."""
        if self._has_samples():
            return True
        try:
            self._listener.timed_wait(iox.Duration.from_micros(max(1000, int(timeout_s * 1e6))))
        except iox.ListenerWaitError as error:
            if "Interrupt" not in repr(error):
                raise LinkError(self._name, f"waiting failed: {error!r}", "Restart this process.") from error
        return bool(self._has_samples())

    def spin(self, timeout_s: float) -> bool:
        """Look for samples all the time, for so long. True when samples are there."""
        has_samples, clock = self._has_samples, time.monotonic
        end = clock() + timeout_s
        while not has_samples():
            if clock() >= end:
                return False
        return True

    def wait_unwoken(self, timeout_s: float) -> bool:
        """Look for samples every millisecond: a listener wakes 4 to 8 ms late when nobody notifies it. True when samples are there."""
        end = time.monotonic() + timeout_s
        while not self._has_samples():
            left = end - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(left, _POLL_SOURCE_S))
        return True

    def close(self) -> None:
        """Leave, ports before services."""
        self._subscriber.delete()
        self._listener.delete()
        del self._has_samples, self._subscriber, self._listener, self._service, self._events


def _copy(sample: Any) -> Sample:
    """Copy a sample out: header and payload."""
    header, size = sample.user_header_ptr, getattr(sample, "__slice_len")
    if sample.payload_ptr == header + HEADER_BYTES:  # as the library lays them out
        return string_at(header, HEADER_BYTES + size)
    return string_at(header, HEADER_BYTES) + string_at(sample.payload_ptr, size)


def _private_samples(subscribers: int) -> int:
    """Return how many samples of the account's events are ever in use at once."""
    return _PRIVATE_AHEAD + 2 * subscribers + 8


def _no_port(name: str, error: Exception) -> LinkError:
    return LinkError(name, f"no port: {error!r}", "Check the free space of /dev/shm.")


class IceoryxConnectorPort:
    """The connector's end. Raises AlreadyRunning when the name is taken; that is the lock of the name."""

    def __init__(self, name: str, settings: LinkSettings | None = None) -> None:
        check_name(name)
        self.name, self.settings = name, settings or read_settings()
        bots, place = self.settings.max_bots, place_of(self.settings)
        claim_root(name, place)
        check_descriptors(name, bots)
        with turn(place) as alone:
            node = _Node(name, self.settings, alone)
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
            there += asking * connection_bytes(_REQUESTS_AHEAD, queue, grows=False)
            check_memory(
                name, segment_bytes(samples) + there, f"a connector with {max(waiting, asking)} bots waiting for it"
            )
            try:
                self._to_bot = _Sender(node, to_bot, to_events, samples, grows=True, ahead=AHEAD)
                self._from_bot = _Receiver(node, from_bot, from_events)
            except (iox.PublisherCreateError, iox.SubscriberCreateError) as error:
                if _kind(error) in ("ExceedsMaxSupportedPublishers", "ExceedsMaxSupportedSubscribers"):
                    raise AlreadyRunning(name) from error
                raise _no_port(name, error) from error
            except (iox.NotifierCreateError, iox.ListenerCreateError) as error:
                raise _no_port(name, error) from error
            reserve(name, place, self._to_bot.publisher_id)
        self._bots: dict[int, int] = {}  # by publisher
        self._node: _Node | None = node
        self._private: _Sender | None = None

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
        samples = _private_samples(bots)
        check_memory(self.name, segment_bytes(samples) + services_bytes(bots), "the service of the account's events")
        with turn(place_of(self.settings)):
            service, events = self._node.service("Private", 1, bots, _PRIVATE_AHEAD), self._node.events("Private")
            try:
                self._private = _Sender(self._node, service, events, samples, grows=True)
            except (iox.PublisherCreateError, iox.NotifierCreateError) as error:
                raise _no_port(self.name, error) from error
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
        return self._from_bot.wait(min(timeout_s, _POLL_UNNOTIFIED_S))

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


class IceoryxPrivatePort:
    """A reader of a connector's account events; may be opened before the connector."""

    def __init__(self, name: str, settings: LinkSettings | None = None) -> None:
        check_name(name)
        self.name, settings = name, settings or read_settings()
        bots, place = settings.max_bots, place_of(settings)
        claim_root(name, place)
        check_descriptors(name)
        with turn(place) as alone:
            node = _Node(name, settings, alone)
            needed = connection_bytes(_private_samples(bots), _PRIVATE_AHEAD) + services_bytes(bots)
            _await_memory(name, needed, "another reader of the account's events")
            service, events = node.service("Private", 1, bots, _PRIVATE_AHEAD), node.events("Private")
            try:
                self._receiver = _Receiver(node, service, events, _PRIVATE_AHEAD)
            except (iox.SubscriberCreateError, iox.ListenerCreateError) as error:
                raise _no_port(name, error) from error
        self._node: _Node | None = node
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
        return self._receiver.wait(min(timeout_s, _POLL_S))

    def close(self) -> None:
        """Leave."""
        if self._node is not None:
            self._receiver.close()
            self._node = None


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
            node = _Node(name, self.settings, alone)
            buffer = self.settings.buffer_size
            own = (
                segment_bytes(_REQUESTS_AHEAD)
                + services_bytes(bots)
                + connection_bytes(_REQUESTS_AHEAD, buffer, grows=False)
            )
            _await_memory(name, own + connection_bytes(to_bot_samples(buffer, bots, held(bots)), buffer), "another bot")
            to_bot, to_events = node.service("ToBot", 1, bots), node.events("ToBot")
            from_bot, from_events = node.service("FromBot", bots, 1), node.events("FromBot")
            try:
                self._to_bot = _Receiver(node, to_bot, to_events)
                self._from_bot = _Sender(node, from_bot, from_events, _REQUESTS_AHEAD, grows=False)
            except (iox.PublisherCreateError, iox.SubscriberCreateError) as error:
                if _kind(error) not in ("ExceedsMaxSupportedPublishers", "ExceedsMaxSupportedSubscribers"):
                    raise _no_port(name, error) from error
                places = min(to_bot.static_config.max_subscribers, from_bot.static_config.max_publishers)
                remedy = f"At most {places} bots may be on this connector: stop some, or raise max_bots everywhere and restart all."
                raise LinkError(name, f"no place for another bot: {error!r}", remedy) from error
            except (iox.NotifierCreateError, iox.ListenerCreateError) as error:
                raise _no_port(name, error) from error
            reserve(name, place, self._from_bot.publisher_id)
        self._to_bot_ports, self._to_bot_events = to_bot, to_events
        self._node: _Node | None = node
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
            return self._to_bot.wait(min(timeout_s, _POLL_S))
        if self._peer() is Peer.SOURCE:
            return self._to_bot.wait_unwoken(min(timeout_s, _POLL_UNNOTIFIED_S))
        return self._to_bot.wait(min(timeout_s, _POLL_UNNOTIFIED_S))

    def close(self) -> None:
        """Leave the link."""
        if self._node is None:
            return
        self._from_bot.close()
        self._to_bot.close()
        del self._to_bot_ports, self._to_bot_events
        self._node = None
