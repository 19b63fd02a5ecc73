"""`make valgrind`: the analyzer under Valgrind's memcheck, every report over every trace of the fuzz corpus, and over a real one when .venv is there.

An invalid read, a jump that depends on bytes nobody wrote, or a leak fails the run. Words after it are further traces.
"""

import itertools
import subprocess
import sys
import tempfile
from pathlib import Path

import cbuild
import csources
from csources import ROOT

CORPUS = ROOT / "tests" / "fuzz" / "corpus" / "fuzz_reader"
VALGRIND = ["valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite,indirect,possible"]
REPORTS = [
    ["stats"], ["stats", "--json"], ["table"], ["table", "--json", "--by", "line"], ["table", "--csv", "--by", "thread"], ["tree"],
    ["tree", "--json"], ["regions"], ["collapsed"], ["json"], ["dump"], ["verify"], ["verify", "--json"],
]  # fmt: skip
FOUND = 99
REAL = """
import sys, threading, rubinprof
def step(n): return [bytes(600 + n) for _ in range(20)]
with rubinprof.Tracker(sys.argv[1], pymalloc=True, sample_hz=5000):
    for n in range(30):
        with rubinprof.region("r", n=n):
            thread = threading.Thread(target=step, args=(n,))
            thread.start()
            thread.join()
"""


def traces(directory):
    python = ROOT / ".venv" / "bin" / "python"
    if python.exists():
        real = directory / "real.rprof"
        subprocess.run([python, "-c", REAL, real], check=True)
        yield real
    yield from sorted(CORPUS.iterdir())


def main(more):
    build = cbuild.Build()
    program = build.analyze_program(build.directory / "rubinprof-analyze")
    counts = {"clean": 0, "found": 0, "refused": 0}
    with tempfile.TemporaryDirectory() as directory:
        for trace, report in itertools.product([*traces(Path(directory)), *more], REPORTS):
            done = subprocess.run([*VALGRIND, program, *report, trace], capture_output=True, text=True, errors="replace")
            counts["found" if done.returncode == FOUND or done.returncode < 0 else "refused" if done.returncode == 2 else "clean"] += 1
            if done.returncode == FOUND or done.returncode < 0:
                print(f"{trace}: {' '.join(report)}\n{done.stderr}", flush=True)
        copy = Path(directory) / "copy.rprof"
        for trace in sorted(CORPUS.iterdir()):
            copy.unlink(missing_ok=True)
            done = subprocess.run([*VALGRIND, program, "recover", trace, "-o", copy], capture_output=True, text=True, errors="replace")
            counts["found" if done.returncode == FOUND else "clean"] += 1
    print(", ".join(f"{n} {what}" for what, n in counts.items()))
    return 1 if counts["found"] else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (cbuild.BuildError, csources.MissingLibrary, FileNotFoundError) as error:
        sys.exit(f"make valgrind: {error}")
