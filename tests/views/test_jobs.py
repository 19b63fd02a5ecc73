"""Several processes of a trace are read at the same time: no figure depends on how many."""

import os
import signal
import subprocess
import sys

import pytest

import rubinprof

pytestmark = pytest.mark.linux

REPORTS = [
    ("stats", {}), ("regions", {}), ("table", {}), ("table", {"by": "line"}), ("table", {"by": "file"}), ("table", {"by": "thread"}),
    ("table", {"region": "work"}), ("table", {"region": "3"}), ("lines", {}), ("tree", {}), ("flame", {}), ("page", {}),
    ("stats", {"from_s": 0.001}), ("verify", {}),
]  # fmt: skip


@pytest.fixture(scope="module")
def directory(tmp_path_factory, rubinprof_command, forked_program):
    """Traces of seven processes, and two files that are none."""
    found = tmp_path_factory.mktemp("jobs")
    traces = found / "traces"
    traces.mkdir()
    done = rubinprof_command("run", "-o", traces, forked_program, 6, 200)
    assert done.returncode == 0 and len(list(traces.iterdir())) == 7, done.stderr
    whole = sorted(traces.iterdir())
    (traces / "a-damaged.rprof").write_bytes(whole[0].read_bytes()[:100])
    (traces / "z-damaged.rprof").write_bytes(b"no trace")
    return traces


@pytest.mark.parametrize(("report", "options"), REPORTS, ids=lambda value: value if isinstance(value, str) else "-".join(map(str, value.values())))
def test_no_figure_depends_on_the_number_of_jobs(directory, report, options):
    def rendered(jobs):
        with rubinprof.open(directory, jobs=jobs) as trace:
            return trace.report(report, **options)

    alone = rendered(1)
    assert alone
    for jobs in (2, 3, 40):
        assert rendered(jobs) == alone


def test_what_was_asked_before_changes_no_figure(directory):
    """A report builds no more than it shows; what a former one has built is used again."""
    with rubinprof.open(directory) as trace:
        trace.report("regions")
        first = [trace.report(report, **options) for report, options in REPORTS]
        again = [trace.report(report, **options) for report, options in reversed(REPORTS)]
    for (report, options), one, other in zip(REPORTS, first, reversed(again), strict=True):
        with rubinprof.open(directory) as trace:
            assert one == other == trace.report(report, **options), (report, options)


def test_progress_reaches_the_end_and_can_stop(directory):
    with rubinprof.open(directory, jobs=2) as trace:

        def stop(done, total):
            raise KeyboardInterrupt

        told = []
        for _ in range(3):
            trace.report("tree", progress=lambda done, total: told.append((done, total)))
        assert all(0 <= done <= total for done, total in told)
        with rubinprof.open(directory, jobs=3) as other:
            try:
                other.report("page", progress=stop)
            except KeyboardInterrupt:
                pass  # a short reading may end before anybody is told
            assert other.report("stats") == trace.report("stats")


def test_a_signal_reaches_python_not_the_workers(directory, tmp_path):
    script = tmp_path / "reads.py"
    script.write_text(
        "import signal, sys, rubinprof\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background ignores it
        f"with rubinprof.open({str(directory)!r}) as trace: trace.report('stats')\n"  # imports swallow it at times: callbacks of their locks
        "try:\n"
        "    print('begun', flush=True)\n"
        "    while True:\n"
        f"        with rubinprof.open({str(directory)!r}, jobs=4) as trace: trace.report('page')\n"
        "except KeyboardInterrupt:\n"
        "    sys.exit(7)\n"
    )
    process = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(timeout=60) == 7


@pytest.mark.parametrize("words", [["-j", "0"], ["-j", "-1"], ["-j", "x"]])
def test_a_bad_number_is_one_sentence(directory, rubinprof_command, analyze_command, words):
    for command in (rubinprof_command, analyze_command):
        done = command("stats", *words, directory)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
