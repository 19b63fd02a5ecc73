"""rubinprof diff on real traces: b does twice what a does."""

import csv
import io
import json
import re

import pytest

import rubinprof
from rubinprof import compare

pytestmark = pytest.mark.linux


def test_two_runs(traces, rubinprof_command):
    done = rubinprof_command("diff", traces.a[0], traces.b[0], "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    rows = {row["function"]: row for row in found["rows"]}
    # 10 calls in each of 3 visits, and one in the thread; then twice as many.
    assert (rows["fit"]["a"]["calls"], rows["fit"]["b"]["calls"], rows["fit"]["change"]["calls"]) == (31, 61, 30)
    assert rows["keep"]["change"]["allocated_bytes"] == pytest.approx(3_000_000, rel=0.01)
    assert "recurse" not in rows or rows["recurse"]["change"]["calls"] == 0
    a, b = (rubinprof.open(path).stats() for path in (traces.a[0], traces.b[0]))
    assert found["totals"]["cpu"]["change"] == pytest.approx(b["cpu_s"] - a["cpu_s"])
    assert found["noise"]["method"] is None


def test_several_runs_state_their_noise(traces, rubinprof_command):
    done = rubinprof_command("diff", "--a", *traces.a, "--b", *traces.b, "--json", "--by", "line", "-m", "calls", "-n", "3")
    found = json.loads(done.stdout)
    assert found["noise"]["runs"] == [2, 2]
    low, high = found["totals"]["calls"]["interval"]
    assert low <= found["totals"]["calls"]["change"] <= high
    assert len(found["rows"]) == 3 and found["rows_total"] >= 3
    assert found["rows"][0]["function"] == "fit" and found["rows"][0]["interval"]["calls"] == [30, 30]


@pytest.mark.parametrize(
    ("limits", "status", "word"),
    [(["calls of fit > +50 %"], 1, "FAIL"), (["peak > +10 GB", "calls < -1 %"], 0, "pass"), (["calls > +0", "wall > 1 h"], 1, "FAIL")],
)
def test_limits_are_the_exit_status(traces, rubinprof_command, limits, status, word):
    words = [word for limit in limits for word in ("--fail-on", limit)]
    done = rubinprof_command("diff", traces.a[0], traces.b[0], *words)
    assert done.returncode == status, done.stderr
    assert word in done.stdout and done.stderr == ""


NATIVE = """
import sys, time, zlib

def run(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        zlib.crc32(data)

data = bytes(1 << 20)
run(float(sys.argv[1]))
"""


def test_a_limit_on_a_native_function_heeds_its_samples(rubinprof_command, tmp_path):
    (tmp_path / "p.py").write_text(NATIVE)
    for name, seconds in (("a", 0.2), ("b", 0.22)):
        done = rubinprof_command("run", "--memory", "off", "-o", tmp_path / f"{name}.rprof", tmp_path / "p.py", seconds)
        assert done.returncode == 0, done.stderr
    with rubinprof.open(tmp_path / "b.rprof") as b:
        natives = [row for row in b.table() if row["kind"] == "native" and row["function"].isidentifier() and row["total_samples"] > 10]
    row = max(natives, key=lambda row: row["total_cpu_s"])
    error = row["total_cpu_s_error"]
    assert 0 < error < 1.959964 * row["total_cpu_s"] / row["total_samples"] ** 0.5 + 4 * row["total_cpu_s"] / row["total_samples"]
    name, figure = row["function"], row["total_cpu_s"]
    limits = {f"cpu of {name} > {figure - 0.9 * error:.9f} s": False, f"cpu of {name} > {figure - 1.1 * error:.9f} s": True}
    words = [word for limit in limits for word in ("--fail-on", limit)]
    found = json.loads(rubinprof_command("diff", tmp_path / "a.rprof", tmp_path / "b.rprof", "--json", *words).stdout)
    assert {limit["limit"]: limit["broken"] for limit in found["limits"]} == limits
    assert found["limits"][0]["found"].endswith("which may be noise")
    assert next(r for r in found["rows"] if r["function"] == name)["errors"]["total_cpu_s"][1] == pytest.approx(error)


NESTED = """
class Inner:
    def run(self):
        return [bytearray(1_000_000), sum(i * i for i in range(20_000))]

class Outer:
    def run(self):
        return [bytearray(200_000), Inner().run()]

kept = Outer().run()
"""


@pytest.fixture(scope="module")
def nested(rubinprof_command, tmp_path_factory):
    """Two functions of one name, one of which calls the other."""
    home = tmp_path_factory.mktemp("nested")
    (home / "nested.py").write_text(NESTED)
    done = rubinprof_command("run", "-o", home / "nested.rprof", home / "nested.py")
    assert done.returncode == 0, done.stderr
    return home / "nested.rprof"


def test_a_limit_counts_what_is_nested_once(nested, rubinprof_command):
    """Inner.run was counted on its own and as a part of Outer.run: over 2 MB."""
    words = ["--fail-on", "allocated of run > 1.5 MB", "--fail-on", "allocated of run < 1.1 MB", "--fail-on", "calls of run > 2"]
    done = rubinprof_command("diff", nested, nested, *words)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("metric", ["cpu", "wall", "allocated", "allocations", "peak", "leaked"])
def test_functions_of_a_name_have_the_figure_of_the_outermost(nested, metric):
    (run,) = compare.read_runs(nested, want_functions=[(metric, "run"), (metric, "Outer.run"), (metric, "rum")])
    assert run.of_functions[metric, "run"][0] == pytest.approx(run.of_functions[metric, "Outer.run"][0])
    assert run.of_functions[metric, "run"][1] is None
    assert list(run.of_functions) == [(metric, "run"), (metric, "Outer.run")]


def test_a_limit_of_a_function_that_is_nowhere_is_bad_use(nested, rubinprof_command):
    """A misspelt name passed whatever the program did."""
    done = rubinprof_command("diff", nested, nested, "--fail-on", "cpu of rum > 1 s")
    assert done.returncode == 2 and done.stdout == "" and len(done.stderr.splitlines()) == 1 and "'rum'" in done.stderr, done


def test_text_is_plain_in_a_pipe_and_csv_has_every_row(traces, rubinprof_command):
    # By calls, which are the same each time: in CPU time so short a function may rank behind the noise of imports.
    text = rubinprof_command("diff", traces.a[0], traces.b[0], "-m", "calls", "--width", "100").stdout
    assert "\x1b" not in text and max(map(len, text.splitlines())) <= 100
    assert re.search(r"^ *\+30 +\+96.8 % .* 31 +61 +fit ", text, re.MULTILINE), text
    rows = list(csv.DictReader(io.StringIO(rubinprof_command("diff", traces.a[0], traces.b[0], "--csv").stdout)))
    (fit,) = [row for row in rows if row["function"] == "fit"]
    assert fit["calls_change"] == "30"


@pytest.mark.parametrize("words", [["x"], ["x", "y", "z"], ["--a", "x"], ["x", "--a", "y", "--b", "z"], ["x", "y", "--fail-on", "cpu"]])
def test_bad_use_is_one_sentence(rubinprof_command, words):
    done = rubinprof_command("diff", *words)
    assert done.returncode == 2 and done.stdout == "" and len(done.stderr.splitlines()) == 1, done


def test_a_missing_trace_is_named(traces, rubinprof_command):
    done = rubinprof_command("diff", traces.a[0], "gone.rprof")
    assert done.returncode == 2 and "gone.rprof" in done.stderr and len(done.stderr.splitlines()) == 1


def test_from_python(traces):
    found = rubinprof.diff(traces.a, traces.b[0], by="file", n=1)
    assert found["a"]["runs"][1]["paths"] == [str(traces.a[1])]
    assert "B ran once" in found["noise"]["assumed"]


SOME_OF_THEM = """
import sys

def work(n):
    return sum(range(n))

strict = lambda n: work(n)
medium = lambda n: work(n * 2)

class Frame:
    @property
    def gain(self):
        return self._gain
    @gain.setter
    def gain(self, value):
        self._gain = work(value)

for _ in range(7 if "--more" in sys.argv else 0):
    strict(10)
for _ in range(20):
    medium(10)
frame = Frame()
frame.gain = 1
for _ in range(11 if "--more" in sys.argv else 0):
    frame.gain
"""


def test_a_function_that_one_run_did_not_use_takes_no_other_ones_place(tmp_path, rubinprof_command):
    """Of lambdas, or getter and setter: only what is new is told, although both sides have functions of the name."""
    (tmp_path / "some.py").write_text(SOME_OF_THEM)
    for name, words in (("a", []), ("b", ["--more"])):
        assert rubinprof_command("run", "-o", tmp_path / name, tmp_path / "some.py", *words).returncode == 0
    found = json.loads(rubinprof_command("diff", tmp_path / "a", tmp_path / "b", "--json", "-m", "calls").stdout)
    lines = SOME_OF_THEM.splitlines()
    changed = {(row["function"], lines[row["line"] - 1].strip(), row["change"]["calls"]) for row in found["rows"] if row["change"]["calls"]}
    assert changed == {("<lambda>", lines[6], 7), ("Frame.gain", "@property", 11), ("work", "def work(n):", 7)}
