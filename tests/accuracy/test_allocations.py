"""Counts, bytes, peaks and leaks of programs whose every allocation is known, from C and from C++."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.linux

MB = 1 << 20


def difference(run_traced, call, other, **options):
    """by_allocator of a program with `call`, less that of the same program with `other` in its place.

    Whatever the interpreter allocates for itself is in both.
    """
    counts = [run_traced(source, **options).stats["by_allocator"] for source in (call, other)]
    return {name: counts[0].get(name, 0) - counts[1].get(name, 0) for name in {**counts[0], **counts[1]}}


def nonzero(counts):
    return {name: count for name, count in counts.items() if count}


@pytest.fixture(scope="module")
def everything(run_traced):
    """One run with each of the counted functions."""
    return run_traced(
        """\
counted_c.malloc_free(1000, 64)
counted_c.calloc_free(500, 32)
counted_c.realloc(200, 16)
counted_c.aligned(70, 256)
counted_c.mmap(30, 10000)
counted_c.leak(123, 1001)
counted_c.recursion(40, 777)
counted_cpp.new_delete(2000, 48)
counted_cpp.threads(4, 250, 24)
"""
    )


def test_the_trace_is_whole(everything):
    assert everything.stats["complete"]
    assert everything.stats["lost_events"] == 0
    assert everything.stats["lost_bytes"] == 0


@pytest.mark.parametrize(
    "function, allocations, allocated_bytes",
    [
        ("counted_malloc_free", 1000, 1000 * 64),
        ("counted_calloc_free", 500, 500 * 2 * 32),
        ("counted_realloc", 200, sum(i * 16 for i in range(1, 201))),
        ("counted_aligned", 5 * 70, 5 * 70 * 256),
        ("counted_mmap", 30, 30 * 10000),
        ("counted_leak", 123, 123 * 1001),
        ("counted_recursion", 1, 777),
        ("counted::new_delete", 2000, 2000 * 48),
        ("counted::on_thread", 4 * 250, 4 * 250 * 24),
    ],
)
def test_counts_and_bytes_of_each_function(everything, function, allocations, allocated_bytes):
    row = everything.row(function, kind="native")
    # With what it calls: a C++ function's own are those of operator new.
    assert (row["total_allocations"], row["total_allocated_bytes"]) == (allocations, allocated_bytes)


def test_what_was_leaked_is_told_and_nothing_else(everything):
    assert everything.row("counted_leak")["leaked_bytes"] == 123 * 1001
    for function in ("counted_malloc_free", "counted_realloc", "counted_mmap", "counted_aligned", "counted::new_delete"):
        assert everything.row(function)["leaked_bytes"] == 0


def test_rare_entry_points_are_counted_by_name(everything):
    counts = everything.stats["by_allocator"]
    for name in ("posix_memalign", "aligned_alloc", "memalign", "valloc", "pvalloc"):
        assert counts[name] == 70


@pytest.mark.parametrize("native", [True, False])
def test_one_more_call_is_one_more_event(run_traced, native):
    less = "counted_c.malloc_free(1000, 64)"
    more = "counted_c.malloc_free(3000, 64)"
    counts = difference(run_traced, more, less, native=native)
    assert nonzero(counts) == {"malloc": 2000, "free": 2000}


def test_stats_json_says_the_same(everything):
    done = subprocess.run(
        [sys.executable, "-m", "rubinprof", "stats", everything.path, "--json"], capture_output=True, text=True, check=True
    )
    said = json.loads(done.stdout)
    for key in ("allocations", "deallocations", "allocated_bytes", "peak_bytes", "leaked_bytes", "by_allocator"):
        assert said[key] == everything.stats[key]


@pytest.mark.parametrize(
    "call, function",
    [
        (f"counted_c.peak({64 * MB + 1})", "counted_peak"),
        (f"counted_cpp.peak({64 * MB + 1})", "counted::Painter<counted::Image>::paint"),
    ],
)
def test_the_peak_is_right_to_the_byte_and_has_a_name(run_traced, call, function):
    program = run_traced(call)
    holders = [row for row in program.trace.table(by="function") if row["function"].partition("(")[0] == function]
    assert max(row["total_peak_bytes"] for row in holders) == 64 * MB + 1
    # What else was live then is little; how much hangs on the length of paths, and so on the number of the process.
    assert 0 <= program.stats["peak_bytes"] - (64 * MB + 1) < 4096


def test_the_peak_is_on_the_line_that_made_it(run_traced):
    program = run_traced(f"x = 1\ncounted_c.peak({64 * MB})\ny = 2")
    line = max(program.trace.table(by="line"), key=lambda row: row["peak_bytes"])
    assert line["file"].endswith("program.py")
    assert line["line"] == 6
    assert line["peak_bytes"] >= 64 * MB


def test_exceptions_through_hooked_frames(run_traced):
    assert run_traced("print(counted_cpp.exceptions(500))").output == "500\n"


def test_an_extension_imported_while_tracing_is_seen(run_traced):
    program = run_traced(
        # The same file in another place: a library that nobody has loaded before.
        "import importlib.util, os, shutil\n"
        "copy = shutil.copy(counted_c.__file__, os.path.dirname(__file__))\n"
        "spec = importlib.util.spec_from_file_location('counted_c', copy)\n"
        "late = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(late)\n"
        "late.malloc_free(77, 99)",
    )
    assert program.row("counted_malloc_free")["allocations"] == 77


def test_frees_of_what_was_allocated_before_do_not_count_twice(run_traced):
    program = run_traced("del block", setup="block = bytearray(10 * 1024 * 1024)")
    assert program.stats["peak_bytes"] < 10 * MB
    assert program.stats["leaked_bytes"] < 10 * MB


# ---- CPython's own allocator ----


def test_pymalloc_counts_each_object_once(run_traced):
    less = "x = [None] * 100000\nfor i in range(100000): x[i] = bytes(100)"
    program = run_traced(less, pymalloc=True)
    without = run_traced(less, pymalloc=False)
    counts = program.stats["by_allocator"]
    assert counts["pymalloc_malloc"] + counts["pymalloc_calloc"] >= 100000
    assert not [name for name in without.stats["by_allocator"] if name.startswith("pymalloc")]
    # 133 bytes an object and 8 in the list; arenas and the malloc behind the list are not counted again.
    expected = 100000 * (sys.getsizeof(bytes(100)) + 8)
    assert expected <= program.stats["peak_bytes"] <= expected * 1.02 + MB


def test_pymalloc_goes_together_with_tracemalloc(run_traced):
    program = run_traced(
        "x = bytes(1000)\nprint(tracemalloc.get_traced_memory()[0] > 0)\ntracemalloc.stop()\ny = bytes(1000)",
        setup="import tracemalloc\ntracemalloc.start()",
        pymalloc=True,
    )
    assert program.output == "True\n"


@pytest.mark.parametrize("allocator", ["malloc", "debug", "pymalloc_debug"])
def test_pymalloc_chains_to_what_is_installed(run_traced, allocator, monkeypatch):
    monkeypatch.setitem(os.environ, "PYTHONMALLOC", allocator)
    program = run_traced("x = [bytes(200) for i in range(1000)]\ndel x", pymalloc=True)
    counts = program.stats["by_allocator"]
    assert counts["pymalloc_malloc"] + counts["pymalloc_calloc"] >= 1000
    assert program.stats["lost_events"] == 0


def test_what_arrow_reserves_is_not_counted_as_memory(run_traced):
    pytest.importorskip("pyarrow")
    program = run_traced(
        "table = pa.table({'x': range(100_000)})\nprint(pa.default_memory_pool().backend_name)",
        setup="import pyarrow as pa",
        native=True,
    )
    if program.output.strip() != "mimalloc":
        pytest.skip("the pool of this pyarrow is not mimalloc")
    assert program.stats["reserved_bytes"] >= 1 << 30
    assert program.stats["peak_bytes"] < 100 * MB
    assert program.stats["by_allocator"]["reserve"] >= 1


FILE_AND_SHARED = """
size = 16 << 20
gone = mmap.mmap(f.fileno(), size, access=mmap.ACCESS_READ)
gone.close()
read = mmap.mmap(f.fileno(), size, access=mmap.ACCESS_READ)
written = mmap.mmap(f.fileno(), size)
written[0] = 1
half = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=mmap.PROT_READ)
shared = mmap.mmap(-1, size)
block = os.memfd_create("block")
os.truncate(block, size)
other = mmap.mmap(block, size)
copy = mmap.mmap(f.fileno(), size, access=mmap.ACCESS_COPY)
own = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
"""


@pytest.mark.parametrize("memory", ["exact", "sampled"])
def test_pages_of_files_and_shared_memory_are_apart_from_the_peak(run_traced, memory, tmp_path):
    path = tmp_path / "file"  # on a tmpfs its shared pages are shared memory
    program = run_traced(
        FILE_AND_SHARED,
        setup=f"import mmap, os\nf = open({str(path)!r}, 'w+b')\nf.truncate(16 << 20)",
        memory=memory,
    )
    stats = program.stats
    apart = stats["mapped_file_bytes"] + stats["shared_bytes"]
    assert apart == 5 * 16 * MB
    assert stats["shared_bytes"] >= 2 * 16 * MB
    # Private, of no file: 16 MiB. What is copied on write is a file's until it is written.
    assert 16 * MB <= stats["peak_bytes"] <= 16 * MB + 2 * MB
    assert 16 * MB <= stats["leaked_bytes"] <= 16 * MB + 2 * MB


WHO_MAPS = """
size = 16 << 20
def map_file():
    return mmap.mmap(f.fileno(), size, access=mmap.ACCESS_READ)
def share():
    return mmap.mmap(-1, size)
def grow(m):
    m.resize(2 * size)
kept = [map_file(), share()]
read = map_file()
block = mmap.mmap(f.fileno(), size)
grow(block)
"""


@pytest.mark.parametrize("mode", ["exact", "sampled"])
def test_each_line_has_what_it_mapped(run_traced, mode):
    # Not the directory of tests: on a tmpfs shared pages of a file are shared memory.
    program = run_traced(
        WHO_MAPS,
        setup="import mmap, os, tempfile\nf = tempfile.TemporaryFile(dir=os.path.dirname(rubinprof.__file__))\nf.truncate(32 << 20)",
        cpu=mode,
        memory=mode,
    )
    wanted = {"map_file": (32 * MB, 0), "grow": (32 * MB, 0), "share": (0, 16 * MB)}
    assert program.stats["mapped_file_bytes"] == 64 * MB
    assert program.stats["shared_bytes"] == 16 * MB
    for by in ("function", "line"):
        rows = [row for row in program.trace.table(by=by, metric="mapped_file") if row["kind"] == "python"]
        found = {row["function"]: (row["mapped_file_bytes"], row["shared_bytes"]) for row in rows if row["mapped_file_bytes"] or row["shared_bytes"]}
        assert found == wanted
    [row] = [row for row in program.trace.table(by="file") if row["file"].endswith("program.py")]
    assert row["mapped_file_bytes"] == 64 * MB
    assert row["shared_bytes"] == 16 * MB
