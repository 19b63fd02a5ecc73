"""rubinprof export: a trace for other viewers."""

import argparse
import os
import sys

from rubinprof import exports
from rubinprof.cli import trace_command as command
from rubinprof.cli.table import BY
from rubinprof.reports.terminal import Progress


def add_parser(subparsers):
    parser = command.parser(
        subparsers,
        "export",
        "rubinprof export isr.rprof --format speedscope -o isr.speedscope.json\n\n" + _formats(),
        run,
    )
    command.add_traces(parser)
    parser.add_argument("-f", "--format", required=True, choices=list(exports.FORMATS), metavar="F", help=", ".join(exports.FORMATS))
    parser.add_argument("-o", "--output", metavar="X", help="the file; - for standard output (default: named after the trace)")
    parser.add_argument("-m", "--metric", choices=command.metrics(), default="", metavar="M", help="of formats that carry one at a time")
    parser.add_argument("--by", choices=BY, default="function", help="what a row is, of csv and parquet (default: function)")
    command.add_region(parser)
    command.add_interval(parser)


def _formats():
    """What each format is, and what it cannot carry."""
    lines = ["formats, and what each cannot carry:"]
    for name in exports.FORMATS:
        module = exports.exporter(name)
        lines.append(f"  {name:<11} {module.SUMMARY}")
        lines += [f"              - {sentence}" for sentence in module.LACKS]
    return "\n".join(lines)


@command.plain_errors
def run(args: argparse.Namespace) -> int:
    from rubinprof.reports.output import replaced
    from rubinprof.trace import Trace

    module = exports.exporter(args.format)
    output = args.output or command.default_output(args.traces[0], module.SUFFIX)
    if command.is_one_of(output, args.traces):
        return command.fail(f"{output} is the trace itself; choose another file with -o")
    with Trace(*args.traces, jobs=args.jobs, index=True) as trace, Progress("reading") as progress:
        options = exports.Options(args.metric, args.by, args.region, progress, args.from_s, args.to_s)
        if output == "-":
            exports.write(trace, sys.stdout.buffer, args.format, options)
            return 0
        with replaced(output) as out:
            exports.write(trace, out, args.format, options)
    print(os.fspath(output))
    return 0
