"""A region has what its own task, generator or greenlet did, not what others did between its turns.

Each step allocates blocks of a size of its own and makes calls of its own, so that what is right is known without a clock.
"""

import json
import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.linux

PREAMBLE = """
import asyncio, contextlib, threading, rubinprof
kept = []
def step(mb):
    kept.append(bytearray(mb << 20))
async def task(name, mb, n=3):
    with rubinprof.region(name):
        for _ in range(n):
            step(mb)
            await asyncio.sleep(0)
async def bare(mb, n=3):
    for _ in range(n):
        step(mb)
        await asyncio.sleep(0)
def generator(name, mb):
    with rubinprof.region(name):
        for _ in range(3):
            step(mb)
            yield
"""

# Program and MB by region: those of its own turns.
KINDS = {
    "tasks": ("async def main(): await asyncio.gather(task('small', 1), task('large', 3))\nasyncio.run(main())", {"small": 3, "large": 9}),
    "children": (
        """
        async def main():
            with rubinprof.region("gather"):
                await asyncio.gather(task("child", 1), bare(2))
        async def both(): await asyncio.gather(main(), bare(5))
        asyncio.run(both())
        """,
        {"gather": 9, "child": 3},
    ),
    "nested": (
        """
        async def nested():
            async with rubinprof.region("outer"):
                step(1); await asyncio.sleep(0)
                with rubinprof.region("inner"): await bare(2)
        async def main(): await asyncio.gather(nested(), bare(5))
        asyncio.run(main())
        """,
        {"outer": 7, "inner": 6},
    ),
    "context managers": (
        """
        @contextlib.contextmanager
        def plain():
            with rubinprof.region("plain"): yield
        @contextlib.asynccontextmanager
        async def around():
            async with rubinprof.region("around"): yield
        async def inside():
            with plain(): await bare(1)
            async with around(): await bare(2)
        async def main(): await asyncio.gather(inside(), bare(5, 9))
        asyncio.run(main())
        """,
        {"plain": 3, "around": 6},
    ),
    "wrappers of pluggy": (
        """
        import pluggy
        hook, specification = pluggy.HookimplMarker("x"), pluggy.HookspecMarker("x")
        class Specification:
            @specification
            def run(self): ...
        class Wrapper:
            @hook(wrapper=True)
            def run(self):
                with rubinprof.region("wrapped"): return (yield)
        class Runner:
            @hook
            def run(self): step(2)
        manager = pluggy.PluginManager("x")
        manager.add_hookspecs(Specification); manager.register(Runner()); manager.register(Wrapper())
        async def runs():
            manager.hook.run(); await asyncio.sleep(0)
        async def main(): await asyncio.gather(runs(), bare(5))
        asyncio.run(main())
        """,
        {"wrapped": 2},
    ),
    "decorated": (
        """
        @rubinprof.region("coroutine")
        async def coroutine(): await bare(1)
        @rubinprof.region("asynchronous generator")
        async def numbers():
            for _ in range(2):
                step(2); yield 1
        async def consume():
            async for _ in numbers():
                step(3); await asyncio.sleep(0)
        async def main(): await asyncio.gather(coroutine(), consume())
        asyncio.run(main())
        """,
        {"coroutine": 3, "asynchronous generator": 4},
    ),
    "cancelled": (
        """
        async def waits():
            with rubinprof.region("cancelled"):
                try: await asyncio.sleep(100)
                finally: step(1)
        async def main():
            waiting = asyncio.create_task(waits())
            await asyncio.sleep(0); step(5); waiting.cancel()
            with contextlib.suppress(asyncio.CancelledError): await waiting
        asyncio.run(main())
        """,
        {"cancelled": 1},
    ),
    "begun by a helper": (
        """
        async def begin(region): region.__enter__()
        async def main():
            region = rubinprof.region("helped")
            await begin(region); await bare(1); region.__exit__()
        async def both(): await asyncio.gather(main(), bare(5))
        asyncio.run(both())
        """,
        {"helped": 3},
    ),
    "tasks that share one object": (
        """
        shared = rubinprof.region("shared")
        async def one():
            with shared:
                step(1); await asyncio.sleep(0)
            for _ in range(4):
                step(5); await asyncio.sleep(0)
        async def other():
            with rubinprof.region("other"), shared: await bare(2)
        async def main(): await asyncio.gather(one(), other())
        asyncio.run(main())
        """,
        {"shared": 6, "other": 6},
    ),
    "failed": (
        """
        async def fails():
            with rubinprof.region("failed"):
                step(1); await asyncio.sleep(0); step(2)
                raise ValueError
        async def main(): await asyncio.gather(fails(), bare(5), return_exceptions=True)
        asyncio.run(main())
        """,
        {"failed": 3},
    ),
    "a generator that is dropped": (
        """
        dropped = generator("dropped", 2)
        next(dropped); step(5); next(dropped); step(5); del dropped; step(5)
        """,
        {"dropped": 4},
    ),
    "a generator in the place of one that never ended its region": (
        """
        def endless(name, mb):
            region = rubinprof.region(name); region.__enter__(); regions.append(region)
            step(mb); yield
            step(mb); yield
        regions = []
        one = endless("one", 1); next(one); step(5); del one
        other = endless("other", 2); next(other); step(5); next(other); step(5); del other
        """,
        {"one": 1, "other": 4},
    ),
    "generators": ("for _ in zip(generator('one', 1), generator('other', 2)): step(5)", {"one": 3, "other": 6}),
    "a generator resumed on another thread": (
        """
        moved = generator("moved", 1)
        next(moved); step(5)
        thread = threading.Thread(target=lambda: list(moved)); thread.start(); thread.join()
        """,
        {"moved": 3},
    ),
    "greenlets": (
        """
        import greenlet
        def turn(name, mb):
            with rubinprof.region(name):
                for _ in range(3):
                    step(mb); others[name].switch()
        first = greenlet.greenlet(lambda: turn("one", 1)); second = greenlet.greenlet(lambda: turn("other", 2))
        others = {"one": second, "other": first}
        first.switch()
        second.switch()
        """,
        {"one": 3, "other": 6},
    ),
    "greenlets begun in a region": (
        """
        import greenlet
        main = greenlet.getcurrent()
        def turn(mb):
            for _ in range(3):
                step(mb); main.switch()
        def nested():
            with rubinprof.region("nested"): turn(4)
        before, never, inner = (greenlet.greenlet(lambda mb=mb: turn(mb)) for mb in (5, 7, 2)); within = greenlet.greenlet(nested)
        before.switch()
        with rubinprof.region("around"):
            inner.switch(); within.switch(); step(1); before.switch(); inner.switch(); step(1); before.switch(); within.switch(); inner.switch()
        within.switch(); inner.switch(); never.switch(); never.switch()
        """,
        {"around": 2 + 4 + 1 + 2 + 1 + 4 + 2, "nested": 12},
    ),
    "greenlets of gevent begun in a region": (
        """
        import gevent
        def turn(mb, n=3):
            for _ in range(n):
                step(mb); gevent.sleep(0)
        def spawns():
            with rubinprof.region("spawns"):
                children = gevent.spawn(turn, 2), gevent.spawn_raw(turn, 3)
                step(1); gevent.sleep(0); step(1); gevent.joinall(children[:1]); gevent.sleep(0)
        def other():
            with rubinprof.region("other"): turn(7)
        gevent.joinall([gevent.spawn(spawns), gevent.spawn(turn, 5, 9), gevent.spawn(other)])
        """,
        {"spawns": 17, "other": 21},
    ),
    "greenlets whose own function is a region": (
        """
        import greenlet
        main = greenlet.getcurrent()
        @rubinprof.region("own")
        def own(mb):
            for _ in range(3):
                step(mb); main.switch()
        @rubinprof.region("later")
        def later(): step(1); main.switch()
        def bare_at_first():
            main.switch(); later()
        first, second, elsewhere = greenlet.greenlet(own), greenlet.greenlet(rubinprof.region("nested")(own)), greenlet.greenlet(bare_at_first)
        elsewhere.switch()
        with rubinprof.region("around"):
            second.switch(4); step(1); second.switch(); elsewhere.switch(); second.switch()
        step(3); first.switch(2); step(5)
        """,
        {"around": 13, "nested": 12, "own": 2, "later": 1},
    ),
    "greenlets of gevent whose own function is a region": (
        """
        import gevent
        @rubinprof.region("own")
        def own():
            for _ in range(3):
                step(2); gevent.sleep(0)
        def other():
            for _ in range(9):
                step(5); gevent.sleep(0)
        def spawns():
            with rubinprof.region("around"):
                child = gevent.spawn(own); step(1); child.join()
        gevent.joinall([gevent.spawn(spawns), gevent.spawn(other)])
        """,
        {"around": 7, "own": 6},
    ),
}


def regions_of(tmp_path, source, *options):
    (tmp_path / "x.py").write_text(PREAMBLE + textwrap.dedent(source))
    words = [sys.executable, "-m", "rubinprof"]
    # An arena of pymalloc is 1 MiB, of whichever region happens to need the next.
    env = {**os.environ, "PYTHONMALLOC": "malloc"}
    done = subprocess.run([*words, "run", "-o", "x.rprof", *options, "x.py"], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    found = subprocess.run([*words, "regions", "--json", "x.rprof"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    return {row["name"]: row for row in json.loads(found.stdout)["rows"]}  # of one name the last


@pytest.mark.parametrize("kind", KINDS)
def test_what_others_do_between_its_turns_is_not_in_it(tmp_path, kind):
    source, right = KINDS[kind]
    for package in ("greenlet", "gevent"):
        if f"import {package}\n" in source:
            pytest.importorskip(package)
    rows = regions_of(tmp_path, source)
    assert rows.keys() == right.keys()
    for name, mb in right.items():
        row = rows[name]
        assert not row["turns_unknown"] and (row["times_left"] > 0) == (kind != "wrappers of pluggy")
        for key in ("allocated_bytes", "peak_above_start_bytes", "leaked_bytes"):
            assert row[key] / (1 << 20) == pytest.approx(mb, abs=0.3), (name, key)
        assert row["cpu_s"] <= row["wall_s"] - row["away_s"] + 1e-3


def test_where_turns_are_not_seen_the_row_says_so(tmp_path):
    rows = regions_of(tmp_path, KINDS["tasks"][0] + "\nwith rubinprof.region('plain'): step(1)", "--cpu", "sampled", "--memory", "sampled")
    assert {name: row["turns_unknown"] for name, row in rows.items()} == {"small": True, "large": True, "plain": False}
    assert all("peak_above_start_bytes_error" in row for row in rows.values())


def test_greenlets_that_are_imported_alone_make_no_turn_unknown(tmp_path):
    """SQLAlchemy imports them, and with it every task of the middleware."""
    pytest.importorskip("greenlet")
    body = textwrap.dedent(KINDS["greenlets"][0])
    source = f"import greenlet\nwith rubinprof.region('before'): step(1)\nwith rubinprof.region('around'):\n{textwrap.indent(body, '    ')}\n"
    source += "with rubinprof.region('after'):\n    with rubinprof.region('in it'): step(1)"
    rows = regions_of(tmp_path, source, "--cpu", "sampled", "--memory", "sampled")
    known = {"before": False, "around": True, "one": True, "other": True, "after": False, "in it": False}
    assert {name: row["turns_unknown"] for name, row in rows.items()} == known


ENDED_ELSEWHERE = {
    "task": """
    region = rubinprof.region("crosses")
    async def begins():
        region.__enter__(); step(1)
        await asyncio.sleep(0); await asyncio.sleep(0)
    async def ends(): region.__exit__()
    async def main(): await asyncio.gather(begins(), ends())
    asyncio.run(main())
    """,
    "callback": """
    region = rubinprof.region("crosses")
    async def main():
        asyncio.get_running_loop().call_soon(region.__enter__); await asyncio.sleep(0)
        step(1)
        asyncio.get_running_loop().call_soon(region.__exit__); await asyncio.sleep(0)
    asyncio.run(main())
    """,
    "thread": """
    region = rubinprof.region("crosses").__enter__()
    thread = threading.Thread(target=region.__exit__); thread.start(); thread.join()
    """,
}


@pytest.mark.parametrize("by", ENDED_ELSEWHERE)
def test_a_region_that_another_one_ends_says_so(tmp_path, by):
    assert regions_of(tmp_path, ENDED_ELSEWHERE[by])["crosses"]["turns_unknown"]


def test_a_region_that_its_own_thread_ends_later_is_known(tmp_path):
    source = """
    region = rubinprof.region("set up")
    def set_up(): region.__enter__(); step(1)
    def tear_down(): region.__exit__()
    set_up(); step(1); tear_down()
    """
    assert not regions_of(tmp_path, source)["set up"]["turns_unknown"]
