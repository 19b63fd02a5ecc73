"""rubinprof report: all about a trace in one self-contained page."""

import sys

from rubinprof.cli import trace_command as command
from rubinprof.reports.terminal import Progress


def add_parser(subparsers):
    parser = command.parser(
        subparsers,
        "report",
        "rubinprof report isr.rprof -o isr.html",
        run,
    )
    command.add_page(parser, "what the call tree shows first")
    parser.add_argument(
        "--no-source", action="store_true", help="leave the text of source files out (else those that matter and can be had go in)"
    )


@command.plain_errors
def run(args):
    from rubinprof.reports import html_report
    from rubinprof.trace import Trace

    output = command.page_output(args)
    with Trace(*args.traces, jobs=args.jobs, index=True) as trace, Progress("reading") as progress:
        size = html_report.write(
            trace,
            output,
            metric=args.metric,
            region=args.region,
            keep_dispatch=args.keep_dispatch,
            with_source=not args.no_source,
            progress=progress,
        )
    if size > html_report.PAGE_BYTES_MAX:
        print(f"rubinprof: the page is {size / 1e6:.1f} MB: the names in this trace leave no room for less", file=sys.stderr)
    print(output)
    return 0
