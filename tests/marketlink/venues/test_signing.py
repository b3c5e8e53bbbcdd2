"""A signer signs, and shows its key nowhere."""

import copy
import hashlib
import hmac
import pickle
import traceback

import pytest
from marketlink.venues.signing import HmacSigner

SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"


def test_the_exchange_s_published_example_is_signed_as_published() -> None:
    text = (
        "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
    )
    signer = HmacSigner("key", SECRET)
    for _ in range(2):  # a signature leaves nothing behind for the next one
        assert signer.sign(text.encode()) == "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
    assert signer.sign(b"") == hmac.new(SECRET.encode(), b"", hashlib.sha256).hexdigest()


def test_no_way_of_showing_a_signer_shows_its_key() -> None:
    signer = HmacSigner("the-public-half", SECRET)
    shown = [repr(signer), str(signer), f"{signer}", f"{signer!r}", repr([signer]), repr(vars(type(signer)))]
    shown += [repr(getattr(signer, name)) for name in dir(signer)]
    try:
        raise ValueError(signer)
    except ValueError:
        shown.append(traceback.format_exc())
    assert not any(SECRET in text or SECRET[:12] in text for text in shown)
    assert "the-public-half" not in repr(signer)


@pytest.mark.parametrize("take", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_signer_can_not_be_carried_away(take: object) -> None:
    with pytest.raises(TypeError, match="copied or pickled"):
        take(HmacSigner("a", SECRET))  # type: ignore[operator]


@pytest.mark.parametrize(
    ("key", "secret"), [("", SECRET), ("a", ""), ("a\n", SECRET), ("a", SECRET + "\n"), ("\u00e4", SECRET)]
)
def test_half_a_key_pair_is_none(key: str, secret: str) -> None:
    with pytest.raises(ValueError, match="two halves") as refused:
        HmacSigner(key, secret)
    assert SECRET not in str(refused.value)
