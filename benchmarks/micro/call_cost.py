"""What a Python call costs more: under an empty evaluator, under one that reads the time twice, under rubinprof (exact CPU and memory), under cProfile.

    python benchmarks/micro/call_cost.py [--rounds 9]

One process, the ways in turn, CPU time of the thread; the middle of the rounds' ratios. The two evaluators are built
for the Python that runs this: no tracer of each call by an evaluator that knows when it began and ended can cost less than the second.
"""

import argparse
import cProfile
import importlib.util
import statistics
import sys
import tempfile
import time
from pathlib import Path

import rubinprof

sys.path.insert(0, str(Path(__file__).resolve().parent / "empty_evaluator"))
from make_evaluator import make_evaluator  # noqa: E402

CALLS = 1_000_000


def leaf(x):
    return x


def calls(n):
    f = leaf
    for _ in range(n):
        f(1)


def load_empty_evaluator(directory):
    spec = importlib.util.spec_from_file_location("empty_evaluator", make_evaluator(sys.executable, directory))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def measure():
    start = time.thread_time_ns()
    calls(CALLS)
    return (time.thread_time_ns() - start) / CALLS


def main(rounds):
    ways = {name: [] for name in ("untraced", "empty", "timed", "rubinprof", "cProfile")}
    with tempfile.TemporaryDirectory() as directory:
        empty = load_empty_evaluator(directory)
        for i in range(rounds + 1):  # the first warms up
            figures = {"untraced": measure()}
            empty.install()
            figures["empty"] = measure()
            empty.remove()
            empty.install_timed()
            figures["timed"] = measure()
            empty.remove()
            with rubinprof.Tracker(Path(directory) / f"{i}.rprof", native=False):
                figures["rubinprof"] = measure()
            profile = cProfile.Profile()
            profile.enable()
            figures["cProfile"] = measure()
            profile.disable()
            if i:
                for name, ns in figures.items():
                    ways[name].append(ns)
    added = {
        name: [ns - base for ns, base in zip(ways[name], ways["untraced"])] for name in ("empty", "timed", "rubinprof", "cProfile")
    }
    middle = statistics.median
    print(f"Python {sys.version.split()[0]}: a call takes {middle(ways['untraced']):.0f} ns; added, ns (least, middle):")
    for name, ns in added.items():
        print(f"  {name:<10} {min(ns):6.1f} {middle(ns):6.1f}")
    for other, bar in (("empty", "bar 2.0"), ("timed", "floor 1"), ("cProfile", "bar 0.35")):
        ratio = middle(a / b for a, b in zip(added["rubinprof"], added[other]))
        print(f"  rubinprof / {other}: {ratio:.2f} ({bar})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    main(parser.parse_args().rounds)
