"""What sampled mode costs the demo pipeline: user and system time of interleaved pairs of runs, untraced and sampled.

    python benchmarks/sampled/demo_cost.py [--pairs 5] [--workdir DIR]

Prints each pair's ratio, their median, and the bytes of trace a minute of run. Both runs are processes of their own; user and system time are
those of all of a run's processes, so a busy machine lengthens neither (though it makes both a little dearer).
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DEMO = Path(__file__).resolve().parents[1] / "demo"
sys.path.insert(0, str(DEMO))
import run as demo  # noqa: E402


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(repo, graph, name, traces):
    """CPU and wall time of one run of the pipeline."""
    renamed = graph.with_name(f"{name}.qg")  # a graph names the run it writes to
    subprocess.run([*map(str, demo.pipetask()), "update-graph-run", str(graph), f"demo/{name}", str(renamed)], check=True, env=demo_environment())
    command = demo.run_command(repo, renamed, 1, traces)
    command[command.index("--output-run") + 1] = f"demo/{name}"
    if traces:
        command += ["--rubinprof-mode", "sampled"]
    cpu, wall = cpu_seconds(), time.perf_counter()
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=demo_environment())
    return cpu_seconds() - cpu, time.perf_counter() - wall


def demo_environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(DEMO), os.environ.get("PYTHONPATH")]))}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--workdir")
    args = parser.parse_args()
    workdir = Path(args.workdir or tempfile.mkdtemp(prefix="rubinprof-cost-")).resolve()
    subprocess.run([sys.executable, DEMO / "run.py", "--untraced", "--workdir", workdir], check=True, stdout=subprocess.DEVNULL)
    repo, graph, stamp = workdir / "repo", workdir / "graph.qg", int(time.time())
    ratios = []
    for pair in range(args.pairs):
        traces = workdir / f"traces-{stamp}-{pair}"
        order = [("untraced", None), ("sampled", traces)]
        found = {name: run(repo, graph, f"{name}-{stamp}-{pair}", to) for name, to in (order if pair % 2 else order[::-1])}
        bytes_ = sum(path.stat().st_size for path in traces.rglob("*.rprof"))
        ratios.append(found["sampled"][0] / found["untraced"][0])
        print(
            f"untraced {found['untraced'][0]:.2f} s, sampled {found['sampled'][0]:.2f} s of CPU: {ratios[-1] - 1:+.2%}; "
            f"{bytes_ / 1024:.0f} KiB in {found['sampled'][1]:.1f} s",
            flush=True,
        )
    print(f"median of {args.pairs} pairs: {statistics.median(ratios) - 1:+.2%}")


if __name__ == "__main__":
    main()
