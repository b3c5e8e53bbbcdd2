"""A bot of the source that trades through our connector: rests an order, cancels it, and sells at the market.

    SOURCE_BIN=/folder/of/probe python -m tests.pairing --only orders

Its own log of what it applied is held against the simulated exchange's truth.
"""

import re
from pathlib import Path
from typing import Any, Final

from tests.pairing.cell import LOT, NAME, SYMBOL, TICK
from tests.rig import Rig

ACCOUNTS: Final = '[[account]]\nname = "main"\napi_key = "key"\nsecret = "secret"\nbalance = "1000000"\n'
KEYS: Final[dict[str, Any]] = {
    "api_key": "key",
    "secret": "secret",
    "order_prefix": "mm",
    "order_timeout_s": 20,
    "recv_window_ms": 20_000,
}
SECONDS: Final = 15
_ORDER: Final = re.compile(r"^order (\d+) Order \{(.*)\}", re.MULTILINE)


def trade(binaries: Path) -> str:
    """Run the probe's orders; returns what was wrong, empty when nothing was."""
    with Rig() as rig:
        (rig.folder / "accounts.toml").write_text(ACCOUNTS)
        config = rig.folder / "config"
        config.mkdir()
        (config / "iceoryx2.toml").write_text(f'[global]\nprefix = "{rig.prefix}"\nroot-path = "{rig.folder / "x"}"\n')
        accounts = ("--accounts", rig.folder / "accounts.toml")
        rig.exchange("--market", "synthetic", "--symbols", SYMBOL, *accounts)
        rig.connector(NAME, **KEYS)
        rig.until(lambda: "compared with the exchange" in rig.log("connector", 200), 120, "the connector")
        words: tuple[object, ...] = ("bot", NAME, SYMBOL, TICK, LOT, SECONDS, rig.folder / "out.json", "order")
        probe = rig.command("probe", "env", "-C", rig.folder, "RUST_LOG=info", binaries / "probe", *words)
        rig.until(lambda: probe.poll() is not None, 4 * SECONDS + 60, "the probe to end")
        said = (rig.folder / "probe.out").read_text()
        return "; ".join(differences(said, rig.ask("orders"), rig.ask("trades")))


def differences(said: str, orders: list[Any], trades: list[Any]) -> list[str]:
    """What the probe's words on its orders and position have wrong."""
    wrong = [f"no {words!r}" for words in ("submit Ok(Ok)", "cancel Ok(Ok)") if words not in said]
    states: dict[int, list[str]] = {}
    for number, fields in _ORDER.findall(said):
        words = dict(re.findall(r"(\w+): ([^,]+?)(?:,| *$)", fields))
        states.setdefault(int(number), []).append(words["status"])
    if states.get(7) != ["New", "Canceled"]:
        wrong.append(f"the resting order was told as {states.get(7)}, not as New and then Canceled")
    if 8 not in states:
        wrong.append("nothing was told of the market order")
    true = sorted((order["new"]["tif"], order["new"]["price"] is None, order["status"]) for order in orders)
    if true != [("GTC", True, "FILLED"), ("GTX", False, "CANCELED")]:
        wrong.append(f"the exchange has {true}")
    position = sum(float(one["quantity"]) * one["side"] for one in trades)
    last = re.findall(r"position (-?[0-9.]+)", said)
    if not trades or not last or abs(float(last[-1]) - position) > 1e-9:
        wrong.append(f"the position was told as {last[-1:]}, and is {position}")
    return wrong
