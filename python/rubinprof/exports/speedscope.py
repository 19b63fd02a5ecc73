"""speedscope's own format (https://www.speedscope.app/file-format-schema.json): one profile a metric, as nested open and close events, and one a thread with
its calls in their order of time.

Events need one entry a node, where samples would need each stack whole.
"""

import json

from rubinprof.exports.call_order import CallOrder
from rubinprof.exports.call_tree import FOLDED, CallTree, tool

SUFFIX = ".speedscope.json"
SUMMARY = "speedscope (https://www.speedscope.app): a profile a metric, and a profile a thread with its calls in order of time"
METRICS: tuple[str, ...] = ()
LACKS = (
    "Profiles of metrics have no order of time: stacks are merged. Those of threads ('in order of time') have it, for Python functions alone.",
    "Of calls in order of time the 50,000 longest: shorter ones are put together or left out; --from and --to choose a stretch. None of a sampled trace, nor with --region.",
    "No regions and lines below the function; Python and C++ are distinguished by the file alone.",
    FOLDED,
    "No errors of estimates: of a sampled trace, csv and parquet have them.",
)

UNITS = {"s": "nanoseconds", "bytes": "bytes", "count": "none"}


def write(trace, out, options):
    tree = CallTree(trace, options.region, options.progress, options.stretch)
    frames = []
    for i, name in enumerate(tree.names):
        frame = {"name": name or "[unknown]"}
        if tree.place(i):
            frame["file"] = tree.place(i)
        if tree.lines[i] > 0:
            frame["line"] = tree.lines[i]
        frames.append(frame)
    profiles = [_profile(tree, metric) for metric in tree.metrics()]
    if not options.region:
        profiles += _in_time(CallOrder(trace, **options.stretch), frames)
    document = {
        "$schema": "https://www.speedscope.app/file-format-schema.json",
        "exporter": tool(),
        "name": tree.title(),
        "activeProfileIndex": 0,
        "shared": {"frames": frames},
        "profiles": [profile for profile in profiles if profile["events"]],
        "rubinprof": {"lacks": LACKS},
    }
    out.write(json.dumps(document, separators=(",", ":")).encode())


def _in_time(order, frames):
    """A profile a thread, whose axis is the clock. Its functions go behind those of the tree."""
    first = len(frames)
    frames += [{"name": name, **({"file": file} if file else {}), **({"line": line} if line > 0 else {})} for name, file, line in order.frames]
    several = len({lane.pid for lane in order.lanes}) > 1
    for lane in order.lanes:
        events = [{"type": "O" if begins else "C", "frame": first + order.frame[i], "at": ns} for begins, i, ns in order.events(lane)]
        yield {
            "type": "evented",
            "name": f"{lane.name}{f' of process {lane.pid}' if several else ''}, in order of time",
            "unit": "nanoseconds",
            "startValue": events[0]["at"],
            "endValue": events[-1]["at"],
            "events": events,
        }


def _profile(tree, metric):
    own, total = tree.figures[metric.column], tree.totals(metric.column)
    events, stack, at = [], [], 0  # stack: (node, where its own figure ends)
    for node in range(1, len(tree)):
        if total[node] <= 0:
            continue
        while stack and stack[-1] != tree.parent[node]:
            done = stack.pop()
            at += own[done]
            events.append({"type": "C", "frame": tree.frame[done], "at": at})
        stack.append(node)
        events.append({"type": "O", "frame": tree.frame[node], "at": at})
    while stack:
        done = stack.pop()
        at += own[done]
        events.append({"type": "C", "frame": tree.frame[done], "at": at})
    return {
        "type": "evented",
        "name": metric.name,
        "unit": UNITS[metric.unit],
        "startValue": 0,
        "endValue": at,
        "events": events,
    }
