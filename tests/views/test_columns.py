"""A report is columns over rows: text, JSON and CSV are of the same ones, whoever asks."""

import csv
import io
import json

import pytest

import rubinprof
from rubinprof.metrics import MAPPED, METRICS

pytestmark = pytest.mark.linux

PROGRAM = """
import json, threading, rubinprof
def work(n):
    kept.append(bytearray(2_000_000))  # so large that sampling cannot miss it
    for _ in range(n):
        bytearray(50_000)
    return json.loads(json.dumps(list(range(2000))))
kept = []
for name in ("=1+1", 'b"b'):
    with rubinprof.region("r", name=name):
        thread = threading.Thread(target=work, args=(30,), name="helper")
        thread.start()
        work(30)
        thread.join()
"""
MODES = [("exact", "exact"), ("sampled", "sampled"), ("exact", "off")]
BY = ["function", "line", "file", "module", "thread", "region"]
REPORTS = [*(("table", by) for by in BY), ("lines", None), ("regions", None), *((name, by) for name in ("leaks", "temporary") for by in BY[:3])]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, rubinprof_command):
    home = tmp_path_factory.mktemp("columns")
    (home / "work.py").write_text(PROGRAM)
    found = {}
    for cpu, memory in MODES:
        found[cpu, memory] = home / f"{cpu}-{memory}.rprof"
        done = rubinprof_command("run", "--cpu", cpu, "--memory", memory, "-o", found[cpu, memory], home / "work.py")
        assert done.returncode == 0, done.stderr
    return found


def reported(trace, name, **options):
    """JSON and CSV of a report; None where nobody has measured what it is of."""
    try:
        return json.loads(trace.report(name, **options)), list(csv.DictReader(io.StringIO(trace.report(name, "csv", **options).decode())))
    except ValueError as error:
        assert "nobody has measured" in str(error)
        return None


def as_cell(value):
    return "" if value is None else float(value) if isinstance(value, int | float) else "'" + value if value.startswith("=") else value


@pytest.mark.parametrize("mode", MODES, ids="-".join)
@pytest.mark.parametrize(("name", "by"), REPORTS)
def test_json_and_csv_have_the_same_columns(recorded, mode, name, by):
    with rubinprof.open(recorded[mode]) as trace:
        found = reported(trace, name, **({"by": by} if by else {}))
    if found is None:
        assert mode != ("exact", "exact")
        return
    document, cells = found
    keys = [column["key"] for column in document["columns"]]
    assert document["rows"] and len(document["rows"]) == len(cells) == document["rows_total"]
    for row, line in zip(document["rows"], cells, strict=True):
        assert keys == [key for key in row if not key.endswith("_error")]
        flat = {key: value for key, value in row.items() if not isinstance(value, dict | list)}
        flat |= {f"label.{key}": value for key, value in row.get("labels", {}).items()}
        for key, value in flat.items():
            if key == "line" and value == 0:  # of what is no line
                value = None
            cell = line[key]
            assert as_cell(value) == (float(cell) if isinstance(value, int | float) else cell), (key, value)
        unknown = set(line) - set(flat)
        assert all(key.endswith("_error") and line[key] == "" for key in unknown), unknown


@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize("metric", [*METRICS, *MAPPED])
def test_what_a_table_is_ranked_by_is_a_column(recorded, by, metric):
    with rubinprof.open(recorded["exact", "exact"]) as trace:
        if (by, metric) == ("region", "temporary"):
            with pytest.raises(ValueError, match="cannot be ranked"):
                trace.report("table", by=by, metric=metric)
            return
        _, cells = reported(trace, "table", by=by, metric=metric)
    key = "process_cpu_s" if by == "region" and metric == "cpu" else METRICS[metric].stats or METRICS[metric].own if metric in METRICS else f"{metric}_bytes"
    key = key if key in cells[0] else f"self_{key}"
    figures = [float(row[key]) if row[key] else 0.0 for row in cells]
    assert figures == sorted(figures, reverse=True)


@pytest.mark.parametrize("form", [[], ["--csv"], ["--json"]], ids=["text", "csv", "json"])
@pytest.mark.parametrize("words", [["table", "--by", "region"], ["table", "--by", "thread", "-n", "1"], ["leaks"], ["temporary", "--native"], ["regions"]], ids=" ".join)
def test_both_commands_say_the_same(recorded, rubinprof_command, analyze_command, words, form):
    command, *options = words
    asked = [command, recorded["exact", "exact"], *options, *form]
    done = analyze_command(*asked)
    assert done.returncode == 0 and done.stdout == rubinprof_command(*asked).stdout != ""


def test_shares_of_threads_add_up_to_the_whole(recorded):
    with rubinprof.open(recorded["exact", "exact"]) as trace:
        lines = trace.report("table", "text", by="thread").decode().splitlines()[1:]
    assert sum(float(line.split("%")[0].split()[-1]) for line in lines) == pytest.approx(100, abs=0.1 * len(lines))


def test_figures_of_lines_are_blank_or_unknown_as_with_the_source(recorded, rubinprof_command):
    """Nothing stands for 0, and ? for what nobody counted, with the source beside it and without."""
    path = recorded["sampled", "sampled"]
    shown = rubinprof_command("lines", path, "work.py", "--width", "100").stdout
    with rubinprof.open(path) as trace:
        bare = trace.report("lines", "text", file="work.py").decode()
    for text in (shown, bare):
        assert " 0 s" not in text and " 0 B" not in text and " ? " in text
    titles = [[line for line in text.splitlines() if "line CPU" in line][0].split()[:-1] for text in (shown, bare)]
    titles[0] = [title for title in titles[0] if title != "percent"]  # of the run's CPU time: with the source alone, where there is room
    assert titles[0] == titles[1]
