"""As many bots as find room beside a living connector: `python -m tests.marketlink.link.crowd MOST`, one line of JSON at the end."""

import json
import subprocess
import sys
import time

from marketlink.errors import LinkError
from marketlink.link.iceoryx import IceoryxBotPort
from marketlink.link.room import free_bytes
from marketlink.messages import Batch, RegisterInstrument


def hears(bot: IceoryxBotPort) -> bool:
    bot.receive()
    end = time.monotonic() + 20
    while time.monotonic() < end:
        bot.wait(0.1)
        if any(isinstance(one, Batch) for one in bot.receive()):
            return True
    return False


def main(most: int) -> None:
    arguments = [sys.executable, "-m", "tests.marketlink.link.peer", "flood", "bf", "60"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as connector:
        assert connector.stdout is not None
        ready = connector.stdout.readline().strip()
        bots: list[IceoryxBotPort] = []
        refusal = ""
        while ready == "ready" and not refusal and len(bots) < most:
            try:
                bots.append(IceoryxBotPort("bf"))
                bots[-1].request(RegisterInstrument("btcusdt"))
            except LinkError as error:
                refusal = str(error)
        hearing = sum(hears(bot) for bot in bots)
        with open("/dev/shm/something-else", "wb") as other:  # what takes the rest later takes nothing of the link's
            other.write(bytes(max(0, free_bytes() - 65536)))
        still = sum(hears(bot) for bot in bots[:3])
        alive = connector.poll() is None
        print(
            json.dumps(
                {
                    "ready": ready,
                    "bots": len(bots),
                    "refusal": refusal,
                    "hearing": hearing,
                    "still": still,
                    "alive": alive,
                }
            )
        )
        connector.kill()


if __name__ == "__main__":
    main(int(sys.argv[1]))
