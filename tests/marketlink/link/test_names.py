"""One rule for names: what is taken, the library takes; what would be another link, or looks like one, is refused."""

from pathlib import Path

import iceoryx2 as iox
import pytest
from hypothesis import given
from hypothesis import strategies as st
from marketlink.errors import SettingsError
from marketlink.link.iceoryx import IceoryxBotPort, IceoryxConnectorPort
from marketlink.link.names import MAX_NAME_LENGTH, check_name
from marketlink.link.settings import LinkSettings


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=MAX_NAME_LENGTH))
def test_every_name_that_is_taken_is_one_for_the_library(name: str) -> None:
    try:
        check_name(name)
    except SettingsError:
        assert "/" in name or name != name.strip()
        return
    iox.ServiceName.new(f"{name}/FromBot")


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("", "is empty"),
        ("a/b", r"has '/' at character 2"),
        ("bf/ToBot", r"has '/' at character 3"),
        ("b\tf", r"has '\\t' at character 2"),
        ("börse", r"has 'ö' at character 2"),
        (" bf", "begins or ends with a blank"),
        ("x" * (MAX_NAME_LENGTH + 1), f"has {MAX_NAME_LENGTH + 1} characters"),
    ],
)
def test_a_name_that_can_not_be_is_refused_with_its_fault(name: str, what: str) -> None:
    with pytest.raises(SettingsError, match=what):
        check_name(name)


@pytest.mark.parametrize("port", [IceoryxConnectorPort, IceoryxBotPort])
def test_both_ends_refuse_a_name_before_they_touch_anything(
    port: type[IceoryxConnectorPort] | type[IceoryxBotPort], tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="without '/'"):
        port("a/b", settings=LinkSettings(100, 4, str(tmp_path / "x"), "t_"))
    assert list(tmp_path.iterdir()) == []
