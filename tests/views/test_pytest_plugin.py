"""The pytest plugin, in sessions of its own."""

import subprocess
import sys

import pytest

import rubinprof

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
