"""hftbacktest's constants. Plain numbers, because numba takes those for what they are."""

from typing import Final

from marketlink import events
from marketlink.bot import client
from marketlink.orders import OrderType, Side, Status, TimeInForce

LIVE_FEATURE: Final = True
ALL_ASSETS: Final = client.ALL_ASSETS
UNTIL_END_OF_DATA: Final = (1 << 63) - 1

BUY: Final = int(Side.BUY)
SELL: Final = int(Side.SELL)

NONE: Final = int(Status.NONE)
NEW: Final = int(Status.NEW)
EXPIRED: Final = int(Status.EXPIRED)
FILLED: Final = int(Status.FILLED)
CANCELED: Final = int(Status.CANCELED)
PARTIALLY_FILLED: Final = int(Status.PARTIALLY_FILLED)
REJECTED: Final = int(Status.REJECTED)
REPLACED: Final = int(Status.REPLACED)
UNSUPPORTED: Final = int(Status.UNSUPPORTED)

GTC: Final = int(TimeInForce.GTC)
GTX: Final = int(TimeInForce.GTX)
FOK: Final = int(TimeInForce.FOK)
IOC: Final = int(TimeInForce.IOC)

LIMIT: Final = int(OrderType.LIMIT)
MARKET: Final = int(OrderType.MARKET)

DEPTH_EVENT: Final = events.DEPTH
TRADE_EVENT: Final = events.TRADE
DEPTH_CLEAR_EVENT: Final = events.DEPTH_CLEAR
DEPTH_SNAPSHOT_EVENT: Final = events.DEPTH_SNAPSHOT
DEPTH_BBO_EVENT: Final = events.DEPTH_BBO
ADD_ORDER_EVENT: Final = events.ADD_ORDER
CANCEL_ORDER_EVENT: Final = events.CANCEL_ORDER
MODIFY_ORDER_EVENT: Final = events.MODIFY_ORDER
FILL_EVENT: Final = events.FILL
EXCH_EVENT: Final = events.EXCH
LOCAL_EVENT: Final = events.LOCAL
BUY_EVENT: Final = events.BUY
SELL_EVENT: Final = events.SELL
