"""`make check`: every test on every supported CPython of this machine, and what a reader of the code relies on.

Words after it go to pytest: `make check ARGS="tests/unit -k cli"`.
"""

import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import environment
import fetch_python
from environment import ROOT, VENVS

# These run every test. Newer ones run SOME, which say that what is read inside CPython means what we think; --all makes them run every test too.
EVERY_TEST_ON = ["3.11", "3.12", "3.13"]
SOME = ["tests/accuracy", "tests/integration/test_frames.py", "tests/integration/test_unharmed.py", "tests/integration/test_attach.py"]
SOME += ["tests/lsst/test_flag.py::test_one_process_makes_one_trace", "tests/lsst/test_flag.py::test_workers_make_a_trace_each"]

# The newest Python alone runs these: they do not depend on its version (C, the page), or say for the middleware's command line
# what tests/lsst/test_flag.py says on every version, at several seconds of imports a run.
ONCE = ["tests/cunit", "tests/litmus", "tests/unit/test_check_tree.py", "tests/browser", "tests/views/test_export.py", "tests/unit/test_recording_page.py"]
ONCE += ["tests/unwind", "tests/campaign", "tests/golden", "tests/integration/test_tutorial.py", "tests/views/test_index.py", "tests/views/test_export_names.py"]
ONCE += [
    f"tests/lsst/test_{name}.py"
    for name in ("asked_elsewhere", "bps_page", "campaign", "demo_chain", "executors", "exit_codes", "hook", "ingest", "provenance")
]  # fmt: skip
# Forms of reports: the analyzer is the same C code below every Python.
ONCE += [
    f"tests/views/test_{name}.py"
    for name in (
        "analyzer_output", "colours", "columns", "diff", "interval", "jobs", "leaks", "lines", "losses", "pool_hint", "read_once", "region_table", "report_size", "shared_time", "tree",
    )
]  # fmt: skip
# The same of single tests: what they say beyond the others of their file is said of the middleware or of native code.
ONCE_TESTS = ["tests/accuracy/test_agreement.py::test_hot_native_functions_are_those_of_perf"]
ONCE_TESTS += [
    f"tests/lsst/test_flag.py::test_{name}"
    for name in (
        "workers_of_a_fork_server_leave_whole_traces", "the_mode_reaches_the_workers", "a_quantum_killed_by_the_timeout_is_unfinished",
        "a_tracker_inside_a_task_nests", "the_environment_variable_is_the_option",
    )
]  # fmt: skip
# The Pythons between the oldest and the newest leave these out: they stand on other packages more than on the interpreter.
ENDS = ["tests/lsst", "tests/views/test_pytest_plugin.py", "tests/views/test_jupyter.py"]
# Left out unless --all is among the words: each says of one more case, in half a minute, what its neighbours say.
LONG = [
    f"tests/lsst/test_exit_codes.py::test_traced_run_ends_like_the_untraced[{case}]"
    for case in ("spawned-1-behaviours1-options1", "no-work-0-behaviours2-options2", "invalid-worker-1-behaviours6-options6")
]
LONG += [
    f"tests/lsst/test_asked_elsewhere.py::test_who_did_not_ask_hears_nothing[{case}]"
    for case in ("s3://bucket/run.qg-environment1-False", "/no/such/directory/run.qg-environment2-False", "run.qg-environment4-True")
]
REQUIREMENTS = ["tests/requirements.txt", "benchmarks/demo/requirements.txt"]
SOME_REQUIREMENTS = ["tests/requirements-some.txt"]
RESULTS = ROOT / "build" / "check"
AGAIN_MAX = 5  # more failures than that are no accident
TEST_SECONDS_MAX = 300  # one test that hangs must not cost the whole run


class Outcome:
    def __init__(self, name):
        self.name, self.passed, self.failed, self.skipped, self.seconds = name, 0, 0, 0, 0.0
        self.again = 0  # of the passed: failed among the others, and passed alone

    def line(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def main(pytest_args):
    started = time.monotonic()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # the tests start some thousand programs: each would compile all that it imports
    fetch_python.main()
    everything = "--all" in pytest_args
    found = environment.pythons()
    pythons = [python for python in found if everything or not pytest_args or not runs_some(python)] or found
    for python in pythons:
        environment.system_deps("--for-tests", "--python", python.path)
    print("CPython found: " + ", ".join(f"{p.full} ({p.path})" for p in pythons), flush=True)
    environments = prepare(pythons, everything)
    print(f"prepared in {time.monotonic() - started:.0f} s", flush=True)

    outcomes = [static_checks(environments)]
    for index, env in enumerate(environments):
        some = not everything and runs_some(env.base)
        outcomes.append(run_pytest(env, pytest_args, first=index == 0, between=env.base.minor in EVERY_TEST_ON[1:-1], some=some))
    return report(outcomes, environments, time.monotonic() - started)


def runs_some(python):
    """Whether this one runs SOME only, and nothing where words for pytest ask for other tests; without --all."""
    return python.minor not in EVERY_TEST_ON


def prepare(pythons, everything=False):
    uv = environment.fetch_uv(pythons[0])
    made = []
    for python in pythons:
        env = environment.Environment(VENVS / python.minor, python, uv)
        env.create()
        env.install_requirements(*(SOME_REQUIREMENTS if runs_some(python) and not everything else REQUIREMENTS))
        env.install_rubinprof(werror=True)
        made.append(env)
    return made


def static_checks(environments):
    """The checks that need no test runner; each prints its own findings."""
    outcome = Outcome("rules of the tree")
    newest = environments[0].python
    commands = [[newest, script] for script in sorted((ROOT / "ci").glob("check_*.py")) if script.stem != "check_exports"]
    commands += [[env.python, ROOT / "ci" / "check_exports.py"] for env in environments]
    commands += [[newest, ROOT / "ci" / "docs.py"]]
    started = time.monotonic()
    for command in commands:
        good = subprocess.run(command, cwd=ROOT).returncode == 0
        outcome.passed += good
        outcome.failed += not good
    outcome.seconds = time.monotonic() - started
    return outcome


def run_pytest(env, pytest_args, *, first, between, some):
    outcome = Outcome(f"CPython {env.base.full}")
    print(f"\n=== {outcome.name} ===", flush=True)
    RESULTS.mkdir(parents=True, exist_ok=True)
    xml = RESULTS / f"{env.base.minor}.xml"
    xml.unlink(missing_ok=True)
    words = [word for word in pytest_args if word != "--all"]
    chosen = words or (SOME if some else [])
    if "--all" not in pytest_args:
        chosen = [*chosen, *(f"--deselect={test}" for test in LONG)]
    if not first:
        chosen = [*chosen, *(f"--ignore={path}" for path in ONCE), *(f"--deselect={test}" for test in ONCE_TESTS)]
    if between and not pytest_args:
        chosen = [*chosen, *(f"--ignore={path}" for path in ENDS)]
    # What failed is noted for each Python by itself, or the next one would try its failures again.
    pytest = [env.python, "-m", "pytest", "-q", f"--timeout={TEST_SECONDS_MAX}", "-o", f"cache_dir={RESULTS / f'cache-{env.base.minor}'}", *chosen]
    command = [*pytest, "-n", "3", "--dist", "worksteal", f"--junitxml={xml}"]
    started = time.monotonic()
    # In a check a missing browser or middleware is a failure, not a reason to skip, and a warning is an error.
    strict = {**os.environ, "RUBINPROF_TESTS_MUST_RUN": "1", "RUBINPROF_WERROR": "1"}
    status = subprocess.run([str(word) for word in command], cwd=ROOT, env=strict).returncode
    outcome.seconds = time.monotonic() - started
    count(xml, outcome)
    if 0 < outcome.failed <= AGAIN_MAX:
        try_again(pytest, outcome, strict)
    if status and not outcome.failed and not outcome.again:
        outcome.failed = 1  # a crash of pytest itself, or no test at all
    return outcome


def try_again(pytest, outcome, strict):
    """The few that failed, once more and one after the other: two tests at once on a busy machine can take each other's time. What passes
    only then is told in the summary."""
    print(f"\n=== {outcome.name}: the {outcome.failed} that failed, alone ===", flush=True)
    command = [*pytest, "--last-failed", "--last-failed-no-failures=none"]
    if subprocess.run([str(word) for word in command], cwd=ROOT, env=strict).returncode == 0:
        outcome.passed, outcome.again, outcome.failed = outcome.passed + outcome.failed, outcome.failed, 0


def count(xml: Path, outcome):
    if not xml.exists():
        return
    for suite in ElementTree.parse(xml).getroot().iter("testsuite"):
        broken = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped = int(suite.get("skipped", 0))
        outcome.failed += broken
        outcome.skipped += skipped
        outcome.passed += int(suite.get("tests", 0)) - broken - skipped


def report(outcomes, environments, seconds):
    total = Outcome("total")
    print("\n=== summary ===")
    for outcome in outcomes:
        alone = f" ({outcome.again} of them only alone)" if outcome.again else ""
        print(f"{outcome.name + ':':<20} {outcome.line()} in {outcome.seconds:.0f} s{alone}")
        total.passed += outcome.passed
        total.failed += outcome.failed
        total.skipped += outcome.skipped
    print(f"ran on CPython {', '.join(env.base.full for env in environments)} in {seconds:.0f} s altogether")
    print(f"total: {total.line()}", flush=True)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
