"""A synthetic campaign: a store of made-up quanta, as large as asked for.

    python benchmarks/campaign/synthetic_store.py 1000000 /tmp/store

No quantum of it ever ran. Its shape is that of a data release: four stages, sixteen tasks, log-normal times and memory, one task with a few huge quanta, one with two modes, one that slows
down, one slow host, quanta that failed and were tried again. The same arguments give the same store.
"""

import sys

import numpy as np
import pyarrow as pa

from rubinprof import campaign
from rubinprof.campaign.schema import TABLES

COMMIT_QUANTA = 1_000_000
TRACE_QUANTA = 50
HOSTS = 300
DAYS = 30.0
BEGIN_US = 1_780_000_000_000_000
GIB = 1024**3

# task: share of the quanta, median wall time (s), its spread (of the logarithm), median memory (GiB), its spread
TASKS = {
    "isr": (0.12, 25, 0.3, 2.1, 0.08), "calibrateImage": (0.12, 60, 0.4, 2.6, 0.1), "standardizeSingleVisitStar": (0.12, 8, 0.3, 1.4, 0.1),
    "gbdesAstrometricFit": (0.001, 900, 0.8, 8.0, 0.5), "fgcmFitCycle": (0.0001, 3600, 0.5, 20.0, 0.3),
    "reprocessVisitImage": (0.15, 90, 0.4, 3.0, 0.12), "makeDirectWarp": (0.14, 40, 0.3, 2.4, 0.1), "makePsfMatchedWarp": (0.12, 30, 0.3, 2.0, 0.1),
    "assembleDeepCoadd": (0.02, 400, 0.5, 5.0, 0.25), "detectCoaddPeaks": (0.02, 20, 0.3, 1.6, 0.1), "measureObject": (0.02, 1500, 0.6, 4.2, 0.3),
    "deblendCoaddFootprints": (0.004, 1200, 1.0, 4.4, 0.5), "forcedPhotObject": (0.02, 300, 0.4, 3.1, 0.15), "subtractImages": (0.08, 70, 0.4, 2.9, 0.12),
    "detectAndMeasureDiaSource": (0.06, 50, 0.4, 2.2, 0.1), "associateDiaSource": (0.0049, 15, 0.4, 1.2, 0.1),
}  # fmt: skip
STAGES = """\
stage1 = ["isr", "calibrateImage", "standardizeSingleVisitStar"]
stage2 = ["gbdesAstrometricFit", "fgcmFitCycle", "reprocessVisitImage"]
stage3 = ["makeDirectWarp", "makePsfMatchedWarp", "assembleDeepCoadd", "detectCoaddPeaks", "measureObject", "deblendCoaddFootprints", "forcedPhotObject"]
stage4 = ["subtractImages", "detectAndMeasureDiaSource", "associateDiaSource"]
"""
FUNCTIONS = [("<module>", "pipetask", 0), ("run", "isrTask.py", 40), ("run", "measure.py", 210), ("lsst::afw::math::convolveImage", "libafw.so", 0), ("galsim::draw", "libgalsim.so", 0)]


def columns(chance, n, first):
    """Figures of so many quanta, in no order."""
    names = list(TASKS)
    shares = np.array([TASKS[name][0] for name in names])
    task = chance.choice(len(names), n, p=shares / shares.sum())
    about = np.array([TASKS[name][1:] for name in names])[task]
    day = np.sort(chance.uniform(0, DAYS, n))
    host = np.repeat(chance.integers(0, HOSTS, -(-n // TRACE_QUANTA)), TRACE_QUANTA)[:n]  # a process runs on one host
    wall = about[:, 0] * np.exp(about[:, 1] * chance.standard_normal(n))
    memory = about[:, 2] * np.exp(about[:, 3] * chance.standard_normal(n))
    of = {name: task == i for i, name in enumerate(names)}
    second = chance.random(n) < 0.35
    wall[of["makeDirectWarp"] & second] *= 4  # two modes
    wall[of["subtractImages"]] *= 1 + 0.01 * day[of["subtractImages"]]  # 1 % a day
    wall[host == 17] *= 1.6
    huge = of["reprocessVisitImage"] & (chance.random(n) < 0.02)
    wall[huge] *= 30
    memory[huge] *= 4
    failed = chance.random(n) < 0.004
    return names, task, day, host, wall, memory, failed


def uuids(chance, n):
    return np.frombuffer(chance.bytes(16 * n).hex().encode(), dtype="S32").copy()


def words(names, which):
    return pa.DictionaryArray.from_arrays(pa.array(which), pa.array(names)).cast(pa.string())


def commit(store, chance, n, number):
    names, task, day, host, wall, memory, failed = columns(chance, n, number)
    traces = np.sort(uuids(chance, -(-n // TRACE_QUANTA)))
    of_trace = np.arange(n) // TRACE_QUANTA
    ids = uuids(chance, n)
    # A quantum that failed is tried again right after, in the same row of another process.
    again = np.flatnonzero(failed[:-1])
    for figure in (ids, task, wall, memory):
        figure[again + 1] = figure[again]
    cpu = wall * np.clip(chance.normal(0.85, 0.08, n), 0.05, 1.0)
    start = BEGIN_US + (day * 86400e6).astype(np.int64)
    visit = (number * n + np.arange(n)) // 189
    bands = list("ugrizy")
    keys = pa.array(["detector", "visit"])
    offsets = pa.array(np.arange(0, 2 * n + 1, 2, dtype=np.int32))
    items = np.empty(2 * n, dtype=np.int64)
    items[0::2], items[1::2] = np.arange(n) % 189, visit
    data_id = pa.MapArray.from_arrays(offsets, keys.take(pa.array(np.tile([0, 1], n))), pa.array(items).cast(pa.string()))
    labels = pa.MapArray.from_arrays(pa.array(np.arange(n + 1, dtype=np.int32)), pa.array(["band"]).take(pa.array(np.zeros(n, np.int64))), words(bands, visit % 6))
    null = pa.nulls(n)
    made = {
        "trace": pa.array(traces).cast(pa.string()).take(pa.array(of_trace)), "unit": np.arange(n) % TRACE_QUANTA, "task": words(names, task),
        "status": words(["done", "failed"], failed.astype(np.int64)), "quantum_id": pa.array(ids).cast(pa.string()), "run": words(["u/synthetic/run"], np.zeros(n, np.int64)), "data_id": data_id, "labels": labels,
        "attempt": np.ones(n, np.int64), "host": words([f"synthetic{i}" for i in range(HOSTS)], host), "pid": of_trace, "start": pa.array(start, pa.int64()),
        "wall_s": np.round(wall, 3), "cpu_s": np.round(cpu, 3), "process_cpu_s": np.round(cpu, 3), "gil_wait_s": np.round(cpu * 0.01, 3),
        "allocations": (cpu * 1e5).astype(np.int64), "allocated_bytes": (cpu * 5e7).astype(np.int64), "peak_bytes": (memory * 0.7 * GIB).astype(np.int64) >> 20 << 20,
        "peak_above_start_bytes": (memory * 0.5 * GIB).astype(np.int64) >> 20 << 20, "leaked_bytes": (cpu * 1e4).astype(np.int64), "rss_max_bytes": (memory * GIB).astype(np.int64) >> 20 << 20,
    }  # fmt: skip
    quanta = pa.table({field.name: pa.array(made[field.name]).cast(field.type) if field.name in made else null.cast(field.type) for field in TABLES["quanta"]}, schema=TABLES["quanta"])
    p, firsts = len(traces), np.arange(len(traces)) * TRACE_QUANTA
    in_process = {"wall_s": np.add.reduceat(wall, firsts), "cpu_s": np.add.reduceat(cpu, firsts)}
    rows = {
        "trace": pa.array(traces).cast(pa.string()), "host": np.char.add("synthetic", host[firsts].astype(str)), "pid": np.arange(p), "command": ["synthetic"] * p, "python": ["3.13.0"] * p, "start": start[firsts],
        "complete": chance.random(p) > 0.001, "quanta": np.full(p, TRACE_QUANTA), "wall_s": in_process["wall_s"] + 14, "cpu_s": in_process["cpu_s"] + 9, "quanta_cpu_s": in_process["cpu_s"],
        "overhead_s": in_process["cpu_s"] * 0.004 + 0.02, "peak_bytes": np.full(p, GIB), "lost_events": np.zeros(p, np.int64), "file_bytes": np.full(p, 40_000),
        "mode_cpu": ["sampled"] * p, "mode_memory": ["sampled"] * p,
    }  # fmt: skip
    processes = pa.table({field.name: pa.array(rows[field.name]).cast(field.type) for field in TABLES["processes"]}, schema=TABLES["processes"])
    trace = {"trace": traces[0].decode()}
    functions = [trace | {"frame": i, "processes": 1, "self_cpu_ns": (i + 1) * 10**9, "self_cpu_variance": 2603 * 10**6} for i in range(len(FUNCTIONS))]
    frames = [trace | {"frame": i, "release": i, "function": name, "file": file, "line": line, "module": file, "build": "", "kind": "native" if file.startswith("lib") else "python", "inlined": False}
              for i, (name, file, line) in enumerate(FUNCTIONS)]  # fmt: skip
    summed = {name: pa.Table.from_pylist(rows, schema=TABLES[name].insert(0, pa.field("trace", pa.string()))) for name, rows in (("functions", functions), ("frames", frames))}
    store.commit({"quanta": quanta, "processes": processes, **summed})


def make(path, rows):
    store = campaign.Store.create(path)
    chance = np.random.default_rng(20261129)
    for number, begin in enumerate(range(0, rows, COMMIT_QUANTA)):
        commit(store, chance, min(COMMIT_QUANTA, rows - begin), number)
        print(f"{min(rows, begin + COMMIT_QUANTA):,} quanta", file=sys.stderr)
    (store.path.parent / f"{store.path.name}-stages.toml").write_text(STAGES)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python benchmarks/campaign/synthetic_store.py QUANTA STORE")
    make(sys.argv[2], int(sys.argv[1]))
