"""SIGKILL at random instants: every event before the kill is in the trace.

    python tests/fault/kill_runs.py [RUNS] [--seed N] [--sampled]      make kill ARGS=1000

Each run traces a program of 1 to 8 threads, in exact mode unless asked otherwise. After each step (a Python call, an allocation, a free, now and then a region)
a thread counts in memory that outlives it; the run kills at a random instant and reopens the trace. A few runs are
killed while they start. In sampled mode a step allocates 1 GiB, and there are few of them: each is sampled for certain, however much
the distance of samples has grown. test_survival.py does some of these in ordinary runs.
"""

import argparse
import collections
import mmap
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import rubinprof

THREADS = [1, 2, 3, 4, 6, 8]
RUN_SECONDS_MAX = 0.3  # long enough for some hundred buffers
START_SECONDS_MAX = 0.4
READY = 511  # index of a word that says that the threads run

# One code object a thread, so that the calls of each can be told apart.
PROGRAM = """
import mmap, sys, threading, time
import rubinprof

threads, region_every, mode = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
with open("counter", "r+b") as file:
    counter = memoryview(mmap.mmap(file.fileno(), 4096)).cast("Q")  # one store each: a kill leaves no half
rubinprof.Tracker("killed.rprof", cpu=mode, memory=mode).start()
step_bytes = 5000 if mode == "exact" else 1 << 30
pause = (lambda: None) if mode == "exact" else lambda: time.sleep(0.005)

steps = {}
for i in range(threads):
    exec(f"def step_{i}(): return bytes({step_bytes})", steps)

def count(index):
    step = steps[f"step_{index}"]
    n = 0
    while True:
        if n % region_every == 0:
            with rubinprof.region("step", thread=index, n=n):
                step()
        else:
            step()
        n += 1
        counter[index] = n
        pause()

for i in range(1, threads):
    threading.Thread(target=count, args=(i,), daemon=True).start()
counter[511] = 1
count(0)
"""


class KillRun:
    """One program, killed; `check` compares its trace with what it counted."""

    def __init__(self, directory, seed, mode):
        chance = random.Random(seed)
        self.seed, self.mode = seed, mode
        self.trace = Path(directory) / "killed.rprof"
        self.threads = chance.choice(THREADS)
        self.region_every = chance.choice([1, 10, 1000])
        self.no_uring = seed % 2
        self.kill_at_start = chance.random() < 0.1
        self.wait = chance.random() * (START_SECONDS_MAX if self.kill_at_start else RUN_SECONDS_MAX)
        counts = Path(directory) / "counter"
        counts.write_bytes(bytes(4096))
        with open(counts, "r+b") as file:
            self.counter = memoryview(mmap.mmap(file.fileno(), 4096)).cast("Q")
        env = {**os.environ, "RUBINPROF_NO_URING": str(self.no_uring)}
        words = [sys.executable, "-c", PROGRAM, str(self.threads), str(self.region_every), mode]
        self.process = subprocess.Popen(words, cwd=directory, env=env)

    def kill(self):
        while not self.kill_at_start and not self.counter[READY]:
            assert self.process.poll() is None, f"seed {self.seed}: the program ended"
            time.sleep(0.001)
        time.sleep(self.wait)
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def check(self):
        """Returns the number of steps counted; fails when one is missing."""
        counted = [self.counter[i] for i in range(self.threads)]
        if not self.trace.exists():
            assert self.kill_at_start and not self.counter[READY], f"seed {self.seed}: no trace"
            return 0
        try:
            with rubinprof.open(self.trace) as trace:
                figures, rows, regions = trace.stats(), trace.table(), trace.regions()
        except rubinprof.TraceError as error:  # killed before its first page, or its first block, was there
            assert self.kill_at_start and not any(counted), f"seed {self.seed}: {error}"
            return 0
        assert not figures["complete"] and figures["lost_events"] == figures["lost_blocks"] == 0, f"seed {self.seed}: {figures}"
        self._check_calls(rows, counted)
        self._check_regions(regions, counted)
        return sum(counted)

    def _check_calls(self, rows, counted):
        found = {row["function"]: row for row in rows}
        for i, n in enumerate(counted):
            row = found.get(f"step_{i}", collections.Counter())
            for key in ("calls", "total_allocations") if self.mode == "exact" else ("total_allocations",):
                assert n <= round(row[key]) <= n + 1, f"seed {self.seed}, thread {i}: {n} steps, {row[key]} {key}"

    def _check_regions(self, regions, counted):
        found = collections.defaultdict(list)
        for region in regions:
            labels = region["labels"]
            found[int(labels["thread"])].append((int(labels["n"]), region["unfinished"]))
        for i, n in enumerate(counted):
            steps = sorted(found[i])
            numbers = [number for number, _ in steps]
            assert numbers == list(range(0, len(steps) * self.region_every, self.region_every)), f"seed {self.seed}, thread {i}"
            ended = sum(not unfinished for _, unfinished in steps)
            begun_before = -(-n // self.region_every)
            assert begun_before <= ended <= begun_before + 1, f"seed {self.seed}, thread {i}: {begun_before} regions, {ended} in the trace"


def run_once(directory, seed, mode="exact"):
    run = KillRun(directory, seed, mode)
    run.kill()
    return run, run.check()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=int, nargs="?", default=100)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30), help="of the first run")
    parser.add_argument("--sampled", action="store_true")
    options = parser.parse_args()
    totals = collections.Counter()
    started = time.monotonic()
    for seed in range(options.seed, options.seed + options.runs):
        directory = tempfile.mkdtemp(prefix=f"rubinprof-kill-{seed}-")  # stays when the run fails
        run, steps = run_once(directory, seed, "sampled" if options.sampled else "exact")
        shutil.rmtree(directory)
        totals["write" if run.no_uring else "io_uring"] += 1
        totals["while starting"] += run.kill_at_start
        totals[f"{run.threads} threads"] += 1
        totals["steps"] += steps
    seconds = time.monotonic() - started
    print(f"{options.runs} runs killed, seeds from {options.seed}, in {seconds:.0f} s: no event lost in {totals.pop('steps')} steps")
    print(", ".join(f"{name}: {n}" for name, n in sorted(totals.items())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
