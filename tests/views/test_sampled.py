"""What a sampled trace does not tell is told nowhere as a 0."""

import csv
import io
import json
import pstats
import re

import pytest

import rubinprof
from rubinprof import exports

pytestmark = pytest.mark.linux

UNKNOWN = {"wall", "gil_wait", "calls", "temporary"}


@pytest.fixture(scope="module")
def path(traces, rubinprof_command, tmp_path_factory):
    path = tmp_path_factory.mktemp("sampled") / "s.rprof"
    done = rubinprof_command("run", "-o", path, "--cpu", "sampled", "--memory", "sampled", "--sample-hz", "997", traces.program, "3")
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture
def export(path):
    """Exports in this process; returns the bytes."""

    def write(format, **options):
        out = io.BytesIO()
        with rubinprof.open(path) as trace:
            exports.write(trace, out, format, exports.Options(**options))
        return out.getvalue()

    return write


def test_the_tree_has_null_for_a_column(path):
    with rubinprof.open(path) as trace:
        flame, page = trace.report("flame"), trace.report("page")
    assert {key for key, column in json.loads(flame)["nodes"].items() if column is None} == UNKNOWN
    assert {key for key, column in json.loads(page)["lines"]["own"].items() if column is None} == UNKNOWN


def test_regions_have_null_too(path):
    with rubinprof.open(path) as trace:
        regions = trace.regions()
    assert regions and all(region["calls"] is None and region["gil_wait_s"] is None for region in regions)
    assert all(region["wall_s"] > 0 for region in regions)


@pytest.mark.parametrize("format", exports.FORMATS)
def test_every_format_can_be_written(export, format):
    assert export(format)


def test_formats_of_all_metrics_leave_unknown_ones_out(export):
    events = next(line for line in export("callgrind").decode().splitlines() if line.startswith("events: "))
    assert not UNKNOWN & set(events.split())
    profiles = json.loads(export("speedscope"))["profiles"]
    assert not UNKNOWN & {profile["name"] for profile in profiles}
    assert b'"by wall"' not in export("perfetto")


@pytest.mark.parametrize(("format", "metric"), [("pstats", "wall"), ("collapsed", "wall"), ("collapsed", "calls")])
def test_an_unknown_metric_is_refused_by_name(export, format, metric):
    with pytest.raises(ValueError, match=f"nobody has measured {metric}"):
        export(format, metric=metric)


def test_pstats_has_time_without_calls(export, tmp_path):
    file = tmp_path / "s.pstats"
    file.write_bytes(export("pstats"))
    stats = pstats.Stats(str(file))
    assert stats.total_tt > 0 and stats.total_calls == 0


def test_a_difference_knows_what_is_unknown(path):
    from rubinprof import compare

    runs = compare.read_runs(path, want_flame=True)
    nodes = compare.diff_flame(runs, runs)["nodes"]
    assert all({key for key, column in nodes[side].items() if column is None} == UNKNOWN for side in "ab")


def test_exact_against_sampled_is_not_a_change_to_nothing(path, traces, rubinprof_command):
    found = json.loads(rubinprof_command("diff", traces.a[0], path, "--json").stdout)
    for metric in UNKNOWN:
        if metric == "wall":  # of the whole run it is known, of functions not
            continue
        assert found["totals"][metric]["b"] is None and found["totals"][metric]["change"] is None
    assert found["totals"]["calls"]["a"] > 0 and found["totals"]["allocated"]["change"] is not None
    (fit,) = [row for row in found["rows"] if row["function"] == "fit"]
    assert fit["a"]["calls"] == 31 and fit["b"]["calls"] is fit["change"]["calls"] is None
    text = rubinprof_command("diff", traces.a[0], path).stdout
    assert re.search(r"^calls +[\d,]+ +\? +\?$", text, re.MULTILINE), text


@pytest.mark.parametrize("words", [["-m", "calls"], ["--fail-on", "calls > +5 %"], ["--fail-on", "calls of fit < 10"]])
def test_what_is_unknown_of_one_side_is_refused(path, traces, rubinprof_command, words):
    done = rubinprof_command("diff", traces.a[0], path, *words)
    assert done.returncode == 2 and done.stdout == "" and "measure" in done.stderr and len(done.stderr.splitlines()) == 1, done


def test_csv_of_several_runs_leaves_unknown_cells_empty(path, traces, rubinprof_command):
    done = rubinprof_command("diff", "--a", *traces.a, "--b", path, "--csv")
    (fit,) = [row for row in csv.DictReader(done.stdout.splitlines()) if row["function"] == "fit"]
    assert fit["calls_a"] == "31.0" or fit["calls_a"] == "31"
    assert fit["calls_b"] == fit["calls_change"] == fit["calls_low"] == "" and fit["self_cpu_s_low"] != ""


@pytest.fixture(scope="module")
def estimates(rubinprof_command, tmp_path_factory):
    """A trace of 40 MB in blocks that are sampled for certain; its program is beside it."""
    directory = tmp_path_factory.mktemp("estimates")
    (directory / "work.py").write_text("""
import rubinprof, time
def made(): return [bytearray(20000) for _ in range(1000)]
with rubinprof.region("quantum"): kept = [made(), made()]
end = time.thread_time() + 0.2
while time.thread_time() < end: pass
""")
    done = rubinprof_command("run", "-o", directory / "t.rprof", "--cpu", "sampled", "--memory", "sampled", directory / "work.py")
    assert done.returncode == 0, done.stderr
    return directory / "t.rprof"


ESTIMATES = {
    "self_cpu_s", "total_cpu_s", "own_cpu_s", "allocations", "allocated_bytes", "peak_bytes", "peak_above_start_bytes", "start_bytes", "leaked_bytes",
    "leaked_allocations", "largest_peak_bytes", "deallocations", "total_allocations", "total_allocated_bytes", "total_peak_bytes", "total_leaked_bytes",
}  # fmt: skip


def without_error(value, where=""):
    """Estimates in a document that have no error beside them."""
    if isinstance(value, list):
        return [found for i, item in enumerate(value) for found in without_error(item, f"{where}[{i}]")]
    if not isinstance(value, dict):
        return []
    if value.get("attempts") == 0:  # a sum of nothing
        return []
    alone = [f"{where}.{key}" for key in ESTIMATES & value.keys() if value[key] is not None and f"{key}_error" not in value]
    return alone + [found for key, item in value.items() for found in without_error(item, f"{where}.{key}")]


@pytest.mark.parametrize(
    "words",
    [["stats"], *(["table", "--by", by] for by in ("function", "line", "file", "module", "thread", "region")), ["tree"], ["regions"], ["leaks"], ["lines"]],
    ids=" ".join,
)
def test_every_estimate_has_its_error(estimates, rubinprof_command, words):
    command, *options = words
    done = rubinprof_command(command, estimates, *([estimates.parent / "work.py"] if command == "lines" else []), *options, "--json")
    document = json.loads(done.stdout)
    document.pop("by_process", None)
    document.pop("sample_adds", None)
    assert without_error(document) == []
    found = [key for key in done.stdout.split('"') if key.endswith("_error")]
    assert found


@pytest.mark.parametrize("words", [["regions"], ["table", "--by", "region"], ["table"], ["lines"], ["leaks"]], ids=" ".join)
def test_so_it_has_in_csv(estimates, rubinprof_command, words):
    command, *options = words
    done = rubinprof_command(command, estimates, *([estimates.parent / "work.py"] if command == "lines" else []), *options, "--csv")
    (first, *_) = csv.DictReader(done.stdout.splitlines())
    assert {key for key in ESTIMATES & first.keys() if f"{key}_error" not in first} == set()
    assert float(first["leaked_bytes_error"]) >= 0


@pytest.mark.parametrize("words", [["regions"], ["table", "--by", "region"], ["table"], ["table", "-m", "allocated"], ["tree"], ["leaks"], ["stats"]], ids=" ".join)
def test_text_tells_how_far_off_and_what_is_too_vague(estimates, rubinprof_command, words):
    command, *options = words
    text = rubinprof_command(command, estimates, *options).stdout
    assert re.search(r"(±|\+-)\d", text) or "vague" in text, text
    assert "too vague to use" in text or command == "stats"


def test_exact_figures_have_no_error(traces, rubinprof_command):
    for words in (["stats"], ["table", "--by", "thread"], ["regions"], ["tree", "-m", "allocated"], ["leaks"]):
        assert not re.search("(bytes|allocations|process_cpu_s)_error", rubinprof_command(words[0], traces.a[0], *words[1:], "--json").stdout)
        assert not re.search("±|vague", rubinprof_command(words[0], traces.a[0], *words[1:]).stdout)


def test_a_difference_of_estimates_has_an_interval(estimates, rubinprof_command):
    found = json.loads(rubinprof_command("diff", estimates, estimates, "--json").stdout)
    for name in ("allocated", "allocations", "peak", "leaked"):
        low, high = found["totals"][name]["interval"]
        assert low < 0 < high and found["totals"][name]["certain"] is False


@pytest.mark.parametrize("limit", ["cpu of <module> >= +0 %", "allocated of made >= +0 %", "peak >= +0 %"])
def test_a_limit_of_estimates_is_not_broken_by_what_may_be_noise(estimates, rubinprof_command, limit):
    done = rubinprof_command("diff", estimates, estimates, "--fail-on", limit)
    assert done.returncode == 0 and "which may be noise" in done.stdout, done


def test_what_every_sample_hit_is_not_told_as_exact_but_the_whole_is(estimates, rubinprof_command):
    """The rest may have been missed; the CPU time of the process its clock tells."""
    nodes = json.loads(rubinprof_command("tree", estimates, "--json").stdout)["nodes"]
    assert nodes[0]["total"]["cpu_s"] > 0 and nodes[0]["total"]["cpu_s_error"] == 0
    with rubinprof.open(estimates) as trace:
        (module,) = [row for row in trace.table() if row["function"] == "<module>" and row["file"].endswith("work.py")]
        assert module["total_cpu_s_error"] > 0.01 * trace.stats()["cpu_s"]
