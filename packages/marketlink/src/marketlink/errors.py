"""The errors of marketlink: one base, facts as fields first, the sentence second.

MarketlinkError
├── MalformedMessage      a venue sent something that can't be used
├── VenueRefused          a venue answered a request with an error
│   └── RateLimited       ... because of its limits: when to come back is known
├── Unreachable           no answer at all: connect, timeout, reset
│   └── NotSent           ... and nothing of the request left this process
├── WireError             bytes on the link that are not of the protocol
├── LinkError             the shared memory link can't be opened or used
│   └── AlreadyRunning    another connector owns this name
└── SettingsError         a setting that can't be used
    ├── UnknownExchange   a name that no exchange here has
    └── InstrumentRefused what a bot asked for is not what the connector has
"""

from collections.abc import Iterable


class MarketlinkError(Exception):
    """Anything that marketlink raises on purpose."""


class MalformedMessage(MarketlinkError):
    """A venue's message lacks a usable field; `symbol` and `stream` say whose message it was where that can be told."""

    def __init__(
        self, venue: str, field: str, raw: bytes, *, symbol: str | None = None, stream: str | None = None
    ) -> None:
        super().__init__(f"{venue}: no usable {field!r} in {raw[:160]!r}")
        self.venue, self.field, self.raw = venue, field, raw
        self.symbol, self.stream = symbol, stream


class VenueRefused(MarketlinkError):
    """A venue answered with an error; `code` is its own number where it gave one."""

    def __init__(self, venue: str, what: str, status: int, code: int | None, text: str) -> None:
        number = "" if code is None else f" code {code}"
        super().__init__(f"{venue}: {what} refused: HTTP {status}{number}: {text[:200]}")
        self.venue, self.what, self.status, self.code, self.text = venue, what, status, code, text


class RateLimited(VenueRefused):
    """A venue's limit is reached; nothing may be asked again within `retry_after_s`. `banned` is HTTP 418."""

    def __init__(self, venue: str, what: str, status: int, text: str, retry_after_s: float) -> None:
        super().__init__(venue, what, status, None, text)
        self.retry_after_s, self.banned = retry_after_s, status == 418


class Unreachable(MarketlinkError):
    """No usable answer came: connection refused, reset, timed out, or not the exchange's format."""

    def __init__(self, venue: str, what: str, why: str) -> None:
        super().__init__(f"{venue}: {what}: {why}")
        self.venue, self.what, self.why = venue, what, why


class NotSent(Unreachable):
    """Nothing of the request left this process, so certainly nothing came of it; with a limit, `retry_after_s` says when it may go."""

    def __init__(self, venue: str, what: str, why: str, retry_after_s: float = 0.0) -> None:
        super().__init__(venue, what, why)
        self.retry_after_s = retry_after_s


class WireError(MarketlinkError):
    """Bytes that are not a message of the link's protocol."""

    def __init__(self, what: str, offset: int, raw: bytes) -> None:
        super().__init__(f"link: {what} at byte {offset} of {raw[:80]!r}")
        self.what, self.offset, self.raw = what, offset, raw


class LinkError(MarketlinkError):
    """The shared memory link can't be opened or used; `remedy` says what a person can do."""

    def __init__(self, name: str, what: str, remedy: str) -> None:
        super().__init__(f"link {name!r}: {what}. {remedy}")
        self.name, self.what, self.remedy = name, what, remedy


class AlreadyRunning(LinkError):
    """Another process publishes under this name."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "a connector of this name is already running", "Stop it, or choose another name.")


class SettingsError(MarketlinkError):
    """A setting that can't be used; `field` names it and `remedy` says what would be right."""

    def __init__(self, where: str, field: str, what: str, remedy: str) -> None:
        super().__init__(f"{where}: {field}: {what}. {remedy}")
        self.where, self.field, self.what, self.remedy = where, field, what, remedy


class UnknownExchange(SettingsError):
    """No exchange of this name."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__("exchange", name, "is not known", f"Supported: {', '.join(known)}.")


class InstrumentRefused(SettingsError):
    """A bot asked for a symbol that the connector refuses, or stated sizes that are not the exchange's; `symbol` names it."""

    def __init__(self, connector: str, symbol: str, what: str, remedy: str) -> None:
        super().__init__(f"connector {connector!r}", symbol, what, remedy)
        self.connector, self.symbol = connector, symbol
