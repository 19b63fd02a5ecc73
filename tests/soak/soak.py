"""`make soak`: the suites of others, untraced and under `rubinprof run`, test by test: the same pass and fail.

Words of ARGS choose: `make soak ARGS="--python 3.12 test_signal galsim"`. Without any, everything runs, which takes hours. A test
counts as different when it is so twice: many of these suites have tests that fail by chance on a busy machine. What differs in the same way under an
evaluator that does nothing is CPython's own. CPython 3.14 and 3.15 are those of ci/debian_sid.py, and what has no build for them is left out.
"""

import argparse
import dataclasses
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "ci"))
import debian_sid  # noqa: E402
import environment  # noqa: E402

sys.path.insert(0, str(ROOT / "benchmarks" / "micro" / "empty_evaluator"))
from make_evaluator import make_evaluator  # noqa: E402

HERE = Path(__file__).resolve().parent
TELL_SECONDS = 60  # of a suite that runs still
SECONDS_MAX = 1800  # for one suite; untraced they take less than a fifth of it

# The modules of CPython's own suite, those that have to do with what rubinprof touches first.
CPYTHON = """
    test_generators test_coroutines test_sys_settrace test_sys_setprofile test_sys test_threading test_fork1 test_signal
    test_subprocess test_faulthandler test_multiprocessing_fork test_multiprocessing_forkserver test_multiprocessing_spawn
    test_concurrent_futures test_asyncio test_gc test_weakref test_exceptions test_context test_descr test_import test_mmap
    test_ctypes test_os test_posix test_atexit test_traceback test_warnings test_runpy test_cmd_line test_cmd_line_script
    test_code test_frame test_inspect test_dis test_monitoring test_bdb test_pdb test_profile test_cprofile test_trace
    test_tracemalloc test_capi test_embed test_interpreters test__xxsubinterpreters test_thread test_threading_local
    test_threadsignals test_eintr test_select test_selectors test_socket test_queue test_contextlib test_exception_group test_raise
    test_except_star test_pickle test_zipimport test_importlib test_types test_typing test_dataclasses test_functools
    test_super test_class test_call test_extcall test_scope test_yield_from test_asyncgen test_with test_list test_dict
    test_set test_bytes test_bigmem test_array test_memoryview test_buffer test_re test_json test_decimal test_io test_fileio
    test_tempfile test_shelve test_sqlite3 test_xml_etree test_unittest test_doctest test_logging test_timeit test_time
    test_resource test_recursion test_dynamic test_opcache test_peepholer test_compile test_ast test_repl test_site
""".split()  # fmt: skip
# What needs a screen, the network or gigabytes stays out, on both sides alike.
RESOURCES = "all,-gui,-audio,-network,-urlfetch,-largefile,-walltime,-decimal,-tzdata"

@dataclasses.dataclass
class Suite:
    """One run of one suite: words after `python`, in which {xml} is the JUnit file it writes."""

    name: str
    args: list
    directory: object = None  # a Source, a Here, or none: an empty one


@dataclasses.dataclass
class Result:
    """What one run gave: test to "pass", "fail" or "skip"; how the process ended; seconds."""

    tests: dict
    status: int
    seconds: float
    traces: int
    tail: str

    def __str__(self):
        count = {word: sum(got == word for got in self.tests.values()) for word in ("pass", "fail", "skip")}
        return f"{count['pass']} pass, {count['fail']} fail, {count['skip']} skip, {ended(self.status)}"


def ended(status):
    if status == "timeout":
        return f"still running after {SECONDS_MAX} s"
    return f"exit {status}" if status >= 0 else signal.Signals(-status).name


def cpython(name):
    return Suite(name, ["-m", "test", "-u", RESOURCES, "--junit-xml", "{xml}", name])


def pytest(name, *args, directory=None):
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml", "{xml}", "-o", "junit_logging=no", *args]
    return Suite(name, words, directory)


def packages():
    """Suites that are installed with their packages, those in source archives (`Source`), and our own (`Here`)."""
    numpy = ["fft", "linalg", "ma", "polynomial", "lib", "random", "_core"]
    # Out are what wants its author's other tools (markers of plugins) and hours of statistics.
    left_out = ["cpp_conduit", "eigen_tensor", "eigen_matrix", "standalone_enum_module"]  # of pybind11: want modules and headers of their own
    # Of suites that take longer than SECONDS_MAX traced: what has to do with descriptors, signals, threads, frames, the collector, pools.
    of_pytest = ["code", "python/raises.py", *(f"test_{name}.py" for name in ("capture", "faulthandler", "monkeypatch", "recwarn", "runner", "threadexception", "unraisableexception"))]
    of_pytest_asyncio = [f"tests/{name}" for name in ("async_fixtures", *(f"test_{name}.py" for name in ("is_async_test", "simple", "subprocess", "task_cleanup")))]
    # Its pools apart, each kind of them once or twice; without those tests of Dask that want a fixture of its repository.
    of_joblib = "not test_memmapping and not test_parallel and not test_dask"
    of_joblib_pools = "(test_parallel and (simple_parallel or context_manager or nested_loop or dispatch_one_job or error_capture)) or (test_memmapping and (parallel or memmapping_pool))"
    treecorr = [f"test_{name}.py" for name in ("config", "kmeans", "catalog", "index", "nn", "kk", "gg", "ng", "kg")]
    return [
        *(pytest(f"numpy.{part}", "--pyargs", f"numpy.{part}", "-m", "not slow", "--tb=no") for part in numpy),
        pytest("contourpy", "tests", "-m", "not slow", "--ignore=tests/test_config.py", "--tb=no", directory=Source("contourpy")),
        pytest("treecorr", *treecorr, "-k", "not varxi", "--tb=no", directory=Source("treecorr", "tests")),
        pytest("galsim", ".", "--tb=no", "--continue-on-collection-errors", directory=Source("galsim", "tests")),
        # What traced programs stand on, and what stands on other programs' frames, forks and files.
        pytest("pytest", "-p", "no:asyncio", *of_pytest, "--tb=no", directory=Source("pytest", "testing")),
        pytest("pyfakefs", "--pyargs", "pyfakefs.tests", "pyfakefs.pytest_tests", "--tb=no"),
        pytest("pytest_asyncio", *of_pytest_asyncio, "--tb=no", directory=Source("pytest_asyncio")),
        pytest("joblib", "--pyargs", "joblib", "-k", of_joblib, "--tb=no"),
        pytest("joblib.pools", "--pyargs", "joblib.test.test_parallel", "joblib.test.test_memmapping", "-k", of_joblib_pools, "--tb=no"),
        pytest("anyio", "tests", "-m", "not network", "--tb=no", directory=Source("anyio")),
        pytest("greenlet", "--pyargs", "greenlet.tests", "--tb=no"),
        pytest("cancellation", "test_cancellation.py", directory=Here("programs")),
        pytest("pybind11", "../../tests", *(f"--ignore=../../tests/test_{name}.py" for name in left_out), "--tb=no", directory=Source("pybind11", "built/tests", build_pybind11)),
    ]


@dataclasses.dataclass
class Source:
    """The source of the package that is installed: its archive from the package index, unpacked once for each version. What lies in
    build/soak/<name>-<version> already, or in build/soak/<name>, is taken as it is."""

    name: str
    below: str = "."
    build: object = None

    def directory(self, python, sources):
        """Where the suite runs; None when it cannot be had."""
        ask = f"import importlib.metadata as m; print(m.version('{self.name}'))"
        version = subprocess.run([python, "-c", ask], capture_output=True, text=True).stdout.strip()
        home = sources / f"{self.name}-{version}"
        if not home.exists() and (sources / self.name).exists():
            home = sources / self.name
        if not home.exists():
            self._fetch(python, sources, version)
        if home.exists() and self.build:
            self.build(python, home)
        return home / self.below if (home / self.below).exists() else None

    def _fetch(self, python, sources, version):
        with tempfile.TemporaryDirectory() as scratch:
            words = ["-m", "pip", "download", "-q", "--no-deps", "--no-binary", self.name, "-d", scratch, f"{self.name}=={version}"]
            subprocess.run([python, *words], capture_output=True)
            for archive in Path(scratch).glob("*.tar.gz"):
                sources.mkdir(parents=True, exist_ok=True)
                with tarfile.open(archive) as tar:
                    tar.extractall(sources, filter="data")


@dataclasses.dataclass
class Here:
    """A suite of our own, beside this file."""

    below: str

    def directory(self, python, sources):
        return HERE / self.below


def build_pybind11(python, home):
    """The extension modules that its tests are about; a quarter of an hour. Once for each Python."""
    minor = subprocess.run([python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], capture_output=True, text=True).stdout.strip()
    target = home / f"built-{minor}"
    if not (target / "done").exists():
        modules = ["pybind11_tests", "pybind11_cross_module_tests", "cross_module_interleaved_error_already_set", "cross_module_gil_utils"]
        options = [f"-DPython_EXECUTABLE={python}", "-DPYBIND11_FINDPYTHON=ON", "-DPYBIND11_TEST=ON", "-DCMAKE_BUILD_TYPE=Release",
                   "-DDOWNLOAD_CATCH=OFF", "-DDOWNLOAD_EIGEN=OFF", "-DCMAKE_CXX_FLAGS_RELEASE=-O0"]  # fmt: skip
        for command in (["cmake", "-S", home, "-B", target, *options], ["cmake", "--build", target, "--target", *modules]):
            if subprocess.run([str(word) for word in command], stdout=subprocess.DEVNULL).returncode:
                return
        (target / "done").touch()
    (home / "built").unlink(missing_ok=True)
    (home / "built").symlink_to(target.name)


def junit(path):
    """Test to outcome. A name that comes twice (a test run again, subtests) is as bad as its worst."""
    worst = {"skip": 0, "pass": 1, "fail": 2}
    tests = {}
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname', '')}.{case.get('name', '')}"
        kinds = {child.tag for child in case}
        outcome = "fail" if kinds & {"failure", "error"} else "skip" if "skipped" in kinds or case.get("result") == "skipped" else "pass"
        if worst[outcome] >= worst[tests.get(name, "skip")]:
            tests[name] = outcome
    return tests


def tell(words):
    """Progress goes to stderr; stdout is the table."""
    print(f"{time.strftime('%H:%M:%S')} {words}", file=sys.stderr, flush=True)


def last_of(path, size=6000):
    with open(path, "rb") as log:  # not the descriptor that the suite writes to: they would share their place
        log.seek(max(0, os.path.getsize(path) - size))
        return log.read().decode(errors="replace")


def wait(process, suite, path):
    """The exit status, or "timeout" after SECONDS_MAX, with what has been written last told each minute meanwhile."""
    for seconds in range(TELL_SECONDS, SECONDS_MAX + 1, TELL_SECONDS):
        try:
            return process.wait(TELL_SECONDS)
        except subprocess.TimeoutExpired:
            tell(f"{suite.name}: {seconds} s: {(last_of(path, 200).splitlines() or [''])[-1][-80:]}")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return "timeout"


def run(python, suite, before=(), directory=None):
    """Runs a suite in a directory, else in an empty one. `before` is what stands between the interpreter and the words of the suite."""
    with tempfile.TemporaryDirectory(prefix="rubinprof-soak-") as scratch:
        xml, traces = Path(scratch, "result.xml"), Path(scratch, "traces")
        traces.mkdir()
        words = [word.replace("{xml}", str(xml)) for word in suite.args]
        words = [*(traces if word == "{traces}" else word for word in before), *words]
        # A session of its own, so that what a hanging suite leaves behind ends with it.
        started = time.monotonic()
        path = Path(scratch, "log")
        with open(path, "wb") as log:
            process = subprocess.Popen(
                [str(word) for word in [python, *words]], cwd=directory or scratch,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )  # fmt: skip
            status = wait(process, suite, path)
            seconds = time.monotonic() - started
            tail = last_of(path)
        try:
            tests = junit(xml)
        except (OSError, ElementTree.ParseError):
            tests = {}
        result = Result(tests, status, seconds, len(list(traces.iterdir())), tail)
        tell(f"{suite.name} {' '.join(map(str, before)) or 'untraced'}: {result} in {seconds:.0f} s")
        return result


def differences(plain, traced):
    found = {name: (plain.tests.get(name, "absent"), traced.tests.get(name, "absent"))
             for name in plain.tests.keys() | traced.tests.keys()}  # fmt: skip
    found = {name: pair for name, pair in found.items() if pair[0] != pair[1]}
    if plain.status != traced.status:
        found["(the process)"] = (ended(plain.status), ended(traced.status))
    return found


def of_any_evaluator(python, suite, plain, found, directory):
    """Those of the differences that are the same, test by test, under an evaluator that does nothing."""
    with tempfile.TemporaryDirectory() as scratch:
        before = [HERE / "under_empty_evaluator.py", make_evaluator(python, scratch)]
        empty = differences(plain, run(python, suite, before, directory))
    return {name for name, pair in found.items() if empty.get(name) == pair}


def compare(python, suite, options, directory=None):
    """(untraced, traced, what differed twice, those of it that differ under any evaluator)."""
    before = ["-m", "rubinprof", "run", "-o", "{traces}", *options]
    plain, traced = run(python, suite, (), directory), run(python, suite, before, directory)
    found, known = differences(plain, traced), set()
    if found:
        plain, traced = run(python, suite, (), directory), run(python, suite, before, directory)
        again = differences(plain, traced)
        found = {name: pair for name, pair in again.items() if name in found}
    if found:
        known = of_any_evaluator(python, suite, plain, found, directory)
    return plain, traced, found, known


def prepare(base, uv, with_packages):
    env = environment.Environment(environment.VENVS / base.minor, base, uv)
    env.create()
    if debian_sid.is_inside():
        debian_sid.install_what_there_is(env, *(["tests/soak/requirements.txt"] if with_packages else []))
    else:
        env.install_requirements("tests/requirements.txt", *(["tests/soak/requirements.txt"] if with_packages else []))
    env.install_rubinprof(editable=False)
    return env.python


def beside(name, sources):
    """A module of CPython's tests that this Python was installed without (3.11 and 3.12 leave test_concurrent_futures and the
    test_multiprocessing_* out), from build/soak/cpython: Debian's libpython3.11-testsuite has them."""
    directory = sources / "cpython"
    return Suite(name, [str(HERE / "run_module.py"), "{xml}", name]), directory if (directory / f"{name}.py").exists() else None


def exists(python, name):
    return subprocess.run([python, "-c", f"import test.{name}"], capture_output=True).returncode == 0


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="suites; all by default")
    parser.add_argument("--python", action="append", help="minor versions, as 3.12; all by default")
    parser.add_argument("--options", default="--pymalloc", help="of `rubinprof run` (default: --pymalloc)")
    parser.add_argument("--sources", type=Path, default=ROOT / "build" / "soak", help="where source archives are unpacked")
    parser.add_argument("--no-prepare", action="store_true", help="take the environments as they are")
    return parser.parse_args()


def main():
    args = parse()
    suites = {suite.name: suite for suite in [*map(cpython, CPYTHON), *packages()]}
    names = args.names or list(suites)
    for name in names:
        if name.startswith("test_"):
            suites.setdefault(name, cpython(name))
    bad = 0
    elsewhere = [] if debian_sid.is_inside() else [minor for minor in debian_sid.MINORS if not args.python or minor in args.python]
    pythons = [base for base in environment.pythons() if base.minor not in elsewhere and (not args.python or base.minor in args.python)]
    uv = None if args.no_prepare or not pythons else environment.fetch_uv(pythons[0])
    if pythons:
        print("| Python | suite | untraced | traced | seconds | traces | different |\n|---|---|---|---|---|---|---|", flush=True)
    for base in pythons:
        with_packages = any(not name.startswith("test_") for name in names)
        python = environment.VENVS / base.minor / "bin" / "python" if args.no_prepare else prepare(base, uv, with_packages)
        for name in names:
            suite = suites[name]
            directory = suite.directory and suite.directory.directory(python, args.sources)
            is_absent = suite.directory is not None and directory is None
            if name.startswith("test_") and not exists(python, name):
                suite, directory = beside(name, args.sources)
                is_absent = directory is None
            if is_absent:
                print(f"| {base.full} | {name} | is not to be had | | | | |", flush=True)
                continue
            plain, traced, found, known = compare(python, suite, args.options.split(), directory)
            if "pass" not in plain.tests.values():
                print(f"| {base.full} | {name} | nothing passes untraced | | | | |", flush=True)
                continue
            different = {test: pair for test, pair in found.items() if test not in known}
            bad += bool(different)
            same = f"{plain} | as untraced" if str(plain) == str(traced) else f"{plain} | {traced}"
            print(f"| {base.full} | {name} | {same} | {plain.seconds:.1f}, {traced.seconds:.1f} | {traced.traces} | {len(different)}{f', {len(known)} by any evaluator' if known else ''} |", flush=True)
            for test, (before, now) in sorted(different.items())[:20]:
                print(f"    {test}: {before} untraced, {now} traced", flush=True)
            if different:
                print("    | " + traced.tail.replace("\n", "\n    | "), flush=True)
    return 1 if in_sid(elsewhere) or bad else 0


def in_sid(minors):
    """The same words on CPythons that are not this machine's; its exit status."""
    words = [word for minor in minors for word in ("--python", minor)]
    if not minors:
        return 0
    given = iter(sys.argv[1:])
    for word in given:
        if word == "--python":
            next(given, None)
        elif not word.startswith("--python="):
            words.append(word)
    try:
        return debian_sid.run([f"python{debian_sid.MINORS[-1]}", Path(__file__).resolve().relative_to(ROOT), *words])
    except debian_sid.NoSid as reason:
        print(f"no CPython {' and '.join(minors)} of Debian's sid: {reason}", flush=True)
        return 0


if __name__ == "__main__":
    sys.exit(main())
