#!/usr/bin/env python3
"""Whether two builds of the analyzer say the same, byte for byte.

    benchmarks/analyze/same.py OLD NEW TRACE...    OLD, NEW: two builds of rubinprof-analyze

Each trace is read whole, cut off in the middle and with bytes changed, and each two of them together. Every difference is named with the
command that shows it. Exit status 1 when there is one.
"""

import hashlib
import itertools
import os
import random
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

REPORTS = [
    "stats --json",
    "regions --json",
    "table --json",
    "table --by file --metric peak --csv",
    "table --by module --metric wall --json",
    "table --by line --json",
    "table --by thread --json",
    "tree --min-share 0.0002 --json",
    "tree --metric allocated --keep-dispatch",
    "leaks --json",
    "leaks --by file",
    "temporary --json",
    "lines --json",
    "flame",
    "page",
    "collapsed",
    "table --from 0.2 --to 1 --json",
    "table --region 0 --json",
]
FEW = ["stats --json", "table --json", "tree --min-share 0.0002 --json", "regions --json", "leaks --json"]
SECONDS_MAX = 600


def said(program, report, paths):
    """Exit status, and a hash of all that was said: a tree can be a gigabyte."""
    words = [program, *report.split(), *map(str, paths)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as child:
        text = hashlib.sha256()
        for part in iter(lambda: child.stdout.read(1 << 20), b""):
            text.update(part)
        return child.wait(SECONDS_MAX), text.hexdigest()


def changed(path, folder, seed):
    """A copy that ends in the middle, and one with eight bytes changed."""
    whole = path.read_bytes()
    cut = folder / f"{seed}-cut.rprof"
    cut.write_bytes(whole[: len(whole) * 3 // 5])
    damaged = bytearray(whole)
    chance = random.Random(seed)
    for _ in range(8):
        damaged[chance.randrange(4096, len(whole)) if len(whole) > 8192 else len(whole) - 1] ^= 0x55
    hurt = folder / f"{seed}-damaged.rprof"
    hurt.write_bytes(damaged)
    return [cut, hurt]


def main(old, new, *traces):
    os.environ["RUBINPROF_INDEX"] = "off"
    traces = [Path(t) for t in traces]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        asked = [(report, [t]) for t in traces for report in REPORTS]
        for seed, trace in enumerate(traces):
            asked += [(report, [t]) for t in changed(trace, Path(folder), seed) for report in FEW]
        asked += [(report, pair) for pair in itertools.pairwise(traces) for report in FEW]
        differ = 0
        for (report, paths), ours, theirs in zip(
            asked, pool.map(lambda a: said(new, *a), asked), pool.map(lambda a: said(old, *a), asked), strict=True
        ):
            if ours != theirs:
                differ += 1
                print("differs:", report, *paths, flush=True)
    print(f"{len(asked)} reports of {len(traces)} traces, and of these cut, damaged and in pairs: {differ} differ")
    return differ != 0


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__.strip())
    sys.exit(main(*sys.argv[1:]))
