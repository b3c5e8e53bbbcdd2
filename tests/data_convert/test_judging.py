"""The recording judges itself: its book tickers against the book made of its depth."""

from __future__ import annotations

import json

import pytest
from convert_feed import Exchange, line
from data_convert import convert_recording
from data_convert.recordings.ingest import SCAN_FROM
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

T = 1_700_000_000_100_000_000
S = 1_000_000_000
FILES = [
    "captures/usdm_btcusdt_20240808.gz",
    "captures/cm_ethusd_perp_20240808.gz",
    "captures/spot_ethusdt_20240808.gz",
    "slices/cm_btcusd_perp_20240808.head3000.gz",
    "slices/spot_ethusdt_20240808.head3000.gz",
    "slices/usdm_btcusdt_20240808.head5000.gz",
]


class Quoting(Exchange):
    """An exchange whose sides are never empty, and that tells every touch."""

    def update(self):
        message = super().update()
        for side, price in (("b", 90.0), ("a", 110.0)):
            if price not in self.book[side]:
                self.book[side][price] = 5.0
                message[side].append([f"{price:.2f}", "5.000"])
        self.states[self.id] = self._frozen()
        return message

    def ticker(self):
        bid, ask = max(self.book["b"]), min(self.book["a"])
        return {"e": "bookTicker", "u": self.id, "s": "TESTUSDT", "b": f"{bid:.2f}", "B": "1", "a": f"{ask:.2f}",
                "A": "1", "T": self.now_ms, "E": self.now_ms}  # fmt: skip


def wrapped(message):
    stream = {"depthUpdate": "testusdt@depth@0ms", "bookTicker": "testusdt@bookTicker"}.get(message.get("e"))
    return {"stream": stream, "data": message} if stream else message


def feed(count, seed=3, ticker_first=True):
    exchange, out = Quoting(seed), []
    for number in range(count):
        both = [exchange.update(), exchange.ticker()]
        out += both[::-1] if ticker_first else both
        if number == 0:
            out.append(exchange.snapshot())
    return exchange, out


def write(path, messages, step_ns=S // 10):
    path.write_text("".join(line(T + i * step_ns, wrapped(m)) for i, m in enumerate(messages)))
    return path


def kinds(report):
    return [found.kind for found in report.contradictions]


@pytest.mark.parametrize("snapshots", ["by-id", "as-recorded"])
@pytest.mark.parametrize("file", FILES)
def test_good_recordings_raise_nothing(real_data, file, snapshots):
    report = convert_recording(real_data / file, snapshots=snapshots).report
    assert report.contradictions == ()
    assert report.faults == ()
    assert report.compared > 100, "the judge has looked at all"
    assert report.incomplete() == ()


def test_every_update_with_a_ticker_in_its_span_is_compared(real_data):
    report = convert_recording(real_data / FILES[0]).report
    assert report.compared == 5703  # counted from the lines by hand
    without = convert_recording(real_data / FILES[0], also=("book-ticker",)).report
    assert without.compared == 5703


@pytest.mark.parametrize("ticker_first", [True, False])
def test_a_good_feed_raises_nothing_however_its_lines_lie(tmp_path, ticker_first):
    _, messages = feed(100, ticker_first=ticker_first)
    report = convert_recording(write(tmp_path / "a.gz", messages)).report
    assert (report.contradictions, report.compared) == ((), 99)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), lags=st.lists(st.integers(0, 3 * S), min_size=60, max_size=60))
def test_tickers_that_come_seconds_early_or_late_contradict_nothing(tmp_path, seed, lags):
    _, messages = feed(60, seed)
    stamped = [
        (T + i * S // 20 + (lags[i % 60] if m.get("e") == "bookTicker" else 3 * S), m) for i, m in enumerate(messages)
    ]
    stamped.sort(key=lambda pair: pair[0])
    (tmp_path / "a.gz").write_text("".join(line(stamp, wrapped(m)) for stamp, m in stamped))
    report = convert_recording(tmp_path / "a.gz").report
    assert report.contradictions == ()


def test_a_book_that_stands_still_while_tickers_go_on_is_frozen(tmp_path, run):
    _, messages = feed(300)
    good = len(messages) // 2
    messages = [m for i, m in enumerate(messages) if i < good or m.get("e") == "bookTicker"]
    path = write(tmp_path / "a.gz", messages)
    report = convert_recording(path).report
    assert kinds(report) == ["frozen"]
    (found,) = report.contradictions
    assert found.line in range(good - 2, good + 1)
    assert found.end_ns - found.begin_ns == pytest.approx(15 * S, abs=S)
    code, text, error = run("collector", path, tmp_path / "o.npz")
    assert code == 4
    assert "the book is frozen from 2023-11-14 22:1" in error
    assert "frozen" in text
    assert run("validate", path)[0] == 4


def test_a_stretch_without_updates_is_frozen_and_the_hole_behind_it_a_gap(tmp_path):
    _, messages = feed(300)
    messages = [m for i, m in enumerate(messages) if not 200 < i < 400 or m.get("e") == "bookTicker"]
    report = convert_recording(write(tmp_path / "a.gz", messages)).report
    assert kinds(report) == ["frozen"]
    assert len(report.gaps) == 1


def test_a_clock_that_jumps_freezes_nothing(tmp_path):
    _, messages = feed(100)
    stamps = [T + i * S // 100 + (3600 * S if i > 101 else 0) for i in range(len(messages))]
    (tmp_path / "a.gz").write_text("".join(line(t, wrapped(m)) for t, m in zip(stamps, messages, strict=True)))
    assert convert_recording(tmp_path / "a.gz").report.contradictions == ()


def test_silence_of_everything_freezes_nothing(tmp_path):
    _, messages = feed(100)
    stamps = [T + i * S // 100 + (60 * S if i > 100 else 0) for i in range(len(messages))]
    (tmp_path / "a.gz").write_text("".join(line(t, wrapped(m)) for t, m in zip(stamps, messages, strict=True)))
    assert convert_recording(tmp_path / "a.gz").report.contradictions == ()


def test_a_book_without_a_side_is_half(tmp_path):
    _, messages = feed(100)
    for message in messages:
        if "lastUpdateId" in message:
            message["bids"] = []
        elif message["e"] == "depthUpdate":
            message["b"] = []
    report = convert_recording(write(tmp_path / "a.gz", messages)).report
    assert kinds(report) == ["half"]
    assert report.contradictions[0].count == report.compared > 50
    assert "nan / 10" in report.contradictions[0].detail


def test_a_book_of_other_prices_is_wrong_from_the_first_to_the_next_right_one(tmp_path):
    _, messages = feed(200)
    for message in messages[100:140]:
        if message["e"] == "bookTicker":
            message["b"] = f"{float(message['b']) - 50:.2f}"
    report = convert_recording(write(tmp_path / "a.gz", messages)).report
    (found,) = report.contradictions
    assert (found.kind, found.count) == ("wrong", 20)
    assert found.end_ns - found.begin_ns == 20 * S // 5


def test_one_mangled_ticker_is_no_fault(tmp_path):
    _, messages = feed(200)
    messages[100]["b"] = "1.00"
    assert convert_recording(write(tmp_path / "a.gz", messages)).report.contradictions == ()


def test_a_crossed_book_is_named_with_its_time(tmp_path, run):
    _, messages = feed(100)
    for message in messages[101:]:
        if message["e"] == "depthUpdate":
            message["b"].append(["120.00", "1.000"])
    path = write(tmp_path / "a.gz", messages)
    report = convert_recording(path).report
    assert kinds(report) == ["crossed"]
    assert any("local book crossed" in fault for fault in report.faults)
    assert run("collector", path, tmp_path / "o.npz", "--json")[0] == 4


def test_a_book_that_a_gap_took_away_is_not_judged(tmp_path):
    exchange, messages = feed(50)
    exchange.update()
    messages += [m for _ in range(100) for m in (exchange.update(), exchange.ticker())]
    report = convert_recording(write(tmp_path / "a.gz", messages)).report
    assert report.contradictions == ()
    assert len(report.gaps) == 1


def test_kept_updates_of_a_recording_without_a_snapshot_are_judged(tmp_path):
    _, messages = feed(100)
    messages = [m for m in messages if "lastUpdateId" not in m]
    for message in messages:
        if message["e"] == "depthUpdate":
            message["a"] = []
    assert "half" in kinds(convert_recording(write(tmp_path / "a.gz", messages)).report)


def test_the_kernel_and_the_decoder_give_the_same_tickers(tmp_path, monkeypatch):
    _, messages = feed(4000)
    path = write(tmp_path / "a.gz", messages)
    assert path.stat().st_size > SCAN_FROM
    scanned = convert_recording(path)
    monkeypatch.setattr("data_convert.recordings.ingest.SCAN_FROM", 1 << 40)
    decoded = convert_recording(path)
    assert repr(scanned.report) == repr(decoded.report)
    assert scanned.report.compared == 3999


def test_the_judgement_stands_in_text_json_and_page(tmp_path, run):
    _, messages = feed(100)
    path = write(tmp_path / "good.gz", messages)
    _, text, _ = run("collector", path, tmp_path / "g.npz")
    assert "99 comparisons with book tickers, all agree" in " ".join(text.split())
    for message in messages:
        if message.get("e") == "bookTicker":
            message["a"] = "1.00"
    path = write(tmp_path / "bad.gz", messages)
    page = tmp_path / "b.html"
    _, text, _ = run("collector", path, tmp_path / "b.npz", "--report", page)
    assert "wrong from" in " ".join(text.split())
    assert "wrong from" in page.read_text()
    _, text, _ = run("collector", path, tmp_path / "c.npz", "--json")
    assert json.loads(text)["contradictions"][0]["kind"] == "wrong"
