"""What tracing everything (CPU, memory, native stacks) costs whole programs, in pairs that follow each other.

    python benchmarks/micro/whole_program.py [-n PAIRS] [--pymalloc] [--memray PYTHON] [WORKLOAD…]

Ratios of CPU time, user and system, which a busy machine disturbs less than the wall clock: of the thread that runs the program, which is what
its user waits for when a core is free for the writer thread, and of the whole process with start, stop and the writer. The least, middle and
greatest of PAIRS. `--memray` names a Python that has memray and the workloads' libraries: it is run with --native (and
--trace-python-allocators) in the same rounds.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

WORKLOADS = Path(__file__).resolve().parents[1] / "workloads"
# Runs a script as __main__ and says how much CPU time its thread took. The tracers' own launchers run it.
RUN = """
import runpy, sys, time
sys.argv = sys.argv[1:]
sys.path[0] = {directory!r}
start = time.thread_time_ns()
runpy.run_path(sys.argv[0], run_name="__main__")
print("thread_ns", time.thread_time_ns() - start)
"""


# With bytecode files, as installed packages have them: else each run would measure the compiler.
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


def run(command):
    """(CPU seconds of the program's thread, of the process, what it printed)."""
    before = os.times()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True, env=ENVIRONMENT)
    after = os.times()
    lines = done.stdout.splitlines()
    thread = next(int(line.split()[1]) for line in lines if line.startswith("thread_ns"))
    process = after.children_user + after.children_system - before.children_user - before.children_system
    return thread / 1e9, process, [line for line in lines if not line.startswith(("thread_ns", "Writing", "[memray]"))][:1]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-n", type=int, default=5)
    parser.add_argument("--pymalloc", action="store_true")
    parser.add_argument("--memray")
    parser.add_argument("workloads", nargs="*", default=["galsim_draw", "small_numpy", "calls"])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        script = Path(directory) / "run.py"
        script.write_text(RUN.format(directory=str(WORKLOADS)))
        for name in args.workloads:
            program = [str(script), str(WORKLOADS / f"{name}.py")]
            ways = {
                "untraced": [sys.executable, *program],
                "rubinprof": [
                    *[sys.executable, "-m", "rubinprof", "run", "-f", "-o", f"{directory}/t.rprof"],
                    *(["--pymalloc"] if args.pymalloc else []),
                    *program,
                ],
            }
            if args.memray:
                ways["memray"] = [
                    *[args.memray, "-m", "memray", "run", "-q", "-f", "--native", "-o", f"{directory}/t.bin"],
                    *(["--trace-python-allocators"] if args.pymalloc else []),
                    *program,
                ]
            ratios = {way: ([], []) for way in ways if way != "untraced"}
            for _ in range(args.n):
                base = run(ways["untraced"])
                for way, (thread, process) in ratios.items():
                    traced = run(ways[way])
                    if traced[2] != base[2]:
                        sys.exit(f"{name}: {way} computed {traced[2]}, untraced {base[2]}")
                    thread.append(traced[0] / base[0])
                    process.append(traced[1] / base[1])
            for way, figures in ratios.items():
                text = ", ".join(
                    f"{what} {statistics.median(r):.2f} ({min(r):.2f} to {max(r):.2f})"
                    for what, r in zip(("thread", "process"), figures)
                )
                print(f"{name:<14} {way:<10} {text}", flush=True)


if __name__ == "__main__":
    main()
