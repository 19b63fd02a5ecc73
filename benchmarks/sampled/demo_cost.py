"""What sampled mode costs the demo pipeline: user and system time of pairs of runs, untraced and sampled.

    python benchmarks/sampled/demo_cost.py [--pairs 5] [--workdir DIR]

Both runs of a pair go at the same time, each on a core of its own, and change cores from pair to pair: what else the machine does makes both
dearer. User and system time are those of all of a run's processes. After each pair comes a control, the same with both runs untraced: what it
shows beside 1 is the machine's. Prints each pair's ratio, the bytes of its trace and its length; then the median of the ratios and the standard
error of their mean, of the pairs and of the controls.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DEMO = Path(__file__).resolve().parents[1] / "demo"
sys.path.insert(0, str(DEMO))
import run as demo  # noqa: E402


def begin(repo, graph, name, traces, core):
    """Start one run of the pipeline on a core."""
    renamed = graph.with_name(f"{name}.qg")  # a graph names the run it writes to
    subprocess.run([*map(str, demo.pipetask()), "update-graph-run", str(graph), f"demo/{name}", str(renamed)], check=True, env=demo_environment())
    command = demo.run_command(repo, renamed, 1, traces)
    command[command.index("--output-run") + 1] = f"demo/{name}"
    if traces:
        command += ["--rubinprof-mode", "sampled"]
    return subprocess.Popen(
        list(map(str, command)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=demo_environment(),
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )


def end(process):
    """CPU seconds of a run."""
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"a run of the demo ended with status {status}")
    return usage.ru_utime + usage.ru_stime


def demo_environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(DEMO), os.environ.get("PYTHONPATH")]))}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--workdir")
    args = parser.parse_args()
    workdir = Path(args.workdir or tempfile.mkdtemp(prefix="rubinprof-cost-")).resolve()
    stamp, cores = int(time.time()), sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        raise SystemExit("two cores are needed, one for each run of a pair")
    # A repository each: they would wait for each other's lock of the database.
    places = {name: workdir / name for name in ("untraced", "sampled")}
    for place in places.values():
        subprocess.run([sys.executable, DEMO / "run.py", "--untraced", "--workdir", place], check=True, stdout=subprocess.DEVNULL)
    ratios = {"sampled": [], "control": []}
    for pair in range(args.pairs):
        for kind, found in ratios.items():
            traces, began = workdir / f"traces-{stamp}-{pair}", time.perf_counter()
            running = {
                name: begin(place / "repo", place / "graph.qg", f"{kind}-{stamp}-{pair}", traces if name == kind else None, cores[(i + pair) % 2])
                for i, (name, place) in enumerate(places.items())
            }
            cpu = {name: end(process) for name, process in running.items()}
            wall = time.perf_counter() - began
            found.append(cpu["sampled"] / cpu["untraced"])
            bytes_ = sum(path.stat().st_size for path in traces.rglob("*.rprof")) if kind == "sampled" else 0
            print(
                f"untraced {cpu['untraced']:.2f} s, {kind} {cpu['sampled']:.2f} s of CPU: {found[-1] - 1:+.2%}; {bytes_ / 1024:.0f} KiB in {wall:.1f} s",
                flush=True,
            )
    for kind, found in ratios.items():
        error = statistics.stdev(found) / len(found) ** 0.5 if len(found) > 1 else float("nan")
        print(f"{kind}: median of {args.pairs} pairs {statistics.median(found) - 1:+.2%}, mean {statistics.mean(found) - 1:+.2%} with a standard error of {error:.2%}")


if __name__ == "__main__":
    main()
