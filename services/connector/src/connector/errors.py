"""The connector's own errors."""

from marketlink.errors import MarketlinkError


class AccountUnusable(MarketlinkError):
    """The account can't be traded as it is: hedge mode, a permission, another kind of account."""
