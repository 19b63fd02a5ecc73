"""`campaign add` under faults: killed workers, schedulers and adds, full disks, damaged and doubled files, two at once.

    python tests/soak/campaign_faults.py [RUNS] [--seed N]      make campaign-faults ARGS=200

Each run draws a fault from its seed and lets it happen while a spool is added. Then the spool is added once more, undisturbed. The store must
verify, hold every trace once, and be byte for byte that of a spool that was added without any fault.
"""

import argparse
import contextlib
import filecmp
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from rubinprof import campaign

# So many traces that workers read them, in batches so small that there are several commits.
PROCESSES = 48
ADD = "import importlib, sys; add = importlib.import_module('rubinprof.campaign.add'); add.BATCH_FILES = 6; add.add(sys.argv[1], *sys.argv[4:], workers=int(sys.argv[2]), scheduler=sys.argv[3] or None)"
PROGRAM = """
import os, rubinprof
def work(n):
    for i in range(4):
        with rubinprof.region("task", task=f"task{n %% 5}", quantum_id=f"{n}-{i}", data_id=f"visit={n}, detector={i}"):
            kept = [bytearray(1000 * n) for _ in range(20)]
            sorted(range(2000))
for n in range(%d):
    if not os.fork():
        work(n)
        os._exit(0) if n %% 7 == 3 else exit(0)
for n in range(%d):
    os.wait()
""" % (PROCESSES, PROCESSES)
HANGS_SECONDS = 300


def make_spool(directory):
    """Traces of as many processes, some of which end without a stop; all of them older than any that may still grow."""
    program, spool = directory / "program.py", directory / "spool"
    program.write_text(PROGRAM)
    spool.mkdir()
    command = [sys.executable, "-m", "rubinprof", "run", "-q", "--cpu", "sampled", "--memory", "sampled", "-o", spool, program]
    subprocess.run(command, check=True)
    for path in spool.iterdir():
        os.utime(path, (time.time() - 7200, time.time() - 7200))
    return spool


def same(left, right):
    """Whether two stores hold the same bytes. What was refused is a list of its own, and stays when the spool has it no more."""
    names = [sorted(str(path.relative_to(top)) for path in top.rglob("*") if path.is_file() and path.name != "refused.json") for top in (left, right)]
    return names[0] == names[1] and filecmp.cmpfiles(left, right, names[0], shallow=False)[0] == names[0]


def add(store, *spools, workers=0, scheduler="", **how):
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}  # with little room CPython leaves cut bytecode behind
    return subprocess.Popen([sys.executable, "-c", ADD, store, str(workers), scheduler, *spools], start_new_session=True, env=environment, **quiet, **how)


def children(pid):
    """Processes below one, as the kernel lists them."""
    found = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(word) for word in (task / "children").read_text().split()]
    return found + [below for child in found for below in children(child)]


def end(process):
    """Ends an add and whatever it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class Faults:
    """What may happen to an add. ``took`` is how long one takes with and without workers."""

    def __init__(self, directory, spool, chance, took):
        self.directory, self.spool, self.chance, self.took = directory, spool, chance, took

    def pause(self, workers, longest=1.05):
        time.sleep(self.took[workers > 0] * self.chance.uniform(0.05, longest))

    def an_add_is_killed(self, store):
        workers = self.chance.choice([0, 0, 2])
        process = add(store, self.spool, workers=workers)
        self.pause(workers)
        end(process)

    def a_worker_is_killed(self, store):
        process = add(store, self.spool, workers=2)
        self.pause(2, 0.9)
        if workers := children(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.chance.choice(workers), signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(self.took[1] * 6)
        end(process)

    def a_scheduler_of_its_own_loses(self, store):
        """Scheduler and workers as processes of their own, as on a cluster; one of them is killed."""
        files = self.directory / "scheduler.json"
        files.unlink(missing_ok=True)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
        dask = [sys.executable, "-m", "distributed.cli"]
        started = [subprocess.Popen([*dask[:2], "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", files], **quiet)]
        try:
            deadline = time.monotonic() + 60
            while not files.exists() and time.monotonic() < deadline:
                time.sleep(0.1)
            worker = [*dask[:2], "distributed.cli.dask_worker", "--scheduler-file", files, "--nthreads", "1", "--no-dashboard", "--no-nanny"]
            started += [subprocess.Popen(worker, **quiet) for _ in range(2)]
            process = add(store, self.spool, workers=2, scheduler=json.loads(files.read_text())["address"])
            self.pause(2, 0.9)
            started[self.chance.randrange(3)].kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(self.took[1] * 4)
            end(process)
        finally:
            for one in started:
                end(one)

    def the_disk_is_full(self, store):
        most = self.chance.randrange(1000, 60_000)  # of each file; Python ignores the signal
        process = add(store, self.spool, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)))
        process.wait(HANGS_SECONDS)

    def two_add_at_once(self, store):
        both = [add(store, self.spool), add(store, self.spool, workers=self.chance.choice([0, 2]))]
        if self.chance.random() < 0.5:
            self.pause(0)
            end(both[0])
        for process in both:
            process.wait(HANGS_SECONDS)

    def a_part_comes_first_and_twice(self, store):
        paths = sorted(self.spool.iterdir())
        some = self.chance.sample(paths, len(paths) // 3)
        copies = self.directory / "copies"
        shutil.rmtree(copies, ignore_errors=True)
        copies.mkdir()
        for path in some:
            shutil.copy2(path, copies)
        for spools in ([copies], some, [copies, self.spool]):
            process = add(store, *spools)
            if self.chance.random() < 0.5:
                self.pause(0)
                end(process)
            process.wait(HANGS_SECONDS)

    def foreign_files_are_in_the_spool(self, store):
        strange = self.directory / "strange"
        shutil.rmtree(strange, ignore_errors=True)
        shutil.copytree(self.spool, strange)
        (strange / "a.rprof").write_bytes(b"no trace")
        (strange / "z.rprof").write_bytes(sorted(self.spool.iterdir())[0].read_bytes()[:300])
        process = add(store, strange, workers=self.chance.choice([0, 2]))
        process.wait(HANGS_SECONDS)
        refused = sorted(Path(entry["path"]).name for entry in json.loads((store / "refused.json").read_text()))
        assert refused == ["a.rprof", "z.rprof"], refused

    def all(self):
        return [self.an_add_is_killed, self.an_add_is_killed, self.a_worker_is_killed, self.a_scheduler_of_its_own_loses, self.the_disk_is_full,
                self.two_add_at_once, self.a_part_comes_first_and_twice, self.foreign_files_are_in_the_spool]  # fmt: skip


def timed(store, spool, workers):
    began = time.monotonic()
    process = add(store, spool, workers=workers)
    if process.wait(HANGS_SECONDS):
        sys.exit(f"an undisturbed add ended with {process.returncode}")
    return time.monotonic() - began


def one_run(number, seed, directory, spool, wanted, took):
    """A fault, an undisturbed add, and what is wrong then, or None."""
    chance = random.Random(f"{seed}-{number}")
    store = directory / "store"
    shutil.rmtree(store, ignore_errors=True)
    faults = Faults(directory, spool, chance, took)
    names = []
    for fault in chance.sample(faults.all(), chance.choice([1, 1, 2])):
        names.append(fault.__name__)
        fault(store)
        if (store / "store.json").exists() and (wrong := campaign.Store.open(store).verify()):
            return names, f"after {fault.__name__}: {wrong}"
    if store.exists() and not (store / "store.json").exists():
        shutil.rmtree(store)
    process = add(store, spool)
    if process.wait(HANGS_SECONDS):
        return names, f"the add afterwards ended with {process.returncode}"
    if wrong := campaign.Store.open(store).verify():
        return names, str(wrong)
    return names, None if same(wanted, store) else "the store differs from the undisturbed one"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=int, nargs="?", default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rubinprof-campaign-") as name:
        directory = Path(name)
        spool = make_spool(directory)
        took = [timed(directory / "wanted", spool, 0), timed(directory / "timed", spool, 2)]
        if not same(directory / "wanted", directory / "timed"):
            sys.exit("two workers gave another store than none")
        print(f"{len(list(spool.iterdir()))} traces; an add takes {took[0]:.1f} s, with two workers {took[1]:.1f} s", flush=True)
        happened, wrong = Counter(), 0
        for number in range(options.runs):
            names, what = one_run(number, options.seed, directory, spool, directory / "wanted", took)
            happened.update(names)
            if what:
                wrong += 1
                print(f"run {number}: {' and '.join(names)}: {what}", flush=True)
                shutil.copytree(directory / "store", f"{name}-{number}", dirs_exist_ok=True)
            elif (number + 1) % 20 == 0:
                print(f"{number + 1} runs, {wrong} wrong", flush=True)
    print(f"{options.runs} runs, {wrong} wrong: " + ", ".join(f"{n} times {fault.replace('_', ' ')}" for fault, n in sorted(happened.items())))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
