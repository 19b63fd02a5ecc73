"""Where calls were seen, samples share the exact time of a function out to native code and to lines: such figures carry their error everywhere."""

import csv
import json
import math

import pytest

import rubinprof
from rubinprof.compare import side

pytestmark = pytest.mark.linux

Z = 1.959964
PROGRAM = """
import time, zlib

def both(data):
    zlib.crc32(data)
    total = 0
    for i in range(4000):
        total += i
    return total

def idle(): pass

data = bytes(1 << 19)
end = time.thread_time() + 0.6
while time.thread_time() < end:
    both(data)
    idle()
"""


@pytest.fixture(scope="module")
def path(rubinprof_command, tmp_path_factory):
    directory = tmp_path_factory.mktemp("shared")
    (directory / "work.py").write_text(PROGRAM)
    done = rubinprof_command("run", "--memory", "off", "--sample-hz", "199", "-o", directory / "t.rprof", directory / "work.py")
    assert done.returncode == 0, done.stderr
    return directory / "t.rprof"


def asked(rubinprof_command, *words):
    return json.loads(rubinprof_command(*words, "--json").stdout)


def score(part, n, whole, n_whole):
    """Half of the score interval of a share (docs/sampling.md)."""
    share = min(1, part / whole)
    own, unit = part / n if part and n else whole / n_whole, whole / n_whole
    k, less = Z * Z * ((1 - share) * own + share * unit) / whole, min(share, 1 - share)
    return whole * ((less + k / 2 + math.sqrt(k * less * (1 - less) + k * k / 4)) / (1 + k) - less)


def test_native_code_has_the_error_of_its_samples(path, rubinprof_command):
    shared = asked(rubinprof_command, "stats", path)["shared_out"]
    natives = [row for row in asked(rubinprof_command, "table", path)["rows"] if row["kind"] == "native"]
    assert natives and shared["samples"] > 20
    for row in natives:
        for figure, samples in (("self_cpu_s", "samples"), ("total_cpu_s", "total_samples"), ("self_wall_s", "samples")):
            expected = score(row[figure.replace("wall", "cpu")], row[samples], shared["cpu_s"], shared["samples"])
            assert row[f"{figure}_error"] == pytest.approx(expected, rel=1e-6, abs=2e-9) or (figure == "self_wall_s" and row["self_wall_s_error"] < expected)


def test_a_python_function_has_that_of_what_native_code_took_of_it(path, rubinprof_command):
    rows = {row["function"]: row for row in asked(rubinprof_command, "table", path)["rows"] if row["kind"] == "python"}
    assert rows["both"]["self_cpu_s"] < rows["both"]["total_cpu_s"] and rows["both"]["self_cpu_s_error"] > 0
    assert rows["both"]["total_cpu_s_error"] == rows["both"]["total_wall_s_error"] == 0  # its clock tells
    assert rows["idle"]["total_cpu_s_error"] == 0 and rows["idle"]["calls"] == rows["both"]["calls"]
    assert all(row[f"{key}_error"] == 0 for row in asked(rubinprof_command, "regions", path)["rows"] for key in ("cpu_s",) if f"{key}_error" in row)


def test_a_line_has_that_of_its_share_of_the_function(path, rubinprof_command):
    rows = asked(rubinprof_command, "lines", path, path.parent / "work.py")["rows"]
    both = {row["line"]: row for row in rows if row["function"] == "both"}
    own, samples = (sum(row[key] for row in both.values()) for key in ("own_cpu_s", "samples"))
    for row in both.values():
        expected = score(row["own_cpu_s"], row["samples"], own, samples)
        assert row["own_cpu_s_error"] == row["total_cpu_s_error"] == pytest.approx(expected, rel=1e-6, abs=2e-9)
    assert both[5]["own_cpu_s_error"] > 0


def test_nodes_of_the_tree_have_it(path, rubinprof_command):
    nodes = asked(rubinprof_command, "tree", path)["nodes"]
    assert nodes[0]["total"]["cpu_s_error"] == 0
    natives = [node for node in nodes if node["kind"] == "native"]
    assert natives and all(node["total"]["cpu_s_error"] > 0 for node in natives)
    (both,) = (node for node in nodes if node["function"] == "both")
    assert both["self"]["cpu_s_error"] > 0 and both["total"]["cpu_s_error"] == 0


@pytest.mark.parametrize("words", [["table"], ["table", "--by", "line"], ["table", "--by", "module"], ["tree"], ["lines", "work.py"]], ids=" ".join)
def test_text_has_it(path, rubinprof_command, words):
    text = rubinprof_command(words[0], path, *words[1:]).stdout
    assert "±" in text and "too vague to use" in text, text


def test_csv_has_it(path, rubinprof_command):
    rows = list(csv.DictReader(rubinprof_command("table", path, "--csv").stdout.splitlines()))
    assert all((float(row["total_cpu_s_error"]) > 0) == (row["kind"] == "native") for row in rows)


def test_threads_and_memory_have_none(path, rubinprof_command):
    assert "cpu_s_error" not in rubinprof_command("table", path, "--by", "thread", "--json").stdout


def test_the_page_is_told_what_is_shared_out(path):
    with rubinprof.open(path) as trace:
        page = json.loads(trace.report("page"))
    assert {(kind > 0, bits & 32) for kind, bits in zip(page["frames"]["kind"], page["frames"]["sampled"], strict=True)} == {(True, 32), (False, 0)}


@pytest.fixture
def runs(path):
    return side.read_runs(path)


@pytest.mark.parametrize("metric", ["cpu", "wall"])
def test_what_no_sample_hit_is_no_exact_0(runs, metric):
    (run,) = runs
    whole, samples = run.stats["shared_out"]["cpu_s"], run.stats["shared_out"]["samples"]
    native = {"function": "dgemm", "kind": "native", "module": "libblas"}
    assert run.error_of_none(metric, native) == pytest.approx(score(0, 0, whole, samples))
    assert run.error_of_none("peak", native) is None
    # Calls were seen: what was not called is an exact 0, and a line has at most what its function has.
    assert run.error_of_none(metric, {"function": "new", "kind": "python", "module": "__main__"}) is None
    assert run.error_of_none(metric, {"function": "new", "kind": "python", "module": "__main__", "def_line": 3}) is None
    of_idle = next(row["total_cpu_s"] for row in run.functions if row["function"] == "idle")
    assert 0 < run.error_of_none(metric, {"function": "idle", "kind": "python", "module": "__main__", "def_line": 11}) < of_idle


def test_one_sample_of_a_native_function_makes_it_neither_new_nor_gone(path, tmp_path, rubinprof_command):
    """One sample said "+39.6 ms new" of a function that the exact run had not hit."""
    done = rubinprof_command("run", "--cpu", "sampled", "--memory", "off", "-o", tmp_path / "s.rprof", path.parent / "work.py")
    assert done.returncode == 0, done.stderr
    found = asked(rubinprof_command, "diff", path, tmp_path / "s.rprof", "-n", "-1")
    alone = [row for row in found["rows"] if row["kind"] == "native" and row["in"] != "both" and row["change"]["self_cpu_s"]]
    for row in alone:
        of_a, of_b = row["errors"]["self_cpu_s"]
        assert of_a > 0 and of_b > 0, row
        if abs(row["change"]["self_cpu_s"]) < max(of_a, of_b):
            assert row["certain"]["self_cpu_s"] is False
    lines = rubinprof_command("diff", path, tmp_path / "s.rprof", "-n", "-1").stdout.splitlines()
    assert not [line for line in lines if line.strip().startswith("~") and (" new " in line or " gone " in line)]
