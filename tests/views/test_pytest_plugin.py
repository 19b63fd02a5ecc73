"""The pytest plugin, in sessions of its own."""

import subprocess
import sys

import pytest

import rubinprof
from rubinprof import pytest_plugin

pytestmark = pytest.mark.linux
pytest_plugins = ["pytester"]

PROGRAM = """
    import pytest

    kept = []

    @pytest.mark.limit_memory("3 MB")
    @pytest.mark.limit_cpu("60 s")
    def test_light():
        bytearray(1_000_000)

    @pytest.mark.limit_memory("3 MB")
    def test_heavy():
        blocks = [bytearray(1_000_000) for _ in range(8)]

    @pytest.mark.limit_leaks("1 MB")
    def test_leaky():
        kept.append(bytearray(4_000_000))

    @pytest.mark.limit_leaks("1 MB")
    def test_clean():
        cycle = [bytearray(4_000_000)]
        cycle.append(cycle)

    @pytest.mark.limit_cpu("1 ms")
    def test_slow():
        sum(i * i for i in range(300_000))

    @pytest.mark.limit_cpu("100 ms")
    def test_is_not_charged_for_the_collection_behind_it():
        kept.append([[] for _ in range(20_000)])

    def test_plain():
        assert True

    def test_wrong():
        assert False
"""


@pytest.fixture
def session(pytester):
    pytester.makepyfile(test_it=PROGRAM)

    def run(*words):
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", *words)

    return run


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_limits_and_summary(session, workers):
    result = session("--rubinprof", *workers)
    result.assert_outcomes(passed=4, failed=4)
    result.stdout.fnmatch_lines_random(
        [
            "held 7.6* MiB at its peak; limit_memory allows 3.00 MiB:",
            "*7.6* MiB  test_heavy.<locals>.<listcomp>  *" if sys.version_info < (3, 12) else "*7.6* MiB  test_heavy  *test_it.py:*",
            "left 3.8* MiB behind; limit_leaks allows 1.00 MiB:",
            "* test_leaky  *test_it.py:*",
            "took * ms of CPU time; limit_cpu allows 1.00 ms:",
            "*rubinprof: heaviest tests by peak*",
        ]
    )
    # The summary names the heaviest first, with its figures.
    lines = result.stdout.lines
    first = lines[next(i for i, line in enumerate(lines) if "heaviest tests" in line) + 2]
    assert first.strip().startswith("7.6") and first.endswith("test_it.py::test_heavy")


def test_without_the_option_nothing_is_traced(session):
    result = session("--strict-markers")
    result.assert_outcomes(passed=7, failed=1)
    assert "rubinprof" not in result.stdout.str().split("rootdir")[-1].split("plugins:")[-1].split("\n", 1)[1]


def test_limits_alone_trace_no_other_test(session, tmp_path):
    result = session("--rubinprof-limits", "--rubinprof-dir", tmp_path / "traces", "--rubinprof-sort", "cpu", "--rubinprof-top", "1")
    result.assert_outcomes(passed=4, failed=4)
    assert len(list((tmp_path / "traces").iterdir())) == 6
    result.stdout.fnmatch_lines(["*heaviest tests by cpu*", "*", "*test_slow"])


def test_traces_are_kept_and_readable(session, tmp_path):
    session("--rubinprof", "--rubinprof-native", "--rubinprof-dir", tmp_path / "traces", "-k", "heavy")
    (path,) = (tmp_path / "traces").iterdir()
    assert path.name.startswith("test_it.py-test_heavy")
    with rubinprof.open(path) as trace:
        assert trace.stats()["mode"]["native"]
        assert any(row["function"].startswith("test_heavy") for row in trace.table())


FAKES = """
    import gc
    import json
    import os
    import time

    import pytest

    pytestmark = [pytest.mark.limit_memory("100 MB"), pytest.mark.limit_leaks("50 MB"), pytest.mark.limit_cpu("60 s")]

    def refuse(*args, **kwargs):
        raise PermissionError("not in this world")

    @pytest.fixture(scope="module", autouse=True)
    def world():  # outlives each test's teardown
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(json, "loads", refuse)
            patch.setattr(os, "unlink", refuse)
            patch.setattr(os, "getpid", refuse)
            patch.setattr(time, "strftime", refuse)
            patch.setattr(json.JSONDecoder, "decode", refuse)
            yield

    def test_unlink_is_watched(mocker):
        unlink = mocker.patch("os.unlink")
        os.unlink("/some/file")
        unlink.assert_called_once_with("/some/file")

    @pytest.fixture
    def watched(mocker):
        functions = [mocker.patch(name) for name in ("os.unlink", "json.loads", "gc.collect", "os.path.isdir", "builtins.open")]
        yield
        assert not any(function.called for function in functions)

    def test_nothing_of_the_tool_calls_fakes(watched):
        pass

    def test_no_collection(monkeypatch):
        monkeypatch.setattr(gc, "collect", refuse)

    def test_odd_arguments(monkeypatch):
        monkeypatch.setattr("sys.argv", [None])

    def test_no_working_directory(tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        tmp_path.rmdir()

    @pytest.mark.limit_memory("3 MB")
    def test_heavy_in_a_fake_world():
        blocks = [bytearray(1_000_000) for _ in range(8)]
"""
FAKE_FILES = """
    import pytest

    @pytest.mark.limit_leaks("50 MB")
    def test_fake_files(fs):
        fs.create_file("/data/a.txt", contents="x")
        assert open("/data/a.txt").read() == "x"

    @pytest.mark.limit_memory("3 MB")
    def test_heavy_beside_fake_files(fs_session):
        blocks = [bytearray(1_000_000) for _ in range(8)]
"""


def test_fakes_of_a_test_meet_nothing_of_the_tool(pytester, tmp_path):
    """As without the flag, but for the limit that is broken; and every limit is looked at."""
    pytester.makepyfile(test_it=FAKES, test_files=FAKE_FILES)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--rubinprof", "--rubinprof-top", "99", "test_it.py", "test_files.py")
    result.assert_outcomes(passed=6, failed=2)
    result.stdout.fnmatch_lines(["held 7.6* MiB at its peak; limit_memory allows 3.00 MiB:"])
    result.stdout.no_fnmatch_line("*not traced*")
    summary = result.stdout.str().split("heaviest tests")[1].split("short test summary")[0]
    assert sum("::test_" in line for line in summary.splitlines()) == 8


NOT_MEASURED = """
    import pytest
    import rubinprof
    from rubinprof import _capture

    @pytest.fixture
    def traced(tmp_path):
        with rubinprof.Tracker(tmp_path / "own.rprof"):
            yield

    @pytest.mark.limit_memory("1 GB")
    def test_in_a_trace_of_its_own(traced):
        pass

    @pytest.mark.limit_cpu("100 s")
    def test_ends_the_trace():
        _capture.stop()
        raise_nothing = 1

    @pytest.mark.limit_memory("1 GB")
    def test_removes_the_trace():
        import os
        os.unlink(_capture.path())

    def test_without_a_limit(traced):
        pass

    @pytest.mark.limit_memory("3 MB")
    def test_heavy_afterwards():
        blocks = [bytearray(1_000_000) for _ in range(8)]
"""


def test_a_limit_that_was_not_measured_fails_and_the_next_is_measured(pytester):
    pytester.makepyfile(test_it=NOT_MEASURED)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--rubinprof")
    outcomes = result.parseoutcomes()
    assert outcomes.get("failed", 0) + outcomes.get("errors", 0) >= 3, outcomes
    result.stdout.fnmatch_lines_random(
        [
            "limit_memory could not be measured: this process is being traced already",
            "limit_memory could not be measured: *",
            "held 7.6* MiB at its peak; limit_memory allows 3.00 MiB:",
            "not traced: *, the first test_it.py::test_in_a_trace_of_its_own: this process is being traced already",
        ]
    )


def test_names_of_any_length(pytester, tmp_path):
    pytester.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.limit_memory("1 GB")
        @pytest.mark.parametrize("value", ["ü" * 125, "✓" * 80, "x" * 100_000], ids=lambda v: v)
        def test_of(value):
            pass

        @pytest.mark.limit_memory("3 MB")
        @pytest.mark.parametrize("value", ["y" * 100_000])
        def test_heavy(value):
            blocks = [bytearray(1_000_000) for _ in range(8)]
        """
    )
    pytester.makeini("[pytest]\ndisable_test_id_escaping_and_forfeit_all_rights_to_community_support = True")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--rubinprof", "--rubinprof-dir", tmp_path / "traces")
    result.assert_outcomes(passed=3, failed=1)
    assert len({path.name for path in (tmp_path / "traces").iterdir()}) == 4
    summary = result.stdout.str().split("heaviest tests")[1].split("short test summary")[0]
    assert max(map(len, summary.splitlines())) < 300
    assert pytest_plugin._file_name("test_it.py::test_of[\udc80]").encode()


def test_failing_and_skipped_tests_are_in_the_summary(pytester):
    pytester.makepyfile(
        test_it="""
        import pytest

        def test_fails():
            blocks = [bytearray(1_000_000) for _ in range(8)]
            assert not blocks

        def test_skips():
            blocks = [bytearray(1_000_000) for _ in range(4)]
            pytest.skip("late")

        def test_is_left():
            raise SystemExit(3)
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--rubinprof")
    result.assert_outcomes(failed=2, skipped=1)
    result.stdout.fnmatch_lines(["*heaviest tests*", "*", "*7.6* MiB *test_fails", "*3.8* MiB *test_skips", "*test_is_left"])


@pytest.mark.parametrize(("marker", "fragment"), [("'64 parsecs'", "64 parsecs"), ("", "takes one amount"), ("'1 s'", "no amount of bytes")])
def test_a_bad_limit_is_said(pytester, marker, fragment):
    pytester.makepyfile(f"import pytest\n\n@pytest.mark.limit_memory({marker})\ndef test_it():\n    pass\n")
    result = pytester.runpytest_subprocess("--rubinprof", "-p", "no:cacheprovider")
    assert result.ret != 0 and fragment in result.stdout.str() + result.stderr.str()


def test_loading_the_plugin_loads_nothing_more():
    """No cost when not used: neither the analyzer nor what reads limits."""
    code = "import sys, rubinprof.pytest_plugin; print([m for m in sys.modules if m.startswith('rubinprof.')])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "_analyze" not in loaded and "metrics" not in loaded and "trace'" not in loaded
