"""The Firefox Profiler's processed format (https://profiler.firefox.com), version 61; the profiler itself upgrades older ones.

One track a metric, because a track has one weight a sample. Regions are markers of a track of their own, at their true times.
"""

import json

from rubinprof.exports.call_tree import FOLDED, CallTree, tool
from rubinprof.metrics import METRICS as ALL

SUFFIX = ".firefox.json"
SUMMARY = "Firefox Profiler (https://profiler.firefox.com), all metrics, one track each, and regions as markers"
METRICS: tuple[str, ...] = ()
LACKS = (
    "No order of time within a metric's track: its axis is the sum of the metric, not the clock. Regions alone are on the clock.",
    "No threads, and no lines below the function; calls and allocations are shown as samples.",
    FOLDED,
    "No errors of estimates: of a sampled trace, csv and parquet have them.",
)

VERSION = 61
GECKO_VERSION = 27
PYTHON, NATIVE, OTHER = 0, 1, 2
CATEGORIES = [
    {"name": "Python", "color": "blue", "subcategories": ["Other"]},
    {"name": "C and C++", "color": "orange", "subcategories": ["Other", "Inlined"]},
    {"name": "Other", "color": "grey", "subcategories": ["Other"]},
]
LIBRARY = 1  # type of a resource
INTERVAL = 1  # phase of a marker
# Figures of the format: times are ms.
WEIGHTS = {"s": ("tracing-ms", 1e-6), "bytes": ("bytes", 1), "count": ("samples", 1)}


def write(trace, out, options):
    tree = CallTree(trace, options.region, options.progress, options.stretch)
    strings = _Strings()
    shared = _shared(tree, strings)
    regions = [] if options.region else trace.regions(**options.stretch)
    threads = [_thread(i, metric, tree) for i, metric in enumerate(ALL.values(), 1) if any(tree.figures[metric.column])]
    if regions:
        threads.append(_regions(len(ALL) + 1, regions, strings))
    profile = {
        "meta": _meta(tree),
        "libs": [],
        "pages": [],
        "counters": [],
        "shared": {**shared, "stringArray": strings.all},
        "threads": threads,
    }
    out.write(json.dumps(profile, separators=(",", ":")).encode())


def _meta(tree):
    return {
        "interval": 1,
        "startTime": tree.meta["start_s"] * 1000,
        "processType": 0,
        "extensions": {"id": [], "name": [], "baseURL": [], "length": 0},
        "categories": CATEGORIES,
        "product": tree.title(),
        "importedFrom": tool(),
        "stackwalk": 1,
        "debug": False,
        "version": GECKO_VERSION,
        "preprocessedProfileVersion": VERSION,
        "symbolicated": True,
        "usesOnlyOneStackType": True,
        "sourceCodeIsNotOnSearchfox": True,
        "keepProfileThreadOrder": True,
        "arguments": tree.title(),
        "markerSchema": [
            {
                "name": "region",
                "tooltipLabel": "{marker.data.name}",
                "tableLabel": "{marker.data.name} {marker.data.labels}",
                "chartLabel": "{marker.data.name} {marker.data.labels}",
                "display": ["marker-chart", "marker-table", "timeline-overview"],
                "fields": [
                    {"key": "name", "label": "Region", "format": "string"},
                    {"key": "labels", "label": "Labels", "format": "string"},
                    {"key": "cpu", "label": "CPU", "format": "duration"},
                    {"key": "peak", "label": "Peak", "format": "bytes"},
                    {"key": "leaked", "label": "Leaked", "format": "bytes"},
                ],
            }
        ],
        "extra": [
            {
                "label": "rubinprof",
                "entries": [{"label": f"Lacks {i}", "format": "string", "value": s} for i, s in enumerate(LACKS, 1)],
            }
        ],
    }


class _Strings:
    def __init__(self):
        self.all, self._places = [], {}

    def place(self, text):
        place = self._places.setdefault(text, len(self.all))
        if place == len(self.all):
            self.all.append(text)
        return place


def _shared(tree, strings):
    """Frames, functions, files and stacks, which all tracks use. A stack is a node of the tree."""
    n = len(tree.names)
    files = list(dict.fromkeys(file for file in tree.files if file))
    file_place = {file: i for i, file in enumerate(files)}
    modules = list(dict.fromkeys(m for m, kind in zip(tree.modules, tree.kinds, strict=True) if m and kind))
    module_place = {module: i for i, module in enumerate(modules)}
    category = [OTHER if not tree.place(i) else PYTHON if tree.is_python(i) else NATIVE for i in range(n)]
    lines = [line if line > 0 else None for line in tree.lines]
    return {
        "stackTable": {
            "frame": tree.frame[1:],
            "prefix": [parent - 1 if parent > 0 else None for parent in tree.parent[1:]],
            "length": len(tree) - 1,
        },
        "frameTable": {
            "address": [-1] * n,
            "inlineDepth": [0] * n,
            "category": category,
            "subcategory": [1 if kind == 2 else 0 for kind in tree.kinds],
            "func": list(range(n)),
            "nativeSymbol": [None] * n,
            "innerWindowID": [0] * n,
            "line": lines,
            "column": [None] * n,
            "length": n,
        },
        "funcTable": {
            "isJS": [False] * n,
            "relevantForJS": [False] * n,
            "name": [strings.place(name) for name in tree.names],
            "resource": [module_place.get(m, -1) if kind else -1 for m, kind in zip(tree.modules, tree.kinds, strict=True)],
            "source": [file_place.get(file) for file in tree.files],
            "lineNumber": lines,
            "columnNumber": [None] * n,
            "length": n,
        },
        "resourceTable": {
            "lib": [None] * len(modules),
            "name": [strings.place(module) for module in modules],
            "host": [None] * len(modules),
            "type": [LIBRARY] * len(modules),
            "length": len(modules),
        },
        "nativeSymbols": {"libIndex": [], "address": [], "name": [], "functionSize": [], "length": 0},
        "sources": {
            "id": [None] * len(files),
            "filename": [strings.place(file) for file in files],
            "startLine": [1] * len(files),
            "startColumn": [1] * len(files),
            "sourceMapURL": [None] * len(files),
            "length": len(files),
        },
    }


def _empty_thread(tid, name, *, is_main):
    return {
        "processType": "default",
        "processStartupTime": 0,
        "processShutdownTime": None,
        "registerTime": 0,
        "unregisterTime": None,
        "pausedRanges": [],
        "name": name,
        "processName": "rubinprof",
        "isMainThread": is_main,
        "pid": "1",
        "tid": tid,
        "samples": {"stack": [], "time": [], "weight": [], "weightType": "samples", "length": 0},
        "markers": {"data": [], "name": [], "startTime": [], "endTime": [], "phase": [], "category": [], "length": 0},
    }


def _thread(tid, metric, tree):
    kind, scale = WEIGHTS[metric.unit]
    stacks, times, weights, at = [], [], [], 0.0
    for node, value in enumerate(tree.figures[metric.column]):
        if value > 0:
            stacks.append(node - 1 if node else None)
            times.append(round(at, 6))
            weights.append(value * scale)
            at += value * scale
    thread = _empty_thread(tid, metric.name, is_main=tid == 1)
    if metric.unit != "s" and at:  # the axis is in ms: as long as the run
        length = tree.meta["wall_s"] * 1000
        times = [round(time / at * length, 6) for time in times]
    thread["samples"] = {"stack": stacks, "time": times, "weight": weights, "weightType": kind, "length": len(stacks)}
    return thread


def _regions(tid, regions, strings):
    thread = _empty_thread(tid, "regions", is_main=False)
    markers = thread["markers"]
    for region in sorted(regions, key=lambda region: region["start_s"]):
        markers["data"].append(
            {
                "type": "region",
                "name": region["name"],
                "labels": " ".join(f"{key}={value}" for key, value in region["labels"].items()),
                "cpu": None if region["cpu_s"] is None else region["cpu_s"] * 1000,
                "peak": region["peak_bytes"],
                "leaked": region["leaked_bytes"],
            }
        )
        markers["name"].append(strings.place(region["name"]))
        markers["startTime"].append(region["start_s"] * 1000)
        markers["endTime"].append((region["start_s"] + region["wall_s"]) * 1000)
        markers["phase"].append(INTERVAL)
        markers["category"].append(OTHER)
    markers["length"] = len(regions)
    return thread
