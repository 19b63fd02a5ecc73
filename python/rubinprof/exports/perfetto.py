"""Chrome's trace event format (JSON), which ui.perfetto.dev, chrome://tracing and speedscope read.

Calls are slices in a row of their own a thread, at their true times. Regions are slices of the thread they ran in; the format wants slices of a row to nest, so
where those of a thread do not (tasks of asyncio), all of them are its asynchronous events, each with an id of its own. The merged call tree, which has no order of
time, is drawn beside them in a process of its own, once by CPU and once by wall time.
"""

import json

from rubinprof.exports.call_order import CallOrder
from rubinprof.exports.call_tree import FOLDED, CallTree, tool

SUFFIX = ".trace.json"
SUMMARY = "Chrome trace JSON for ui.perfetto.dev: calls and regions in time, and the call tree by cpu and wall"
METRICS: tuple[str, ...] = ()
LACKS = (
    "Of calls in order of time the 50,000 longest: shorter ones are put together or left out; --from and --to choose a stretch. Python functions alone.",
    "No calls in order of time of a sampled trace, nor with --region.",
    "Regions of a thread that overlap (asyncio) stand in rows of their own, which speedscope leaves out.",
    "Memory and counts of calls stand with the regions, not with the calls; no lines below the function.",
    FOLDED,
    "No errors of estimates: of a sampled trace, csv and parquet have them.",
)

TREES = {"cpu": 1, "wall": 2}
CALL_ROW = 1 << 24  # and the number of a thread: the row of its calls; no thread of a system has such a number
ROUNDING_NS = 2  # of a begin and a length
APART_NS = 0.1  # a shift that no reader of nanoseconds sees
FIGURES = ["cpu_s", "gil_wait_s", "calls", "allocated_bytes", "peak_bytes", "leaked_bytes"]


def write(trace, out, options):
    tree = CallTree(trace, options.region, options.progress, options.stretch)
    regions = [] if options.region else trace.regions(**options.stretch)
    meta = {"tool": tool(), "command": tree.title(), "lacks": " ".join(LACKS)}
    out.write(b'{"displayTimeUnit":"ns","otherData":' + json.dumps(meta).encode() + b',"traceEvents":[\n')
    events = _Events(out)
    for pid in {process["pid"]: None for process in trace.stats()["by_process"]}:
        events.add({"ph": "M", "name": "process_name", "pid": pid, "tid": 0, "args": {"name": tree.title()}})
    for of_thread in _by_thread(regions):
        is_nested = _nest(of_thread)
        for region in of_thread:
            for event in [_region(region)] if is_nested else _async_region(region):
                events.add(event)
    if not options.region:
        for event in _calls(trace, options):
            events.add(event)
    # No process of the system has this number.
    pid = 1 << 22 | 1
    events.add({"ph": "M", "name": "process_name", "pid": pid, "tid": 0, "args": {"name": "call tree, not in order of time"}})
    for column, tid in TREES.items():
        if column in tree.unknown:
            continue
        events.add({"ph": "M", "name": "thread_name", "pid": pid, "tid": tid, "args": {"name": f"by {column}"}})
        for event in _row(_slices(tree, column), {"pid": pid, "tid": tid}):
            events.add(event)
    out.write(b"\n]}\n")


class _Events:
    def __init__(self, out):
        self.out, self.is_first = out, True

    def add(self, event):
        self.out.write((b"" if self.is_first else b",\n") + json.dumps(event, separators=(",", ":")).encode())
        self.is_first = False


def _by_thread(regions):
    """Regions of each thread, outer ones first, as readers want nested slices."""
    threads: dict[tuple[int, int], list] = {}
    for region in sorted(regions, key=lambda region: (region["start_s"], -region["wall_s"])):
        threads.setdefault((region["pid"], region["thread"]), []).append(region)
    return threads.values()


def _nest(regions):
    """Whether each region of a thread lies inside those that it began in."""
    ends: list[int] = []
    for region in regions:
        begin = round(region["start_s"] * 1e9)
        end = begin + round(region["wall_s"] * 1e9)
        while ends and ends[-1] <= begin + ROUNDING_NS:
            ends.pop()
        if ends and end > ends[-1] + ROUNDING_NS:
            return False
        ends.append(end)
    return True


def _calls(trace, options):
    """Calls in their order of time: begin and end events, as those of the tree."""
    order = CallOrder(trace, **options.stretch)
    frames = [{"cat": "call", "name": name, "args": {"where": f"{file}:{line}"} if file else {}} for name, file, line in _distinct(order.frames)]
    for lane in order.lanes:
        where = {"pid": lane.pid, "tid": CALL_ROW | lane.thread}
        yield {"ph": "M", "name": "thread_name", **where, "args": {"name": f"calls of {lane.name}"}}
        yield from _row(_timed_calls(order, lane, frames), where)


def _timed_calls(order, lane, frames):
    """``(begins, slice, ns)``; what took 0 ns is left out, for readers end it before what it holds."""
    for begins, i, ns in order.events(lane):
        if order.took[i]:
            what = frames[order.frame[i]]
            yield begins, what if order.times[i] == 1 else {**what, "args": {**what["args"], "calls": order.times[i]}}, ns


def _row(timed, where):
    """Begin and end events of one row.

    At one time speedscope takes a begin before the end of a slice with its name, so that an outer one that ends between them seems to end too early: such a begin
    moves by a tenth of a nanosecond.
    """
    at, ended = 0, []
    for begins, what, ns in timed:
        if ns > at:
            at, ended = ns, []
        if not begins:
            ended.append(what["name"])
        elif what["name"] in ended:
            at, ended = at + APART_NS, []
        # speedscope tells by name and arguments which slice ends.
        yield {"ph": "B" if begins else "E", **what, **where, "ts": at / 1000}


def _distinct(frames):
    """A selection in Perfetto is summed up by name: functions of one name have their place in it."""
    places: dict[str, set] = {}
    for name, file, line in frames:
        places.setdefault(name, set()).add((file, line))
    return [(name if len(places[name]) == 1 else f"{name} ({file}:{line})", file, line) for name, file, line in frames]


def _async_region(region):
    """Begin and end of a region that needs not nest."""
    begin = _region(region)
    end_us = round(begin["ts"] + begin.pop("dur"), 3)
    both = {"id": hex(region["index"])}
    yield begin | both | {"ph": "b"}
    yield {key: begin[key] for key in ("cat", "name", "pid", "tid")} | both | {"ph": "e", "ts": end_us}


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


def _slices(tree, column):
    """``(begins, slice, ns)`` in their order: a length would have to be rounded, and slices would no longer nest."""
    own, total = tree.figures[column], tree.totals(column)
    names = tree.distinct_names(by_file=False)  # a selection in Perfetto is summed up by name
    stack, at = [], 0
    for node in [*range(1, len(tree)), 0]:
        if node and total[node] <= 0:
            continue
        while stack and stack[-1] != tree.parent[node]:
            done = stack.pop()
            at += own[done]
            yield False, _slice(tree, names, done), at
        if not node:
            return
        stack.append(node)
        yield True, _slice(tree, names, node), at


def _slice(tree, names, node):
    frame = tree.frame[node]
    return {
        "cat": "python" if tree.is_python(frame) else "native",
        "name": names[frame] or "[unknown]",
        "args": {"where": f"{tree.place(frame)}:{tree.lines[frame]}" if tree.is_python(frame) else tree.place(frame)},
    }
