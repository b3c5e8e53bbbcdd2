"""When a watchdog acts: never at an ordinary end, once at a death or a standstill, and not because it was stopped itself."""

from typing import Any

from connector.client_ids import ClientIds
from connector.guard import Guard, cancels_of, own_of
from connector.sight import NOBODY, End, Sight
from marketlink.times import SECOND_NS, MonoNs, WallNs
from marketlink.venues.binance import USDM_TRADING

SILENCE = 3 * SECOND_NS
NOW = WallNs(1_700_000_000_000_000_000)


def at(seconds: float) -> MonoNs:
    return MonoNs(int(seconds * SECOND_NS))


def alive(beat_s: float, who: int = 1) -> Sight:
    return Sight(True, who, at(beat_s))


def guarding() -> Guard:
    guard = Guard(SILENCE)
    for step in range(11):
        assert guard.look(alive(100 + step / 10), at(100 + step / 10)) is None
    assert guard.guarding
    return guard


def test_what_was_never_seen_to_move_is_not_guarded() -> None:
    guard = Guard(SILENCE)
    for sight in (NOBODY, Sight(False, 1, at(5)), Sight(True, 1, 0), NOBODY):
        assert guard.look(sight, at(100)) is None
    assert not guard.guarding


def test_a_death_is_acted_on_and_an_ordinary_end_is_not() -> None:
    assert "dead" in (guarding().look(Sight(False, 1, at(101)), at(101.1)) or "")
    assert guarding().look(Sight(False, 1, at(101), End.CLEAN), at(101.1)) is None
    assert "orders open" in (guarding().look(Sight(False, 1, at(101), End.ORDERS_LEFT), at(101.1)) or "")
    guard = guarding()
    guard.look(Sight(False, 1, at(101), End.CLEAN), at(101.1))
    assert guard.look(Sight(False, 1, at(101)), at(101.2)) is None  # it is over: nothing is there to guard


def test_a_heartbeat_that_is_too_old_is_acted_on_and_one_in_time_is_not() -> None:
    guard = guarding()
    for step in range(29):
        assert guard.look(alive(101), at(101 + step / 10)) is None
    assert "no heartbeat for 3.1 s" in (guard.look(alive(101), at(104.1)) or guard.look(alive(101), at(104.1)) or "")
    assert guard.moves(alive(104.2), at(104.3))
    assert not guard.moves(alive(101), at(104.3))
    assert not guard.moves(Sight(True, 2, 0), at(104.3))


def test_a_watchdog_that_was_stopped_itself_gives_the_connector_time_to_move() -> None:
    guard = guarding()
    assert guard.look(alive(101), at(130)) is None
    assert guard.look(alive(130.1), at(130.2)) is None
    stuck = guarding()
    assert stuck.look(alive(101), at(130)) is None
    assert [stuck.look(alive(101), at(130 + step / 2)) is None for step in range(1, 8)] == [True] * 5 + [False] * 2


def test_the_next_connector_is_guarded_without_acting() -> None:
    guard = guarding()
    assert guard.look(alive(101.2, who=2), at(101.2)) is None
    assert guard.look(Sight(False, 2, at(101.2), End.CLEAN), at(101.3)) is None


def test_only_orders_of_the_prefix_are_cancelled_ten_at_a_time() -> None:
    ids = ClientIds("mm")
    own = [ids.make(7, number, NOW) for number in range(12)]
    strange = ["web_123", ClientIds("mm2").make(7, 1, NOW), own[0][:-1]]
    rows: list[dict[str, Any]] = [
        {
            "symbol": "BTCUSDT", "clientOrderId": client_id, "orderId": 1, "status": "NEW", "side": "BUY", "type": "LIMIT",
            "timeInForce": "GTC", "price": "1", "origQty": "1", "executedQty": "0", "updateTime": 1,
        }
        for client_id in [*own, *strange]
    ]  # fmt: skip
    import orjson

    found = own_of(USDM_TRADING.read_open_orders(orjson.dumps(rows)), ids, NOW)
    assert [one.client_id for one in found] == own
    calls = cancels_of(USDM_TRADING, found)
    assert [len(orjson.loads(dict(call.params)["origClientOrderIdList"])) for call in calls] == [10, 2]
