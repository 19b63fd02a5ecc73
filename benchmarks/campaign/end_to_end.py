"""From a spool to answers: rates, bytes and errors of a campaign of real traces (spool.py makes them).

    python benchmarks/campaign/spool.py 200000 /tmp/spool
    python benchmarks/campaign/end_to_end.py /tmp/spool /tmp/store [--workers 2] [--files 200] [--draws 50]

Rates are quanta a CPU second, of all processes of a step together: a busy machine changes little. Wall times are told too, and mean something on an idle one.
"""

import argparse
import contextlib
import os
import random
import resource
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from rubinprof import campaign
from rubinprof.campaign import unit
from rubinprof.campaign.store import Store, prepare

SHARE = 0.01
MERGED_QUANTA = 2000


def cpu():
    return sum(one.ru_utime + one.ru_stime for one in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)))


@contextlib.contextmanager
def timed(what, quanta):
    took, wall = cpu(), time.monotonic()
    yield
    took, wall = cpu() - took, time.monotonic() - wall
    print(f"{what}: {quanta() / took:,.0f} quanta a CPU second ({took:.1f} CPU s, {wall:.1f} s)", flush=True)


def count(path):
    return campaign.open(path).sql("SELECT count(*) FROM quanta").fetchall()[0][0]


def read_one_by_one(paths, rows):
    """The bare core: read and pack batches of 256, nothing else."""
    for begin in range(0, len(paths), 256):
        tables, refused = unit.read_many([str(path) for path in paths[begin : begin + 256]])
        assert not refused
        prepare(tables)
        rows.append(tables["quanta"].num_rows)


def sizes(path):
    quanta, total = count(path), 0
    bytes_of: dict[str, list[int]] = {}
    for commit in Store.open(path).commits():
        for file in commit.files:
            one = bytes_of.setdefault(file["path"].split("/")[0], [0, 0])
            one[0] += file["rows"]
            one[1] += file["bytes"]
            total += file["bytes"]
    for name, (rows, size) in bytes_of.items():
        print(f"  {name}: {rows:,} rows, {size / quanta:.1f} bytes a quantum, {size / max(rows, 1):.1f} a row")
    print(f"store: {total / quanta:.0f} bytes a quantum, of {quanta:,} quanta")


def draws(paths, times, room):
    """How far the sums of kept stacks are from exact ones, and how often their intervals hold: each part of the files is a draw."""
    groups = [paths[i::times] for i in range(times)]
    held = {"self_cpu_s": [0, 0], "allocated_bytes": [0, 0]}
    whole: dict[str, dict[str, np.ndarray]] = {key: {} for key in held}
    for group in groups:
        path = room / "draw"
        shutil.rmtree(path, ignore_errors=True)
        campaign.add(path, *group, workers=0)
        found = campaign.open(path)
        for key, metric in (("self_cpu_s", "cpu"), ("allocated_bytes", "allocated")):
            names = f"function, file, module, {key}, {key}_error"
            exact = {row[:3]: row[3] or 0 for row in found.table("function", metric).select(names).fetchall()}
            kept = {row[:3]: row[3:] for row in found.table("function", metric, where="wall >= 0 s").select(names).fetchall()}
            for name, figure in exact.items():
                mine, error = kept.get(name, (0, None))
                both = whole[key].setdefault(name, np.zeros(2))
                both += (figure, mine or 0)
                if figure >= SHARE * sum(exact.values()):
                    held[key][1] += 1
                    held[key][0] += abs((mine or 0) - figure) <= (error or 0)
    for key, both_of in whole.items():
        total = sum(both[0] for both in both_of.values())
        far = {name: both[1] / both[0] - 1 for name, both in both_of.items() if both[0] >= SHARE * total}
        worst = max(far, key=lambda name: abs(far[name]))
        outside = 1 - sum(both[1] for both in both_of.values()) / total
        print(f"{key}: {len(far)} functions of at least 1 %: worst {far[worst]:+.2%} ({worst[0]}), root mean square {np.sqrt(np.mean(np.square(list(far.values())))):.2%};"
              f" {outside:.2%} of all is outside of quanta; 95 % intervals of {times} draws held {held[key][0]} of {held[key][1]}", flush=True)  # fmt: skip


def merging(path):
    """Sums of stacks by task: what the store does, against a pandas frame a quantum and one read with pyarrow."""
    import pandas as pd

    found = campaign.open(path)
    commit = max(Store.open(path).commits(), key=lambda one: one.file("stacks")["rows"])
    files = {name: str(Path(path) / commit.file(name)["path"]) for name in ("stacks", "quanta")}
    quanta = commit.file("quanta")["rows"]
    with timed("kept sums by task (task_stacks, DuckDB)", lambda: quanta):
        found.sql("SELECT task, path, sum(cpu_ns), sum(allocated_bytes) FROM task_stacks GROUP BY ALL").fetchnumpy()
    with timed("stacks by path (DuckDB)", lambda: quanta):
        found.sql(f"SELECT path, sum(cpu_ns), sum(allocated_bytes) FROM read_parquet('{files['stacks']}') GROUP BY path").fetchnumpy()
    with timed("stacks by path (pyarrow: one read, group_by)", lambda: quanta):
        pq.read_table(files["stacks"], columns=["path", "cpu_ns", "allocated_bytes"]).group_by("path").aggregate([("cpu_ns", "sum"), ("allocated_bytes", "sum")])
    some = pq.ParquetFile(files["stacks"]).read_row_group(0).select(["trace", "unit", "path", "cpu_ns", "allocated_bytes"]).to_pandas()
    frames = [frame.set_index("path")[["cpu_ns", "allocated_bytes"]] for _, frame in list(some.groupby(["trace", "unit"], sort=False))[:MERGED_QUANTA]]
    with timed("stacks by path (a pandas frame a quantum)", lambda: len(frames)):
        total = frames[0]
        for frame in frames[1:]:
            total = total.add(frame.groupby(level=0).sum(), fill_value=0)
        assert isinstance(total, pd.DataFrame)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("spool", type=Path)
    parser.add_argument("store", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--files", type=int, default=512, help="that the bare core and the draws read")
    parser.add_argument("--draws", type=int, default=50)
    args = parser.parse_args()
    paths = sorted(args.spool.rglob("*.rprof"))
    chosen = random.Random(1).sample(paths, min(args.files, len(paths)))
    rows: list[int] = []
    read_one_by_one(chosen[:16], [])  # imports
    with timed("bare core", lambda: sum(rows)):
        read_one_by_one(chosen, rows)
    if not (args.store / "store.json").exists():
        with timed(f"campaign add, {args.workers} workers", lambda: count(args.store)):
            campaign.add(args.store, args.spool, workers=args.workers)
    print(f"largest process so far: {max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024:.0f} MiB")
    sizes(args.store)
    merging(args.store)
    room = args.store.with_name(f"{args.store.name}-draws")
    room.mkdir(exist_ok=True)
    draws(chosen, args.draws, room)
    shutil.rmtree(room)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    sys.exit(main())
