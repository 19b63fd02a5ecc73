"""What nobody measured is empty, null or "?" in every view: never 0, which is a figure."""

import csv
import io
import json

import pytest

import rubinprof

pytestmark = pytest.mark.linux

PROGRAM = """
import json, rubinprof
def work():
    return json.loads(json.dumps([{"n": n, "x": n * 0.5} for n in range(20_000)]))
with rubinprof.region("r"):
    for _ in range(10):
        work()
"""
MEMORY = ["allocations", "allocated_bytes", "peak_bytes", "leaked_bytes"]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, rubinprof_command):
    """By modes of CPU and memory: a trace of the program."""
    home = tmp_path_factory.mktemp("unknown")
    (home / "work.py").write_text(PROGRAM)
    made = {}

    def record(cpu, memory):
        if (cpu, memory) not in made:
            made[cpu, memory] = home / f"{cpu}-{memory}.rprof"
            done = rubinprof_command("run", "--cpu", cpu, "--memory", memory, "-o", made[cpu, memory], home / "work.py")
            assert done.returncode == 0, done.stderr
        return made[cpu, memory]

    return record


@pytest.fixture(scope="module")
def figures(rubinprof_command):
    """The rows of a command, as its JSON and its CSV give them; in CSV what is unknown is ""."""

    def read(*words):
        shown = json.loads(rubinprof_command(*words, "--json").stdout)["rows"]
        return shown, list(csv.DictReader(io.StringIO(rubinprof_command(*words, "--csv").stdout)))

    return read


@pytest.mark.parametrize(("command", "key"), [(("table",), "calls"), (("table", "--by", "line"), "calls"), (("lines",), "calls_out")])
def test_calls_that_nobody_counted(recorded, figures, command, key):
    trace = recorded("exact", "exact")
    words = [command[0], trace, *command[1:]]
    if key == "calls_out":
        with rubinprof.open(trace) as opened:
            of_native = [row["file"] for row in opened.table("line") if row["kind"] == "native" and row["file"]]
        if not of_native:
            pytest.skip("this Python has no debug information: no native code has lines")
        words.append(of_native[0])
    rows, cells = figures(*words)
    native = [row for row in rows if row["kind"] == "native"]
    assert native and {row[key] for row in native} == {None}
    assert {row[key] for row in cells if row["kind"] == "native"} == {""}
    if command == ("table",):
        assert {row["function"]: row["calls"] for row in rows}["work"] == 10


def test_calls_of_lines_where_cpu_was_sampled(recorded, figures):
    rows, cells = figures("lines", recorded("sampled", "sampled"), "work.py")
    assert {row["calls_out"] for row in rows} == {None} and {row["calls_out"] for row in cells} == {""}


def test_wall_time_of_lines_of_a_function_that_waited(figures, rubinprof_command, tmp_path):
    """Nobody knows on which of them: the function has the time, and the rest of it is at no line."""
    (tmp_path / "waits.py").write_text("import time\ndef waits():\n    time.sleep(0.2)\n    return sum(range(100))\nwaits()\n")
    trace = tmp_path / "waits.rprof"
    assert rubinprof_command("run", "-o", trace, tmp_path / "waits.py").returncode == 0
    rows, cells = figures("table", trace, "--by", "line", "-n", "-1")
    of_lines = {row["line"]: row for row in rows if row["function"] == "waits"}
    assert of_lines.pop(None)["self_wall_s"] >= 0.19
    assert of_lines and {row["self_wall_s"] for row in of_lines.values()} == {None}
    of_cells = {row["line"]: row for row in cells if row["function"] == "waits"}
    assert float(of_cells.pop("")["self_wall_s"]) >= 0.19 and {row["self_wall_s"] for row in of_cells.values()} == {""}
    (caller,) = [row for row in rows if row["line"] == 5 and row["file"].endswith("waits.py")]
    assert caller["total_wall_s"] is None or caller["total_wall_s"] >= 0.19
    text = [line for line in rubinprof_command("table", trace, "--by", "line", "-m", "wall", "-n", "10000").stdout.splitlines() if " waits " in line]
    assert "[line unknown]" in text[0] and all(line.split()[:2] == ["?", "?"] for line in text[1:]) and len(text) > 1
    done = rubinprof_command("diff", trace, trace, "--by", "line", "-m", "wall")
    assert done.returncode == 0, done.stderr
    assert rubinprof_command("export", trace, "--format", "callgrind", "-o", tmp_path / "x.callgrind").returncode == 0


@pytest.mark.parametrize("cpu", ["exact", "sampled"])
def test_memory_that_was_off(recorded, figures, rubinprof_command, cpu):
    trace = recorded(cpu, "off")
    for words in (("table", trace), ("table", trace, "--by", "file"), ("lines", trace, "work.py"), ("regions", trace)):
        rows, cells = figures(*words)
        assert rows and {row[key] for row in rows for key in MEMORY} == {None}
        assert {row[key] for row in cells for key in MEMORY} == {""}
    stats = json.loads(rubinprof_command("stats", trace, "--json").stdout)
    assert {stats[key] for key in MEMORY} == {None}
    assert "not recorded" in rubinprof_command("stats", trace).stdout
    assert " ? " in rubinprof_command("regions", trace).stdout
    for words in (("leaks",), ("temporary",), ("table", "-m", "peak"), ("table", "--by", "region", "-m", "leaked")):
        done = rubinprof_command(words[0], trace, *words[1:])
        assert done.returncode == 2 and "nobody has measured" in done.stderr and len(done.stderr.splitlines()) == 1, words


def test_exports_and_data_frames(recorded, rubinprof_command, tmp_path):
    pandas, parquet = pytest.importorskip("pandas"), pytest.importorskip("pyarrow.parquet")
    with rubinprof.open(recorded("exact", "exact")) as opened:
        frame = opened.to_pandas()
    native = frame[frame["kind"] == "native"]
    assert len(native) and native["calls"].isna().all() and not frame[frame["kind"] == "python"]["calls"].isna().any()
    assert pandas.api.types.is_numeric_dtype(frame["calls"])
    trace = recorded("exact", "off")
    assert rubinprof_command("export", trace, "--format", "parquet", "-o", tmp_path / "x.parquet").returncode == 0
    table = parquet.read_table(tmp_path / "x.parquet").to_pylist()
    assert {row[key] for row in table for key in MEMORY} == {None}
    for name in ("speedscope", "pprof", "firefox", "perfetto", "callgrind"):
        done = rubinprof_command("export", trace, "--format", name, "-o", tmp_path / name)
        assert done.returncode == 0, done.stderr
    profiles = json.loads((tmp_path / "speedscope").read_text())["profiles"]
    assert "cpu" in {profile["name"] for profile in profiles} and not {"allocated", "peak"} & {profile["name"] for profile in profiles}


def test_difference_of_what_one_side_did_not_measure(recorded, rubinprof_command):
    done = rubinprof_command("diff", recorded("exact", "exact"), recorded("exact", "off"), "--json", "-m", "calls")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["totals"]["peak"]["b"] is None and found["totals"]["peak"]["change"] is None
    assert {row["change"]["allocated_bytes"] for row in found["rows"]} == {None}
    assert rubinprof_command("diff", recorded("exact", "exact"), recorded("exact", "off"), "-m", "peak").returncode == 2
    assert rubinprof_command("diff", recorded("exact", "exact"), recorded("exact", "exact")).returncode == 0


@pytest.mark.parametrize("memory", ["exact", "sampled"])
def test_cpu_time_that_was_off(recorded, figures, rubinprof_command, memory):
    """Nobody saw when a thread ran: its wall time was told as CPU time."""
    trace = recorded("off", memory)
    stats = json.loads(rubinprof_command("stats", trace, "--json").stdout)
    assert [stats[key] for key in ("cpu_s", "cpu_measured_s", "cpu_unseen_s")] == [None] * 3 and stats["wall_s"] > 0
    assert "cpu_s" not in stats.get("sample_adds", {})
    assert "CPU           not recorded" in rubinprof_command("stats", trace).stdout
    for command, keys in {
        ("table", trace): ["self_cpu_s", "total_cpu_s"],
        ("table", trace, "--by", "line"): ["self_cpu_s", "total_cpu_s"],
        ("lines", trace, "work.py"): ["own_cpu_s", "total_cpu_s"],
        ("regions", trace): ["cpu_s", "process_cpu_s"],
        ("table", trace, "--by", "region"): ["cpu_s", "process_cpu_s"],
    }.items():
        rows, cells = figures(*command)
        assert rows and cells and {row[key] for row in rows for key in keys} == {None} and {row[key] for row in cells for key in keys} == {""}, command
        assert rubinprof_command(*command).returncode == 0
    (region,) = json.loads(rubinprof_command("regions", trace, "--json").stdout)["rows"]
    assert region["wall_s"] > 0 and region["cpu_measured_s"] > 0  # the kernel's reading of the process
    assert "?" in rubinprof_command("regions", trace).stdout
    assert {row["self_cpu_s"] for row in json.loads(rubinprof_command("table", trace, "--by", "thread", "--json").stdout)["rows"]} == {None}
    assert {node["total"]["cpu_s"] for node in json.loads(rubinprof_command("tree", trace, "--json").stdout)["nodes"]} == {None}


@pytest.mark.parametrize("memory", ["exact", "sampled"])
def test_views_of_a_trace_without_cpu_time_show_memory_first(recorded, rubinprof_command, tmp_path, memory):
    trace = recorded("off", memory)
    assert json.loads(rubinprof_command("table", trace, "--json").stdout)["metric"] == "peak"
    refused = rubinprof_command("table", trace, "--metric", "cpu")
    assert refused.returncode == 2 and "its CPU time was off. Choose" in refused.stderr
    assert json.loads(rubinprof_command("diff", trace, trace, "--json").stdout)["totals"]["cpu"] == {"a": None, "b": None, "change": None}
    for format in ("speedscope", "collapsed", "callgrind", "pprof", "firefox", "perfetto", "csv", "parquet", "pstats"):
        done = rubinprof_command("export", trace, "--format", format, "-o", tmp_path / format)
        assert done.returncode == 0 or (done.returncode == 2 and done.stderr.count("\n") == 1 and "cpu" in done.stderr), (format, done)
    for page in ("report", "flamegraph"):
        done = rubinprof_command(page, trace, "-o", tmp_path / f"{page}.html")
        assert done.returncode == 0, done.stderr


@pytest.fixture
def partly(recorded):
    """One process that recorded memory, and one that did not."""
    with rubinprof.open(recorded("exact", "exact"), recorded("exact", "off")) as trace, rubinprof.open(recorded("exact", "exact")) as alone:
        yield trace, alone


def test_what_one_process_did_not_record_is_unknown_of_it_alone(partly):
    """All memory figures were unknown, since one process of five had it off."""
    trace, alone = partly
    stats, one = trace.stats(), alone.stats()
    assert stats["mode_processes"]["memory"] == {"exact": 1, "off": 1}
    for key in ("allocated_bytes", "allocations", "peak_bytes", "leaked_bytes"):
        assert stats[key] == one[key] > 0
    assert [row["peak_bytes"] is None for row in stats["by_process"]] == [False, True]
    rows, before = (
        {(row["function"], row["file"], row["line"]): row["allocated_bytes"] for row in t.table() if row["kind"] == "python"} for t in (trace, alone)
    )
    assert {name: rows[name] for name in before} == before
    assert {row["allocated_bytes"] is None for row in trace.table("thread")} == {False, True}


WORDS = ["stats", "table -m peak", "table --by line -m leaked", "table --by thread", "tree -m peak", "lines work.py", "leaks", "temporary", "regions", "regions --tree", "regions --sort peak"]


@pytest.mark.parametrize("words", WORDS)
def test_texts_say_how_many_did_not_record_it(recorded, rubinprof_command, words):
    command, *options = words.split()
    done = rubinprof_command(command, recorded("exact", "exact"), recorded("exact", "off"), *options)
    assert done.returncode == 0 and done.stdout.count("memory not recorded in 1 of 2 processes") == 1, done


@pytest.mark.parametrize("memory", ["sampled"])
def test_cpu_time_that_was_off_in_one_process(recorded, rubinprof_command, memory):
    paths = recorded("sampled", memory), recorded("off", memory)
    done = rubinprof_command("table", *paths)
    assert done.returncode == 0 and "CPU time not recorded in 1 of 2 processes" in done.stdout, done
    with rubinprof.open(*paths) as trace, rubinprof.open(paths[0]) as alone:
        assert trace.stats()["cpu_s"] == alone.stats()["cpu_s"] > 0
        assert trace.stats()["calls"] is None
