"""The page of an exact and a sampled trace read together says of each row what `table` says: its figures, what is not known, and the errors of what is an estimate."""

import json
import re
import subprocess
import sys

import pytest

import rubinprof

pytestmark = [pytest.mark.browser, pytest.mark.linux]

PROGRAM = """
import sys, time, rubinprof

def burn_exact(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass

def burn_sampled(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass

def burn_both(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass

def keep_exact():
    time.sleep(0.02)
    for i in range(100):
        bytearray(5000 + i)  # temporary
    return [bytearray(700 + i % 900) for i in range(3000)]

def keep_sampled():
    return [bytearray(700 + i % 900) for i in range(9000)]

def keep_both(count):
    return [bytearray(3000) for _ in range(count)]

def work(mode):
    if mode == "exact":
        return burn_exact(0.8), keep_exact(), burn_both(0.3), keep_both(8000)
    return burn_sampled(0.2), keep_sampled(), burn_both(0.2), keep_both(1000)

with rubinprof.Tracker(sys.argv[2], cpu=sys.argv[1], memory=sys.argv[1], sample_hz=200), rubinprof.region(sys.argv[1]):
    kept = work(sys.argv[1])
"""

# By row, what stands in its cells: key, value in ns where that is a time, text.
ROWS = """(by) => {
  const { table } = p.parts, { frames } = p;
  table.by = by;
  table.isShaped = false;
  table.show();
  const { rows, grid } = table;
  return [...Array(rows.count).keys()].map((i) => {
    const f = rows.frame?.[i] ?? -1;
    const name = f < 0 ? rows.label(i) : [frames.fullName(f), frames.text(frames.file[f]), rows.line ? rows.line[i] : frames.line[f], frames.kind[f], frames.text(frames.module[f])].join("|");
    return [name, Object.fromEntries(grid.columns.filter((c) => c.value && c.share).map((c) => [c.key, [c.value(i), c.text(i)]]))];
  });
}"""
# Of the page and of the report "table".
COLUMNS = {
    "self_cpu": "self_cpu_s", "total_cpu": "total_cpu_s", "total_wall": "total_wall_s", "total_gil_wait": "total_gil_wait_s", "self_calls": "calls",
    "own_allocated": "allocated_bytes", "own_allocations": "allocations", "own_peak": "peak_bytes", "own_leaked": "leaked_bytes", "own_temporary": "temporary_bytes",
}  # fmt: skip
KINDS = {("python", False): 0, ("native", False): 1, ("native", True): 2}


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    directory = tmp_path_factory.mktemp("mixed")
    (directory / "program.py").write_text(PROGRAM)
    (directory / "traces").mkdir()
    for mode in ("exact", "sampled"):
        subprocess.run([sys.executable, directory / "program.py", mode, directory / "traces" / f"{mode}.rprof"], check=True, timeout=120)
    return directory / "traces"


@pytest.fixture(scope="module")
def trace(directory):
    with rubinprof.open(directory) as both:
        yield both


def open_page_of(directory, word, open_path, path):
    subprocess.run([sys.executable, "-m", "rubinprof", word, directory, "-o", path], check=True, capture_output=True, timeout=120)
    return open_path(path)


@pytest.fixture
def report(directory, open_path, tmp_path):
    return open_page_of(directory, "report", open_path, tmp_path / "r.html")


def check_row(shown, row, columns):
    for column, key in columns.items():
        if column not in shown or (row["kind"] == "native" and key == "calls"):
            continue
        (value, text), figure, at = shown[column], row[key], (row["function"], row["line"], key)
        assert (text == "?") == (figure is None), at
        if figure is None:
            continue
        scale = 1e9 if key.endswith("_s") else 1
        assert value / scale == pytest.approx(figure, rel=1e-6, abs=2e-6 if scale > 1 else 2), at
        check_doubt(text, figure, row.get(f"{key}_error", 0), at)


def check_doubt(text, figure, error, at):
    """Variances are whole square microseconds and KiB: the page's errors are not those of the table to the last digit."""
    percent = 100 * error / figure if figure else 0
    doubt = re.search(r"±(\d+)%", text)
    shown = int(doubt[1]) if doubt else 100 if "vague" in text else 0
    whole = 100 / figure if isinstance(figure, int) and figure else 0  # the table's errors of counts are cut to whole ones
    assert shown == pytest.approx(min(percent, 100), rel=0.04, abs=1.5 + whole), (at, text, figure, error)
    assert bool(shown) == bool(percent), (at, text)


@pytest.mark.parametrize("by", ["function", "line"])
def test_rows_of_the_page_are_those_of_the_table(report, trace, by):
    shown = {tuple(name.split("|")): figures for name, figures in report.evaluate(f"({ROWS})(arg)", by)}
    report_name, options, columns = ("table", {"by": by}, COLUMNS) if by == "function" else ("lines", {}, COLUMNS | {"self_cpu": "own_cpu_s"})
    found = json.loads(trace.report(report_name, full_names=True, n=-1, **options))["rows"]
    rows = {(r["function"], r["file"] or "", str(r["line"] or 0), str(KINDS[r["kind"], r["inlined"]]), r["module"] or ""): r for r in found}
    checked = set()
    for key, row in rows.items():
        if key in shown:
            check_row(shown[key], row, columns)
            checked.add(row["function"])
    assert checked >= {f"{what}_{mode}" for what in ("burn", "keep") for mode in ("exact", "sampled", "both")}
    both = next(r for r in rows.values() if r["function"] == "burn_both" and r["total_cpu_s"])
    assert both["calls"] is None
    assert both["total_cpu_s_error"] > 0


def test_a_stretch_of_time_knows_it_too(report):
    for part in ("overview", "memory", "source", "regions", "table"):
        report.evaluate(f"(p.open('{part}'), p.select(0, p.timeline.bins - 1))")
    cells = {name.split("|")[0]: cells for name, cells in report.evaluate(f"({ROWS})(arg)", "function")}
    assert (cells["keep_exact"]["self_calls"][1], cells["keep_both"]["self_calls"][1]) == ("1", "?")
    assert "±" not in cells["burn_exact"]["total_cpu"][1]
    assert "±" in cells["burn_both"]["total_cpu"][1]


@pytest.mark.parametrize("by", ["thread", "region"])
def test_rows_of_the_exact_process_have_what_only_it_counted(report, by):
    texts = [cells["self_calls"][1] for _, cells in report.evaluate(f"({ROWS})(arg)", by)]
    assert len(texts) == 2
    assert sum(text == "?" for text in texts) == 1


def test_a_metric_that_some_counted_is_no_order_and_is_told_of_boxes_that_have_it(directory, open_path, tmp_path):
    tab = open_page_of(directory, "flamegraph", open_path, tmp_path / "f.html")
    disabled = dict(tab.evaluate("[...p.find('metric').options].filter((o) => o.disabled).map((o) => [o.value, o.textContent])"))
    assert set(disabled) == {"wall", "gil_wait", "calls", "temporary"}
    assert disabled["calls"].endswith("counted in some processes only")
    details = """(name) => {
      const i = [...p.layout.frame].findIndex((f) => p.frames.fullName(f) === name);
      p.showDetails(i);
      return [...document.querySelectorAll('#rp-details tr[data-metric]')].map((r) => [r.dataset.metric, r.children[1].textContent]);
    }"""
    of = {name: dict(tab.evaluate(f"({details})(arg)", name)) for name in ("keep_exact", "keep_both", "everything")}
    assert {name: cells["calls"] for name, cells in of.items()} == {"keep_exact": "1", "keep_both": "?", "everything": "?"}
