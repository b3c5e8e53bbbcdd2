"""What Bybit's error answers mean for a request: one table, first match first (docs/venues/bybit.md, errors).

Errors come with HTTP 200 and a `retCode`. Marks of `source`: [D] the exchange's text or SDK, [C] another client's source, [?] not settled.
Where the exchange leaves open whether a request was carried out, the table says unknown: that costs one question, and the opposite
mistake a doubled or a lost order.
"""

from typing import Final

from marketlink.venues.trading import Decision, Op, Verdict

UNREADABLE: Final = "not the exchange's words: "
"""Begins the text of a refusal that was made of a body without the exchange's own answer in it."""

_ANY: Final = frozenset[Op]()
_CANCELS: Final = frozenset({Op.CANCEL, Op.CANCEL_MANY, Op.CANCEL_ALL})
_CHANGES: Final = _CANCELS | {Op.MODIFY}
_LOGIN: Final = frozenset({Op.STREAM_START})


def _code(code: int, verdict: Verdict, meaning: str, source: str, ops: frozenset[Op] = _ANY) -> Decision:
    return Decision(None, code, None, ops, verdict, meaning, source=source)


def _text(text: str, verdict: Verdict, meaning: str, source: str, ops: frozenset[Op] = _ANY) -> Decision:
    return Decision(None, None, text, ops, verdict, meaning, source=source)


def _status(status: int | None, verdict: Verdict, meaning: str, source: str) -> Decision:
    return Decision(status, None, None, _ANY, verdict, meaning, source=source)


LINEAR_DECISIONS: Final[tuple[Decision, ...]] = (
    # Limits.
    _code(10006, Verdict.RETRY_AFTER, "too many requests of this account: until X-Bapi-Limit-Reset-Timestamp", "[D]"),
    _code(10018, Verdict.RETRY_AFTER, "too many requests of this address", "[D]"),
    _code(10403, Verdict.RETRY_AFTER, "more than 3000 order requests a second of this address", "[D]"),
    _code(10429, Verdict.RETRY_AFTER, "the system protects itself", "[D]"),
    _text("high server load", Verdict.RETRY_AFTER, "the system protects itself", "[D] 2026"),
    _status(429, Verdict.RETRY_AFTER, "a high load: later", "[D]"),
    _status(418, Verdict.RETRY_AFTER, "this address may not for a while", "[?]"),
    _status(403, Verdict.RETRY_AFTER, "too many requests of this address, or of a region that is not served", "[D]"),
    # Nobody knows.
    _text(UNREADABLE, Verdict.UNKNOWN, "HTML, cut short, empty: whether it was carried out is not said", "[D]"),
    _code(10000, Verdict.UNKNOWN, "a time-out within the exchange", "[D]"),
    _code(10016, Verdict.UNKNOWN, "an internal error, or the service restarts", "[D]"),
    _code(10019, Verdict.UNKNOWN, "the order service restarts: what it took before goes on", "[D]"),
    _code(170007, Verdict.UNKNOWN, "a time-out within the exchange", "[D]"),
    _code(170032, Verdict.UNKNOWN, "a network error within the exchange", "[D]"),
    # Clock, key, account.
    _code(10002, Verdict.CLOCK, "time stamp outside the window", "[D]"),
    _code(10003, Verdict.FATAL, "the key is not valid", "[D]"),
    _code(10004, Verdict.FATAL, "bad signature: the secret is not the key's", "[D]"),
    _code(10005, Verdict.FATAL, "the key lacks a permission", "[D]"),
    _code(10007, Verdict.FATAL, "not authenticated", "[D]"),
    _code(10008, Verdict.FATAL, "the account is banned", "[D]"),
    _code(10009, Verdict.FATAL, "this address is banned", "[D]"),
    _code(10010, Verdict.FATAL, "the key is not for this address", "[D]"),
    _code(10024, Verdict.FATAL, "the exchange's rules do not allow this account", "[D]"),
    _code(10027, Verdict.FATAL, "trading is banned for this account", "[D]"),
    _code(10028, Verdict.FATAL, "only for unified accounts", "[D]"),
    _code(33004, Verdict.FATAL, "the key has expired", "[D]"),
    _text("position idx not match", Verdict.FATAL, "positions are kept in two ways (hedge mode)", "[D]"),
    _text("expire", Verdict.CLOCK, "the login's time was over", "[?]", _LOGIN),
    _text("sign", Verdict.FATAL, "bad signature: the secret is not the key's", "[?]", _LOGIN),
    _text("api key", Verdict.FATAL, "the key is not valid", "[?]", _LOGIN),
    _text("apikey", Verdict.FATAL, "the key is not valid", "[?]", _LOGIN),
    # The order is not there, or is there already.
    _code(
        110001,
        Verdict.GONE,
        "no such order, or too late: filled, ended, or not there yet",
        "[D]",
        _CHANGES | {Op.QUERY},
    ),
    _code(110008, Verdict.GONE, "the order has ended", "[D]", _CHANGES),
    _code(110010, Verdict.GONE, "the order was cancelled", "[D]", _CHANGES),
    _code(170213, Verdict.GONE, "no such order", "[D]", _CHANGES | {Op.QUERY}),
    _code(
        110072,
        Verdict.UNKNOWN,
        "this client id was used: the first attempt lives, ask and adopt",
        "[D]",
        frozenset({Op.SUBMIT}),
    ),
    _code(20006, Verdict.UNKNOWN, "the request's number was used: it may have been the first attempt", "[D]"),
    _code(20003, Verdict.RETRY_AFTER, "too frequent requests of one session", "[D]"),
    _code(20001, Verdict.SUCCESS, "logged in already", "[D]"),
    # As wanted already.
    _text("remains unchanged", Verdict.SUCCESS, "price and quantity are those already", "[C]", frozenset({Op.MODIFY})),
    _code(110025, Verdict.SUCCESS, "positions are kept in this way already", "[D]"),
    _code(110043, Verdict.SUCCESS, "the leverage is that already", "[D]"),
    # What is left.
    _code(110007, Verdict.REFUSED, "the balance does not suffice", "[D]"),
    _status(200, Verdict.REFUSED, "an error with a code: not carried out", "[D]"),
    _status(400, Verdict.REFUSED, "the request is wrong", "[D]"),
    _status(401, Verdict.FATAL, "not authorised", "[D]"),
    _status(404, Verdict.REFUSED, "there is no such path", "[D]"),
    _status(None, Verdict.UNKNOWN, "5xx and whatever else: nothing says that it has failed", "[D]"),
)
