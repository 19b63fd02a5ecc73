"""`make sanitize`: the extensions under AddressSanitizer with UndefinedBehaviorSanitizer, then under ThreadSanitizer, and the Python tests of
capture with them.

    sanitize.py [--kind address|thread] [--python 3.12] [WORDS OF PYTEST…]

CPython itself is not instrumented: the sanitizer's library is preloaded, and its allocator serves all (PYTHONMALLOC=malloc). Which hooks and
tests cannot live with one, and why, is in docs/sanitizers.md. A report of a sanitizer, of whatever process, fails the run, also
where the test that started the process passed.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

import environment
from environment import ROOT, VENVS

FLAGS = {"address": "-fsanitize=address,undefined", "thread": "-fsanitize=thread"}
LIBRARY = {"address": "libasan.so", "thread": "libtsan.so"}
# Signals stay the program's: tests let programs die of them, and have alternate stacks of their own. Leaks are looked for by the C tests:
# CPython's own would hide ours here.
OPTIONS = {
    "address": {
        "ASAN_OPTIONS": "detect_leaks=0:handle_segv=0:handle_abort=0:handle_sigbus=0:handle_sigfpe=0:handle_sigill=0:use_sigaltstack=0:"
        "allocator_may_return_null=1:log_path={found}/asan",
        "UBSAN_OPTIONS": "print_stacktrace=1:handle_segv=0:log_path={found}/ubsan",
    },
    "thread": {"TSAN_OPTIONS": "report_signal_unsafe=0:handle_segv=0:handle_abort=0:handle_sigbus=0:use_sigaltstack=0:second_deadlock_stack=1:die_after_fork=0:report_thread_leaks=0:suppressions={found}.not:log_path={found}/tsan"},
}
# What ld.so tells its callbacks it wrote under a lock of its own, which ThreadSanitizer does not see; CPython's own.
SUPPRESSED = "race:dl_iterate_phdr_cb\nrace:sock_close\n"
SOME_FAILED = 1  # pytest's status
TESTS = {
    "address": """
        tests/fault/test_all_at_once.py tests/unit/test_tracker.py tests/integration/test_run.py tests/integration/test_frames.py
        tests/integration/test_unharmed.py tests/integration/test_beside_others.py
        tests/fault/test_survival.py tests/fault/test_refusals.py tests/fault/test_deaths.py
        tests/fault/test_data_stack.py tests/fault/test_sampled.py tests/fault/test_names.py tests/accuracy/test_allocations.py
        tests/accuracy/test_sampled.py tests/accuracy/test_cpu.py
    """.split(),
    # ThreadSanitizer follows no fork of a process with threads.
    "thread": """
        tests/fault/test_all_at_once.py tests/unit/test_tracker.py tests/integration/test_frames.py tests/integration/test_unharmed.py
        tests/integration/test_beside_others.py tests/fault/test_data_stack.py tests/fault/test_sampled.py -k not(fork)and(not(multiprocessing))
    """.split(),
}
# What a sanitizer does not let a program do, or what counts things that are others there; docs/sanitizers.md says why of each.
OUT = {
    "address": """
        tests/integration/test_run.py::test_multiprocessing_works[fork]
        tests/integration/test_frames.py::test_greenlets tests/fault/test_sampled.py::test_stacks_of_greenlets_are_their_own
        tests/integration/test_unharmed.py::test_a_preloaded_allocator
        tests/integration/test_beside_others.py::test_gevent_with_everything_patched
        tests/fault/test_survival.py::test_starting_and_stopping_many_times_leaks_nothing
        tests/fault/test_survival.py::test_sigkill_loses_nothing tests/fault/test_deaths.py::test_a_batch_systems_term_then_kill
        tests/accuracy/test_allocations.py::test_one_more_call_is_one_more_event
        tests/accuracy/test_sampled.py::test_bytes_of_a_site_are_within_the_error
    """.split(),
    "thread": """
        tests/integration/test_frames.py::test_greenlets tests/fault/test_sampled.py::test_stacks_of_greenlets_are_their_own
        tests/integration/test_unharmed.py::test_a_preloaded_allocator
        tests/integration/test_unharmed.py::test_processes_and_closed_descriptors
        tests/integration/test_unharmed.py::test_no_network_no_children_no_file_but_the_trace
        tests/integration/test_beside_others.py::test_gevent_with_everything_patched
    """.split(),
}


def build(kind, python, home):
    """A package rubinprof with instrumented extensions in home/lib."""
    gcc = os.environ.get("CC", "gcc")
    env = {**os.environ, "CC": f"{gcc} {FLAGS[kind]} -fno-omit-frame-pointer", "CFLAGS": "-UNDEBUG"}  # asserts, which CPython's flags take out
    home.mkdir(parents=True, exist_ok=True)
    shutil.copytree(ROOT / "python" / "rubinprof", home / "lib" / "rubinprof", dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.so", "_bin"))
    words = [python, "setup.py", "-q", "build_ext", "--build-lib", home / "lib", "--build-temp", home / "objects"]
    done = subprocess.run([str(word) for word in words], cwd=ROOT, env=env, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    if kind == "thread":  # the analyzer has one thread, and would take hours
        where = [python, "-c", "import rubinprof._analyze as a; print(a.__file__)"]
        plain = Path(subprocess.run([str(word) for word in where], check=True, capture_output=True, text=True).stdout.strip())
        shutil.copy2(plain, home / "lib" / "rubinprof" / plain.name)


def libraries(kind):
    """What is preloaded. The C++ library too: a sanitizer looks for the real `__cxa_throw` when it starts, before any extension has loaded it."""
    gcc = os.environ.get("CC", "gcc").split()[-1]
    found = [subprocess.run([gcc, f"-print-file-name={name}"], check=True, capture_output=True, text=True).stdout.strip()
             for name in (LIBRARY[kind], "libstdc++.so.6")]  # fmt: skip
    return " ".join(found)


def run_tests(kind, python, home, words):
    """Whether anything failed. What fails is run once more, alone: a child forked while another thread is in the sanitizer's allocator hangs."""
    found = home / "found"
    shutil.rmtree(found, ignore_errors=True)
    found.mkdir()
    found.with_suffix(".not").write_text(SUPPRESSED)
    env = {**os.environ, **{name: value.format(found=found) for name, value in OPTIONS[kind].items()}}
    env.update(PYTHONMALLOC="malloc", PYTHONPATH=str(home / "lib"), RUBINPROF_SANITIZER=kind)
    left_out = [f"--deselect={test}" for test in OUT[kind]]
    # The preload is for the interpreters that the tests are run by and start, not for env, compilers and other tools of this machine.
    command = ["env", f"LD_PRELOAD={libraries(kind)}", python, "-m", "pytest", "-q", "-o", f"cache_dir={home / 'cache'}", "--tb=short", "--timeout=300", *left_out]
    command = [str(word) for word in [*command, *(words or TESTS[kind])]]
    status = subprocess.run(command, cwd=ROOT, env=env).returncode
    if status == SOME_FAILED:
        status = subprocess.run([*command, "--last-failed", "--last-failed-no-failures", "none"], cwd=ROOT, env=env).returncode
    reports = sorted(found.iterdir())
    for report in reports[:5]:
        print(f"\n{report}:\n{report.read_text(errors='replace')[:6000]}")
    print(f"{kind}: {len(reports)} reports of the sanitizer", flush=True)
    return bool(status or reports)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=list(FLAGS), action="append")
    parser.add_argument("--python", action="append", help="minor versions, as 3.12; the newest by default")
    options, words = parser.parse_known_args()
    bases = environment.pythons()
    bases = [base for base in bases if base.minor in options.python] if options.python else bases[:1]
    uv, bad = environment.fetch_uv(bases[0]), 0
    for base in bases:
        env = environment.Environment(VENVS / base.minor, base, uv)
        env.create()
        env.install_requirements("tests/requirements.txt", "benchmarks/demo/requirements.txt")
        env.install_rubinprof(werror=True)
        for kind in options.kind or FLAGS:
            home = ROOT / "build" / f"sanitize-{kind}-{base.minor}"
            build(kind, env.python, home)
            print(f"\n=== {kind}, CPython {base.full} ===", flush=True)
            bad += run_tests(kind, env.python, home, words)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
