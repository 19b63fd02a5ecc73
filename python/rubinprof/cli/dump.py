"""rubinprof dump: where a process is, or a trace as text, for bug reports and for curiosity."""

import os
import sys
import time

from rubinprof.cli import trace_command as command


def add_parser(subparsers):
    parser = command.parser(
        subparsers,
        "dump",
        "rubinprof dump 12345, rubinprof dump isr.rprof | less",
        run,
    )
    command.add_traces(parser, "a process that is being traced: its stacks, now. Or a trace file, a directory of them, or several of either", "PID|TRACE")
    parser.add_argument("--stacks", action="store_true", help="of a trace: where each thread was last, instead of every event")
    command.add_format(parser)


@command.plain_errors
def run(args):
    target = args.traces[0]
    if len(args.traces) == 1 and target.isdecimal() and not os.path.exists(target):
        from rubinprof.reports.stacks import of_process

        found = of_process(int(target))
        return _show(args, found, time.time())
    if not args.stacks:
        return command.show(args, "dump")
    from rubinprof.trace import Trace

    with Trace(*args.traces, jobs=args.jobs) as trace:
        return _show(args, trace._json("stacks"), None)


def _show(args, found, now):
    import json

    from rubinprof.reports.stacks import render
    from rubinprof.reports.style import Style

    if args.format == "json":
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        sys.stdout.write(render(found, Style(sys.stdout), now))
    return 0
