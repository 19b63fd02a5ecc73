"""rubinprof doctor: what works on this machine, and what falls back, with the reason and with what that costs.

It asks by doing: a trace of a moment in a temporary directory. What only shows later (a limit of threads, of memory) it reads from the system.
"""

import argparse
import json
import os
import sys
import sysconfig
import tempfile

from rubinprof import tracker
from rubinprof.cli import COMMANDS, as_help
from rubinprof.errors import RubinprofError
from rubinprof.version import TRACED_PYTHONS

GOOD, FALLBACK, BAD = "yes", "falls back", "no"
BUFFERS_MIB = 64  # what live buffers take at most, together; a thread more than they are gets one of its own
SMALL_MIB = 512  # a limit of memory below which that is much
TIMERS_FEW = 256
CAP_SYS_PTRACE = 19
LIMITS_OF_MEMORY = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]


def add_parser(subparsers):
    parser = subparsers.add_parser(
        "doctor",
        help=as_help(COMMANDS["doctor"]),
        description=COMMANDS["doctor"],
        epilog="example: rubinprof doctor",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args):
    findings = [_python(), *_capture_findings(), _small_objects(), _attaching(), _memory(), _name_cache(), _analyzer()]
    if args.json:
        print(json.dumps([dict(zip(("what", "works", "detail"), f, strict=True)) for f in findings], indent=2))
    else:
        width = max(len(what) for what, _, _ in findings)
        for what, works, detail in findings:
            print(f"{what:<{width}}  {works:<{len(FALLBACK)}}  {detail}".rstrip())
    return 1 if any(works == BAD for _, works, _ in findings) else 0


def _python():
    version = ".".join(map(str, sys.version_info[:3]))
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "Python", BAD, f"{version} without the GIL is not supported for tracing"
    if sys.version_info[:2] in TRACED_PYTHONS:
        return "Python", GOOD, f"{version}, {sys.executable}{_jit()}"
    return "Python", BAD, f"{version} is not supported for tracing: " + ", ".join("%d.%d" % v for v in TRACED_PYTHONS) + " are"


def _jit():
    """Said where the interpreter compiles; sys._jit is there from CPython 3.14 on."""
    jit = getattr(sys, "_jit", None)
    if jit is None or not jit.is_enabled():
        return ""
    return "; its JIT is on"


def _capture_findings():
    if tracker._capture is None:
        return [("capture", BAD, tracker._sentence_without_capture())]
    if tracker.is_active():
        return _session_findings(tracker._capture.status())
    with tempfile.TemporaryDirectory(prefix="rubinprof-doctor-") as directory:
        try:
            with tracker.Tracker(os.path.join(directory, "doctor.rprof"), pymalloc=True):
                status = tracker._capture.status()
        except RubinprofError as error:
            return [("capture", BAD, str(error))]
    return _session_findings(status)


def _session_findings(status):
    def either(what, good, figure, reason, meaning):
        return what, GOOD if good else FALLBACK, meaning if good else f"{figure}: {reason}"

    return [
        ("capture", GOOD, "frames, allocator and CPU timers can be installed"),
        either("clock", status["clock"] != "monotonic", "the system's clock, 30 ns a reading", status["clock_reason"], status["clock"]),
        either("writer", status["writer"] == "io_uring", "plain writes, a system call for each block", status["writer_reason"], "io_uring"),
        either(
            "survives kill -9", status["live"] == "mapped", "buffers in memory, which a kill takes with it; rubinprof.sync() saves them",
            status["live_reason"], "buffers in the trace file",
        ),
        _walk_finding(status),
        either(
            "exact CPU time", status["switch"] == "perf", "the clock of CPU time is read at intervals, and a call that was off the CPU in between looks longer",
            status["switch_reason"], "perf tells of context switches",
        ),
        _samples(),
    ]  # fmt: skip


def _samples():
    """Each thread that is sampled has a timer, which counts as a pending signal of the user."""
    import resource  # not on Windows, where nothing is traced

    timers = resource.getrlimit(resource.RLIMIT_SIGPENDING)[0]
    if timers == resource.RLIM_INFINITY:
        return "samples", GOOD, "a timer a thread"
    if timers >= TIMERS_FEW:
        return "samples", GOOD, f"a timer a thread, up to {timers:,} of them in all programs of the user (ulimit -i)"
    return "samples", FALLBACK, f"only {timers:,} threads of all programs of the user have timers (ulimit -i): those beyond are told as unsampled"


def _walk_finding(status):
    """How native stacks are walked, and, of a session that runs, how many ended early."""
    how = "frame tables found through ld.so" if status["finds_tables"] else "libc has no _dl_find_object (glibc 2.35): a list of frame tables, renewed at each dlopen"
    walks = status["native_walks"]
    early = sum(walks[why] for why in ("no_table", "refused", "unreadable"))
    if early:
        how += f"; {early} stacks ended early so far: {walks['no_table']} at code without a table, {walks['refused']} at a row that is not followed, {walks['unreadable']} unreadable"
    if walks["again"]:
        how += f"; {walks['again']} samples were walked again with all registers, {walks['again_answered']} of them past the row"
    return "native stacks", GOOD if status["finds_tables"] else FALLBACK, how


def _small_objects():
    allocator = os.environ.get("PYTHONMALLOC", "")
    if sysconfig.get_config_var("WITH_PYMALLOC") == 0 or allocator.startswith("malloc"):
        return "pymalloc", FALLBACK, "this Python uses malloc for small objects, which is traced in any case"
    return "pymalloc", GOOD, "traced with --pymalloc"


def _attaching():
    if not hasattr(sys, "remote_exec"):
        return "attach", FALLBACK, "a running process can be entered from CPython 3.14 on; start programs by 'rubinprof run'"
    if not sys.is_remote_debug_enabled():
        return "attach", FALLBACK, "forbidden in this environment (PYTHON_DISABLE_REMOTE_DEBUG or -X disable-remote-debug)"
    scope = _first_number(["/proc/sys/kernel/yama/ptrace_scope"])
    if scope and not _may_trace_all():
        who = {1: "their own children", 2: "nobody but an administrator"}.get(scope, "nobody")
        return "attach", FALLBACK, f"kernel.yama.ptrace_scope is {scope}: programs may enter {who}; use 'rubinprof run', or attach as root"
    return "attach", GOOD, "to processes of your own"


def _may_trace_all():
    """Whether this process has the capability that looks past ptrace_scope."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            (effective,) = [line.split()[1] for line in status if line.startswith("CapEff:")]
    except (OSError, ValueError):
        return False
    return bool(int(effective, 16) >> CAP_SYS_PTRACE & 1)


def _first_number(paths):
    """The number in the first of these files that has one; `None` where none has."""
    for path in paths:
        try:
            with open(path, encoding="ascii") as file:
                return int(file.read())
        except (OSError, ValueError):
            continue
    return None


def _memory():
    """The container's limit beside what tracing takes."""
    limit = _first_number(LIMITS_OF_MEMORY)
    if limit is None or limit >= 1 << 60:
        return "memory", GOOD, f"no limit of a container; buffers take at most {BUFFERS_MIB} MiB"
    mib = limit >> 20
    if mib < SMALL_MIB:
        return "memory", FALLBACK, f"the container has {mib:,} MiB, of which buffers take up to {BUFFERS_MIB}: sampled mode fills fewer of them"
    return "memory", GOOD, f"the container has {mib:,} MiB, of which buffers take at most {BUFFERS_MIB}"


def _name_cache():
    """Where names of native code are kept for the next process: by the rules of csrc/names/cache_directory.c."""
    without = "each process looks up the names of native code itself (exact mode)"
    given = os.environ.get("RUBINPROF_NAME_CACHE")
    cache, home = os.environ.get("XDG_CACHE_HOME", ""), os.environ.get("HOME", "")
    root = given if given is not None else cache if cache.startswith("/") else home
    if not root.startswith("/"):
        return "name cache", FALLBACK, ("off (RUBINPROF_NAME_CACHE): " if given is not None else "HOME is not set: ") + without
    below = [] if given is not None else ["rubinprof", "names"] if root == cache else [".cache", "rubinprof", "names"]
    directory = os.path.join(root, *below)
    try:
        with os.scandir(directory) as entries:
            sizes = [entry.stat().st_size for entry in entries if entry.name.endswith(".rpsym")]
    except FileNotFoundError:
        sizes = []
    except OSError as error:
        return "name cache", FALLBACK, f"{directory}: {error.strerror}; {without}"
    there = directory
    while not os.path.exists(there):
        there = os.path.dirname(there)
    if not _may_keep_in(there):
        return "name cache", FALLBACK, f"{there} cannot be written, or is another user's; {without}"
    if not sizes:
        return "name cache", GOOD, f"{directory}: nothing in it yet"
    return "name cache", GOOD, f"{directory}: {len(sizes)} object{'s' * (len(sizes) != 1)}, {sum(sizes) / 2**20:.1f} MiB"


def _may_keep_in(directory):
    """A file says no, and so does a file system without files of ours, as /proc, where even root may not write."""
    try:
        if os.stat(directory).st_uid != os.geteuid():
            return False
        with tempfile.NamedTemporaryFile(dir=directory, prefix="writing-"):
            return True
    except OSError:
        return False


def _analyzer():
    try:
        from rubinprof import _analyze  # noqa: F401
    except ImportError as error:
        return "analyzer", BAD, f"cannot be loaded: {error}"
    return "analyzer", GOOD, "traces can be read here"
