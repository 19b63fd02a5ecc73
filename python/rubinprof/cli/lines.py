"""rubinprof lines: figures per source line."""

import sys

from rubinprof.cli import trace_command as command


def add_parser(subparsers):
    parser = command.parser(
        subparsers,
        "lines",
        "Show a source file with the figures of each line beside it.",
        "rubinprof lines isr.rprof tasks/measure.py",
        run,
    )
    command.add_traces(parser)
    parser.add_argument("file", metavar="FILE", help="the source file, or the end of its path")
    command.add_metric(parser)
    command.add_interval(parser)
    command.add_format(parser, csv=True)


@command.plain_errors
def run(args):
    options = {"file": args.file, "metric": args.metric, "from_s": args.from_s, "to_s": args.to_s, "n": -1}
    if args.format != "text":
        return command.show(args, "lines", **options)
    from rubinprof.reports import lines_text
    from rubinprof.reports.source_file import SourceTexts
    from rubinprof.reports.style import Style
    from rubinprof.reports.terminal import Progress
    from rubinprof.trace import Trace

    with Trace(*args.traces) as trace, Progress("reading") as progress:
        rows = trace._json("lines", progress=progress, **options)["rows"]
        texts = SourceTexts(trace)
        head = command.losses(trace)
    sys.stdout.write(head + lines_text.render(rows, Style(sys.stdout), texts))
    return 0
