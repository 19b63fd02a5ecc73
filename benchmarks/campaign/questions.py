"""What questions to a store cost: CPU seconds and memory of each, in a process of its own.

    python benchmarks/campaign/synthetic_store.py 58000000 /tmp/store
    python benchmarks/campaign/questions.py /tmp/store /tmp/store-stages.toml
"""

import os
import subprocess
import sys
import time

TIMES = 3


def questions(store, stages, page):
    yield "stages' table", ["table", store, "--by", "stage", "--stages", stages]
    for view in ("time", "memory", "hosts", "outliers", "modes", "drift", "tracer"):
        yield f"--view {view}", ["table", store, "--view", view]
    yield "page", ["report", store, "--stages", stages, "-o", page]


def cost(words):
    """CPU seconds, wall seconds and MiB of one command."""
    begin = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "rubinprof", "campaign", *words], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(words)} failed")
    return used.ru_utime + used.ru_stime, time.monotonic() - begin, used.ru_maxrss / 1024


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python benchmarks/campaign/questions.py STORE STAGES")
    page = f"{sys.argv[1]}.html"
    for name, words in questions(sys.argv[1], sys.argv[2], page):
        runs = sorted(cost(words) for _ in range(TIMES))
        cpu, wall, mib = runs[len(runs) // 2]
        print(f"{name:16} {cpu:7.1f} CPU s {wall:7.1f} s {mib:6.0f} MiB", flush=True)
    print(f"page: {os.path.getsize(page):,} bytes")
