"""A program that forks in threads, cancels, executes others, is killed and switches regions at once: none of its runs hangs.

    python tests/soak/mixed_runs.py [RUNS] [--seed N] [--sampled] [--jobs N]      make mixed ARGS=1000

Each run draws a few steps from its seed and runs them on several threads, untraced and then under `rubinprof run`. Both must print the same and end with
the same status, within a minute; every trace that is left must be readable, with nothing lost, and its regions must be those the program opened.
"""

import argparse
import collections
import concurrent.futures
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

HERE = Path(__file__).resolve().parent
PROGRAM = HERE / "programs" / "mixed.py"
RUN_SECONDS_MAX = 60  # an untraced run takes less than one


def build_cancel(directory):
    """The C++ library of threads that are cancelled (programs/cancel_stress.cpp)."""
    library = Path(directory, "cancel_stress.so")
    source = HERE / "programs" / "cancel_stress.cpp"
    subprocess.run(["g++", "-O1", "-shared", "-fPIC", "-pthread", source, "-o", library], check=True)
    return library


def run(words, directory):
    """Runs a program in a session of its own; returns what it printed and its status, or "hangs"."""
    process = subprocess.Popen([str(word) for word in words], cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, start_new_session=True,
                               env={**os.environ, "PYTHONWARNINGS": "ignore"})  # of forks beside threads; fmt: skip
    try:
        output, _ = process.communicate(timeout=RUN_SECONDS_MAX)
        return output.decode(errors="replace"), process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        return output.decode(errors="replace"), "hangs"


def check_traces(traces, words):
    """Every trace opens, nothing is lost in it; the regions of all together are those that the program says it opened."""
    opened = collections.Counter()
    for path in sorted(traces.iterdir()):
        try:
            with rubinprof.open(path) as trace:
                figures = trace.stats()
                assert figures["lost_events"] == figures["lost_blocks"] == 0, f"{path.name}: {figures}"
                opened.update(region["name"] for region in trace.regions())
        except rubinprof.TraceError as error:
            # A child that is killed before its trace has its first block leaves a file that says nothing. A pool ends its workers so, too.
            assert {"kill", "pool"} & set(words), f"{path.name}: {error}"
    return opened


def run_once(seed, mode, library):
    """One program, untraced and traced. Returns the steps it drew; fails with the seed when the two differ."""
    chance = random.Random(seed)
    steps = [chance.choice(["fork", "cancel", "exec", "kill", "regions", "pool", "exit_thread"]) for _ in range(chance.randint(2, 6))]
    threads = chance.choice([1, 2, 4])
    words = [PROGRAM, library, threads, seed, *steps]
    directory = Path(tempfile.mkdtemp(prefix=f"rubinprof-mixed-{seed}-"))  # stays when the run fails
    traces = directory / "traces"
    traces.mkdir()
    options = ["--cpu", mode, "--memory", mode, *(["--pymalloc"] if seed % 3 == 0 else [])]
    plain = run([sys.executable, *words], directory)
    traced = run([sys.executable, "-m", "rubinprof", "run", "-o", traces, *options, *words], directory)
    assert traced == plain, f"seed {seed} ({mode}): {steps} on {threads} threads\nuntraced: {plain}\ntraced: {traced}"
    opened = check_traces(traces, steps)
    expected = threads * steps.count("regions") * 6
    assert opened["turn"] == expected, f"seed {seed} ({mode}): {opened['turn']} regions, {expected} opened"
    shutil.rmtree(directory)
    return steps


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=int, nargs="?", default=100)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30), help="of the first run")
    parser.add_argument("--sampled", action="store_true")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    mode, started, done = "sampled" if options.sampled else "exact", time.monotonic(), collections.Counter()
    with tempfile.TemporaryDirectory() as scratch, concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        library = build_cancel(scratch)
        for steps in pool.map(lambda seed: run_once(seed, mode, library), range(options.seed, options.seed + options.runs)):
            done.update(steps)
    python = ".".join(map(str, sys.version_info[:3]))
    print(f"CPython {python}, {mode}: {options.runs} runs, seeds from {options.seed}, in {time.monotonic() - started:.0f} s: none hangs, none differs")
    print(", ".join(f"{name}: {n}" for name, n in sorted(done.items())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
