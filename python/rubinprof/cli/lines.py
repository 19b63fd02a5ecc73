"""rubinprof lines: figures per source line."""

from rubinprof.cli import trace_command as command


def add_parser(subparsers):
    parser = command.parser(
        subparsers,
        "lines",
        "Show the figures of each line of a source file.",
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
    return command.show(args, "lines", file=args.file, metric=args.metric, n=-1, from_s=args.from_s, to_s=args.to_s)
