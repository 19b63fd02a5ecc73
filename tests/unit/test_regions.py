"""Regions around what ends in another order, in another place or not at all. Each test runs a small program of its own."""

import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.linux


@pytest.fixture
def traced_regions(tmp_path):
    """Runs a program that writes x.rprof; what it printed, and its regions: name to name of the parent."""

    def run(source, trace="x.rprof"):
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(source)], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
        import rubinprof

        found = []
        for path in sorted(tmp_path.glob(trace)):
            with rubinprof.open(path) as opened:
                rows = opened.regions()
            found += [(row["name"], None if row["parent"] is None else rows[row["parent"]]["name"], row["unfinished"]) for row in rows]
        return done.stdout, found

    return run


def test_generators_that_take_turns(traced_regions):
    _, regions = traced_regions(
        """
        import rubinprof

        @rubinprof.region("first")
        def first(): yield from range(2)

        @rubinprof.region("second")
        def second(): yield from range(3)

        with rubinprof.Tracker("x.rprof"):
            one, other = first(), second()
            list(zip(one, other))
            next(other, None)
            for _ in other: pass
            with rubinprof.region("after"): pass
        """
    )
    # The first was suspended when the second began.
    assert regions == [("first", None, False), ("second", None, False), ("after", None, False)]


def test_an_asynchronous_generator_gets_what_is_sent_and_thrown(traced_regions):
    out, regions = traced_regions(
        """
        import asyncio, contextlib, rubinprof

        @contextlib.asynccontextmanager
        @rubinprof.region("connection")
        async def connection():
            try:
                yield 1
            except KeyError:
                print("rolled back")
            finally:
                print("closed")

        @rubinprof.region("echo")
        async def echo():
            got = None
            while True:
                got = yield got

        async def main():
            async with connection():
                raise KeyError
            print("after")
            sent = echo()
            await sent.asend(None)
            print(await sent.asend(5))
            await sent.aclose()
            async for _ in echo():
                break

        with rubinprof.Tracker("x.rprof"):
            asyncio.run(main())
        """
    )
    assert out.splitlines() == ["rolled back", "closed", "after", "5"]
    assert regions == [("connection", None, False), ("echo", None, False), ("echo", None, False)]


def test_a_region_that_outlives_its_trace_is_not_another_ones(traced_regions):
    _, regions = traced_regions(
        """
        import rubinprof
        first = rubinprof.Tracker("first.rprof").start()
        old = rubinprof.region("old").__enter__()
        first.stop()
        with rubinprof.Tracker("x.rprof"):
            new = rubinprof.region("new").__enter__()
            old.label(whose="old")
            old.__exit__()
            new.__exit__()
            with rubinprof.region("next"): pass
        """
    )
    assert regions == [("new", None, False), ("next", None, False)]


def test_a_child_forked_inside_a_region_has_its_own(traced_regions):
    _, regions = traced_regions(
        """
        import os, rubinprof
        with rubinprof.Tracker("x.rprof"), rubinprof.region("outer"):
            pid = os.fork()
            if not pid:
                for name in "ab":
                    with rubinprof.region(name): pass
                os._exit(0)
            os.waitpid(pid, 0)
        """,
        trace="x-*.rprof",
    )
    assert regions == [("a", None, False), ("b", None, False)]


def test_threads_of_any_name_do_not_keep_a_trace_open(tmp_path, traced_regions):
    out, _ = traced_regions(
        """
        import threading, rubinprof

        class Named(threading.Thread):
            def name(self): return "a method"

        with rubinprof.Tracker("x.rprof"):
            done = threading.Event()
            thread = Named(target=done.wait)
            thread.start()
        print(rubinprof.is_active())
        done.set()
        """
    )
    assert out == "False\n"


def test_two_threads_that_start_at_once(traced_regions):
    out, _ = traced_regions(
        """
        import sys, threading, rubinprof
        sys.setswitchinterval(1e-6)
        told = []
        for n in range(20):
            ready = threading.Barrier(2)
            def start(name):
                ready.wait()
                tracker = rubinprof.Tracker(f"{name}.rprof")
                try: tracker.start()
                except rubinprof.TracerError as error: told.append(str(error))
                ready.wait()
                tracker.stop()
            threads = [threading.Thread(target=start, args=(f"x{n}{side}",)) for side in "ab"]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            assert not rubinprof.is_active()
        print(all("cannot start" in sentence for sentence in told))
        """,
        trace="none",
    )
    assert out == "True\n"


OUTCOMES = """
import asyncio, contextlib, sys, rubinprof

class Odd(type):
    @property
    def __module__(cls): raise RuntimeError("odd")
class OddError(Exception, metaclass=Odd): pass

def raise_(error): raise error

@rubinprof.region("decorated")
def decorated(): raise KeyError

@rubinprof.region("coroutine")
async def coroutine(): await asyncio.sleep(60)

@rubinprof.region("generator")
def generator(): yield 1; raise OSError

@rubinprof.region("closed")
def closed(): yield 1

async def cancel():
    task = asyncio.ensure_future(coroutine())
    await asyncio.sleep(0)
    task.cancel()
    await task

def inside(name, error, **labels):
    with contextlib.suppress(BaseException):
        with rubinprof.region(name, **labels) as region:
            region.label(**{key: value for key, value in labels.items() if key == "late"})
            raise_(error)

with rubinprof.Tracker("x.rprof"%s):
    with rubinprof.region("done"): pass
    inside("failed", ValueError())
    inside("interrupted", KeyboardInterrupt())
    inside("exit 0", SystemExit(0))
    inside("exit", SystemExit())
    inside("exit 3", SystemExit(3))
    inside("stop", StopIteration())
    inside("own status", ValueError(), status="reading")
    inside("own done", ValueError(), status="done")
    inside("own exception", ValueError(), exception="mine")
    with rubinprof.region("only a word", exception="mine"): pass
    inside("odd", OddError())
    with contextlib.suppress(KeyError): decorated()
    with contextlib.suppress(OSError): list(generator())
    one = closed(); next(one); one.close()
    with contextlib.suppress(asyncio.CancelledError): asyncio.run(cancel())
    with contextlib.suppress(ValueError), rubinprof.region("outer"), rubinprof.region("inner"): raise_(ValueError())
"""


@pytest.mark.parametrize("mode", ["exact", "sampled"])
def test_a_region_that_an_exception_leaves_has_failed(tmp_path, mode):
    program = OUTCOMES % (', cpu="sampled", memory="sampled"' if mode == "sampled" else "")
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    import rubinprof
    from rubinprof.campaign import unit

    with rubinprof.open(tmp_path / "x.rprof") as opened:
        rows, stats = opened.regions(), opened.stats()
    value_error = ("failed", "builtins.ValueError")
    assert {row["name"]: (row["exit_status"], row["exception"]) for row in rows} == {
        "done": (None, None),
        "failed": value_error,
        "interrupted": ("failed", "builtins.KeyboardInterrupt"),
        "exit 0": (None, None),
        "exit": (None, None),
        "exit 3": ("failed", "builtins.SystemExit"),
        "stop": (None, None),
        "own status": value_error,
        "own done": ("succeeded", "builtins.ValueError"),
        "own exception": ("failed", "mine"),
        "only a word": (None, "mine"),
        "odd": ("failed", "__main__.OddError"),
        "decorated": ("failed", "builtins.KeyError"),
        "generator": ("failed", "builtins.OSError"),
        "closed": (None, None),
        "coroutine": ("failed", "asyncio.exceptions.CancelledError"),
        "outer": value_error,
        "inner": value_error,
    }
    of_campaign = {row["task"]: row["status"] for row in unit.quantum_rows("0", stats, rows)}
    assert [of_campaign[name] for name in ("done", "failed", "interrupted", "own status", "exit 0")] == ["done", "failed", "interrupted", "reading", "done"]
    text = subprocess.run([sys.executable, "-m", "rubinprof", "regions", "x.rprof"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    (line,) = (line for line in text.splitlines() if " failed " in line)
    assert line.endswith("failed status=failed (failed: builtins.ValueError)")
