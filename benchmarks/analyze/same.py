#!/usr/bin/env python3
"""Whether two builds of the analyzer say the same, byte for byte.

    benchmarks/analyze/same.py [--few] OLD NEW TRACE...    OLD, NEW: two builds of rubinprof-analyze

Each trace is read whole, cut off in the middle and with bytes changed, each two in turn together, and all together. Every difference is named
with the command that shows it, as soon as it is seen; what was cut or changed is kept then. Exit status 1 when there is one.
"""

import argparse
import hashlib
import os
import random
import subprocess
import sys
import tempfile
import time
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


def said(program, report, paths):
    """Exit status, and a hash of all that was said: a tree can be a gigabyte."""
    words = [program, *report.split(), *map(str, paths)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as child:
        text = hashlib.sha256()
        for part in iter(lambda: child.stdout.read(1 << 20), b""):
            text.update(part)
        return child.wait(), text.hexdigest()


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


def both(old, new, question):
    report, paths = question
    return said(old, report, paths) == said(new, report, paths)


def tell(text):
    print(text, flush=True)  # a pipe or a log shows it at once


def main(old, new, traces, reports):
    os.environ["RUBINPROF_INDEX"] = "off"
    differ, done, begun = 0, 0, time.monotonic()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:

        def ask(questions):
            nonlocal differ, done
            for (report, paths), is_same in zip(questions, pool.map(lambda q: both(old, new, q), questions), strict=True):
                done += 1
                if not is_same:
                    differ += 1
                    tell(f"differs: {report} {' '.join(map(str, paths))}")

        for seed, trace in enumerate(traces):
            ask([(report, [trace]) for report in reports])
            hurt = changed(trace, Path(folder), seed)
            before = differ
            ask([(report, [t]) for t in hurt for report in FEW])
            if seed:
                ask([(report, [traces[seed - 1], trace]) for report in FEW])
            if differ == before:  # else they are kept, to be looked at
                for path in hurt:
                    path.unlink()
            else:
                kept = Path(tempfile.mkdtemp(prefix="same-"))
                tell(f"kept in {kept}: {', '.join(str(path.rename(kept / path.name)) for path in hurt)}")
            tell(f"{seed + 1} of {len(traces)} traces, {done} reports, {time.monotonic() - begun:.0f} s: {differ} differ")
        ask([(report, traces) for report in FEW])
    tell(f"{done} reports of {len(traces)} traces, and of these cut, damaged, in pairs and all together: {differ} differ")
    return differ != 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--few", action="store_true", help=f"of whole traces, too, these reports alone: {', '.join(r.split()[0] for r in FEW)}")
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("trace", nargs="+", type=Path, help="a trace, or a directory with traces below it")
    words = parser.parse_args()
    found = [one for path in words.trace for one in (sorted(path.rglob("*.rprof")) if path.is_dir() else [path])]
    sys.exit(main(words.old, words.new, found, FEW if words.few else REPORTS))
