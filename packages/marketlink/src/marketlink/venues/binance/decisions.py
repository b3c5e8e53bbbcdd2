"""What the error answers of USD-M and of Portfolio Margin mean for a request: a table each, first match first (docs/venues/binance.md
and papi.md, errors).

Marks of `source`: [D] the exchange's text or SDK, [C] another client's source, [?] not settled. Where the exchange leaves open whether
a request was carried out, the table says unknown: that costs one question, and the opposite mistake a doubled or a lost order.
"""

from typing import Final

from marketlink.venues.trading import Decision, Op, Verdict

UNREADABLE: Final = "not the exchange's words: "
"""Begins the text of a refusal that was made of a body without the exchange's own error in it."""

_ANY: Final = frozenset[Op]()
_ENDING: Final = frozenset({Op.CANCEL, Op.CANCEL_MANY, Op.CANCEL_ALL})
_KEEPING: Final = frozenset({Op.STREAM_KEEP, Op.STREAM_END})
_REFUSED_STATUSES: Final = (200, 400, 404, 405, 406, 409, 410, 411, 413, 414, 415, 422, 431, 451)


def _code(
    code: int,
    verdict: Verdict,
    meaning: str,
    source: str,
    ops: frozenset[Op] = _ANY,
    *,
    status: int | None = None,
    post_only: bool = False,
) -> Decision:
    return Decision(status, code, None, ops, verdict, meaning, post_only, source)


def _text(status: int | None, text: str, verdict: Verdict, meaning: str, source: str) -> Decision:
    return Decision(status, None, text, _ANY, verdict, meaning, source=source)


def _status(status: int | None, verdict: Verdict, meaning: str, source: str) -> Decision:
    return Decision(status, None, None, _ANY, verdict, meaning, source=source)


USDM_DECISIONS: Final[tuple[Decision, ...]] = (
    # Limits: whatever the body says, the status does.
    _status(429, Verdict.RETRY_AFTER, "a limit is reached: not before Retry-After", "[D]"),
    _status(418, Verdict.RETRY_AFTER, "this address is banned until Retry-After", "[D]"),
    _code(-1003, Verdict.RETRY_AFTER, "too much weight: not before Retry-After", "[D]"),
    _code(-1015, Verdict.RETRY_AFTER, "too many orders: the order count, not the weight", "[D]"),
    _code(-1008, Verdict.RETRY_AFTER, "overloaded, not counted in the limits; reduce-only is exempt", "[D] 2026"),
    # Texts that say in so many words that nobody knows.
    _text(None, "execution status unknown", Verdict.UNKNOWN, "sent on, and no answer came back", "[D]"),
    _text(503, "unknown error, please check your request", Verdict.UNKNOWN, "may have been carried out", "[D]"),
    # What comes from a machine before the exchange says nothing about the request.
    _text(403, UNREADABLE, Verdict.RETRY_AFTER, "the firewall's limit: did not reach the exchange", "[D]"),
    _text(503, UNREADABLE + "service unavailable.", Verdict.REFUSED, "has failed", "[D]"),
    _text(503, UNREADABLE + "internal error; unable to process your request", Verdict.REFUSED, "has failed", "[C]"),
    _text(None, UNREADABLE, Verdict.UNKNOWN, "HTML, cut short, empty: whether it was carried out is not said", "[D]"),
    _text(503, "service unavailable.", Verdict.REFUSED, "has failed", "[D]"),
    _text(503, "internal error; unable to process your request", Verdict.REFUSED, "has failed", "[C]"),
    # Nobody knows, by number.
    _code(-1000, Verdict.UNKNOWN, "an unknown error while it was processed", "[?]"),
    _code(-1001, Verdict.UNKNOWN, "an internal error; other than with 503 nothing says that it has failed", "[?]"),
    _code(-1006, Verdict.UNKNOWN, "an unexpected answer within the exchange", "[D]"),
    _code(-1007, Verdict.UNKNOWN, "a time-out within the exchange", "[D]"),
    _code(-1016, Verdict.UNKNOWN, "the service is shutting down", "[?]"),
    _code(-2012, Verdict.UNKNOWN, "a batch failed: some of it may be done", "[?]", _ENDING),
    # Clock, key, account.
    _code(-1021, Verdict.CLOCK, "time stamp outside the window", "[D]"),
    _code(-1002, Verdict.FATAL, "not authorised", "[D]"),
    _code(-1011, Verdict.FATAL, "this address may not", "[D]"),
    _code(-1022, Verdict.FATAL, "bad signature: the secret is not the key's", "[D]"),
    _code(-1099, Verdict.FATAL, "not found, or not authorised", "[D]"),
    _code(-1109, Verdict.FATAL, "no such account", "[D]"),
    _code(-2014, Verdict.FATAL, "the key's form is wrong", "[D]"),
    _code(
        -2015, Verdict.FATAL, "key, address or permission; here also: the account is a Portfolio Margin one", "[D] [C]"
    ),
    _code(-2017, Verdict.FATAL, "the account's keys are locked", "[D]"),
    _code(-4056, Verdict.FATAL, "wrong kind of key", "[D]"),
    _code(-4057, Verdict.FATAL, "wrong public key", "[D]"),
    _code(-4061, Verdict.FATAL, "positions are kept in two ways (hedge mode), orders are sent for one", "[?]"),
    _code(-4109, Verdict.FATAL, "the account is inactive", "[D]"),
    # The order is not there, or is there already.
    _code(-2011, Verdict.GONE, "no such open order: filled, ended, or not there yet", "[D]", _ENDING | {Op.MODIFY}),
    _code(-2013, Verdict.GONE, "no such order", "[D]", _ENDING | {Op.MODIFY, Op.QUERY}),
    _code(-4000, Verdict.GONE, "its state does not allow it", "[?]", _ENDING | {Op.MODIFY}),
    _code(
        -4116,
        Verdict.UNKNOWN,
        "this client id was used: the first attempt lives, ask and adopt",
        "[D]",
        frozenset({Op.SUBMIT}),
    ),
    _code(-1125, Verdict.GONE, "the stream's key is gone: start another", "[D]", _KEEPING),
    # As wanted already.
    _code(-5027, Verdict.SUCCESS, "price and quantity are those already", "[D]", frozenset({Op.MODIFY})),
    _code(-4046, Verdict.SUCCESS, "no need to change the margin type", "[?]"),
    _code(-4059, Verdict.SUCCESS, "no need to change the position mode", "[?]"),
    _code(-4171, Verdict.SUCCESS, "no need to change the asset mode", "[D]"),
    # Post-only. A modification that would cross cancels the order, or so the documents say: ask.
    _code(-5022, Verdict.REFUSED, "post-only would have crossed", "[D]", frozenset({Op.SUBMIT}), post_only=True),
    _code(
        -5022,
        Verdict.UNKNOWN,
        "post-only would have crossed: the order may be cancelled by that",
        "[D]",
        frozenset({Op.MODIFY}),
    ),
    # Refusals named because they look like something else.
    _code(-5028, Verdict.REFUSED, "too late at the matching engine; the clock may be right", "[D]"),
    _code(-4120, Verdict.REFUSED, "conditional orders have a service of their own since 2025-12-09", "[D]"),
    _code(-5026, Verdict.REFUSED, "10,000 modifications; the order is as before", "[C]", frozenset({Op.MODIFY})),
    _code(-4531, Verdict.REFUSED, "position modes of USD-M and COIN-M could not be changed together", "[C]"),
    # What is left.
    _status(408, Verdict.UNKNOWN, "a time-out on the way", "[D]"),
    _status(401, Verdict.FATAL, "not authorised", "[D]"),
    _status(403, Verdict.REFUSED, "the exchange itself says no", "[?]"),
    *(_status(one, Verdict.REFUSED, "an error with a code: not carried out", "[D]") for one in _REFUSED_STATUSES),
    _status(None, Verdict.UNKNOWN, "5xx and whatever else: nothing says that it has failed", "[D]"),
)
"""`-1008` has HTTP 503 too; its number decides before any text of 503 does."""

_PAPI_ROWS: Final = {
    -2015: _code(-2015, Verdict.FATAL, "key, address or permission; here also: no Portfolio Margin account", "[D]"),
    -4531: _code(-4531, Verdict.REFUSED, "position modes of UM and CM could not be changed together", "[C]"),
}
PAPI_DECISIONS: Final[tuple[Decision, ...]] = tuple(
    _PAPI_ROWS.get(row.code, row) if row.code is not None else row for row in USDM_DECISIONS
)
"""Portfolio Margin has USD-M's codes and 503's four texts; each request means the same there but for these rows."""
