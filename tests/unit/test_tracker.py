"""Tracker and region as a program uses them. Each test runs a small program, because tracing changes its process."""

import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

STATE_OFFSET, COMPLETE = 68, 2


def python(source, *args, cwd, status=0, **env):
    """Run a program in a fresh interpreter; returns its standard output."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(source), *args],
        cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    assert done.stderr == "" or status, done.stderr
    return done.stdout


def is_complete(path):
    with open(path, "rb") as file:
        head = file.read(4096)
    assert head[:8] == b"\x89RPROF\r\n"
    return int.from_bytes(head[STATE_OFFSET : STATE_OFFSET + 4], "little") == COMPLETE


@pytest.mark.linux
def test_default_name_says_program_host_pid_and_start(tmp_path):
    program = "import rubinprof\nwith rubinprof.Tracker() as t: print(t.path)"
    (tmp_path / "my prog.py").write_text(program)
    done = subprocess.run([sys.executable, "my prog.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    path = done.stdout.strip()
    assert os.path.dirname(path) == str(tmp_path)
    assert re.fullmatch(r"rubinprof-my_prog-[A-Za-z0-9._-]+-\d+-\d{8}T\d{6}\.rprof", os.path.basename(path))
    assert is_complete(path)
    assert os.stat(path).st_mode & 0o077 == 0


@pytest.mark.linux
def test_names_in_a_directory_do_not_collide(tmp_path):
    out = python(
        """
        import rubinprof
        for _ in range(3):
            with rubinprof.Tracker(".") as tracker:
                print(tracker.path)
        """,
        cwd=tmp_path,
    )
    assert len(set(out.split())) == 3
    assert all(is_complete(path) for path in out.split())


@pytest.mark.linux
def test_a_directory_that_is_missing_is_made(tmp_path):
    out = python(
        """
        import rubinprof
        with rubinprof.Tracker("night/traces/") as tracker:
            print(tracker.path)
        open("file", "w").close()
        try:
            rubinprof.Tracker("file/").start()
        except rubinprof.TracerError as error:
            print(error)
        """,
        cwd=tmp_path,
    )
    path, sentence = out.splitlines()
    assert os.path.dirname(path) == str(tmp_path / "night" / "traces") and is_complete(path)
    assert "Not a directory" in sentence
    assert (tmp_path / "file").read_bytes() == b""


@pytest.mark.linux
def test_an_existing_file_is_never_overwritten_unasked(tmp_path):
    (tmp_path / "x.rprof").write_bytes(b"precious")
    out = python(
        """
        import rubinprof
        try:
            rubinprof.Tracker("x.rprof").start()
        except rubinprof.TracerError as error:
            print(error)
        print(rubinprof.is_active(), open("x.rprof").read())
        with rubinprof.Tracker("x.rprof", overwrite=True):
            pass
        """,
        cwd=tmp_path,
    )
    assert "x.rprof cannot be created: the file exists already" in out
    assert "False precious" in out
    assert is_complete(tmp_path / "x.rprof")


@pytest.mark.linux
def test_no_symlink_is_followed(tmp_path):
    (tmp_path / "x.rprof").symlink_to(tmp_path / "elsewhere")
    python(
        """
        import rubinprof
        try:
            rubinprof.Tracker("x.rprof").start()
        except rubinprof.TracerError:
            pass
        else:
            raise SystemExit("started")
        """,
        cwd=tmp_path,
    )
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.linux
def test_a_nested_tracker_shares_the_outer_one(tmp_path):
    out = python(
        """
        import rubinprof
        with rubinprof.Tracker("outer.rprof") as outer:
            with rubinprof.Tracker("inner.rprof") as inner:
                assert inner.path == outer.path
            print(rubinprof.is_active())
        print(rubinprof.is_active())
        """,
        cwd=tmp_path,
    )
    assert out.split() == ["True", "False"]
    assert os.listdir(tmp_path) == ["outer.rprof"]


@pytest.mark.linux
def test_what_tracing_replaces_is_put_back(tmp_path):
    python(
        """
        import inspect, os, posix, rubinprof
        names = ["_exit", "fork", "forkpty", "execv", "execve"]
        def look():
            functions = [getattr(os, name) for name in names]
            return [(repr(f), f.__doc__, f.__module__, f.__self__, inspect.signature(f), f in os.supports_fd) for f in functions]
        before, seen = [getattr(posix, name) for name in names], look()
        for _ in range(2):
            with rubinprof.Tracker():
                assert os._exit is posix._exit is not before[0]
                assert look() == seen
            assert [getattr(posix, name) for name in names] == [getattr(os, name) for name in names] == before
            assert look() == seen
        """,
        cwd=tmp_path,
    )


@pytest.mark.linux
def test_the_trace_is_completed_at_exit(tmp_path):
    python("import rubinprof; rubinprof.Tracker('x.rprof').start()", cwd=tmp_path)
    assert is_complete(tmp_path / "x.rprof")


@pytest.mark.linux
def test_bad_arguments_are_refused_before_anything_starts(tmp_path):
    out = python(
        """
        import rubinprof
        for bad in ({"cpu": "fast"}, {"memory": ""}, {"sample_hz": 20001}, {"sample_hz": 0}):
            try:
                rubinprof.Tracker(**bad)
            except ValueError as error:
                print(error)
        """,
        cwd=tmp_path,
    )
    assert out.splitlines() == [
        "cpu must be 'exact', 'sampled' or 'off', not 'fast'",
        "memory must be 'exact', 'sampled' or 'off', not ''",
        "sample_hz must be from 1 to 20000, not 20001",
        "sample_hz must be from 1 to 20000, not 0",
    ]
    assert os.listdir(tmp_path) == []


@pytest.mark.linux
def test_a_fork_goes_on_in_a_file_of_its_own(tmp_path):
    out = python(
        """
        import os, rubinprof
        with rubinprof.Tracker("x.rprof") as tracker:
            pid = os.fork()
            os.write(1, (tracker.path + chr(10)).encode())  # one write: both processes write here
        if pid == 0:
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        """,
        cwd=tmp_path,
    )
    paths = set(out.split())
    assert len(paths) == 2
    assert {str(tmp_path / name) for name in os.listdir(tmp_path)} == paths
    assert all(is_complete(path) for path in paths)


@pytest.mark.linux
def test_a_fork_is_left_alone_when_asked(tmp_path):
    out = python(
        """
        import os, posix, rubinprof
        with rubinprof.Tracker("x.rprof", follow_fork=False):
            pid = os.fork()
            if pid == 0:
                print(rubinprof.is_active(), os._exit is posix._exit, flush=True)
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
        """,
        cwd=tmp_path,
    )
    assert out.split() == ["False", "True"]
    assert os.listdir(tmp_path) == ["x.rprof"]
    assert is_complete(tmp_path / "x.rprof")


@pytest.mark.linux
def test_a_fork_warns_as_it_would_untraced(tmp_path):
    program = """
        import os, sys, threading, warnings
        warnings.simplefilter("always")
        if sys.argv[1] == "traced":
            import rubinprof
            rubinprof.Tracker().start()
        for other_thread in (False, True):
            event = threading.Event()
            if other_thread:
                threading.Thread(target=event.wait).start()
            with warnings.catch_warnings(record=True) as caught:
                pid = os.fork()
                if pid == 0:
                    os._exit(0)
            os.waitpid(pid, 0)
            print(len(caught))
            event.set()
        """
    assert python(program, "traced", cwd=tmp_path) == python(program, "plain", cwd=tmp_path)


@pytest.mark.linux
def test_a_fork_under_the_command_does_not_warn(tmp_path):
    """The command's name is that of the program's main thread; the tool's threads have another."""
    source = "import os, warnings; warnings.simplefilter('error'); pid = os.fork(); pid or os._exit(0); os.waitpid(pid, 0)"
    command = [Path(sys.executable).with_name("rubinprof"), "run", "-o", "t.rprof", "-c", source]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.linux
def test_what_subprocess_forks_for_an_exec_has_no_trace(tmp_path):
    python(
        """
        import os, subprocess, rubinprof
        with rubinprof.Tracker("x.rprof"):
            subprocess.run(["true"], check=True, preexec_fn=lambda: open("ran", "w").close())
        """,
        cwd=tmp_path,
    )
    assert sorted(os.listdir(tmp_path)) == ["ran", "x.rprof"]


@pytest.mark.linux
def test_threads_of_a_forked_child_define_their_own_stacks(tmp_path):
    rubinprof = pytest.importorskip("rubinprof")
    python(
        """
        import os, threading, rubinprof
        def work():
            for _ in range(200):
                bytearray(200000)
        rubinprof.Tracker("x.rprof").start()
        work()
        pid = os.fork()
        if pid:
            os.waitpid(pid, 0)
        else:
            thread = threading.Thread(target=work)
            thread.start()
            work()
            thread.join()
        """,
        cwd=tmp_path,
    )
    (path,) = tmp_path.glob("x-*.rprof")
    defined, used = set(), set()
    with rubinprof.open(path) as trace:
        for line in trace.report("dump").splitlines():
            event = json.loads(line)
            if event["is"] == "STACK":
                defined.add((event["thread"], event["stack"]))
            elif event["is"] == "ALLOC" and event["stack"]:
                used.add((event["thread"], event["stack"]))
    assert len({thread for thread, _ in used}) == 2
    assert used <= defined


@pytest.mark.linux
def test_regions_nest_and_carry_labels(tmp_path):
    pytest.importorskip("rubinprof._analyze")
    python(
        """
        import asyncio, rubinprof

        @rubinprof.region("called", kind="function")
        def called():
            return 1

        @rubinprof.region("generated")
        def generated():
            yield from range(3)

        async def task(n):
            async with rubinprof.region("task", n=n):
                await asyncio.sleep(0.01)
                with rubinprof.region("inner", n=n):
                    await asyncio.sleep(0)

        async def tasks():
            await asyncio.gather(task(1), task(2))

        with rubinprof.region("before"):  # no tracker: nothing happens
            pass
        with rubinprof.Tracker("x.rprof"):
            with rubinprof.region("outer", detector=10, visit="a") as outer:
                outer.label(visit="b", status="done")
                called(), called(), list(generated())
            asyncio.run(tasks())
            rubinprof.region("open").__enter__()
        """,
        cwd=tmp_path,
    )
    import rubinprof

    regions = rubinprof.open(tmp_path / "x.rprof").regions()
    names = [region["name"] for region in regions]
    assert sorted(names) == sorted(["outer", "called", "called", "generated", "task", "task", "inner", "inner", "open"])
    outer = next(r for r in regions if r["name"] == "outer")
    assert outer["labels"] == {"detector": "10", "visit": "b", "status": "done"}
    by_index = {region["index"]: region for region in regions}
    for region in regions:
        if region["name"] == "called":
            assert by_index[region["parent"]]["name"] == "outer"
        if region["name"] == "inner":
            assert by_index[region["parent"]]["labels"] == region["labels"]


@pytest.mark.parametrize(("mode", "least"), [("exact", 65000), ("sampled", 16000)])
def test_names_and_labels_of_a_megabyte_are_cut(tmp_path, mode, least):
    """And each is there, however many they are."""
    rubinprof = pytest.importorskip("rubinprof")
    labels = {f"key {i}": str(i) * (1 << 20) for i in range(9)}
    with rubinprof.Tracker(tmp_path / "x.rprof", cpu=mode, memory=mode):
        with rubinprof.region("n" * (1 << 20), **labels) as region:
            pass
        with rubinprof.region("short", a=1) as region:
            region.label(b="b" * (1 << 20), c="c")
    with rubinprof.open(tmp_path / "x.rprof") as trace:
        long, short = trace.regions()
    assert len(long["name"]) >= least and set(long["name"][:-1]) == {"n"} and long["name"][-1] == "…"
    assert list(long["labels"]) == list(labels)
    assert all(len(value) >= least and value[-1] == "…" and labels[key].startswith(value[:-1]) for key, value in long["labels"].items())
    assert short["name"] == "short" and (short["labels"]["a"], short["labels"]["c"]) == ("1", "c")
    assert len(short["labels"]["b"]) >= least


def test_regions_work_without_a_tracker():
    import rubinprof

    with rubinprof.region("x", a=1) as region:
        assert region.id == 0
        region.label(b=2)

    @rubinprof.region("y")
    async def coroutine():
        return 5

    @rubinprof.region("z")
    def generator():
        return (yield 1)

    # Not asyncio.run: the browser tests' Playwright keeps a loop running in this process.
    with pytest.raises(StopIteration, match="5"):
        coroutine().send(None)
    assert list(generator()) == [1]
    with pytest.raises(TypeError, match="@region"):

        @rubinprof.region
        def forgotten():
            pass


def test_without_the_capture_half_the_sentence_is_clear(monkeypatch):
    from rubinprof import TracerError, tracker

    monkeypatch.setattr(tracker, "_capture", None)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not tracker.is_active()
    tracker.sync()
    with pytest.raises(TracerError, match="works on Linux only"):
        tracker.Tracker().start()
