"""rubinprof attach: traces a process that runs already, until it ends, the time is over, or Ctrl-C."""

import argparse
import os
import shlex
import signal
import sys

from rubinprof.cli import COMMANDS, as_help
from rubinprof.cli import run as run_command
from rubinprof.cli import trace_command as command
from rubinprof.errors import RubinprofError

PATIENCE_S = 2.0
SECONDS_MAX = 1e9  # select takes no more than that for certain

EXAMPLE = """example:
  rubinprof attach 12345 --for 30
  rubinprof attach 12345 --cpu sampled --memory sampled -o night.rprof
"""
# Of `rubinprof run`: the others belong to a program that begins under it.
NOT_HERE = {"--force", "--no-command", "--quiet"}


def add_parser(subparsers):
    parser = subparsers.add_parser(
        "attach",
        help=as_help(COMMANDS["attach"]),
        description="Trace a process that runs already, until it ends, the time is over, or Ctrl-C. Its main thread begins and ends the "
        "trace between two instructions of Python; a call into C or C++ that it is in is waited for.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("pid", metavar="PID", type=int, help="the process: a CPython of the version that this command runs on, 3.14 or newer")
    parser.add_argument("--for", dest="seconds", metavar="SECONDS", type=_seconds, help="how long (default: until it ends, or Ctrl-C)")
    for words, settings in run_command.OPTIONS:
        if words[-1] not in NOT_HERE:
            parser.add_argument(*words, **settings)


def _seconds(text):
    seconds = float(text)
    if not 0 < seconds < SECONDS_MAX:
        raise argparse.ArgumentTypeError("must be a number of seconds above 0")
    return seconds


@command.plain_errors
def run(args):
    from rubinprof.attach import Process

    with Process(args.pid) as process:
        _refuse_a_traced_one(args.pid)
        # Ended like by Ctrl-C, the command ends the trace first.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        process.ask("start", os.getcwd(), args.output and os.path.abspath(args.output), _options(args))
        try:
            path = _patient_answer(process)
        except KeyboardInterrupt:
            print(f"rubinprof: given up; process {args.pid} goes on untraced", file=sys.stderr)
            return 130
        print(f"rubinprof: process {args.pid} is traced; Ctrl-C ends that, not the process", file=sys.stderr)
        _wait(process, args.seconds)
        if not process.has_ended(0):
            _stop(process, path)
    print(run_command.what_next(path, os.getcwd(), shlex.quote), end="", file=sys.stderr)
    return 0


def _refuse_a_traced_one(pid):
    from rubinprof.reports import live

    try:
        path = live.trace_of_process(pid)
    except RubinprofError:
        return
    raise RubinprofError(f"process {pid} is traced already, into {path}; rubinprof top {pid} shows it")


def _options(args):
    options = run_command.tracker_options(args)
    return options | {"symbols": args.symbols and os.path.abspath(args.symbols)}  # the process may work elsewhere


def _patient_answer(process):
    from rubinprof.attach import NotYet

    try:
        return process.answer(PATIENCE_S)
    except NotYet:
        print(f"rubinprof: waiting until the main thread of process {process.pid} runs Python: it is in C, C++ or the system", file=sys.stderr)
        return process.answer()


def _wait(process, seconds):
    try:
        process.has_ended(seconds)
    except KeyboardInterrupt:
        pass


def _stop(process, path):
    """What ends or goes wrong here leaves a trace that can be read: the rest of it is the process's own."""
    try:
        process.ask("stop", path)
        _patient_answer(process)
    except RubinprofError as error:
        if not process.has_ended(0):
            raise RubinprofError(f"{error}; it is still traced, into {path}") from None
    except KeyboardInterrupt:
        print(f"rubinprof: process {process.pid} is still traced, until its main thread runs Python again or it ends", file=sys.stderr)
