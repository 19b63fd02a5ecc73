"""Functions and module bodies of any length: what happens far out in them stands on its line, and what has no line on none."""

import subprocess
import sys

import pytest

import rubinprof

pytestmark = pytest.mark.linux

FILLER = 70_000  # lines: beyond 65,535 of them, and of code units, and beyond 64 KiB of line table
BYTES = 200_000_000  # never touched; far above the mean gap of any sample
# Behind the bounds of 3.11 and 3.13 that there were (lines 5,958 and 9,363), and of 16 bits of lines.
MARKS = {
    100: "work(f)",
    6_500: "take()",
    9_500: f"bytes({BYTES})",
    40_000: "work(f)",
    66_000: f"bytes({BYTES})",
    66_500: "take()",
    69_000: "sum(range(6_000_000))",
    69_500: "work(f)",
}
HEAD = f"""\
import ast, types
f = None
def work(f): return sum(range(4_000_000))
def take(): bytes({BYTES})
"""
# Lines above the first of their function, and code that has no lines.
TAIL = f"""\
body = ast.parse("def back(f):\\n    bytes({BYTES})\\n    return sum(range(6_000_000))\\n")
for statement, line in zip(body.body[0].body, (70, 3)):
    for node in ast.walk(statement):
        if hasattr(node, "lineno"):
            node.lineno = node.end_lineno = line
body.body[0].lineno = body.body[0].end_lineno = 50
exec(compile(body, "/nowhere/back.py", "exec"))
back(f)
def bare(): bytes({BYTES})
types.FunctionType(bare.__code__.replace(co_linetable=b""), globals())()
"""


def filled(indent):
    return [indent + MARKS.get(i, "x = 1") for i in range(1, FILLER)]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The path of the program and {function: its first line}; line n of the filler is the n-th behind that."""
    lines = HEAD.splitlines()
    first = {"<module>": len(lines)}
    lines += filled("")
    lines.append("def long(f):")
    first["long"] = len(lines)
    lines += filled("    ")
    lines += ["long(f)", *TAIL.splitlines()]
    first["bare"] = next(i for i, line in enumerate(lines, 1) if line.startswith("def bare"))
    path = tmp_path_factory.mktemp("long") / "program.py"
    path.write_text("\n".join(lines) + "\n")
    return path, first


@pytest.fixture(scope="module", params=["exact", "sampled"])
def trace(request, source):
    path = source[0].with_name(f"{request.param}.rprof")
    command = [sys.executable, "-m", "rubinprof", "run", "--sample-hz", "500", "--cpu", request.param, "--memory", request.param, "-o", path, source[0]]
    subprocess.run(command, check=True, timeout=300)
    return rubinprof.open(path)


def rows_of(trace, function, file):
    """The rows by line of a function; the unknown line is 0."""
    return {row["line"] or 0: row for row in trace.lines(str(file)) if row["function"] == function and row["kind"] == "python"}


def is_near(value, expected, trace):
    return value >= expected * (0.8 if trace.stats()["mode"]["memory"] == "sampled" else 1) and value < expected * 1.3


@pytest.mark.parametrize("function", ["<module>", "long"])
def test_what_is_far_out_stands_on_its_line(trace, source, function):
    path, first = source
    rows = rows_of(trace, function, path)
    is_exact = trace.stats()["mode"]["cpu"] == "exact"
    for at, text in MARKS.items():
        row = rows[first[function] + at]
        if text.startswith("bytes"):
            assert is_near(row["allocated_bytes"], BYTES, trace), (at, row)
        elif text == "take()":
            assert is_near(row["total_allocated_bytes"], BYTES, trace), (at, row)
        else:
            assert row["total_cpu_s"] > 0.002, (at, row)
        if text.endswith(("work(f)", "take()")) and is_exact:
            assert row["calls_out"] == 1
    own_cpu = sum(row["own_cpu_s"] for row in rows.values())
    if function == "long":
        assert rows[first["long"] + 69_000]["own_cpu_s"] > 0.6 * own_cpu
    for wrong in (0, first[function]):
        assert rows.get(wrong, {"allocated_bytes": 0})["allocated_bytes"] < BYTES / 10


def test_lines_above_the_first_of_their_function(trace):
    rows = rows_of(trace, "back", "/nowhere/back.py")
    assert is_near(rows[70]["allocated_bytes"], BYTES, trace)
    assert rows[3]["own_cpu_s"] > 0.6 * sum(row["own_cpu_s"] for row in rows.values())


def test_code_without_lines_is_on_none(trace, source):
    path, first = source
    rows = rows_of(trace, "bare", path)
    assert is_near(rows[0]["allocated_bytes"], BYTES, trace)
    assert rows.get(first["bare"], {"allocated_bytes": 0})["allocated_bytes"] == 0
    unknown = trace.stats()["unknown_lines"]
    assert unknown["allocations"] > 0
    assert (unknown["calls"] is None) == (trace.stats()["mode"]["cpu"] == "sampled")
