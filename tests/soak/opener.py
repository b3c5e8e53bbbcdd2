"""Opens one end of a link and leaves again, so that a test can kill it while it does: `python -m tests.soak.opener connector|bot NAME`

Says `ready` before it begins, waits for a line on stdin, and says `opened` when it is on the link.
"""

import faulthandler
import signal
import sys

from marketlink.link.block import load_kernels
from marketlink.link.iceoryx import IceoryxBotPort, IceoryxConnectorPort


def main() -> None:
    """Open, say so, close."""
    role, name = sys.argv[1:]
    faulthandler.register(signal.SIGUSR1)  # where it hangs, if it does
    load_kernels()  # not what is to be killed
    print("ready", flush=True)
    sys.stdin.readline()
    port = IceoryxConnectorPort(name) if role == "connector" else IceoryxBotPort(name)
    print("opened", flush=True)
    port.close()


if __name__ == "__main__":
    main()
