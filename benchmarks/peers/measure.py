"""Runs one command and says what it took."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

SECONDS_MAX = 900


@dataclass
class Run:
    """What one command took: seconds of wall clock, of CPU (user and system, with its children), the largest resident size of one
    of its processes in bytes, the bytes it wrote; `why` says what went wrong, or is empty.
    """

    wall_s: float
    cpu_s: float
    rss_bytes: int
    out_bytes: int
    said: str
    why: str = ""

    def as_dict(self):
        return {key: value for key, value in asdict(self).items() if key != "said"}


def run(command, out=None, environment=None):
    """Run ``command`` to its end; ``out`` is the path, or the beginning of the paths, that it writes."""
    # With bytecode files, as installed packages have them: else each run would measure the compiler.
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    env = {**kept, "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **(environment or {})}
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as complained:
        started = time.perf_counter()
        child = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=said, stderr=complained)
        late = threading.Timer(SECONDS_MAX, child.kill)
        late.start()
        _, status, usage = os.wait4(child.pid, 0)
        late.cancel()
        wall = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        complained.seek(0)
        words = said.read().decode(errors="replace")
        why = "" if child.returncode == 0 else f"after {wall:.0f} s, exit {child.returncode}: {complained.read().decode(errors='replace')[-300:]}"
    size = sum(path.stat().st_size for path in Path(out).parent.glob(Path(out).name + "*") if path.is_file()) if out else 0
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, size, words, why)


def run_program(tool, program, keep=None):
    """Run ``program`` under ``tool`` once, in a directory of its own; ``keep`` is where its output goes afterwards."""
    with tempfile.TemporaryDirectory(prefix="rubinprof-bench-") as scratch:
        out = str(Path(scratch) / "out")
        taken = run(tool.command(out, program.words(scratch)), out, program.environment)
        if keep and Path(out).exists():
            shutil.move(out, keep)
    return taken


def python_version():
    return ".".join(map(str, sys.version_info[:3]))
