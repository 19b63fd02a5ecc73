"""Python calls of real programs: function by function what cProfile counts. Both run the same program in processes of their own."""

import os
import subprocess
import sys
from collections import Counter

import pytest

import rubinprof

pytestmark = pytest.mark.linux

STDLIB_TEXT = """\
import ast, difflib, io, statistics, textwrap, tokenize

def main():
    with open(textwrap.__file__) as f:
        source = f.read()
    tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    again = ast.unparse(ast.parse(source))
    lines = again.splitlines()
    changed = [line.upper() if n % 9 == 0 else line for n, line in enumerate(lines)]
    diff = list(difflib.unified_diff(lines, changed))
    widths = [len(line) for line in lines]
    wrapped = textwrap.fill(again, 60)
    return len(tokens), len(diff), statistics.fmean(widths), statistics.stdev(widths), statistics.median(widths), len(wrapped)
"""

JSON_ROUND_TRIP = """\
import dataclasses, fractions, io, json, json.encoder, json.scanner

@dataclasses.dataclass(order=True)
class Visit:
    number: int
    name: str
    shape: list

class Encoder(json.JSONEncoder):
    def default(self, value):
        if isinstance(value, fractions.Fraction):
            return {"fraction": str(value)}
        return dataclasses.asdict(value)

def revive(found):
    return fractions.Fraction(found["fraction"]) if "fraction" in found else found

def main():
    visits = [Visit(n, f"v{n}", [fractions.Fraction(n, 7), None, [n] * (n % 5)]) for n in range(60)]
    out = io.StringIO()
    json.dump(visits, out, cls=Encoder, indent=2, sort_keys=True)  # with indent: the Python encoder, all generators
    back = json.loads(out.getvalue(), object_hook=revive)
    json.encoder.c_make_encoder = None
    text = json.dumps(back, cls=Encoder)
    json.decoder.scanner.c_make_scanner = None
    decoder = json.JSONDecoder(object_hook=revive)
    decoder.scan_once = json.scanner.py_make_scanner(decoder)
    return len(text), decoder.decode(text) == back, len(sorted(visits)[0].shape)
"""

TASKS = """\
import contextlib, enum, functools, heapq

class State(enum.Enum):
    READY = 1
    DONE = 2

class Packet:
    made = 0
    def __init__(self, link, kind):
        self.link, self.kind = link, kind
        type(self).made += 1

class WorkPacket(Packet):
    def __init__(self, link, kind, data):
        super().__init__(link, kind)
        self.data = list(data)

class Bad(Exception):
    def __init__(self, why):
        super().__init__(why)
        self.why = why

class Checked(WorkPacket):
    def __init__(self, link, kind, data):
        super().__init__(link, kind, data)
        if sum(self.data) % 3 == 0:
            raise Bad("a multiple of three")

@functools.total_ordering
class Task:
    def __init__(self, priority, steps):
        self.priority, self.state, self.run = priority, State.READY, self.body(steps)
    def __eq__(self, other):
        return self.priority == other.priority
    def __lt__(self, other):
        return self.priority < other.priority
    def body(self, steps):
        link = None
        for n in range(steps):
            try:
                link = Checked(link, n, range(n))
            except Bad as bad:
                link = WorkPacket(None, bad.why, ())
            got = yield from self.nested(n % 3)
            if got is None:
                continue
        self.state = State.DONE
    def nested(self, n):
        with self.guard():
            for k in range(n):
                yield k
        return [k * k for k in range(n)] or None
    @contextlib.contextmanager
    def guard(self):
        try:
            yield self
        finally:
            self.priority += 1

def depth(n):
    return 0 if n == 0 else 1 + max(depth(n - 1), depth(n // 2))

def main():
    queue = [Task(n * 7 % 11, 30) for n in range(20)]
    heapq.heapify(queue)
    turns = 0
    while queue:
        task = heapq.heappop(queue)
        try:
            next(task.run)
        except StopIteration:
            continue
        finally:
            turns += 1
        heapq.heappush(queue, task)
    left = Task(1, 5)
    next(left.run), next(left.run)
    left.run.close()
    return turns, Packet.made, depth(14)
"""

# A program of pyperformance, once through. Its harness (pyperf) is left out: how often that calls depends on the clock.
PYPERFORMANCE = """\
import argparse, pathlib, pyperformance, runpy, sys, time, types

class Runner:
    def __init__(self, *args, **kwargs):
        self.argparser, self.metadata = argparse.ArgumentParser(), {}
    def parse_args(self):
        self.args = self.argparser.parse_args([])
        return self.args
    def bench_func(self, name, func, *args, **kwargs):
        func(*args)
    def bench_time_func(self, name, func, *args, **kwargs):
        func(1, *args)
    def bench_async_func(self, name, func, *args, **kwargs):
        import asyncio
        asyncio.run(func(*args))

def main():
    sys.modules["pyperf"] = types.SimpleNamespace(Runner=Runner, perf_counter=time.perf_counter)
    home = pathlib.Path(pyperformance.__file__).parent / "data-files" / "benchmarks" / "bm_NAME"
    found = runpy.run_path(str(home / "run_benchmark.py"), run_name="__main__")
    return len(found)
"""
OF_PYPERFORMANCE = "coroutines deepcopy deltablue hexiom json_dumps json_loads logging nqueens richards typing_runtime_protocols".split()

PROGRAMS = {"stdlib_text": STDLIB_TEXT, "json_round_trip": JSON_ROUND_TRIP, "tasks": TASKS}
PROGRAMS |= {f"pyperformance_{name}": PYPERFORMANCE.replace("NAME", name) for name in OF_PYPERFORMANCE}

RUN = {
    # A first, unwatched call in both: what is filled or imported at the first use is then the same.
    "rubinprof": "import program, rubinprof, sys\nprogram.main()\n"
    "with rubinprof.Tracker(sys.argv[1]):\n    result = program.main()\nprint(result)\n",
    "cProfile": "import cProfile, program, sys\nprogram.main()\nprofile = cProfile.Profile()\n"
    "profile.enable()\nresult = program.main()\nprofile.disable()\nprint(result)\n"
    "with open(sys.argv[1], 'w') as out:\n"
    "    for entry in profile.getstats():\n"
    "        if not isinstance(entry.code, str):\n"
    "            code = entry.code\n"
    "            print(entry.callcount, code.co_firstlineno, code.co_name, code.co_filename, file=out)\n",
}

# sys.monitoring tells of the exception that closes. All events that cProfile asks for: which are asked for changes how CPython closes.
CLOSINGS = """
import program, sys
program.main()
monitoring = sys.monitoring
closed = []
def thrown(code, offset, exception):
    if isinstance(exception, GeneratorExit):
        closed.append(code)
monitoring.use_tool_id(monitoring.PROFILER_ID, "closings")
monitoring.register_callback(monitoring.PROFILER_ID, monitoring.events.PY_THROW, thrown)
events = monitoring.events
monitoring.set_events(monitoring.PROFILER_ID, events.PY_START | events.PY_RESUME | events.PY_THROW | events.PY_YIELD | events.PY_RETURN | events.PY_UNWIND)
program.main()
monitoring.set_events(monitoring.PROFILER_ID, 0)
for code in closed:
    print(code.co_firstlineno, code.co_name, code.co_filename)
"""


def run(directory, tool):
    out = directory / f"out.{tool}"
    done = subprocess.run(
        [sys.executable, "-c", RUN[tool], out],
        cwd=directory,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return out, done.stdout


def calls_by_cprofile(path):
    """By file, line and plain name. Not from a pstats file: there, of code objects alike in all three only the last one counts."""
    calls = Counter()
    for line in path.read_text().splitlines():
        ncalls, first, name, file = line.split(maxsplit=3)
        calls[file, int(first), name] += int(ncalls)
    return calls


def calls_by_rubinprof(path):
    calls = Counter()
    for row in rubinprof.open(path).table(by="function"):
        # The functions that call enable() and start() ran before; rubinprof shows them with no call, cProfile does not.
        # What ends the Tracker is rubinprof's own and not shown.
        if row["kind"] == "python" and row["calls"]:
            calls[row["file"], row["line"], row["function"].rpartition(".")[2]] += row["calls"]
    return calls


def closings(directory):
    """How often a suspended generator was closed by an exception thrown into it, by file, line and plain name."""
    lines = subprocess.run([sys.executable, "-c", CLOSINGS], cwd=directory, env={**os.environ, "PYTHONHASHSEED": "0"}, capture_output=True, text=True, check=True).stdout
    return Counter((file, int(first), name) for first, name, file in (line.split(maxsplit=2) for line in lines.splitlines()))


@pytest.mark.parametrize("program", PROGRAMS)
def test_calls_are_those_of_cprofile(tmp_path, program):
    (tmp_path / "program.py").write_text(PROGRAMS[program])
    trace, ours = run(tmp_path, "rubinprof")
    profile, theirs = run(tmp_path, "cProfile")
    assert ours == theirs  # the programs did the same
    expected, found = calls_by_cprofile(profile), calls_by_rubinprof(trace)
    assert sum(expected.values()) > 300
    # cProfile changes the code of what it watches, so that CPython runs a generator to close it which it only drops otherwise.
    unrun = closings(tmp_path) if sys.version_info >= (3, 14) else {}
    different = {
        key: (found[key], expected[key])
        for key in found.keys() | expected.keys()
        if not expected[key] - unrun.get(key, 0) <= found[key] <= expected[key]
    }
    assert not different, "\n".join(map(str, different.items()))
    stats = rubinprof.open(trace).stats()
    assert stats["lost_events"] == 0
    assert stats["calls"] == sum(found.values())


CLOSED = """
import sys
import rubinprof

def plain():
    yield 1
    yield 2

def guarded():
    try:
        yield 1
    finally:
        pass

def around():
    yield from plain()

def close(function):
    for _ in range(100):
        generator = function()
        next(generator)
        generator.close()

with rubinprof.Tracker(sys.argv[1]):
    close(plain)
    close(guarded)
    close(around)
"""


def test_a_closed_generator_is_called_again_only_where_it_runs_to_close(tmp_path):
    """From 3.13 on CPython drops a generator that has nothing to do when it is closed."""
    path = tmp_path / "t.rprof"
    subprocess.run([sys.executable, "-c", CLOSED, path], check=True)
    with rubinprof.open(path) as trace:
        calls = {row["function"]: row["calls"] for row in trace.table()}
    to_close = 0 if sys.version_info >= (3, 13) else 100
    assert {name: calls[name] for name in ("plain", "guarded", "around")} == {"plain": 2 * (100 + to_close), "guarded": 200, "around": 200}


def test_the_tree_has_as_many_calls_as_the_table(tmp_path):
    (tmp_path / "program.py").write_text(TASKS)
    trace, _ = run(tmp_path, "rubinprof")
    nodes = rubinprof.open(trace).tree()["nodes"]
    by_function = Counter()
    for node in nodes:
        if node["kind"] == "python":
            by_function[node["file"], node["line"], node["function"].rpartition(".")[2]] += node["self"]["calls"]
    assert +by_function == calls_by_rubinprof(trace)
    parents = {nodes[n["parent"]]["function"] for n in nodes if n["function"] == "Task.nested"}
    assert parents == {"Task.body", "main"}  # main: close() goes straight to the innermost generator


FOLDED = """
import sys
import rubinprof

def leaf(x):
    return x

def down(n):
    return down(n - 1) if n else leaf(n)

def numbers(n):
    for i in range(n):
        yield leaf(i)

def fails():
    raise ValueError

def work():
    for _ in range(5000):
        leaf(1)
        down(7)
        sum(numbers(6))
        try:
            fails()
        except ValueError:
            pass

with rubinprof.Tracker(sys.argv[1], max_bytes_per_s=1, sample_hz=1):
    work()
"""


def test_calls_that_come_too_fast_are_still_exact(tmp_path):
    """With no budget left for the disk, calls are added up: their numbers and the tree stay, and stats says what was given up."""
    path = tmp_path / "t.rprof"
    subprocess.run([sys.executable, "-c", FOLDED, path], check=True)
    with rubinprof.open(path) as trace:
        stats, rows = trace.stats(), {row["function"]: row for row in trace.table()}
    calls = {"leaf": 5000 * 8, "down": 5000 * 8, "numbers": 5000 * 7, "fails": 5000, "work": 1}
    assert {name: rows[name]["calls"] for name in calls} == calls
    assert stats["lost_events"] == 0
    assert stats["folded_calls"] > 0.8 * sum(calls.values())
    assert 0 < stats["folded_s"] <= stats["wall_s"]
    assert stats["cpu_s"] <= stats["wall_s"]
    assert stats["file_bytes"] < 200_000


CLASSES = """
import abc, sys
import rubinprof

class Plain:
    def __init__(self): pass

class Left(Plain):
    def __init__(self): pass

class Right(Plain):
    def __init__(self): pass

class Both(Left, Right):
    def __init__(self): pass

class Inherits(Both): pass

class OfMeta(metaclass=abc.ABCMeta):
    def __init__(self): pass

class BelowMeta(OfMeta):
    def __init__(self): pass

class Borrows:
    __init__ = BelowMeta.__init__

class Keyword:
    def __init__(self, *, k=1): pass

class Default:
    def __init__(self, k=1): pass

class Slots:
    __slots__ = ()
    def __init__(self): pass

class BelowSlots(Slots): pass

class Failure(ValueError):
    def __init__(self): pass

class Mixin:
    def __init__(self): pass

class FailureToo(Mixin, ValueError): pass

class BesideFailure(Mixin): pass

class OwnNew:
    def __new__(cls): return object.__new__(cls)
    def __init__(self): pass

class BelowOwnNew(OwnNew):
    __new__ = object.__new__

class Later: pass
Later.__init__ = lambda self: None

def make(n):
    for _ in range(n):
        FailureToo(), BesideFailure(), OwnNew(), BelowOwnNew(), Later(), Plain(), Left(), Both(), Inherits(), OfMeta(), BelowMeta(), Borrows(), Keyword(), Default(1), Slots(), BelowSlots(), Failure()

make(200)
with rubinprof.Tracker(sys.argv[1]):
    make(500)
"""


def test_constructors_that_were_inlined_before_the_start_are_counted(tmp_path):
    """CPython 3.13 runs a specialised __init__ in its caller. Which classes that may happen to hangs on metaclass, arguments and slots."""
    path = tmp_path / "t.rprof"
    subprocess.run([sys.executable, "-c", CLASSES, path], check=True)
    with rubinprof.open(path) as trace:
        calls = Counter({row["function"].removesuffix(".__init__"): row["calls"] for row in trace.table() if "__init__" in row["function"]})
        calls["Later"] = sum(row["calls"] for row in trace.table() if "lambda" in row["function"])
    assert calls == {
        **dict.fromkeys(["Plain", "Left", "OfMeta", "Keyword", "Default", "Failure", "Later"], 500),
        **dict.fromkeys(["Both", "BelowMeta", "Slots", "Mixin", "OwnNew"], 1000),
    }
