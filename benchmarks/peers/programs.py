"""The programs that are measured: benchmarks/workloads, the demo pipeline, and a dozen of pyperformance."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[1]
WORKLOADS = BENCHMARKS / "workloads"
# Of pyperformance: those that need no package besides the standard library, over kinds of work.
PYPERFORMANCE = "chaos deltablue fannkuch float generators go json_dumps json_loads logging nbody pickle richards spectral_norm".split()
PYPERFORMANCE_WORDS = {"pickle": ["pickle"]}  # one of the five programs in it


# Of workloads/calls.py: fibonacci(18), 8,000 times five, and three.
CALLS_OF_ROUND = 8361 + 5 * 8000 + 3
# glibc gives a thread's heap back to the kernel at each free of its top block, and whether that happens hangs on one block that a tool leaves above.
KEEP_HEAP = {"MALLOC_TRIM_THRESHOLD_": str(64 << 20)}


@dataclass
class Program:
    """One program.

    Attributes
    ----------
    name : `str`
        What it is called in tables.
    words : callable
        ``words(scratch)`` gives the script and its arguments; ``scratch`` is a directory made for this run.
    check : bool
        Whether its output must be the same at every run.
    counted : `tuple` of (`str`, `int`, `str`), optional
        What it does a known number of times, how often, and the unit (``ns`` or ``ms``) in which the page says what a tool adds to each.
    rounds_max : `int`
        Rounds it is run at most, because one takes minutes.
    """

    name: str
    words: callable
    check: bool = True
    environment: dict = field(default_factory=dict)
    counted: tuple = ()
    rounds_max: int = 1000


def _workload(name, script, rounds, *more, **settings):
    return Program(name, lambda scratch: [str(WORKLOADS / script), str(rounds), *more], **settings)


def _pyperformance(name):
    import pyperformance

    script = Path(pyperformance.__file__).parent / "data-files" / "benchmarks" / f"bm_{name}" / "run_benchmark.py"
    return Program(f"pyperformance {name}", lambda scratch: [str(script), "--worker", "-l5", "-w0", "-n1", *PYPERFORMANCE_WORDS.get(name, [])], check=False)


def workloads(scale=1.0):
    """The programs of benchmarks/workloads, doing ``scale`` times their usual work."""

    def rounds(n):
        return max(1, round(n * scale))

    return [
        _workload("calls", "calls.py", rounds(150), counted=("call", rounds(150) * CALLS_OF_ROUND, "ns")),
        _workload("generators, async", "generators_async.py", rounds(150)),
        _workload("NumPy", "small_numpy.py", rounds(400)),
        _workload("bytes, lists", "bytes_lists.py", rounds(150)),
        _workload("malloc pairs", "alloc_pairs.py", rounds(2_000_000), counted=("malloc and free", rounds(2_000_000), "ns")),
        *(_workload(f"threads {n}", "threads_alloc.py", rounds(16000 // n), str(n), environment=KEEP_HEAP) for n in (1, 2, 4, 8)),
        _workload("deep recursion", "deep_recursion.py", rounds(150)),
        _workload("galsim", "galsim_draw.py", rounds(250)),
        _workload("treecorr", "treecorr_pairs.py", rounds(6)),
        _workload("piff", "piff_fit.py", rounds(2)),
    ]


def pyperformance():
    """A dozen programs of pyperformance."""
    return [_pyperformance(name) for name in PYPERFORMANCE]


def start_stop():
    """A program that imports 300 shared objects and ends: what is left is a tool's start and stop."""
    return Program("start and stop", lambda scratch: [str(WORKLOADS / "imports.py")], counted=("run", 1, "ms"))


class Demo(Program):
    """The pipeline of benchmarks/demo, one process, planned once and run into a fresh copy of its repository each time."""

    def __init__(self, home):
        super().__init__("demo pipeline", self._words, check=False, rounds_max=1)
        self.home, self.runs = Path(home), 0
        sys.path.insert(0, str(BENCHMARKS / "demo"))
        import run as demo

        self.environment = {"PYTHONPATH": str(BENCHMARKS / "demo")}
        env = {**os.environ, **self.environment}
        self.repo, self.graph = self.home / "repo", self.home / "graph.qg"
        quiet = {"env": env, "check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run([sys.executable, str(BENCHMARKS / "demo" / "make_repo.py"), str(self.repo)], **quiet)
        subprocess.run([str(word) for word in demo.qgraph_command(self.repo, self.graph)], **quiet)
        self.demo = demo

    def _words(self, scratch):
        repo = Path(scratch) / "repo"
        subprocess.run(["cp", "-r", self.repo, repo], check=True)
        return [str(word) for word in self.demo.run_command(repo, self.graph, 1, None)]
