"""Stands in for a process of the source: the library's defaults wherever the protocol states nothing, no trailer, no
heartbeat, no wake-up.

Written from the protocol, with the library itself; also a process: `python -m tests.marketlink.link.standin NAME`, a
connector that sends until ended.
"""

import ctypes
import struct
import sys
import time
from typing import Any

import iceoryx2 as iox
from marketlink.link.settings import LinkSettings, read_settings
from marketlink.link.wire import encode_event
from marketlink.messages import PositionEvent


class Header(ctypes.Structure):
    _fields_ = (("id", ctypes.c_uint64), ("len", ctypes.c_uint64))

    @staticmethod
    def type_name() -> str:
        return "hftbacktest::live::ipc::iceoryx::CustomHeader"


class StandIn:
    """A node and the two services of a name; `**sizes` are methods of the library's builder, for a creator that differs."""

    def __init__(self, name: str, settings: LinkSettings, **sizes: Any) -> None:
        config = iox.config.default()
        config.global_cfg.root_path = iox.Path.new(str(settings.root))
        config.global_cfg.prefix = iox.FileName.new(str(settings.prefix))
        iox.set_log_level(iox.LogLevel.Fatal)
        builder = iox.NodeBuilder.new().config(config).signal_handling_mode(iox.SignalHandlingMode.Disabled)
        self.node = builder.create(iox.ServiceType.Ipc)
        stated = {"subscriber_max_buffer_size": settings.buffer_size, **sizes}
        bots = settings.max_bots
        self.to_bot = self._service(f"{name}/ToBot", {"max_publishers": 1, "max_subscribers": bots, **stated})
        self.from_bot = self._service(f"{name}/FromBot", {"max_publishers": bots, "max_subscribers": 1, **stated})
        self.ports: list[Any] = []

    def _service(self, name: str, sizes: dict[str, Any]) -> Any:
        builder = self.node.service_builder(iox.ServiceName.new(name))
        builder = builder.publish_subscribe(iox.Slice[ctypes.c_uint8]).user_header(Header)
        for size, value in sizes.items():
            builder = getattr(builder, size)(value)
        return builder.open_or_create()

    def connector(self) -> Any:
        """Return the publisher of a connector that also takes requests."""
        self.requests = self.from_bot.subscriber_builder().create()
        publisher = self.to_bot.publisher_builder().initial_max_slice_len(512).create()
        self.ports += [self.requests, publisher]
        return publisher

    def bot(self) -> tuple[Any, Any]:
        """Return the subscriber and the publisher of a bot."""
        subscriber = self.to_bot.subscriber_builder().create()
        publisher = self.from_bot.publisher_builder().initial_max_slice_len(512).create()
        self.ports += [subscriber, publisher]
        return subscriber, publisher

    def close(self) -> None:
        for port in self.ports:
            port.delete()
        self.ports.clear()
        for one in ("requests", "to_bot", "from_bot", "node"):
            if hasattr(self, one):
                delattr(self, one)


def send(publisher: Any, to: int, message: bytes) -> None:
    """Send one sample as the source does: its length in the header, nothing behind it."""
    sample = publisher.loan_slice_uninit(512)
    ctypes.memmove(sample.user_header_ptr, struct.pack("<QQ", to, len(message)), 16)
    ctypes.memmove(sample.payload_ptr, message.ljust(512, b"\0"), 512)
    sample.assume_init().send()


def message(quantity: float = 1.0) -> bytes:
    """One message of the protocol."""
    (encoded,) = encode_event(PositionEvent("btcusdt", quantity, 7))
    return encoded


if __name__ == "__main__":
    stand_in = StandIn(sys.argv[1], read_settings())
    publisher = stand_in.connector()
    print("ready", flush=True)
    for _ in range(6000):
        send(publisher, 0, message())
        time.sleep(0.01)
