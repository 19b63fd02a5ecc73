"""A store holds each trace once, whatever happens while it is written."""

import filecmp
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from rubinprof import campaign
from rubinprof.campaign import known_keys, rows, schema, unit
from rubinprof.campaign import store as store_module
from rubinprof.errors import RubinprofError

add_module = sys.modules["rubinprof.campaign.add"]  # the package has a function of the same name

pytestmark = pytest.mark.linux

PAGE = Path(__file__).resolve().parents[2] / "docs" / "campaign-store.md"
KILLS = 8


def same(left, right):
    """Whether two stores are the same, byte by byte."""
    names = [sorted(str(path.relative_to(top)) for path in top.rglob("*") if path.is_file()) for top in (left, right)]
    return names[0] == names[1] and filecmp.cmpfiles(left, right, names[0], shallow=False)[0] == names[0]


def add(store, spool):
    return [sys.executable, "-m", "rubinprof", "campaign", "add", "--workers", "0", str(store), str(spool)]


def test_the_page_and_the_schemas_say_the_same():
    for table, columns in schema.TABLES.items():
        section = PAGE.read_text().split(f"\n## {table}\n")[1].split("\n## ")[0]
        rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", section, re.MULTILINE)
        assert rows == [(field.name, str(field.type).replace("double", "float64")) for field in columns], table


def test_every_quantum_once(store):
    found = campaign.open(store)
    assert found.sql("SELECT task, count(*) FROM quanta GROUP BY task ORDER BY task").fetchall() == [("calibrateImage", 12), ("isr", 18)]
    assert found.sql("SELECT status, count(*) FROM quanta GROUP BY status ORDER BY status").fetchall() == [("done", 28), ("failed", 1), ("unfinished", 1)]
    assert found.sql("SELECT count(*), sum(quanta) FROM processes").fetchall() == [(6, 30)]
    assert campaign.Store.open(store).verify() == []


def test_quanta_beside_a_reader_that_is_open_all_count(tmp_path):
    program = '''
import rubinprof
def rows():
    with rubinprof.region("reader", task="reader", quantum_id="0"): yield
reader = rows(); next(reader)
for i in range(1, 4):
    with rubinprof.region("isr", task="isr", quantum_id=str(i)): pass
'''
    (tmp_path / "x.py").write_text(program)
    for mode in ("exact", "sampled"):
        command = [sys.executable, "-m", "rubinprof", "run", "-o", f"{mode}.rprof", "--cpu", mode, "--memory", mode, "x.py"]
        subprocess.run(command, cwd=tmp_path, check=True, timeout=120)
        rows = unit.read_many([str(tmp_path / f"{mode}.rprof")])[0]["quanta"].to_pylist()
        assert [row["task"] for row in rows] == ["reader", "isr", "isr", "isr"]


def test_adding_again_and_in_another_order_changes_no_byte(tmp_path, spool, store):
    other = tmp_path / "other"
    for path in sorted(spool.iterdir(), reverse=True):
        campaign.add(other, path, workers=0)
    campaign.add(other, spool, workers=0)
    shutil.copytree(spool, tmp_path / "copies")
    assert campaign.add(other, spool, tmp_path / "copies", workers=0).new == 0
    assert same(store, other)


def test_merging_in_pieces_changes_no_byte(tmp_path, spool, store, monkeypatch):
    """Files are read a few rows at a time, and a few commits at a time: the rows of a trace come in several pieces, and those of several traces in one."""
    whole = {path.relative_to(store): pq.read_table(path) for path in store.rglob("*.parquet")}
    monkeypatch.setattr(rows, "BATCH_ROWS", 7)
    monkeypatch.setattr(rows, "ROW_GROUP_ROWS", 50)
    monkeypatch.setattr(store_module, "MERGED_MOST", 3)
    monkeypatch.setattr(add_module, "MERGED_MOST", 3)
    made, once = tmp_path / "made", tmp_path / "once"
    for path in sorted(spool.iterdir(), reverse=True):
        campaign.add(made, path, workers=0)
    campaign.add(once, spool, workers=0)
    assert same(made, once)
    assert {path.relative_to(made): pq.read_table(path) for path in made.rglob("*.parquet")} == whole


def test_processes_that_do_the_same_add_no_rows_of_functions(tmp_path, spool, store):
    """A campaign has millions of processes, and few functions."""
    one = tmp_path / "one"
    campaign.add(one, spool / "0.rprof", workers=0)
    rows_of = {name: [sum(pq.read_metadata(path).num_rows for path in top.glob(f"{name}/*.parquet")) for top in (one, store)] for name in ("functions", "frames", "paths")}
    for name, (alone, all_six) in rows_of.items():
        assert all_six < 2 * alone, name
    found = campaign.open(store).table("function").df()
    assert found["processes"].max() == 6
    assert found["self_cpu_s"].sum() == pytest.approx(campaign.open(store).totals()["cpu_s"], rel=1e-6)


def test_workers_give_the_same_bytes(tmp_path, spool, store):
    copies = tmp_path / "spool"
    copies.mkdir()
    for path in spool.iterdir():
        shutil.copy2(path, copies)
        for i in range(6):  # the same traces again, so that there is work for several
            shutil.copy2(path, copies / f"{path.stem}-{i}.rprof")
    campaign.add(tmp_path / "other", copies, workers=2)
    assert same(store, tmp_path / "other")


def _memory_and_profile():
    import dask

    return os.environ.get("MALLOC_TRIM_THRESHOLD_"), dask.config.get("distributed.worker.profile.enabled")


def test_workers_of_this_machine_do_nothing_but_read():
    """Dask's monitoring, and memory that goes back to the kernel after each trace, took as long as reading."""
    dask = pytest.importorskip("dask")
    with add_module._client(1, None, None) as client:
        (told,) = client.run(_memory_and_profile).values()
        assert told == (os.environ.get("MALLOC_TRIM_THRESHOLD_"), False)
        assert {address.split("//")[1].split(":")[0] for address in client.scheduler_info()["workers"]} == {"127.0.0.1"}
    assert dask.config.get("distributed.worker.profile.enabled")  # of this process, as it was


def test_slurm_jobs_run_the_python_that_asks(monkeypatch):
    """The script that dask-jobqueue hands to sbatch. No Slurm here: nothing is submitted."""
    dask = pytest.importorskip("dask")
    pytest.importorskip("dask_jobqueue")
    with dask.config.set({"jobqueue.slurm.queue": "rubin", "jobqueue.slurm.account": "lsst", "jobqueue.slurm.walltime": "02:00:00", "jobqueue.slurm.memory": "6 GB"}), add_module.slurm_cluster() as cluster:
        script = cluster.job_script()
    lines = script.splitlines()
    assert {"#SBATCH -p rubin", "#SBATCH -A lsst", "#SBATCH -t 02:00:00", "#SBATCH --cpus-per-task=1", "#SBATCH --mem=6G"} <= set(lines), script
    assert f"{sys.executable} -m distributed.cli.dask_worker tcp://" in script and "--nthreads 1" in script


def test_workers_and_scheduler_of_their_own_processes_read(tmp_path, spool, store):
    with subprocess.Popen([sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", tmp_path / "s.json"], stderr=subprocess.DEVNULL) as scheduler:
        command = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", tmp_path / "s.json", "--nthreads", "1", "--no-dashboard"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as worker:
            try:
                deadline = time.monotonic() + 60
                while not (tmp_path / "s.json").exists() and time.monotonic() < deadline:
                    time.sleep(0.05)
                address = json.loads((tmp_path / "s.json").read_text())["address"]
                assert campaign.add(tmp_path / "other", spool, scheduler=address).new == 6
            finally:
                worker.kill()
                scheduler.kill()
    assert same(store, tmp_path / "other")


def test_a_kill_at_any_instant_loses_nothing_and_doubles_nothing(tmp_path, spool, store, monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    chance, killed = random.Random(7), tmp_path / "killed"
    started = time.monotonic()
    subprocess.run(add(tmp_path / "timed", spool), check=True, capture_output=True)
    took = time.monotonic() - started
    for _ in range(KILLS):
        process = subprocess.Popen(add(killed, spool), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(took * chance.uniform(0.3, 1.1))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        if (killed / "store.json").exists():
            assert campaign.Store.open(killed).verify() == []
        if chance.random() < 0.3:
            shutil.rmtree(killed, ignore_errors=True)
    subprocess.run(add(killed, spool), check=True, capture_output=True)
    assert same(store, killed)


@pytest.mark.parametrize("step", range(12))
def test_a_stop_at_each_write_leaves_the_store_whole(tmp_path, spool, store, step, monkeypatch):
    """Every rename of a file into the store fails in turn, then the add is made again."""
    other, renames = tmp_path / "other", []
    real = os.rename
    for path in sorted(spool.iterdir())[:3]:
        campaign.add(other, path, workers=0)

    def rename(*words):
        renames.append(words)
        if len(renames) == step + 1:
            raise OSError(28, os.strerror(28))
        real(*words)

    monkeypatch.setattr(store_module.os, "rename", rename)
    try:
        campaign.add(other, spool, workers=0)
    except RubinprofError as error:
        assert "No space left" in str(error)
    monkeypatch.setattr(store_module.os, "rename", real)
    assert campaign.Store.open(other).verify() == []
    campaign.add(other, spool, workers=0)
    assert same(store, other)


def test_what_counts_is_durable_before_it_counts_and_is_waited_for_once(tmp_path, spool, monkeypatch):
    """After a power failure only what was synced is sure: the files of a commit, before its own file has its name. They are written together, so that the journal is, too."""
    steps = []
    sync, rename = os.fsync, os.rename

    def name_of(path):
        return Path(re.sub(r"/\.(.+)\.[0-9a-f]{16}$", r"/\1", str(path)))

    def fsync(number):
        steps.append(("sync", name_of(os.readlink(f"/proc/self/fd/{number}"))))
        sync(number)

    def renamed(old, new):
        steps.append(("rename", Path(new)))
        rename(old, new)

    target = campaign.Store.create(tmp_path / "store")
    monkeypatch.setattr(store_module.os, "fsync", fsync)
    monkeypatch.setattr(store_module.os, "rename", renamed)
    tables = unit.read_many([str(path) for path in sorted(spool.iterdir())])[0]
    target.commit(tables)
    (commit,) = target.commits()
    files = [target.path / file["path"] for file in commit.files]
    counts = target.path / "commits" / f"{commit.id}.json"
    together = [("sync", path) for path in files] + [("rename", path) for path in files]
    assert steps == [*together, ("sync", counts), ("rename", counts), ("rename", target.path / "manifest.json")]
    target.merge()
    assert steps[-1] == ("sync", target.path / "manifest.json")
    assert json.loads((target.path / "manifest.json").read_text())["commits"][0]["id"] == commit.id


def test_two_at_once_add_each_trace_once(tmp_path, spool, store):
    both = tmp_path / "both"
    campaign.Store.create(both)
    processes = [subprocess.Popen(add(both, spool), stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(120) for process in processes] == [0, 0]
    assert same(store, both)


def test_what_cannot_be_read_is_listed_and_stops_nothing(tmp_path, spool):
    mixed = tmp_path / "mixed"
    shutil.copytree(spool, mixed)
    (mixed / "foreign.rprof").write_text("no trace")
    (mixed / "empty.rprof").touch()
    added = campaign.add(tmp_path / "store", mixed, workers=0)
    assert added.new == 6 and {Path(entry["path"]).name for entry in added.refused} == {"foreign.rprof", "empty.rprof"}
    assert all(entry["reason"] for entry in campaign.Store.open(tmp_path / "store").refused())


def test_a_trace_that_may_grow_waits_for_the_next_time(tmp_path, spool):
    growing = tmp_path / "growing"
    growing.mkdir()
    shutil.copy(spool / "killed.rprof", growing)  # its time is now
    added = campaign.add(tmp_path / "store", growing, workers=0)
    assert (added.new, len(added.growing)) == (0, 1)
    assert campaign.add(tmp_path / "store", growing, workers=0, quiet_s=0).new == 1


def test_deleting_takes_only_what_is_in_the_store(tmp_path, spool):
    mixed = tmp_path / "mixed"
    shutil.copytree(spool, mixed)
    (mixed / "foreign.rprof").write_text("no trace")
    assert campaign.add(tmp_path / "store", mixed, workers=0, delete_added=True).new == 6
    assert [path.name for path in mixed.iterdir()] == ["foreign.rprof"]


def test_what_a_store_holds_is_asked_at_eight_bytes_a_trace(store, monkeypatch):
    found = campaign.Store.open(store)
    uuids = pq.read_table(next((store / "processes").glob("*.parquet")))["trace"].to_pylist()
    others = [f"{i:032x}" for i in range(10)]
    assert found.holds([*uuids[:3], *others]) == set(uuids[:3]) and found.count() == len(uuids) == 6
    assert sum(hashes.nbytes for hashes in found._known._hashes["traces"].values()) == 8 * len(uuids)
    monkeypatch.setattr(known_keys, "HASH", "(length({}) * 0)::UBIGINT")  # all have the same
    assert campaign.Store.open(store).holds([*uuids[:3], *others]) == set(uuids[:3])
    assert found.holds(others) == found.holds(uuids, "metadata") == found.holds([]) == set()


def test_verify_tells_a_trace_that_is_there_twice(store):
    found = campaign.Store.open(store)
    (commit,) = found.commits()
    rows_of = {name: pq.read_table(store / commit.file(name)["path"]) for name in ("quanta", "processes")}
    uuid = rows_of["processes"]["trace"][0].as_py()
    one = {name: table.filter(pc.equal(table["trace"], uuid)) for name, table in rows_of.items()}
    made = store_module.prepare(one)
    with found.locked():
        name = store_module.commit_id([uuid])
        found._commit(name, "traces", made.files)
    assert found.verify() == [f"{uuid} is there twice, in commits {' and '.join(sorted([commit.id, name]))}"]


def test_verify_tells_a_changed_file(store):
    (victim,) = (store / "quanta").iterdir()
    victim.write_bytes(victim.read_bytes()[:-1] + b"?")
    (problem,) = campaign.Store.open(store).verify()
    assert "has changed" in problem and victim.name in problem


@pytest.mark.parametrize("about", [{"format": "rubinprof-campaign", "version": 99}, {"format": "other", "version": 1}, "no JSON"])
def test_what_is_no_store_of_ours_is_refused_in_one_sentence(tmp_path, about):
    (tmp_path / "store.json").write_text(about if isinstance(about, str) else json.dumps(about))
    done = subprocess.run([sys.executable, "-m", "rubinprof", "campaign", "table", tmp_path], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("rubinprof: ") and done.stderr.count("\n") == 1


def test_other_readers_read_the_files(store):
    """DuckDB, pandas, polars and Dask read the Parquet files alone."""
    import duckdb
    import pandas

    files = campaign.Store.open(store).files("quanta")
    assert len(pandas.read_parquet(files)) == 30
    assert duckdb.sql(f"SELECT count(*) FROM read_parquet({files})").fetchall() == [(30,)]
    polars = pytest.importorskip("polars")
    assert polars.read_parquet(files).height == 30
