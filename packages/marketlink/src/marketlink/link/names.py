"""The rule for the name of a link, the same wherever a name is taken.

The library takes 255 ASCII characters for a service, of which `/FromBot` is the longer ending; the source's programs take any such name.
What is refused beyond that can't be told apart on a terminal or would be another link's service.
"""

from typing import Final

from marketlink.errors import SettingsError

MAX_NAME_LENGTH: Final = 255 - len("/FromBot")


def check_name(name: str) -> None:
    """Raise SettingsError unless `name` can be the name of a link: 1 to 247 printable ASCII characters, no `/`, no blank at an end."""
    if not name:
        what = "is empty"
    elif len(name) > MAX_NAME_LENGTH:
        what = f"has {len(name)} characters"
    elif wrong := [one for one in name if one == "/" or not " " <= one <= "~"]:
        what = f"{name!r} has {wrong[0]!r} at character {name.index(wrong[0]) + 1}"
    elif name != name.strip():
        what = f"{name!r} begins or ends with a blank"
    else:
        return
    remedy = (
        f"Choose 1 to {MAX_NAME_LENGTH} printable ASCII characters without '/', no blank at either end, such as 'bf'."
    )
    raise SettingsError("link", "name", what, remedy)
