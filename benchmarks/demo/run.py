"""Run the demo pipeline under rubinprof and show what the traces say.

Makes a Butler repository, builds the quantum graph, runs it with
``pipetask run --rubinprof DIR``, then prints the quantum table and the ten
hottest functions and writes a flame graph. ``--untraced`` runs the pipeline
alone, to compare. ``--small`` runs two quanta of the first task and shows the
chain from ``runQuantum`` down to C++.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
INPUTS = "demo/inputs"
RUN = "demo/run"

DURATION = "Some 8 minutes on two cores that have nothing else to do; ARGS=--small shows one task in one."
SMALL = {
    "stars": ["--stars", "300"],
    "task": "#drawStars",
    "data": ["-d", "instrument='DemoCamera' AND exposure=1001"],
}
"""What ``--small`` leaves of the pipeline."""

QUIET = {
    "": "WARNING",
    "lsst.pipe.base.mp_graph_executor": "INFO",
    # These two miss packages that nothing here needs: eups and pandas.
    "lsst.utils.packages": "ERROR",
    "lsst.daf.butler._storage_class": "ERROR",
}
"""How much the middleware tells of itself, by logger."""


def main():
    """Run all steps in order; return the exit code."""
    options = parse_arguments()
    workdir = Path(options.workdir or tempfile.mkdtemp(prefix="rubinprof-demo-")).resolve()
    workdir.mkdir(parents=True, exist_ok=True)
    repo, graph = workdir / "repo", workdir / "graph.qg"
    traces = None if options.untraced else Path(options.trace or workdir / "traces").resolve()
    if not options.small:
        print(DURATION, flush=True)
    try:
        clear_earlier_run(repo, traces)
        stars = SMALL["stars"] if options.small else []
        step("Making the repository", [sys.executable, HERE / "make_repo.py", repo, *stars])
        step("Building the quantum graph", qgraph_command(repo, graph, options.small))
        step("Running the pipeline", run_command(repo, graph, options.jobs, traces))
        if traces and options.small:
            show_chain(traces)
        elif traces:
            show_traces(traces, workdir / "flamegraph.html")
    except DemoError as error:
        print(error, file=sys.stderr)
        return error.code
    return 0


class DemoError(Exception):
    """A step of the demo did not succeed.

    Parameters
    ----------
    message : `str`
        One sentence.
    code : `int`
        Exit code to end with.
    """

    def __init__(self, message, code=1):
        super().__init__(message)
        self.code = code


def parse_arguments():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workdir", metavar="DIR", help="where to work (default: a new directory in /tmp)")
    parser.add_argument("--trace", metavar="DIR", help="where the traces go (default: WORKDIR/traces)")
    parser.add_argument("-j", "--jobs", type=int, default=2, metavar="N", help="quanta at the same time (default: 2)")
    parser.add_argument("--untraced", action="store_true", help="run the pipeline without rubinprof")
    parser.add_argument("--small", action="store_true", help="two quanta of one task: from runQuantum down to C++, in a minute")
    return parser.parse_args()


def clear_earlier_run(repo, traces):
    """Remove the repository of an earlier demo in the same directory.

    Traces are never removed: a directory that already holds something is
    refused, lest two runs end up in one table.
    """
    if (repo / "butler.yaml").exists():
        shutil.rmtree(repo)
    if traces and traces.is_dir() and any(traces.iterdir()):
        raise DemoError(f"{traces} is not empty: name another directory with --trace, or remove it.", code=2)


def qgraph_command(repo, graph, small=False):
    """Return the command that plans the quanta; few, if ``small``."""
    command = [*pipetask(), "qgraph", *["-b", repo, "-i", INPUTS, "--output-run", RUN]]
    command += ["-p", str(HERE / "pipeline.yaml") + (SMALL["task"] if small else ""), "-q", graph]
    return [*command, *SMALL["data"]] if small else command


def run_command(repo, graph, jobs, traces):
    """Return the command that runs the quanta; traced, if ``traces`` says
    where to.
    """
    command = [
        *pipetask(),
        "run",
        *["-b", repo, "-i", INPUTS, "--output-run", RUN],
        *["-g", graph, "-j", str(jobs), "--register-dataset-types"],
    ]
    return [*command, "--rubinprof", traces] if traces else command


def show_chain(traces):
    """Print the quanta, the hottest functions, and the calls that lead to
    the hottest C++ function.
    """
    rubinprof = [sys.executable, "-m", "rubinprof"]
    step("Every quantum", [*rubinprof, "regions", traces])
    step("The ten hottest functions of the task", [*rubinprof, "table", traces, "--region", "drawStars", "-n", "10"])
    step("From runQuantum down to C++", [sys.executable, HERE / "chain.py", traces])
    print(f"\nTraces: {traces}\nAll of it in one page: rubinprof report {traces} -o demo.html")


def show_traces(traces, page):
    """Print the two tables and write the flame graph."""
    rubinprof = [sys.executable, "-m", "rubinprof"]
    step("Every quantum", [*rubinprof, "regions", traces])
    step("The ten hottest functions", [*rubinprof, "table", traces, "-n", "10"])
    step("Drawing the flame graph", [*rubinprof, "flamegraph", traces, "-o", page])
    print(f"\nTraces:      {traces}\nFlame graph: {page}")


def pipetask():
    """Return the beginning of a command: pipetask beside this Python."""
    path = Path(sys.executable).with_name("pipetask")
    if not path.exists():
        raise DemoError(f"pipetask is not installed: pip install -r {HERE / 'requirements.txt'}", code=2)
    levels = [f"{logger}={level}" if logger else level for logger, level in QUIET.items()]
    return [path, "--log-level", ",".join(levels)]


def environment():
    """Return the environment that all steps run in."""
    return {
        **os.environ,
        # The tasks are modules of this directory, not an installed package.
        "PYTHONPATH": os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")])),
    }


def step(title, command):
    """Announce and run one command; say how long it took.

    Parameters
    ----------
    title : `str`
        What the command does.
    command : `list`
        Program and arguments.

    Raises
    ------
    DemoError
        If the command fails.
    """
    print(f"\n== {title}", flush=True)
    words = [str(word) for word in command]
    started = time.monotonic()
    code = subprocess.run(words, env=environment(), check=False).returncode
    if code != 0:
        raise DemoError(f"'{' '.join(words)}' ended with exit code {code}.")
    print(f"   ({time.monotonic() - started:.1f} s)", flush=True)


if __name__ == "__main__":
    sys.exit(main())
