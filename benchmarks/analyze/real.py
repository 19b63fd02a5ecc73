#!/usr/bin/env python3
"""CPU seconds and peak memory of reports on real traces, builds of the analyzer in turn: the first time, and out of the index.

    benchmarks/analyze/real.py [-n ROUNDS] DIRECTORY ANALYZER...

DIRECTORY: traces, for instance those that `make demo` leaves. They are linked into a temporary directory, so nothing is written beside them.
"""

import argparse
import os
import subprocess
import tempfile
from pathlib import Path

REPORTS = ["stats", "regions", "table", "tree", "leaks", "flame", "page"]


def run(program, report, directory, index):
    with open(os.devnull, "wb") as nowhere:
        child = subprocess.Popen([program, report, directory], stdout=nowhere, env={**os.environ, "RUBINPROF_INDEX": index})
        _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{program} {report} ended with {child.returncode}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=3, metavar="ROUNDS")
    parser.add_argument("directory", type=Path)
    parser.add_argument("analyzer", nargs="+")
    args = parser.parse_args()
    for report in REPORTS:
        for program in args.analyzer:
            first, second = [], []
            for _ in range(args.n):
                with tempfile.TemporaryDirectory() as folder:
                    for i, trace in enumerate(sorted(args.directory.rglob("*.rprof"))):
                        (Path(folder) / f"{i}.rprof").symlink_to(trace.resolve())
                    first.append(run(program, report, folder, "always"))
                    second.append(run(program, report, folder, "always"))
            middle = [sorted(times)[len(times) // 2] for times in (first, second)]
            print(f"{report:<8} {program}: first {middle[0][0]:.2f} s {middle[0][1]:.0f} MB, then {middle[1][0]:.2f} s {middle[1][1]:.0f} MB")


if __name__ == "__main__":
    main()
