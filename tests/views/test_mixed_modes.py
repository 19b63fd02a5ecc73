"""An exact and a sampled trace read together: what was met in exact processes alone has the figures it has alone, and no errors; so has what was sampled."""

import json
import subprocess
import sys
import textwrap

import pytest

import rubinprof
from rubinprof.compare import diff
from rubinprof.compare.side import read_runs
from rubinprof.compare.tree import diff_flame
from rubinprof.exports.call_tree import CallTree

pytestmark = pytest.mark.linux

MODES = ("exact", "sampled")
PROGRAM = textwrap.dedent("""
    import sys, time, rubinprof

    def burn_exact(end):
        while time.thread_time() < end:
            pass

    def burn_sampled(end):
        while time.thread_time() < end:
            pass

    def keep_exact():
        kept = []
        for i in range(3000):
            kept.append(bytearray(700 + i % 900))
        return kept

    def keep_sampled():
        kept = []
        for i in range(9000):
            kept.append(bytearray(700 + i % 900))
        return kept

    def shared(count):
        kept = []
        for _ in range(count):
            kept.append(bytearray(3000))
        return kept

    def work(mode):
        burn, keep, count = {"exact": (burn_exact, keep_exact, 2000), "sampled": (burn_sampled, keep_sampled, 1000)}[mode]
        burn(time.thread_time() + 0.2)
        return keep(), shared(count)

    with rubinprof.Tracker(sys.argv[2], cpu=sys.argv[1], memory=sys.argv[1]), rubinprof.region(sys.argv[1]):
        kept = work(sys.argv[1])
""")
OWN = {mode: {f"burn_{mode}", f"keep_{mode}"} for mode in MODES}


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    directory = tmp_path_factory.mktemp("mixed")
    (directory / "program.py").write_text(PROGRAM)
    (directory / "traces").mkdir()
    for mode in MODES:
        subprocess.run([sys.executable, directory / "program.py", mode, directory / "traces" / f"{mode}.rprof"], check=True, timeout=120)
    return directory / "traces"


@pytest.fixture(scope="module")
def traces(directory):
    """Each read alone, and both."""
    with rubinprof.open(directory / "exact.rprof") as exact, rubinprof.open(directory / "sampled.rprof") as sampled, rubinprof.open(directory) as both:
        yield {"exact": exact, "sampled": sampled, "both": both}


def by_name(rows, names):
    return {(row["function"], row["line"]): row for row in rows if row["function"] in names}


def check_rows(together, alone, mode):
    """Every figure is that of the trace alone; errors that an exact one does not have are 0."""
    assert together.keys() == alone.keys()
    for key, row in together.items():
        assert {k: row[k] for k in alone[key]} == alone[key]
        assert {row[k] for k in row.keys() - alone[key].keys()} <= {0}, mode
        assert ("allocated_bytes_error" in row.keys() - alone[key].keys()) == (mode == "exact")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("by", ["function", "line"])
def test_rows_are_what_they_are_alone(traces, mode, by):
    alone = by_name(traces[mode].table(by), OWN[mode])
    assert {name for name, _ in alone} == OWN[mode]
    check_rows(by_name(traces["both"].table(by), OWN[mode]), alone, mode)
    row = next(row for (name, _), row in alone.items() if name == f"keep_{mode}" and row["allocated_bytes"])
    assert (row["calls"] is None) == (mode == "sampled")
    assert bool(row.get("allocated_bytes_error")) == (mode == "sampled")


@pytest.mark.parametrize("mode", MODES)
def test_regions_and_threads_are_what_they_are_alone(traces, mode):
    def one(rows):
        (row,) = (row for row in rows if row.get("name", mode) == mode and row["pid"] == pid)
        return {k: v for k, v in row.items() if k not in ("index", "start_s", "start_unix_s", "end_unix_s")}  # on the clock of the run

    pid = traces[mode].stats()["by_process"][0]["pid"]
    for rows in (lambda trace: trace.regions(), lambda trace: trace.table("thread")):
        alone, together = one(rows(traces[mode])), one(rows(traces["both"]))
        assert {k: together[k] for k in alone} == alone
        assert {together[k] for k in together.keys() - alone.keys()} <= {0}


def test_nodes_of_the_tree_are_what_they_are_alone(traces):
    def figures(trace):
        return {node["function"]: (node["self"], node["total"]) for node in json.loads(trace.report("tree"))["nodes"] if node["function"] in own}

    for mode in MODES:
        own = OWN[mode]
        alone, together = figures(traces[mode]), figures(traces["both"])
        assert alone.keys() == together.keys() == own
        for name, parts in alone.items():
            for before, now in zip(parts, together[name], strict=True):
                assert {k: now[k] for k in before} == before
                assert {now[k] for k in now.keys() - before.keys()} <= {0}


def test_what_both_ran_is_a_sum_with_the_error_of_the_sampled_part(traces):
    alone = {mode: next(iter(by_name(traces[mode].table(), {"shared"}).values())) for mode in MODES}
    (both,) = by_name(traces["both"].table(), {"shared"}).values()
    for key in ("allocated_bytes", "allocations", "leaked_bytes", "self_cpu_s"):
        assert both[key] == pytest.approx(alone["exact"][key] + alone["sampled"][key])
    # All its blocks have one size: V / u differs from its figure by how these differ from all that was sampled.
    for key in ("allocated_bytes", "leaked_bytes"):
        assert both[f"{key}_error"] == pytest.approx(alone["sampled"][f"{key}_error"], rel=0.2)
    assert both["calls"] is both["self_wall_s"] is both["temporary_bytes"] is None


def test_totals(traces):
    stats = {name: trace.stats() for name, trace in traces.items()}
    for key in ("cpu_s", "allocated_bytes", "allocations", "leaked_bytes", "peak_bytes"):
        assert stats["both"][key] == pytest.approx(sum(stats[mode][key] for mode in MODES))
    for key in ("allocated_bytes_error", "allocations_error"):
        assert stats["both"][key] == pytest.approx(stats["sampled"][key], abs=2)
    assert stats["both"]["sample_adds"] == stats["sampled"]["sample_adds"]
    assert stats["both"]["sampled_cpu_s"] == stats["sampled"]["sampled_cpu_s"] == stats["sampled"]["cpu_s"]
    assert stats["both"]["calls"] is None
    assert "sampled_cpu_s" not in stats["exact"]


def test_the_mode_says_how_many_processes_it_was(traces, directory):
    stats = traces["both"].stats()
    assert (stats["mode"]["cpu"], stats["mode"]["memory"]) == ("mixed", "mixed")
    assert stats["mode_processes"] == dict.fromkeys(("cpu", "memory"), {"exact": 1, "sampled": 1})
    text = traces["both"].report("stats", "text").decode()
    assert "Mode          cpu exact (1 process), sampled (1) memory exact (1 process), sampled (1), native" in text.splitlines()
    for mode in MODES:
        stats = traces[mode].stats()
        assert (stats["mode"]["cpu"], stats["mode_processes"]["memory"]) == (mode, {mode: 1})


def test_the_text_has_no_error_beside_what_is_exact(traces):
    lines = traces["both"].report("table", "text", metric="allocated", n=-1).decode().splitlines()
    assert "±" not in next(line for line in lines if " keep_exact " in line)
    assert "±" in next(line for line in lines if " keep_sampled " in line)


def test_the_page_is_told_which_frames_are_exact(traces):
    page = json.loads(traces["both"].report("page"))
    sampled = {page["strings"][name]: bits for name, bits in zip(page["frames"]["name"], page["frames"]["sampled"], strict=True)}
    assert {name: sampled[name] for name in ("keep_exact", "burn_exact", "keep_sampled", "burn_sampled", "shared", "[all]")} == {
        "keep_exact": 0, "burn_exact": 0, "keep_sampled": 7, "burn_sampled": 7, "shared": 31, "[all]": 31,
    }
    assert sorted(process["sampled"] for process in page["processes"]) == [0, 7]
    assert "sampled" not in json.loads(traces["sampled"].report("page"))["frames"]
    frames = json.loads(traces["exact"].report("page"))["frames"]
    assert all(bits == (32 if kind else 0) for kind, bits in zip(frames["kind"], frames["sampled"], strict=True))


@pytest.mark.parametrize("report", ["flame", "page"])
def test_nodes_of_the_page_have_what_exact_processes_counted_alone(traces, report):
    both, exact = (json.loads(traces[name].report(report)) for name in ("both", "exact"))
    assert named(both, "calls")["keep_exact"] == named(exact, "calls")["keep_exact"] == [1]
    assert named(both, "temporary")["keep_exact"] == named(exact, "temporary")["keep_exact"]
    assert named(both, "calls")["keep_sampled"] == named(both, "calls")["[all]"] == [None]
    assert set(named(both, "variance_cpu")["burn_exact"]) == {0}
    assert "variance_cpu" not in exact["nodes"]
    for mode in MODES:
        assert not [column for column in json.loads(traces[mode].report(report))["nodes"].values() if column and None in column]


def named(flame, column):
    found = {}
    for frame, value in zip(flame["nodes"]["frame"], flame["nodes"][column], strict=True):
        found.setdefault(flame["strings"][flame["frames"]["name"][frame]], []).append(value)
    return found


def test_exports_leave_out_what_some_processes_did_not_count(directory):
    with rubinprof.open(directory) as both:
        tree = CallTree(both)
    assert {"calls", "wall", "gil_wait", "temporary"} == tree.unknown
    assert all(isinstance(value, int) for column in tree.figures.values() for value in column)


def test_a_difference_of_trees_has_no_column_that_some_processes_did_not_count(directory):
    runs = read_runs(directory, want_flame=True)
    assert {name for name, column in diff_flame(runs, runs)["nodes"]["b"].items() if column is None} == {"calls", "wall", "gil_wait", "temporary"}


def test_a_difference_has_no_errors_of_what_is_exact(directory):
    found = diff(directory, directory)
    assert found["a"]["runs"][0]["mode"]["cpu"] == "mixed"
    rows = {row["function"]: row for row in diff(directory, directory / "sampled.rprof")["rows"]}
    assert rows["keep_exact"]["errors"]["allocated_bytes"][0] in (None, 0)
    assert rows["keep_exact"]["errors"]["allocated_bytes"][1] > 0  # of a function that no sample hit
