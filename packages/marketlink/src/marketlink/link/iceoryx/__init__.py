"""The link over iceoryx2 shared memory: the only package that touches the library (docs/link.md).

The library is built to abort on misuse, so nothing outside this package ever sees a raw sample: payloads are copied out and
samples dropped at once, or read where they lie by a kernel before they are. Signals stay Python's: nodes are made with signal
handling disabled. Waiting is done on listeners only, which release the interpreter lock. What needs no library lies beside it:
places, leftovers, room, names.

    connector, private, bot  ->  sender, receiver  ->  node
"""

from marketlink.link.iceoryx.bot import IceoryxBotPort
from marketlink.link.iceoryx.connector import IceoryxConnectorPort
from marketlink.link.iceoryx.private import IceoryxPrivatePort

__all__ = ["IceoryxBotPort", "IceoryxConnectorPort", "IceoryxPrivatePort"]
