"""How samples leave: one publisher and its notifier."""

import ctypes
import logging
import time
from typing import Any, Final

import iceoryx2 as iox
import numpy as np
from numpy.typing import NDArray

from marketlink.errors import LinkError
from marketlink.link.assembly import TRAILER
from marketlink.link.block import HEADER_BYTES, FeedEncoder
from marketlink.link.iceoryx.node import Node
from marketlink.link.room import (
    AHEAD_BYTES,
    SLICE,
    check_descriptors,
    free_bytes,
    reserve,
    segment_bytes,
)
from marketlink.messages import (
    FeedEvent,
)

log = logging.getLogger(__name__)

_NOTIFY_EVERY: Final = 256  # samples: a reader starts on a long batch before its end
_WINDOW: Final = 1 << 33  # bytes of address space in which the samples loaned ahead lie
PRIVATE_AHEAD: Final = 1000  # events of the account in a reader's queue
REQUESTS_AHEAD: Final = 256  # requests of one bot that the connector has not taken yet


class Sender:
    """One publisher and its notifier: the lean way to send (header and payload each by one memmove).

    `samples` must be as many as can ever be in use: a publisher that `grows` with its messages would also grow in number, and the
    library ends the process when it does. One that does not grow gets an error instead.
    """

    def __init__(self, node: Node, service: Any, events: Any, samples: int, grows: bool, ahead: int = 0) -> None:
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


def private_samples(subscribers: int) -> int:
    """Return how many samples of the account's events are ever in use at once."""
    return PRIVATE_AHEAD + 2 * subscribers + 8
