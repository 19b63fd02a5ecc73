"""Differences: which row is which, how sure a change is, and what breaks a limit."""

import random

import pytest

from rubinprof.compare import bootstrap, limits, named
from rubinprof.compare.def_pairs import pair_defs
from rubinprof.compare.difference import compare_runs, error_of_mean, figure, figure_of_function, figure_of_run
from rubinprof.compare.file_pairs import pair_files
from rubinprof.compare.match import library_name
from rubinprof.compare.tree import diff_flame
from rubinprof.metrics import METRICS, parse_quantity, text_of

FIGURES = {
    key: 0
    for key in "self_cpu_s total_cpu_s self_wall_s total_wall_s self_gil_wait_s total_gil_wait_s calls allocated_bytes allocations "
    "peak_bytes leaked_bytes temporary_bytes total_allocated_bytes total_allocations total_peak_bytes total_leaked_bytes samples total_samples".split()
}


def row(function, file="/src/task.py", line=1, module="task", kind="python", inlined=False, **figures):
    return {
        "function": function, "file": file, "line": line, "module": module, "kind": kind, "inlined": inlined, **FIGURES, **figures
    }  # fmt: skip


class Run:
    """What `rubinprof.compare.side.Run` holds, of known figures."""

    def __init__(self, *rows, by="function", flame=None, **metrics):
        self.paths = ("x.rprof",)
        self.stats = {
            "command": "task.py", "host": "h", "python": "3.13", "start_s": 0, "complete": True, "ended": {"stopped": 1}, "damaged_files": 0, "lost_events": 0,
            "processes": 1, "mode": {},
        }  # fmt: skip
        self.rows = {by: list(rows)}
        self.functions = [row | {"line": row.get("def_line", row["line"])} for row in rows]
        self.metrics = {name: metrics.get(name, 0) for name in METRICS}
        self.errors = {name: metrics.get(f"{name}_error") for name in METRICS}
        self.flame = flame
        self.of_functions = {}

    def error_of_none(self, metric, row):
        return self.errors[metric]


def changes(a, b, by="function", metric="cpu"):
    return compare_runs(a, b, by, metric, None)["rows"]


def test_the_largest_change_comes_first_and_what_did_not_change_is_left_out():
    a = Run(row("same", self_cpu_s=5.0), row("faster", self_cpu_s=4.0), row("slower", self_cpu_s=1.0))
    b = Run(row("same", self_cpu_s=5.0), row("faster", self_cpu_s=1.0), row("slower", self_cpu_s=9.0), row("new", calls=1))
    found = changes([a], [b])
    assert [r["function"] for r in found] == ["slower", "faster", "new"]
    assert found[0]["change"]["self_cpu_s"] == 8.0 and found[0]["in"] == "both"
    assert found[2]["in"] == "b"


def test_files_of_two_checkouts_meet():
    a = [row("f", "/home/me/main/pkg/io.py", calls=1), row("f", "/home/me/main/other/io.py", calls=10)]
    b = [row("f", "/home/me/branch/pkg/io.py", calls=3), row("f", "/home/me/branch/other/io.py", calls=20)]
    found = changes([Run(*a)], [Run(*b)])
    assert {r["file"]: r["change"]["calls"] for r in found} == {
        "/home/me/branch/pkg/io.py": 2,
        "/home/me/branch/other/io.py": 10,
    }
    assert {r["file_a"] for r in found} == {r["file"] for r in a}


def test_a_line_is_known_by_its_distance_from_the_def():
    a = Run(row("f", line=12, calls=1, def_line=10), by="line")
    b = Run(row("f", line=112, calls=5, def_line=110), by="line")
    (found,) = changes([a], [b], by="line")
    assert (found["line"], found["line_a"], found["change"]["calls"]) == (112, 12, 4)


def test_functions_of_one_name_meet_in_their_order():
    a = Run(row("<lambda>", line=10, calls=1), row("<lambda>", line=20, calls=2))
    b = Run(row("<lambda>", line=25, calls=20), row("<lambda>", line=15, calls=10))
    assert sorted(r["change"]["calls"] for r in changes([a], [b])) == [9, 18]


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("_multiarray_umath.cpython-313-x86_64-linux-gnu.so", "_multiarray_umath"),
        ("/usr/lib/libc.so.6", "libc"),
        ("libpython3.13.so.1.0", "libpython3.13"),
        ("libopenblas-3ab1c2d4.so", "libopenblas"),
        ("_core.pyd", "_core"),
        ("python3", "python3"),
    ],
)
def test_libraries_meet_without_their_versions(module, name):
    assert library_name(module) == name


def test_a_row_of_several_runs_is_their_mean_and_says_how_sure_it_is():
    a = [Run(row("f", self_cpu_s=x, calls=3)) for x in (1.0, 1.1, 0.9)]
    b = [Run(row("f", self_cpu_s=x, calls=3)) for x in (2.0, 2.1, 1.9)]
    (found,) = changes(a, b)
    assert found["change"]["self_cpu_s"] == pytest.approx(1.0)
    low, high = found["interval"]["self_cpu_s"]
    assert 0 < low < 1.0 < high and found["certain"]["self_cpu_s"]
    assert found["interval"]["calls"] == [0, 0] and not found["certain"]["calls"]


def test_few_samples_are_no_certain_change():
    def native(cpu, error):
        return Run(row("dgemm", kind="native", self_cpu_s=cpu, self_cpu_s_error=error))

    assert changes([native(0.004, 0.004)], [native(0.006, 0.005)])[0]["certain"]["self_cpu_s"] is False
    assert changes([native(0.4, 0.04)], [native(0.6, 0.05)])[0]["certain"]["self_cpu_s"] is True
    assert "errors" not in changes([Run(row("f", self_cpu_s=0.004))], [Run(row("f", self_cpu_s=0.006))])[0]


def test_trees_meet_node_by_node():
    def flame(*nodes):
        """Nodes are (parent, name, cpu)."""
        strings = ["", "/src/task.py", *dict.fromkeys(name for _, name, _ in nodes)]
        names = strings[2:]
        n = len(nodes)
        zeros = {m.column: [0] * n for m in METRICS.values()} | {"samples": [0] * n}
        frames = {"name": list(range(2, 2 + len(names))), "file": [1] * len(names), "line": [1] * len(names)}
        frames |= {"kind": [0] * len(names), "module": [0] * len(names)}
        columns = {"parent": [p for p, _, _ in nodes], "frame": [names.index(name) for _, name, _ in nodes]}
        return {"strings": strings, "frames": frames, "nodes": zeros | columns | {"cpu": [cpu for _, _, cpu in nodes]}}

    a = Run(flame=flame((-1, "[all]", 0), (0, "main", 10), (1, "read", 20), (1, "fit", 30)))
    b = Run(flame=flame((-1, "[all]", 0), (0, "main", 11), (1, "fit", 60), (2, "read", 5), (0, "exit", 1)))
    merged = diff_flame([a], [b])
    nodes, frames, strings = merged["nodes"], merged["frames"], merged["strings"]
    seen = {}
    for i, (parent, frame) in enumerate(zip(nodes["parent"], nodes["frame"], strict=True)):
        assert parent < i
        path = (*(seen[parent][0] if parent >= 0 else ()), strings[frames["name"][frame]])
        seen[i] = (path, nodes["a"]["cpu"][i], nodes["b"]["cpu"][i])
    assert {"/".join(path[1:]): (x, y) for path, x, y in seen.values()} == {
        "": (0, 0), "main": (10, 11), "main/read": (20, 0), "main/fit": (30, 60), "main/fit/read": (0, 5), "exit": (0, 1),
    }  # fmt: skip


@pytest.mark.parametrize(("runs_a", "runs_b"), [(3, 3), (2, 5), (1, 5)])
@pytest.mark.parametrize("draw", [lambda rng: rng.gauss(100, 3), lambda rng: 100 * rng.lognormvariate(0, 0.05)])
def test_the_interval_holds_the_truth_as_often_as_it_says(runs_a, runs_b, draw):
    """No change at all is found certain in about 5 % of experiments, also with few runs."""
    rng = random.Random(1)
    trials = 200
    held = 0
    for _ in range(trials):
        low, high = bootstrap.interval([draw(rng) for _ in range(runs_a)], [draw(rng) for _ in range(runs_b)])
        held += low <= 0 <= high
    assert 0.9 <= held / trials <= 0.995


def test_one_run_a_side_has_no_interval():
    assert bootstrap.interval([1.0], [2.0]) is None
    assert figure([1.0], [2.0]) == {"a": 1.0, "b": 2.0, "change": 1.0}


def test_runs_that_agree_leave_no_doubt():
    assert bootstrap.interval([3, 3], [5, 5, 5]) == (2, 2)


@pytest.mark.parametrize(
    ("limit", "a", "b", "broken"),
    [
        ("cpu > +5 %", [100], [106], True),
        ("cpu > +5 %", [100], [105], False),
        ("cpu>=+5%", [100], [105], True),
        ("cpu > 5 %", [100], [106], True),
        ("cpu < -10 %", [100], [89], True),
        ("peak > +64 MB", [0], [65 * 2**20], True),
        ("peak > +64 MB", [2**30], [2**30], False),
        ("peak > 2 GB", [3 * 2**30], [2**31], False),
        ("wall > 1.5 min", [0], [91], True),
        ("calls > +0", [7], [8], True),
        ("allocations > 1,000", [0], [1001], True),
        ("leaked > +0 %", [0], [1], True),
        ("leaked > +0 %", [0], [0], False),
        # Several runs: beyond the limit, but it may be noise.
        ("cpu > +5 %", [80, 100, 120], [90, 110, 130], False),
        ("cpu > +5 %", [99, 100, 101], [109, 110, 111], True),
    ],
)
def test_limits(limit, a, b, broken):
    assert limits.parse(limit).judge(figure(a, b)).is_broken is broken


def sampled(share, n, random):
    """A run of 1 s in n samples, of which one function has this share: as a report tells it, with the error by docs/sampling.md."""
    k = 1.959964**2 / n
    hits = sum(random.random() < share for _ in range(n))
    less = min(hits, n - hits) / n
    error = (less + k / 2 + (k * less * (1 - less) + k * k / 4) ** 0.5) / (1 + k) - less
    made = Run(cpu=1.0, cpu_error=k / (1 + k))
    rows = [row("a", total_cpu_s=hits / n, total_cpu_s_error=error)] if hits else []
    for name in ("a",) if hits else ():
        made.of_functions["cpu", name] = named.figure_of(None, rows, "cpu", name)
    return made


@pytest.mark.parametrize("n", [1, 2, 5, 20, 100])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_limit_of_an_estimate_is_not_broken_by_noise(share, n):
    """The same program twice: the sampling error was ignored, and `cpu of a > +5 %` was broken in a third to a half of the pairs."""
    rng = random.Random(n)
    limit, broken, pairs = limits.parse("cpu of a > +5 %"), 0, 0
    while pairs < 500:
        a, b = [sampled(share, n, rng)], [sampled(share, n, rng)]
        if a[0].of_functions or b[0].of_functions:
            broken += limit.judge(figure_of_function("cpu", "a", a, b)).is_broken
            pairs += 1
    assert broken / pairs < 0.05


def test_a_limit_of_an_estimate_is_broken_by_what_is_no_noise():
    rng = random.Random(1)
    limit = limits.parse("cpu of a > +5 %")
    pairs = [([sampled(0.2, 200, rng)], [sampled(0.6, 200, rng)]) for _ in range(200)]
    assert all(limit.judge(figure_of_function("cpu", "a", *pair)).is_broken for pair in pairs)


def test_a_limit_of_the_whole_run_knows_its_error_too():
    limit = limits.parse("peak > +5 %")
    for error, broken in ((40, False), (5, True), (None, True)):
        a, b = ([Run(peak=peak, peak_error=error)] for peak in (100, 120))
        assert limit.judge(figure_of_run("peak", a, b)).is_broken is broken


@pytest.mark.parametrize(
    ("limit", "error", "broken"),
    [
        ("peak > 100 B", None, True),
        ("peak > 100 B", 19, True),
        ("peak > 100 B", 20, False),
        ("peak >= 100 B", 20, True),
        ("peak > 100 B", float("inf"), False),
        ("peak < 140 B", 19, True),
        ("peak < 140 B", 20, False),
        ("peak > 200 B", 19, False),
    ],
)
def test_a_limit_of_one_sides_figure_is_broken_beyond_its_error(limit, error, broken):
    """120 against it: the error was ignored."""
    a, b = [Run(peak=1)], [Run(peak=120, peak_error=error)]
    verdict = limits.parse(limit).judge(figure_of_run("peak", a, b) | {"own_error": error_of_mean(b, "peak", None)})
    assert verdict.is_broken is broken
    assert ("±" in verdict.found) is (error is not None)


def test_the_error_of_several_runs_is_that_of_their_mean():
    runs = [Run(peak=100, peak_error=error) for error in (30, 40)]
    assert error_of_mean(runs, "peak", None) == 25
    assert error_of_mean([Run(peak=100)] * 3, "peak", None) is None


def test_the_figure_of_functions_of_a_name_has_its_error():
    rows = [row("a", total_cpu_s=2.0, total_cpu_s_error=0.5), row("b", total_cpu_s=1.0, total_cpu_s_error=None), row("c", total_cpu_s=1.0)]
    assert named.figure_of(None, rows, "cpu", "a") == (2.0, 0.5)
    assert named.figure_of(None, rows, "cpu", "b") == (1.0, float("inf"))
    assert named.figure_of(None, rows, "cpu", "c") == (1.0, None)


def test_a_row_that_one_run_did_not_hit_may_be_noise():
    a, b = Run(row("a", self_cpu_s=0.04, self_cpu_s_error=0.032), cpu_error=0.032), Run(row("b"), cpu_error=0.032)
    (found,) = changes([a], [b])
    assert found["certain"]["self_cpu_s"] is False


def test_an_error_that_nobody_knows_leaves_a_change_uncertain():
    """No sample at all: `null` of the report was taken for exact, and an interval without ends is no JSON."""
    a, b = Run(row("a", self_cpu_s=0.04, self_cpu_s_error=None)), Run(row("a", self_cpu_s=0.4, self_cpu_s_error=0.1))
    (found,) = changes([a], [b])
    assert found["certain"]["self_cpu_s"] is False and "self_cpu_s" not in found["interval"]
    assert found["errors"]["self_cpu_s"] == [None, 0.1]
    total = figure_of_run("peak", [Run(peak=1, peak_error=float("inf"))], [Run(peak=9, peak_error=1)])
    assert total == {"a": 1, "b": 9, "change": 8, "a_error": None, "b_error": 1, "certain": False}


def test_a_limit_of_a_function():
    limit = limits.parse("calls of galsim::SBProfile::draw > +0")
    assert (limit.metric, limit.function, limit.amount, limit.is_change) == ("calls", "galsim::SBProfile::draw", 0, True)


@pytest.mark.parametrize("text", ["", "cpu", "cpu > ", "cpu > five", "beauty > +5 %", "cpu = 5", "cpu > +5 MB", "cpu > --5 %"])
def test_a_limit_that_is_none_is_one_sentence(text):
    with pytest.raises(ValueError) as error:
        limits.parse(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [("64 MB", "bytes", 64 * 2**20), ("64MiB", "bytes", 64 * 2**20), ("1.5 s", "s", 1.5), ("3 ms", "s", 0.003), ("2", "count", 2)],
)
def test_quantities(text, unit, value):
    assert parse_quantity(text, unit) == pytest.approx(value)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(0, "s", "0 s"), (1.234, "s", "1.23 s"), (0.0456, "s", "45.6 ms"), (12e-6, "s", "12.0 us"), (7e-9, "s", "7 ns"),
     (1023, "bytes", "1023 B"), (1024, "bytes", "1.00 KiB"), (45.64 * 2**20, "bytes", "45.6 MiB"), (-2**31, "bytes", "-2.00 GiB"),
     (1234567, "count", "1,234,567"), (31858.0, "count", "31,858")],
)  # fmt: skip
def test_figures_for_people(value, unit, text):
    assert text_of(value, unit) == text


def test_files_that_both_have_are_left_alone():
    pairs = pair_files(dict.fromkeys(["/a/x.py", "/a/y.py"], {"f"}), dict.fromkeys(["/a/x.py", "/b/x.py"], {"f"}))
    assert pairs == {}


def names_of(*paths, names=("main",)):
    return {path: {"<module>", *names} for path in paths}


@pytest.mark.parametrize(
    ("a", "b", "pairs"),
    [
        # Two packages of one tree, of which each run used one.
        (["/r/run.py", "/r/alpha/__init__.py"], ["/r/run.py", "/r/beta/__init__.py"], {}),
        (["/r/run.py", "/r/alpha/sub/__init__.py"], ["/r/run.py", "/r/beta/sub/__init__.py"], {}),
        (["/s/site-packages/np/core.py", "/s/site-packages/alpha/io.py"], ["/s/site-packages/np/core.py", "/s/site-packages/beta/io.py"], {}),
        (["/r/alpha/x.py"], ["/r/alpha/y.py", "/r/beta/x.py"], {}),
        # Two check-outs beside one Python.
        (["/u/v1/x.py"], ["/u/v2/x.py"], {"/u/v1/x.py": "/u/v2/x.py"}),
        (["/u/venv/lib/python3.13/site-packages/n.py", "/u/v1/x.py"], ["/u/venv/lib/python3.13/site-packages/n.py", "/u/v2/x.py"], {"/u/v1/x.py": "/u/v2/x.py"}),
        (["/usr/lib/python3.11/json/__init__.py"], ["/usr/lib/python3.12/json/__init__.py"],
         {"/usr/lib/python3.11/json/__init__.py": "/usr/lib/python3.12/json/__init__.py"}),
    ],
)  # fmt: skip
def test_only_files_of_a_tree_that_has_moved_are_paired(a, b, pairs):
    assert pair_files(names_of(*a), names_of(*b)) == pairs


def test_a_copy_beside_the_original_is_known_by_its_functions():
    a = names_of("/r/run.py", "/r/v1/x.py", names=("read", "fit", "write"))
    b = names_of("/r/run.py", "/r/v2/x.py", names=("read", "fit", "write", "new"))
    assert pair_files(a, b) == {"/r/v1/x.py": "/r/v2/x.py"}


@pytest.mark.parametrize(
    ("a", "b", "pairs"),
    [
        # The same text: one more or one less was used.
        ([12, 13], [11, 12, 13], {12: 12, 13: 13}),
        ([11, 12, 13], [12, 13], {12: 12, 13: 13}),
        # Two lines more at the top, and nothing else to go by.
        ([10, 20, 30], [12, 22, 32], {10: 12, 20: 22, 30: 32}),
        ([10, 20, 30], [5, 12, 22, 32], {10: 12, 20: 22, 30: 32}),
        ([10], [15], {10: 15}),
        # Which of the two is it?
        ([10], [15, 40], {}),
    ],
)
def test_functions_of_one_name_are_paired_by_where_they_begin(a, b, pairs):
    assert pair_defs({"<lambda>": a}, {"<lambda>": b})["<lambda>"] == pairs


@pytest.mark.parametrize(
    ("a", "b", "pairs"),
    [
        # Landmarks say that the text is the same: two functions of which each run used one.
        ({"f": [1], "g": [90], "x": [10]}, {"f": [1], "g": [90], "x": [20]}, {}),
        # Three lines more before the landmark below.
        ({"f": [1], "g": [90], "x": [10, 50]}, {"f": [1], "g": [93], "x": [5, 10, 53]}, {10: 10, 50: 53}),
        ({"f": [1], "g": [90], "x": [100]}, {"f": [1], "g": [93], "x": [95, 103]}, {100: 103}),
        # Moved, as far as can be told.
        ({"f": [1], "x": [10]}, {"f": [1], "x": [20]}, {10: 20}),
    ],
)
def test_landmarks_tell_how_far_functions_have_moved(a, b, pairs):
    assert pair_defs(a, b)["x"] == pairs


def test_native_functions_of_one_name_meet_by_their_file():
    a = [row("init", "/src/b.c", 5, kind="native", calls=2)]
    b = [row("init", "/src/a.c", 5, kind="native", calls=1), row("init", "/src/b.c", 9, kind="native", calls=2)]
    (found,) = changes([Run(*a)], [Run(*b)])
    assert (found["file"], found["in"]) == ("/src/a.c", "b")
