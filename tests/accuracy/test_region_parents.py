"""A region lies in those that run when it begins, not in those of suspended generators, coroutines and tasks."""

import json
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.linux

PREAMBLE = """
import asyncio, contextlib, threading, rubinprof
region = rubinprof.region
def rows(name="reader", inside=()):
    with region(name):
        yield 1
        for one in inside:
            with region(one): pass
            yield 1
async def waits(name):
    with region(name): await asyncio.sleep(0)
"""

# Program, and the parent of each region in the order of their begin.
KINDS = {
    "a generator held open": (
        """
        it = rows(); next(it)
        for _ in range(2):
            with region("isr"):
                with region("in it"): pass
        it.close()
        with region("after"): pass
        """,
        [("reader", None), ("isr", None), ("in it", "isr"), ("isr", None), ("in it", "isr"), ("after", None)],
    ),
    "generators that take turns": ("for _ in zip(rows('za'), rows('zb')): pass", [("za", None), ("zb", None)]),
    "what a generator begins between its turns": (
        """
        with region("around"):
            for _ in zip(rows("za", ["a1", "a2"]), rows("zb", ["b1", "b2"])):
                with region("body"): pass
        """,
        [("around", None), ("za", "around"), ("zb", "around"), ("body", "around"), ("a1", "za"), ("b1", "zb"), ("body", "around"),
         ("a2", "za"), ("b2", "zb"), ("body", "around")],
    ),
    "a generator that calls one": (
        """
        def outer():
            with region("outer"): yield from rows("inner", ["deep"])
        for _ in outer():
            with region("body"): pass
        """,
        [("outer", None), ("inner", "outer"), ("body", None), ("deep", "inner"), ("body", None)],
    ),
    "a coroutine driven by hand": (
        """
        class Pause:
            def __await__(self): yield
        async def driven():
            async with region("driven"):
                await Pause()
                with region("in it"): pass
        one = driven(); one.send(None)
        with region("meanwhile"): pass
        with contextlib.suppress(StopIteration): one.send(None)
        """,
        [("driven", None), ("meanwhile", None), ("in it", "driven")],
    ),
    "an asynchronous generator": (
        """
        @region("numbers")
        async def numbers():
            yield 1
            with region("in it"): await asyncio.sleep(0)
            yield 2
        async def main():
            async for _ in numbers():
                with region("body"): await asyncio.sleep(0)
        asyncio.run(main())
        """,
        [("numbers", None), ("body", None), ("in it", "numbers"), ("body", None)],
    ),
    "tasks and threads that a task makes lie in it": (
        """
        def helper():
            with region("helper"): pass
        async def main():
            with region("main"):
                await asyncio.gather(waits("one"), waits("other"))
                await asyncio.to_thread(helper)
                asyncio.get_running_loop().call_soon(helper); await asyncio.sleep(0)
        asyncio.run(main())
        """,
        [("main", None), ("one", "main"), ("other", "main"), ("helper", "main"), ("helper", "main")],
    ),
    "context managers stand for their caller": (
        """
        @contextlib.contextmanager
        def plain():
            with region("plain"): yield
        @contextlib.asynccontextmanager
        async def around():
            async with region("around"): yield
        async def main():
            async with around(), contextlib.AsyncExitStack() as stack:
                await stack.enter_async_context(region("stacked"))
                with plain(): await waits("in it")
        asyncio.run(main())
        """,
        [("around", None), ("stacked", "around"), ("plain", "stacked"), ("in it", "plain")],
    ),
    "a generator that another thread resumes": (
        """
        moved = rows("moved"); next(moved)
        thread = threading.Thread(target=lambda: list(moved)); thread.start(); thread.join()
        with region("after"): pass
        """,
        [("moved", None), ("after", None)],
    ),
    "one that a function leaves open": (
        """
        one = region("set up")
        def set_up(): one.__enter__()
        set_up()
        with region("in it"): pass
        one.__exit__()
        """,
        [("set up", None), ("in it", "set up")],
    ),
}


@pytest.mark.parametrize("mode", ["exact", "sampled"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_region_lies_in_those_that_run(tmp_path, kind, mode):
    source, right = KINDS[kind]
    (tmp_path / "x.py").write_text(PREAMBLE + textwrap.dedent(source))
    words = [sys.executable, "-m", "rubinprof"]
    run = [*words, "run", "-o", "x.rprof", "--cpu", mode, "--memory", mode, "x.py"]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    found = subprocess.run([*words, "regions", "--json", "x.rprof"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    rows = json.loads(found.stdout)["rows"]
    assert [(row["name"], None if row["parent"] is None else rows[row["parent"]]["name"]) for row in rows] == right
