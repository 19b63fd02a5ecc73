"""rubinprof doctor: what works on this machine, and what falls back, with the reason.

It asks by doing: a trace of a moment in a temporary directory.
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
    findings = [_python(), *_capture_findings(), _small_objects(), _attaching(), _analyzer()]
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
        return "Python", GOOD, f"{version}, {sys.executable}"
    return "Python", BAD, f"{version} is not supported for tracing: " + ", ".join("%d.%d" % v for v in TRACED_PYTHONS) + " are"


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
        either("writer", status["writer"] == "io_uring", "plain writes", status["writer_reason"], "io_uring"),
        either("survives kill -9", status["live"] == "mapped", "buffers in memory", status["live_reason"], "buffers in the trace file"),
        _walk_finding(status),
        either("exact CPU time", status["switch"] == "perf", "clock read at intervals", status["switch_reason"], "perf tells of context switches"),
    ]


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
    return "attach", GOOD, "to processes of your own, where ptrace is allowed"


def _analyzer():
    try:
        from rubinprof import _analyze  # noqa: F401
    except ImportError as error:
        return "analyzer", BAD, f"cannot be loaded: {error}"
    return "analyzer", GOOD, "traces can be read here"
