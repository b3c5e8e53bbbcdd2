"""How samples arrive: one subscriber and its listener."""

import time
from ctypes import string_at
from itertools import islice
from typing import Any, Final

import iceoryx2 as iox

from marketlink.errors import LinkError
from marketlink.link.assembly import Assembler, Sample
from marketlink.link.block import HEADER_BYTES
from marketlink.link.held import MOST_HELD, HeldReader
from marketlink.link.iceoryx.node import Node
from marketlink.link.room import (
    check_descriptors,
)

POLL_S: Final = 0.2
POLL_UNNOTIFIED_S: Final = 0.01  # a peer of the source never notifies: look for its samples this often
_POLL_SOURCE_S: Final = 0.001  # what a bot waits between two looks while a connector of the source sends
_MOST_AT_ONCE: Final = (
    4096  # samples in one receive: 20 ms of work, so that timers and requests get their turn in a flood
)


class Receiver:
    """One subscriber and its listener."""

    def __init__(self, node: Node, service: Any, events: Any, buffer: int = 0) -> None:
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
