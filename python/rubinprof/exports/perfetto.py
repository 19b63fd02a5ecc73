"""Chrome's trace event format (JSON), which ui.perfetto.dev, chrome://tracing and speedscope read.

Regions are slices of the thread they ran in, at their true times. The call tree, which has no order of time, is drawn beside them in a
process of its own, once by CPU and once by wall time.
"""

import json

from rubinprof.exports.call_tree import FOLDED, CallTree, tool

SUFFIX = ".trace.json"
SUMMARY = "Chrome trace JSON for ui.perfetto.dev: regions in time, and the call tree by cpu and wall"
METRICS: tuple[str, ...] = ()
LACKS = (
    "Calls have no order of time: those of one function below one caller are one slice. Regions alone are on the clock.",
    "Memory and counts of calls stand with the regions, not with the calls; no lines below the function.",
    FOLDED,
)

TREES = {"cpu": 1, "wall": 2}
FIGURES = ["cpu_s", "gil_wait_s", "calls", "allocated_bytes", "peak_bytes", "leaked_bytes"]


def write(trace, out, options):
    tree = CallTree(trace, options.region, options.progress)
    regions = [] if options.region else trace.regions()
    meta = {"tool": tool(), "command": tree.title(), "lacks": " ".join(LACKS)}
    out.write(b'{"displayTimeUnit":"ns","otherData":' + json.dumps(meta).encode() + b',"traceEvents":[\n')
    events = _Events(out)
    for pid in {process["pid"]: None for process in trace.stats()["by_process"]}:
        events.add({"ph": "M", "name": "process_name", "pid": pid, "tid": 0, "args": {"name": tree.title()}})
    for region in _by_start(regions):
        events.add(_region(region))
    # No process of the system has this number.
    pid = 1 << 22 | 1
    events.add({"ph": "M", "name": "process_name", "pid": pid, "tid": 0, "args": {"name": "call tree, not in order of time"}})
    for column, tid in TREES.items():
        if column in tree.unknown:
            continue
        events.add({"ph": "M", "name": "thread_name", "pid": pid, "tid": tid, "args": {"name": f"by {column}"}})
        for event in _slices(tree, column, pid, tid):
            events.add(event)
    out.write(b"\n]}\n")


class _Events:
    def __init__(self, out):
        self.out, self.is_first = out, True

    def add(self, event):
        self.out.write((b"" if self.is_first else b",\n") + json.dumps(event, separators=(",", ":")).encode())
        self.is_first = False


def _by_start(regions):
    """Outer ones first, as readers want nested slices."""
    return sorted(regions, key=lambda region: (region["start_s"], -region["wall_s"]))


def _region(region):
    labels = " ".join(f"{key}={value}" for key, value in region["labels"].items())
    args = {**region["labels"], **{key: region[key] for key in FIGURES}}
    return {
        "ph": "X",
        "cat": "region",
        "name": f"{region['name']} {labels}".rstrip(),
        "pid": region["pid"],
        "tid": region["thread"],
        "ts": round(region["start_s"] * 1e6, 3),
        "dur": round(region["wall_s"] * 1e6, 3),
        "args": args,
    }


def _slices(tree, column, pid, tid):
    """Begin and end events, in their order: a length would have to be rounded, and slices would no longer nest."""
    own, total = tree.figures[column], tree.totals(column)
    stack, at = [], 0
    where = {"pid": pid, "tid": tid}
    for node in [*range(1, len(tree)), 0]:
        if node and total[node] <= 0:
            continue
        while stack and stack[-1] != tree.parent[node]:
            done = stack.pop()
            at += own[done]
            # speedscope tells by name and arguments which slice ends.
            yield {"ph": "E", **_slice(tree, done), **where, "ts": at / 1000}
        if not node:
            return
        stack.append(node)
        yield {"ph": "B", **_slice(tree, node), **where, "ts": at / 1000}


def _slice(tree, node):
    frame = tree.frame[node]
    return {
        "cat": "python" if tree.is_python(frame) else "native",
        "name": tree.names[frame] or "[unknown]",
        "args": {"where": f"{tree.place(frame)}:{tree.lines[frame]}" if tree.is_python(frame) else tree.place(frame)},
    }
