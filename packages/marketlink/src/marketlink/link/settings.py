"""The sizes and places of the link, the same in every process: the first opener fixes the sizes, and one that asks for more is refused."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from marketlink.errors import SettingsError

CHANNEL_CONFIG: Final = "HFTBACKTEST_CHANNEL_CONFIG"
ROOT: Final = "MARKETLINK_LINK_ROOT"
PREFIX: Final = "MARKETLINK_LINK_PREFIX"
POLL: Final = "MARKETLINK_POLL_US"
MAX_POLL_US: Final = 1_000_000
MAX_ROOT_LENGTH: Final = 66
"""A listener's socket lives below the root, and a unix socket's path is short."""


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """How large the link is, and where its files are (None: the library's own default).

    `poll_us`: for so long a reader looks for samples all the time before it sleeps until it is woken.
    """

    buffer_size: int = 10_000
    max_bots: int = 200
    root: str | None = None
    prefix: str | None = None
    poll_us: int = 0


def read_settings(environment: Mapping[str, str] = os.environ) -> LinkSettings:
    """Read the settings that the environment names.

    `HFTBACKTEST_CHANNEL_CONFIG` is the path of a TOML with both `buffer_size` and `max_bots`; what can't be read is an error, not ignored.
    `MARKETLINK_LINK_ROOT` and `MARKETLINK_LINK_PREFIX` move the link's files, for tests and for a second installation on one machine.
    `MARKETLINK_POLL_US` is `poll_us`.
    """
    root, prefix = environment.get(ROOT), environment.get(PREFIX)
    if root is not None and len(root) > MAX_ROOT_LENGTH:
        raise SettingsError(
            "environment", ROOT, f"{len(root)} characters", f"Choose a path of at most {MAX_ROOT_LENGTH}."
        )
    poll = environment.get(POLL, "0")
    if not (poll.isascii() and poll.isdecimal()) or int(poll) > MAX_POLL_US:
        raise SettingsError("environment", POLL, f"is {poll!r}", f"Give microseconds, 0 to {MAX_POLL_US:,}.")
    path = environment.get(CHANNEL_CONFIG)
    if path is None:
        return LinkSettings(root=root, prefix=prefix, poll_us=int(poll))
    remedy = f"Write both buffer_size and max_bots as whole numbers, or unset {CHANNEL_CONFIG}."
    try:
        content = tomllib.loads(Path(path).read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(path, CHANNEL_CONFIG, f"can't be read: {error}", remedy) from error
    sizes: list[int] = []
    for field in ("buffer_size", "max_bots"):
        value = content.get(field)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise SettingsError(path, field, f"is {value!r}", remedy)
        sizes.append(value)
    return LinkSettings(buffer_size=sizes[0], max_bots=sizes[1], root=root, prefix=prefix, poll_us=int(poll))
