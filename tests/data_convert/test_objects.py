"""Files in an object store: a real S3-compatible server on loopback, every kind of command, batches and what goes wrong."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from convert_feed import record
from data_convert import load
from data_convert.errors import InputError
from data_convert.files.remote import fetch, is_url, listing, put, stat, url_of

pytest.importorskip("obstore", reason="the extra data-convert[objects] is not installed")
FEED = ["update", "snapshot", "update", "trade", "update"]


@pytest.fixture(scope="module")
def endpoint():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{address}/moto-api/", timeout=5).close()
                break
            except OSError:
                assert server.poll() is None, "the server ended"
                time.sleep(0.1)
        yield address
    finally:
        server.kill()
        server.wait()


@pytest.fixture
def bucket(endpoint, monkeypatch, request):
    name = f"b{abs(hash(request.node.name)) % 10**9}"
    for key, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(key, value)
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/{name}", method="PUT"), timeout=30).close()
    return f"s3://{name}"


@pytest.fixture
def day(tmp_path):
    path = tmp_path / "btcusdt_20240808.jsonl"
    path.write_text(record(FEED, 5)[0])
    return path


def keys(bucket):
    return sorted(url_of(entry.path).removeprefix(f"{bucket}/") for entry in listing(f"{bucket}/"))


def test_an_object_comes_back_as_it_was_put(bucket, tmp_path):
    path = tmp_path / "big.bin"
    path.write_bytes(bytes(range(256)) * 50_000)  # 12.8 MB: more than one part
    put(path, f"{bucket}/a/b.bin", False)
    (tmp_path / "back").mkdir()
    assert fetch(Path(f"{bucket}/a/b.bin"), tmp_path / "back").read_bytes() == path.read_bytes()
    assert stat(f"{bucket}/a/b.bin").size_bytes == path.stat().st_size
    assert stat(f"{bucket}/a/none") is None
    assert keys(bucket) == ["a/b.bin"]


def test_commands_take_urls_for_files_in_and_out(run, bucket, day, tmp_path):
    put(day, f"{bucket}/in/btcusdt_20240808.jsonl", False)
    url, out = f"{bucket}/in/btcusdt_20240808.jsonl", f"{bucket}/out/day.npz"
    assert run("collector", day, tmp_path / "here.npz")[0] == 0
    code, _, err = run("collector", url, "-o", out, f"--report={bucket}/out/day.html")
    assert code == 0, err
    assert f"{out}: written" in err
    assert keys(bucket) == ["in/btcusdt_20240808.jsonl", "out/day.html", "out/day.npz"]
    (tmp_path / "got").mkdir()
    assert fetch(out, tmp_path / "got").read_bytes() == (tmp_path / "here.npz").read_bytes()
    assert run("collector", url, f"{bucket}/out/last.npz")[0] == 0
    assert "out/last.npz" in keys(bucket)
    code, text, _ = run("validate", out, "--json")
    assert (code, json.loads(text)["rows"]) == (0, len(load(tmp_path / "here.npz")))
    code, _, err = run("collector", url, "-o", out)
    assert (code, f"{out}: exists" in err) == (1, True)
    assert run("collector", url, "-o", out, "--force")[0] == 0
    code, _, err = run("collector", f"{bucket}/in/none.gz", "-o", out, "--force")
    assert code == 1
    assert f"{bucket}/in/none.gz: cannot be read" in err
    assert "Traceback" not in err


def test_errors_name_the_url_and_nothing_is_put_after_one(run, bucket, tmp_path):
    junk = tmp_path / "junk.gz"
    junk.write_text("junk\n")
    put(junk, f"{bucket}/junk.gz", False)
    code, _, err = run("collector", f"{bucket}/junk.gz", "-o", f"{bucket}/o.npz")
    assert code == 1
    assert f"{bucket}/junk.gz" in err
    assert keys(bucket) == ["junk.gz"]


def test_a_batch_converts_where_the_days_lie_and_goes_on_where_it_was(run, bucket, day, tmp_path):
    put(day, f"{bucket}/in/x/btcusdt_20240808.jsonl", False)
    put(day, f"{bucket}/in/x/ethusdt_20240808.jsonl", False)
    here = tmp_path / "in" / "x"
    here.mkdir(parents=True)
    (here / "btcusdt_20240808.jsonl").write_bytes(day.read_bytes())
    assert run("batch", tmp_path / "in", "-o", tmp_path / "out", "--workers", "1")[0] == 0
    code, out, err = run("batch", f"{bucket}/in", "-o", f"{bucket}/out", "--workers", "1", "--json")
    assert code == 0, err
    assert [outcome["error"] for outcome in json.loads(out)["outcomes"]] == ["", ""]
    assert [key for key in keys(bucket) if key.startswith("out")] == [
        "out/x/btcusdt_20240808.npz",
        "out/x/ethusdt_20240808.npz",
    ]
    (tmp_path / "got").mkdir()
    got = fetch(f"{bucket}/out/x/btcusdt_20240808.npz", tmp_path / "got")
    assert got.read_bytes() == (tmp_path / "out" / "x" / "btcusdt_20240808.npz").read_bytes()
    code, out, _ = run("batch", f"{bucket}/in", "-o", f"{bucket}/out", "--plan", "--json")
    assert {job["state"] for job in json.loads(out)["jobs"]} == {"done already"}


def test_an_incomplete_day_lies_in_the_store_under_its_own_name_until_it_is_made_again(run, bucket, day, tmp_path):
    bad, job = tmp_path / "bad.jsonl", ("batch", f"{bucket}/in", "-o", f"{bucket}/out", "--workers", "1")
    bad.write_text(day.read_text() + "bad\n" * 50)
    put(bad, f"{bucket}/in/btcusdt_20240808.jsonl", False)
    code, out, _ = run(*job, "--json")
    (outcome,) = json.loads(out)["outcomes"]
    assert (code, outcome["error"], len(outcome["incomplete"])) == (3, "", 1)
    assert keys(bucket) == ["in/btcusdt_20240808.jsonl", "out/btcusdt_20240808.incomplete.npz"]
    assert {found["state"] for found in json.loads(run(*job, "--plan", "--json")[1])["jobs"]} == {
        "incomplete, to do again"
    }
    put(day, f"{bucket}/in/btcusdt_20240808.jsonl", True)
    assert run(*job)[0] == 0
    assert keys(bucket) == ["in/btcusdt_20240808.jsonl", "out/btcusdt_20240808.npz"]
    put(bad, f"{bucket}/in/btcusdt_20240808.jsonl", True)
    assert run(*job, "--force")[0] == 3
    assert keys(bucket) == ["in/btcusdt_20240808.jsonl", "out/btcusdt_20240808.incomplete.npz"]


def test_a_server_that_is_not_there_is_an_error_in_words(monkeypatch, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(InputError, match=r"http://127\.0\.0\.1:.*cannot be read"):
        fetch(f"http://127.0.0.1:{port}/a.gz", tmp_path)


def test_urls_are_told_from_paths_and_survive_being_paths():
    assert [is_url(place) for place in ("s3://b/k", Path("s3://b/k"), "https://h/a.gz", "c:/x", "a/s3:/x")] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert url_of(Path("s3://b/a/k.gz")) == "s3://b/a/k.gz"


def test_without_the_package_urls_are_refused_with_a_remedy(monkeypatch, run):
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    code, _, err = run("inspect", "s3://b/k.gz")
    assert code == 1
    assert "data-convert[objects]" in err
