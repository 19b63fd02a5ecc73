"""speedscope's own format (https://www.speedscope.app/file-format-schema.json): one profile a metric, as nested open and close events.

Events need one entry a node, where samples would need each stack whole.
"""

import json

from rubinprof.exports.call_tree import FOLDED, CallTree, tool

SUFFIX = ".speedscope.json"
SUMMARY = "speedscope (https://www.speedscope.app), all metrics, one profile each"
METRICS: tuple[str, ...] = ()
LACKS = (
    "No order of time: stacks are merged, so the views 'Time Order' and 'Left Heavy' differ by sorting alone.",
    "No threads, regions and lines below the function; Python and C++ are distinguished by the file alone.",
    FOLDED,
    "No errors of estimates: of a sampled trace, csv and parquet have them.",
)

UNITS = {"s": "nanoseconds", "bytes": "bytes", "count": "none"}


def write(trace, out, options):
    tree = CallTree(trace, options.region, options.progress)
    frames = []
    for i, name in enumerate(tree.names):
        frame = {"name": name or "[unknown]"}
        if tree.place(i):
            frame["file"] = tree.place(i)
        if tree.lines[i] > 0:
            frame["line"] = tree.lines[i]
        frames.append(frame)
    profiles = [_profile(tree, metric) for metric in tree.metrics()]
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
