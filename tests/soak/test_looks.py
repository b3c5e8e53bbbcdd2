"""The judge of looks itself: it finds what is wrong, and adds up what is not known."""

from pathlib import Path
from typing import Any

import orjson

from tests.soak.looks import Judge

Side = list[tuple[float, float]]


class Exchange:
    """Its true books, by update."""

    def __init__(self, **books: tuple[Side, Side]) -> None:
        self.books = {int(name.removeprefix("u")): book for name, book in books.items()}

    def true_book(self, symbol: str, last_id: int) -> tuple[Side, Side] | None:
        return self.books.get(last_id)


BIDS, ASKS = [(10.0, 1.0), (9.0, 2.0)], [(11.0, 1.0), (12.0, 5.0)]


def line(kind: str, t: float, confidence: str = "synced", **more: Any) -> dict[str, Any]:
    book = {"bids": BIDS, "asks": ASKS} if confidence == "synced" and kind == "look" else {}
    return {
        "kind": kind,
        "t": t,
        "wall": t,
        "symbol": "x",
        "confidence": confidence,
        "why": "",
        "id": 5,
        "lost": 0,
        **book,
        **more,
    }


def judged(
    tmp_path: Path, *lines: dict[str, Any], behind_s: float | None = None, sent: dict[float, int] | None = None
) -> Judge:
    path = tmp_path / "looks.jsonl"
    path.write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in lines))
    judge = Judge(Exchange(u5=(BIDS, ASKS)), path)  # type: ignore[arg-type]
    for at_s, update_id in (sent or {}).items():
        judge.note_sent(at_s, {"x": update_id})
    judge.take(behind_s)
    return judge


def test_a_right_look_is_compared_and_right(tmp_path: Path) -> None:
    found = judged(tmp_path, line("look", 1.0)).found
    assert (found.looks, found.synced, found.compared, found.wrong) == (1, 1, 1, [])


def test_every_kind_of_wrong_level_is_found(tmp_path: Path) -> None:
    for bids in ([(10.0, 1.0)], [(10.0, 1.0), (9.0, 3.0)], [(10.0, 1.0), (9.5, 1.0), (9.0, 2.0)], []):
        assert len(judged(tmp_path, line("look", 1.0, bids=bids)).found.wrong) == 1, bids


def test_an_update_that_never_was_is_wrong(tmp_path: Path) -> None:
    assert judged(tmp_path, line("look", 1.0, id=77)).found.wrong


def test_a_book_that_does_not_say_synced_is_not_judged(tmp_path: Path) -> None:
    found = judged(tmp_path, line("look", 1.0, "unknown"), line("look", 1.0, "stale")).found
    assert (found.looks, found.synced, found.wrong) == (2, 0, [])


def test_a_synced_book_that_stands_still_is_found(tmp_path: Path) -> None:
    late = judged(tmp_path, line("look", 10.0), behind_s=3.0, sent={6.0: 5, 6.9: 6, 9.0: 8}).found
    assert len(late.frozen) == 1
    assert not judged(tmp_path, line("look", 10.0), behind_s=3.0, sent={6.0: 5, 7.5: 6}).found.frozen


def test_time_without_a_book_counts_from_the_first_book_on(tmp_path: Path) -> None:
    changes = [(1.0, "unknown"), (2.0, "synced"), (5.0, "unknown"), (5.5, "stale"), (6.0, "synced"), (8.0, "stale")]
    found = judged(
        tmp_path, *(line("change", t, confidence) for t, confidence in changes), line("end", 9.0, "stale")
    ).found
    assert found.unknown_s() == (6.0 - 5.0) + (9.0 - 8.0)
    assert found.unknown_s(until_s=5.25) == 0.25
    assert found.unknown_s(until_s=8.5) == 1.5


def test_half_a_line_is_read_when_it_is_whole(tmp_path: Path) -> None:
    path, whole = tmp_path / "looks.jsonl", orjson.dumps(line("look", 1.0)) + b"\n"
    judge = Judge(Exchange(u5=(BIDS, ASKS)), path)  # type: ignore[arg-type]
    path.write_bytes(whole + whole[:20])
    judge.take()
    path.write_bytes(whole + whole)
    judge.take()
    assert judge.found.looks == 2
