"""This process's place in the library, and the services of a name."""

import ctypes
import logging
import re
import time
from collections.abc import Callable
from typing import Any, Final

import iceoryx2 as iox

from marketlink.errors import LinkError
from marketlink.link.leftovers import (
    remove_dead_descriptions,
    remove_dead_segments,
    taggers,
    unfinished_descriptions,
    unfinished_segments,
)
from marketlink.link.places import place_of
from marketlink.link.room import (
    check_descriptors,
    check_memory,
    held,
)
from marketlink.link.settings import LinkSettings

log = logging.getLogger(__name__)

_SPARE_NODES: Final = 16  # processes beside the bots: connector, doctor, leftovers not cleaned yet
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


class Node:
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
            if kind_of(failure) == "DoesNotExist":
                try:
                    return create()
                except Exception as error:  # noqa: BLE001 told apart below
                    failure = error
            kind = kind_of(failure)
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


def kind_of(error: Exception) -> str:
    """Return the library's name of an error, which is the last word of it."""
    words = re.findall(r"\w+", str(error))
    return words[-1] if words else ""


def await_memory(name: str, needed: int, what: str) -> None:
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


def no_port(name: str, error: Exception) -> LinkError:
    """The error of a publisher or subscriber that could not be made."""
    return LinkError(name, f"no port: {error!r}", "Check the free space of /dev/shm.")
