"""Batches: what is done stays, failing days stop no other, a dying worker takes only its own day along."""

from __future__ import annotations

import os
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import contextmanager

import data_convert
import pytest
from convert_feed import record
from data_convert.batch.plan import Job, State
from data_convert.batch.run import Options, cluster, process_pool, run_job, run_jobs, state_of
from data_convert.errors import BatchError

FEED = ["update", "snapshot", "update", "trade", "update"]


class Inline(Executor):
    """Runs at once; a job whose name is in `deadly` kills the executor, as a worker out of memory does."""

    def __init__(self, deadly=()):
        self.deadly, self.broken = deadly, False

    def submit(self, function, job, options):
        if self.broken:
            raise BrokenExecutor("broken before")
        future = Future()
        if job.name == "lost":
            future.set_exception(RuntimeError("worker lost"))
        elif job.name in self.deadly:
            self.broken = True
            future.set_exception(BrokenExecutor("died"))
        else:
            future.set_result(function(job, options))
        return future


def opener(deadly=()):
    @contextmanager
    def opened():
        yield Inline(deadly)

    return opened


def job(tmp_path, name, text=None):
    path = tmp_path / f"{name}.gz"
    path.write_text(record(FEED, 5)[0] if text is None else text)
    return Job(name, "recording", (path,), tmp_path / "out" / f"{name}.npz")


def test_a_failing_day_stops_no_other_and_says_why(tmp_path):
    jobs = [job(tmp_path, "a"), job(tmp_path, "b", "junk\n"), job(tmp_path, "c")]
    outcomes = {outcome.name: outcome for outcome in run_jobs(jobs, Options(), opener(), 1)}
    assert [bool(outcomes[name].error) for name in "abc"] == [False, True, False]
    assert "known source" in outcomes["b"].error
    assert len(data_convert.load(jobs[0].output)) == outcomes["a"].rows > 0
    assert not jobs[1].output.exists()


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_a_day_that_kills_its_worker_takes_no_other_along(tmp_path, workers):
    jobs = [job(tmp_path, name) for name in "abcde"]
    outcomes = list(run_jobs(jobs, Options(), opener({"b"}), workers))
    assert sorted(outcome.name for outcome in outcomes) == list("abcde")
    assert [outcome.name for outcome in outcomes if outcome.error] == ["b"]
    assert "worker process died" in next(o.error for o in outcomes if o.error)


def test_trouble_of_the_executor_with_one_day_is_that_days_error(tmp_path):
    jobs = [job(tmp_path, name) for name in ("a", "lost", "c")]
    outcomes = list(run_jobs(jobs, Options(), opener(), 2))
    assert {outcome.name: outcome.error for outcome in outcomes} == {
        "a": "",
        "lost": "RuntimeError: worker lost",
        "c": "",
    }


def test_what_exists_is_done_unless_its_input_is_newer_or_it_is_forced(tmp_path):
    one = job(tmp_path, "a")
    assert state_of(one, force=False) is State.TO_DO
    run_job(one, Options())
    assert state_of(one, force=False) is State.DONE
    later_ns = one.output.stat().st_mtime_ns + 10**9
    os.utime(one.inputs[0], ns=(later_ns, later_ns))
    assert state_of(one, force=False) is State.OLDER
    assert state_of(one, force=True) is State.TO_DO


def test_strict_and_defects_become_errors_of_their_day(tmp_path, monkeypatch):
    one = job(tmp_path, "a", record(FEED, 5)[0] + "17 {}\n")
    assert run_job(one, Options()).bad_lines == 1
    assert "--strict" in run_job(one, Options(strict=True, force=True)).error

    def defect(*arguments, **options):
        raise ZeroDivisionError("somewhere")

    monkeypatch.setattr("data_convert.recordings.convert.convert_recording", defect)
    assert run_job(one, Options(force=True)).error == "ZeroDivisionError: somewhere"


def test_archives_need_a_latency(tmp_path):
    path = tmp_path / "X-trades-2023-11-14.csv"
    path.write_text("id,price,qty,quote_qty,time,is_buyer_maker\n1,100,1,100,1700000000000,true\n")
    one = Job("a", "history", (path,), tmp_path / "a.npz")
    assert "--latency-ns" in run_job(one, Options()).error
    assert run_job(one, Options(latency_ns=5)).rows == 1


def test_processes_do_the_same(tmp_path):
    jobs = [job(tmp_path, "a"), job(tmp_path, "b", "junk\n")]
    outcomes = {o.name: o for o in run_jobs(jobs, Options(), lambda: process_pool(1), 1)}
    assert outcomes["a"].rows == len(data_convert.load(jobs[0].output))
    assert outcomes["b"].error


def test_without_the_package_a_cluster_is_refused_with_a_remedy(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(BatchError, match=r"data-convert\[dask\]"), cluster("tcp://127.0.0.1:1"):
        pass


def test_a_dask_cluster_does_the_same(tmp_path):
    distributed = pytest.importorskip("distributed", reason="the extra data-convert[dask] is not installed")
    jobs = [job(tmp_path, "a"), job(tmp_path, "b", "junk\n")]
    local = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None, "processes": False}
    with distributed.LocalCluster(host="127.0.0.1", protocol="tcp", **local) as scheduler:
        address = scheduler.scheduler_address
        outcomes = {o.name: o for o in run_jobs(jobs, Options(), lambda: cluster(address), 1)}
    assert outcomes["a"].rows == len(data_convert.load(jobs[0].output))
    assert outcomes["b"].error


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch):
    pytest.importorskip("distributed", reason="the extra data-convert[dask] is not installed")
    monkeypatch.setattr("data_convert.batch.run._CONNECT_S", 1)
    with pytest.raises(BatchError, match=r"127\.0\.0\.1:1 "), cluster("tcp://127.0.0.1:1"):
        pass


def test_tardis_days_with_more_than_changes_are_fused(tmp_path):
    start = "exchange,symbol,timestamp,local_timestamp,"
    quotes = tmp_path / "binance-futures_quotes_2023-11-14_BTCUSDT.csv"
    quotes.write_text(f"{start}ask_amount,ask_price,bid_price,bid_amount\nx,B,1,2,1,101,100,1\n")
    one = Job("a", "tardis", (quotes,), tmp_path / "a.npz")
    assert (run_job(one, Options()).rows, run_job(one, Options(force=True)).error) == (2, "")
