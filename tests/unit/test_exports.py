"""What the exports make of traces whose figures are known, where a format tells fewer things apart than a trace does."""

import gzip
import io
import itertools
import json
import marshal
import re

import pytest

from rubinprof import exports
from rubinprof.exports import Options
from rubinprof.metrics import METRICS

PYTHON, NATIVE = 0, 1


def frame(name, file="", line=0, module="", kind=PYTHON):
    return {"name": name, "file": file, "line": line, "module": module, "kind": kind}


class Known:
    """What exports ask of a `rubinprof.Trace`. Nodes are (parent, frame, self CPU in ns, calls)."""

    def __init__(self, frames=(), nodes=(), lines=(), regions=()):
        strings: dict[str, int] = {"": 0}

        def number(text):
            return strings.setdefault(text, len(strings))

        columns = {key: [number(f[key]) for f in frames] for key in ("name", "file", "module")}
        columns |= {key: [f[key] for f in frames] for key in ("line", "kind")}
        figures = {metric.column: [0] * len(nodes) for metric in METRICS.values()}
        figures |= {"cpu": [n[2] for n in nodes], "calls": [n[3] for n in nodes]}
        figures |= {"parent": [n[0] for n in nodes], "frame": [n[1] for n in nodes]}
        self._flame = {"strings": list(strings), "frames": columns, "nodes": figures, "meta": {"command": "x.py", "start_s": 0.0, "wall_s": 1.0}}
        self._rows = [
            {"function": f["name"], "file": f["file"], "line": f["line"], "kind": "python" if f["kind"] == PYTHON else "native"}
            for f in frames
        ]
        self._lines, self._regions = list(lines), list(regions)
        self._slices = {"least_s": 0, "frames": [], "threads": [], "slices": dict.fromkeys(["begin", "took", "depth", "frame", "times"], [])}

    def _json(self, name, **options):
        assert name in ("flame", "lines", "slices")
        return json.loads(json.dumps({"flame": self._flame, "lines": {"rows": self._lines}, "slices": self._slices}[name]))

    def table(self, by="function", **options):
        assert by == "function"
        return self._rows

    def regions(self, *, from_s=0.0, to_s=0.0):
        assert (from_s, to_s) == (0.0, 0.0)  # no stretch is asked for here
        return json.loads(json.dumps(self._regions))

    def stats(self):
        return dict.fromkeys(["command", "host", "python", "rubinprof", "complete", "lost_events", "wall_s", "cpu_s"], 0) | {
            "by_process": [{"pid": 7}]
        }


def exported(trace, format, **options):
    out = io.BytesIO()
    exports.write(trace, out, format, Options(**options))
    return out.getvalue()


def region(index, start_s, wall_s, labels=None, thread=1):
    figures = ["cpu_s", "process_cpu_s", "gil_wait_s", "calls", "allocated_bytes", "peak_bytes", "leaked_bytes"]
    place = {"index": index, "name": f"r{index}", "labels": labels or {}, "pid": 7, "thread": thread}
    return place | {"start_s": start_s, "wall_s": wall_s} | dict.fromkeys(figures, 0)


def test_native_functions_of_one_name_are_added_up_in_pstats():
    """cProfile's names have no file for them; a library's function may be known with several, or half without one."""
    frames = [
        frame("[all]"),
        frame("main", "/x.py", 1),
        frame("copy", "/src/a.h", 5, "libx.so", NATIVE),
        frame("copy", "/src/b.h", 9, "libx.so", NATIVE),
        frame("copy", "", 0, "libx.so", NATIVE),
    ]
    # main calls each of the three, and the second calls the third.
    nodes = [(-1, 0, 0, 0), (0, 1, 1000, 1), (1, 2, 20, 0), (1, 3, 300, 0), (3, 4, 4000, 0), (1, 4, 50000, 0)]
    stats = marshal.loads(exported(Known(frames, nodes), "pstats"))
    assert sum(own for _, _, own, _, _ in stats.values()) == pytest.approx(55_320e-9)
    main = ("/x.py", 1, "main")
    (copy,) = [key for key in stats if key != main and "copy" in key[2]]
    _, _, own, total, callers = stats[copy]
    assert (own, total) == (pytest.approx(54_320e-9), pytest.approx(54_320e-9))  # what is nested counts once
    assert callers[main][3] == pytest.approx(54_320e-9)
    assert callers[copy][2] == pytest.approx(4000e-9)


def test_labels_that_the_first_region_has_not_are_columns():
    trace = Known(regions=[region(0, 0.0, 1.0), region(1, 2.0, 1.0, {"detector": "4"})])
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(io.BytesIO(exported(trace, "parquet", by="region")))
    assert table.column("label.detector").to_pylist() == [None, "4"]


def test_lambdas_of_one_file_have_their_own_lines_in_callgrind():
    frames = [frame("[all]"), frame("<lambda>", "/x.py", 10), frame("<lambda>", "/x.py", 50)]
    nodes = [(-1, 0, 0, 0), (0, 1, 10_000_000, 1), (0, 2, 30_000_000, 1)]
    line = {"function": "<lambda>", "file": "/x.py", "kind": "python"}
    own = [(10, 11, 0.008), (10, 10, 0.001), (10, None, 0.001), (50, 51, 0.029), (50, 50, 0.001)]
    lines = [line | {"def_line": begin, "line": at, "self_cpu_s": s} for begin, at, s in own]
    text = exported(Known(frames, nodes, lines), "callgrind").decode()
    functions = text.split("\nob=")[1:]
    found = [[(int(at), int(cpu)) for at, cpu in re.findall(r"^(\d+) (\d+)", function, re.MULTILINE) if int(cpu)] for function in functions]
    assert sorted(found[-2]) == [(0, 1_000_000), (10, 1_000_000), (11, 8_000_000)]  # line 0: what no line is known of
    assert sorted(found[-1]) == [(50, 1_000_000), (51, 29_000_000)]


def test_a_function_that_calls_itself_counts_once_in_callgrind():
    """callgrind_annotate --inclusive adds up what a function had itself and in all that it called, its own calls of itself too."""
    frames = [frame("[all]"), frame("f", "/x.py", 1), frame("g", "/x.py", 9)]
    nodes = [(-1, 0, 0, 0), (0, 1, 1000, 1), (1, 1, 300, 5), (2, 2, 40, 2)]  # f calls f, which calls g
    text = exported(Known(frames, nodes), "callgrind").decode()
    function = next(part for part in text.split("\nob=")[1:] if re.search(r"^fn=\(\d+\) f$", part, re.MULTILINE))
    assert sum(int(cpu) for cpu in re.findall(r"^\d+ (\d+)", function, re.MULTILINE)) == 1340
    assert re.search(r"^calls=5 1$", function, re.MULTILINE)


def test_functions_that_a_reader_would_take_for_one_have_names_of_their_own():
    """pprof knows functions by name, callgrind_annotate by file and name."""
    frames = [frame("[all]"), frame("<module>", "/x.py", 1), frame("<lambda>", "/x.py", 10), frame("<lambda>", "/x.py", 50)]
    frames += [frame("main", "/a/y.py", 3), frame("main", "/b/y.py", 3), frame("main", "/z.py", 9)]
    nodes = [(-1, 0, 0, 0), (0, 1, 1, 1), *((1, i, 1000, 1) for i in range(2, len(frames)))]
    trace = Known(frames, nodes)
    callgrind = exported(trace, "callgrind").decode()
    names = set(re.findall(r"^c?fn=\(\d+\) (.+)$", callgrind, re.MULTILINE))
    assert {"<module>", "<lambda> (x.py:10)", "<lambda> (x.py:50)", "main"} == names - {"[all]"}
    pprof = gzip.decompress(exported(trace, "pprof"))
    for name in ("<module>", "<lambda> (x.py:10)", "<lambda> (x.py:50)", "main (/a/y.py:3)", "main (/b/y.py:3)", "main (z.py:9)"):
        assert bytes([len(name)]) + name.encode() in pprof, name


def regions_of(trace):
    return [event for event in json.loads(exported(trace, "perfetto"))["traceEvents"] if event.get("cat") == "region"]


def test_regions_that_overlap_on_a_thread_are_asynchronous_events():
    """Slices of a thread have to nest; tasks of asyncio do not."""
    trace = Known([frame("[all]")], [(-1, 0, 0, 0)], regions=[region(0, 0.0, 2.0), region(1, 1.0, 2.0), region(2, 0.0, 1.0, thread=2)])
    events = regions_of(trace)
    assert [(e["ph"], e["name"], e["ts"]) for e in events] == [
        ("b", "r0", 0.0), ("e", "r0", 2e6), ("b", "r1", 1e6), ("e", "r1", 3e6), ("X", "r2", 0.0)
    ]  # fmt: skip
    first, second = (list(pair) for _, pair in itertools.groupby(events[:4], key=lambda e: e["id"]))
    assert [e["name"] for e in first] == ["r0", "r0"] and [e["name"] for e in second] == ["r1", "r1"]
    assert {e["tid"] for e in events[:4]} == {1}


def test_regions_that_nest_are_slices_of_their_thread():
    """Also those that nobody ended: all end with the run, give or take a nanosecond of rounding."""
    regions = [region(0, 0.0, 3.0), region(1, 1.0, 1.0), region(2, 2.0, 1.000000001), region(3, 3.0, 1.0)]
    assert [e["ph"] for e in regions_of(Known([frame("[all]")], [(-1, 0, 0, 0)], regions=regions))] == ["X"] * 4


def test_calls_in_order_of_time_are_nested_events_of_their_thread():
    trace = Known([frame("[all]")], [(-1, 0, 0, 0)])
    threads = [{"pid": 7, "thread": 1, "name": "MainThread", "slices": 4}, {"pid": 7, "thread": 2, "name": "", "slices": 1}]
    columns = {"begin": [0, 10, 0, 40, -20], "took": [100, 40, 40, 50, 5], "depth": [0, 1, 2, 1, 0], "frame": [0, 1, 2, -1, 0], "times": [1, 1, 1, 9, 1]}
    trace._slices = {"least_s": 2e-8, "frames": [["main", "/x.py", 1], ["f", "/x.py", 5], ["f", "/y.py", 5]], "threads": threads, "slices": columns}
    document = json.loads(exported(trace, "speedscope"))
    names = [f["name"] for f in document["shared"]["frames"]]
    told = {p["name"]: [(e["type"], names[e["frame"]], e["at"]) for e in p["events"]] for p in document["profiles"]}
    several = "[several short calls]"
    assert told == {
        "MainThread, in order of time": [
            ("O", "main", 0), ("O", "f", 10), ("O", "f", 10), ("C", "f", 50), ("C", "f", 50), ("O", several, 50), ("C", several, 100), ("C", "main", 100)
        ],
        "thread 2, in order of time": [("O", "main", 30), ("C", "main", 35)],
    }  # fmt: skip
    events = [e for e in json.loads(exported(trace, "perfetto"))["traceEvents"] if e.get("cat") == "call"]
    assert [(e["ph"], e["name"], e["ts"]) for e in events][:5] == [
        ("B", "main", 0), ("B", "f (/x.py:5)", 0.01), ("B", "f (/y.py:5)", 0.01), ("E", "f (/y.py:5)", 0.05), ("E", "f (/x.py:5)", 0.05)
    ]  # fmt: skip
    assert events[5]["args"] == {"calls": 9}
    assert not [e for e in json.loads(exported(trace, "perfetto", region="R"))["traceEvents"] if e.get("cat") == "call"]
