"""How many bytes of trace an event takes, with its time: each workload traced after a first round of its own, so without its imports.

    python benchmarks/micro/bytes_per_event.py [WORKLOAD…]

The rate of the file is not limited: every call keeps its place. Bytes are those on the disk: a trace whose buffers grew has a hole.
"""

import contextlib
import importlib.util
import os
import sys
import tempfile
from pathlib import Path

import rubinprof

WORKLOADS = Path(__file__).resolve().parents[1] / "workloads"
ARGUMENTS = {
    "calls": (150,),
    "generators_async": (150,),
    "small_numpy": (400,),
    "bytes_lists": (600,),
    "threads_alloc": (2000, 4),
    "deep_recursion": (300,),
    "galsim_draw": (60,),
}


def load(name):
    spec = importlib.util.spec_from_file_location(name, WORKLOADS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def quiet():
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


def trace(path, pymalloc, work):
    with quiet(), rubinprof.Tracker(path, pymalloc=pymalloc, max_bytes_per_s=2**64 - 1):
        work()
    return rubinprof.open(path).stats() | {"disk_bytes": os.stat(path).st_blocks * 512}


def main(names):
    print(f"{'workload':<27} {'events':>12} {'calls':>10} {'allocation events':>18} {'bytes an event':>15}")
    with tempfile.TemporaryDirectory() as directory:
        for name in names:
            for pymalloc in (False, True):
                module = load(name)  # outside of the trace
                args = ARGUMENTS[name]
                with quiet():
                    module.main(2, *args[1:])
                stats = trace(Path(directory) / f"{name}-{pymalloc}.rprof", pymalloc, lambda m=module, a=args: m.main(*a))
                allocations = stats["allocations"] + stats["deallocations"]
                print(
                    f"{name + (' +pymalloc' if pymalloc else ''):<27} {stats['events']:>12,} {stats['calls']:>10,} {allocations:>18,}"
                    f" {stats['disk_bytes'] / stats['events']:>15.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main(sys.argv[1:] or list(ARGUMENTS))
