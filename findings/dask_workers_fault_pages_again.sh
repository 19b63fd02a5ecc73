#!/usr/bin/env bash
# A function that allocates and frees takes many times the page faults, and system time, in a worker of a Dask LocalCluster.
#
# Versions: distributed 2026.8.0 on CPython 3.11 or newer, Linux x86-64 with glibc.
# One would guess: a worker process is a plain process, and a task costs in it what it costs outside.
# What happens: the nanny starts workers with MALLOC_TRIM_THRESHOLD_=65536 (distributed.nanny.pre-spawn-environ). The C library gives freed memory back
#   to the kernel above 64 KiB, and no longer learns: otherwise the first large block that is freed raises that limit to twice its size. Each round of
#   allocations faults its pages in anew.
# Output seen:
#   in the worker MALLOC_TRIM_THRESHOLD_ is 65536; outside it is None
#   more than 10 times the page faults in the worker
# Fails when that has changed. Needs a CPython 3.11 or newer as $PYTHON (default: python3) and the package index; takes a minute.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv env
env/bin/pip install -q dask==2026.8.0 distributed==2026.8.0

cat > faults.py <<'PY'
import os
import resource
import sys


def use_memory():
    """Page faults of 300 rounds of 2 MB, after one round, in a process that has freed a block of 16 MB once, as most have."""
    bytearray(16 << 20)
    begin = None
    for i in range(301):
        blocks = [bytearray(100_000) for _ in range(20)]
        del blocks
        if begin is None:
            begin = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - begin, os.environ.get("MALLOC_TRIM_THRESHOLD_")


if __name__ == "__main__":
    from distributed import Client, LocalCluster

    outside, variable_outside = use_memory()
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        inside, variable_inside = client.submit(use_memory).result()
    print(f"in the worker MALLOC_TRIM_THRESHOLD_ is {variable_inside}; outside it is {variable_outside}")
    print("more than 10 times the page faults in the worker" if inside > 10 * outside else f"page faults: {inside} in the worker, {outside} outside")
    sys.exit(not (variable_inside == "65536" and variable_outside is None and inside > 10 * outside))
PY
env -u MALLOC_TRIM_THRESHOLD_ env/bin/python faults.py
