"""rubinprof report: all about a trace in one self-contained page."""

from rubinprof.cli import trace_command as command
from rubinprof.reports.terminal import Progress


def add_parser(subparsers):
    parser = command.parser(
        subparsers,
        "report",
        "Write the report of a trace as one HTML file that needs no network.",
        "rubinprof report isr.rprof -o isr.html",
        run,
    )
    command.add_traces(parser)
    parser.add_argument("-o", "--output", metavar="X.html", help="the page (default: named after the trace, in this directory)")
    command.add_metric(parser, "what the call tree shows first")
    command.add_region(parser)
    parser.add_argument(
        "--no-source", action="store_true", help="leave the text of source files out (else those that matter and can be read here go in)"
    )
    parser.add_argument("--keep-dispatch", action="store_true", help="keep the interpreter's own frames and pybind11's dispatcher")


@command.plain_errors
def run(args):
    from rubinprof.reports import html_report
    from rubinprof.trace import Trace

    output = args.output or command.default_output(args.traces[0], ".html")
    if command.is_one_of(output, args.traces):
        return command.fail(f"{output} is the trace itself; choose another file with -o")
    with Trace(*args.traces) as trace, Progress("reading") as progress:
        html_report.write(
            trace,
            output,
            metric=args.metric,
            region=args.region,
            keep_dispatch=args.keep_dispatch,
            with_source=not args.no_source,
            progress=progress,
        )
    print(output)
    return 0
